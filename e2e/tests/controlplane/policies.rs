//! The platform's policies: which of them counts, what becomes of jobs when they change, and what the API server refuses.

use e2e::{Operator, apply, await_condition};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fko::Fko;
use crate::owner::OPT_OUT;
use crate::support::{PATIENCE, Scene, annotated, job, record};

const OPT_OUT_UNTIL: &str = "flink-remedy.dev/opt-out-until";
const PORT: &str = "metrics.reporter.prom.port";
const INCREMENTAL: &str = "state.backend.incremental";

pub(crate) fn kind() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("flink-remedy.dev", "v1alpha1", "RemediationPolicy"),
        "remediationpolicies",
    )
}

impl Scene {
    /// A policy's name in the cluster, which all tests share.
    pub(crate) fn policy_name(&self, name: &str) -> String {
        format!("{}-{name}", self.namespace)
    }

    /// A policy for jobs of this namespace, created or replaced.
    pub(crate) async fn policy(&self, name: &str, mut spec: Value) -> String {
        let name = self.policy_name(name);
        spec["selector"]["namespaces"]["matchLabels"]["kubernetes.io/metadata.name"] = json!(self.namespace);
        apply(&self.admin, policy(&name, &spec)).await;
        name
    }

    pub(crate) async fn start_under_policies(&self) -> Operator {
        let operator = Operator::start(&self.options(&[]).await.policies_of_cluster());
        operator.wait_ready().await;
        operator
    }

    async fn without_policy(&self, name: &str) {
        let api: Api<DynamicObject> = Api::all_with(self.admin.clone(), &kind());
        api.delete(&self.policy_name(name), &DeleteParams::default()).await.expect("the policy is there");
    }

    /// Waits until the operator has the change of a policy, by the line that it logs.
    pub(crate) async fn in_force(&self, operator: &Operator, name: &str, mode: &str) {
        let line = format!("policy in force policy=\"{}\" mode={mode}", self.policy_name(name));
        await_condition(&line, PATIENCE, async || {
            let log = operator.logs();
            if log.contains(&line) { Ok(()) } else { Err(log) }
        })
        .await;
    }
}

pub(crate) fn policy(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy", "metadata": { "name": name },
        "spec": spec })
}

fn labelled(mut job: Value, key: &str, value: &str) -> Value {
    job["metadata"]["labels"][key] = json!(value);
    job
}

fn port(number: u16) -> Value {
    json!({ "no-metrics-reporter": { "port": number } })
}

#[tokio::test]
async fn the_most_specific_policy_counts_and_the_report_names_it_and_the_field() {
    let scene = Scene::new("specific").await;
    let of_namespace = scene.policy("namespace", json!({ "mode": "Advise" })).await;
    let gold = json!({ "jobs": { "matchLabels": { "tier": "gold" } } });
    let of_job = scene.policy("job", json!({ "selector": gold, "rules": port(9250) })).await;
    scene.policy("job-too", json!({ "selector": gold, "rules": port(9251) })).await;
    let newer = json!({ "flinkVersions": { "min": "v1_19" } });
    let of_version = scene.policy("version", json!({ "selector": newer, "rules": port(9252) })).await;
    let of_kind = scene.policy("kind", json!({ "selector": { "kinds": ["FlinkSessionJob"] }, "mode": "Off" })).await;
    scene.create(job("plain")).await;
    scene.create(labelled(job("gold"), "tier", "gold")).await;
    let mut new = job("new");
    new["spec"]["flinkVersion"] = json!("v1_19");
    scene.create(new).await;
    let _operator = scene.start_under_policies().await;

    let chosen = async |name: &str| {
        let report = scene.report(name, |report| !report["policy"].is_null()).await;
        (report["policy"]["name"].clone(), report["policy"]["decidedBy"].clone())
    };
    assert_eq!(chosen("plain").await, (json!(of_namespace), json!("selector.namespaces")));
    assert!(record(&scene.job("plain").await).is_null());
    // Of equals the first by name.
    assert_eq!(chosen("gold").await, (json!(of_job), json!("metadata.name")));
    let filled = scene.filled("gold").await;
    assert_eq!(filled.data["spec"]["flinkConfiguration"][PORT], "9250");
    assert_eq!(chosen("new").await, (json!(of_version), json!("selector.flinkVersions")));
    assert_eq!(scene.filled("new").await.data["spec"]["flinkConfiguration"][PORT], "9252");
    assert!(!of_kind.is_empty());
}

#[tokio::test]
async fn labels_of_job_and_namespace_that_change_choose_another_policy() {
    let scene = Scene::new("relabel").await;
    let wanted =
        json!({ "namespaces": { "matchLabels": { "team": "shop" } }, "jobs": { "matchLabels": { "tier": "gold" } } });
    scene.policy("none", json!({ "mode": "Advise" })).await;
    scene.policy("fill", json!({ "selector": wanted, "mode": "NextDeploy" })).await;
    scene.create(job("j")).await;
    let operator = scene.start_under_policies().await;
    scene.report("j", |report| report["hold"]["reason"] == "Advise").await;
    let namespaces: Api<Namespace> = Api::all(scene.admin.clone());
    let team = Patch::Merge(json!({ "metadata": { "labels": { "team": "shop" } } }));
    namespaces.patch(&scene.namespace, &PatchParams::default(), &team).await.expect("a label");
    scene.look_again(&operator, 1).await;
    assert!(record(&scene.job("j").await).is_null());
    scene.merge("j", json!({ "metadata": { "labels": { "tier": "gold" } } })).await;
    scene.filled("j").await;
    // And the other way round.
    scene.create(labelled(job("k"), "tier", "gold")).await;
    scene.filled("k").await;
    let no_team = Patch::Merge(json!({ "metadata": { "labels": { "team": null } } }));
    namespaces.patch(&scene.namespace, &PatchParams::default(), &no_team).await.expect("a label");
    scene.report("k", |report| report["policy"]["name"] == scene.policy_name("none")).await;
}

#[tokio::test]
async fn a_policy_that_changes_restarts_one_job_after_the_other_and_its_deletion_takes_nothing_back() {
    let scene = Scene::new("changes").await;
    let rollout = json!({ "operatorVersion": "1.15", "quietPeriod": "1 ms" });
    scene.policy("p", json!({ "mode": "Advise", "rollout": rollout })).await;
    let names = ["a", "b", "c"];
    for name in names {
        scene.create_stable(Fko::V1_15, job(name)).await;
    }
    let operator = scene.start_under_policies().await;
    scene.look_again(&operator, 3).await;
    assert!(scene.patches().is_empty(), "{:#?}", scene.patches());
    scene.policy("p", json!({ "mode": "Apply", "rollout": rollout })).await;
    for number in 1..=3 {
        await_condition(&format!("restart {number}"), PATIENCE, async || {
            if scene.patches().len() == number { Ok(()) } else { Err(scene.said().await) }
        })
        .await;
        // Nobody else goes on before this one is back.
        scene.look_again(&operator, 3).await;
        assert_eq!(scene.patches().len(), number, "{:#?}", scene.patches());
        if number == 1 {
            // A change in mid-flight is for those that come later.
            scene.policy("p", json!({ "mode": "Apply", "rollout": rollout, "rules": port(9250) })).await;
            scene.look_again(&operator, 6).await;
            assert_eq!(scene.patches().len(), 1, "{:#?}", scene.patches());
        }
        scene.now_stable(Fko::V1_15, &scene.patches()[number - 1].name).await;
    }
    scene.without_policy("p").await;
    scene.report("a", |report| report["policy"]["name"] == "built-in").await;
    scene.settle(&operator, 3).await;
    assert_eq!(scene.patches().len(), 3, "{:#?}", scene.patches());
    let mut ports = Vec::new();
    for name in names {
        let options = scene.job(name).await.data["spec"]["flinkConfiguration"].clone();
        assert_eq!(options[INCREMENTAL], "true", "{name}");
        ports.push(options[PORT].as_str().unwrap().to_owned());
    }
    ports.sort();
    assert_eq!(ports, ["9249", "9250", "9250"]);
}

#[tokio::test]
async fn an_edited_template_touches_no_job_that_has_its_directory() {
    let scene = Scene::new("template").await;
    let spec = |mode: &str, root: &str| {
        json!({ "mode": mode, "storage": { "checkpoints": format!("{root}/{{cluster}}/{{namespace}}/{{name}}") },
            "cluster": "eu", "settings": [{ "key": "rest.flamegraph.enabled", "value": root.ends_with("old").to_string() }],
            "rollout": { "operatorVersion": "1.15", "quietPeriod": "1 ms" } })
    };
    scene.policy("p", spec("Apply", "s3://old")).await;
    let mut without = job("j");
    without["spec"]["flinkConfiguration"].as_object_mut().unwrap().remove("state.checkpoints.dir");
    scene.create(without.clone()).await;
    let operator = scene.start_under_policies().await;
    let filled = scene.filled("j").await;
    let directory = |job: &DynamicObject| job.data["spec"]["flinkConfiguration"]["state.checkpoints.dir"].clone();
    assert_eq!(directory(&filled), format!("s3://old/eu/{}/j", scene.namespace));
    scene.now_stable(Fko::V1_15, "j").await;
    let before = scene.patches().len();
    scene.policy("p", spec("Advise", "s3://new")).await;
    // The log tells of each mode once; under the first policy this one was never in force.
    scene.in_force(&operator, "p", "Advise").await;
    scene.policy("p", spec("Apply", "s3://new")).await;
    // A job that comes later gets what the policy says by then.
    without["metadata"]["name"] = json!("later");
    scene.create(without).await;
    assert_eq!(directory(&scene.filled("later").await), format!("s3://new/eu/{}/later", scene.namespace));
    scene.settle(&operator, 2).await;
    let patches = scene.patches();
    assert_eq!(patches.iter().filter(|patch| patch.name == "j").count(), before, "{patches:#?}");
    let stored = scene.job("j").await;
    assert_eq!((directory(&stored), stored.metadata.generation), (directory(&filled), filled.metadata.generation));
}

#[tokio::test]
async fn a_mandatory_rule_is_filled_in_spite_of_an_opt_out_and_the_job_is_told() {
    let scene = Scene::new("mandatory").await;
    let name = scene.policy("p", json!({ "mandatory": ["CKP003"] })).await;
    scene.create(annotated(job("j"), OPT_OUT, "true")).await;
    let _operator = scene.start_under_policies().await;
    let filled = scene.filled("j").await;
    let options = &filled.data["spec"]["flinkConfiguration"];
    assert!(options[INCREMENTAL] == "true" && options[PORT].is_null(), "{options}");
    let note = scene.note("j", "InvalidAnnotation", "does not count for CKP003").await;
    assert!(note.contains(&format!("policy {name} makes it mandatory")), "{note}");
    let report = scene.report("j", |report| !report["policy"]["deniedOptOuts"].is_null()).await;
    assert_eq!(report["policy"]["deniedOptOuts"], json!(["CKP003"]));
}

#[tokio::test]
async fn an_opt_out_that_ends_is_told_before_and_after_and_then_no_longer_obeyed() {
    let scene = Scene::new("expires").await;
    scene.policy("p", json!({})).await;
    let _operator = scene.start_under_policies().await;
    let until = Timestamp::now() + SignedDuration::from_hours(1);
    scene.create(annotated(annotated(job("j"), OPT_OUT, "true"), OPT_OUT_UNTIL, &until.to_string())).await;
    let note = scene.note("j", "OptOutExpiring", "The opt-out ends at ").await;
    assert!(note.contains(&until.to_string()) && record(&scene.job("j").await).is_null(), "{note}");
    let until = Timestamp::now() + SignedDuration::from_secs(3);
    scene.merge("j", json!({ "metadata": { "annotations": { OPT_OUT_UNTIL: until.to_string() } } })).await;
    let filled = scene.filled("j").await;
    let at: Timestamp = record(&filled)["at"].as_str().unwrap().parse().unwrap();
    // The record has seconds.
    assert!(at.as_second() >= until.as_second(), "{at} {until}");
    scene.note("j", "OptOutExpired", "The opt-out has ended at ").await;
}

/// Runs `flink-remedy policy preview` with the token of the manifests' service account.
async fn preview(scene: &Scene, args: &[&str]) -> std::process::Output {
    let kubeconfig = scene.options(&[]).await.kubeconfig;
    let mut command = std::process::Command::new(e2e::binary());
    command.args(["policy", "preview", "-n", &scene.namespace]).args(args).env("KUBECONFIG", kubeconfig);
    let ran = tokio::task::spawn_blocking(move || command.output());
    ran.await.expect("a run").expect("flink-remedy runs")
}

#[tokio::test]
async fn a_preview_counts_what_a_policy_would_change_and_writes_nothing() {
    let scene = Scene::new("trial").await;
    let name = scene.policy("p", json!({ "mode": "Advise", "ruleModes": { "MET001": "Off" } })).await;
    scene.create(job("new")).await;
    scene.create_stable(Fko::V1_15, job("stateful")).await;
    scene.create_stable(Fko::V1_15, crate::support::with_mode(job("stateless"), "stateless")).await;
    scene.create_stable(Fko::V1_15, annotated(job("out"), OPT_OUT, "true")).await;
    let mut session = job("session");
    session["spec"].as_object_mut().unwrap().remove("job");
    scene.create_stable(Fko::V1_15, session).await;

    let rollout = json!({ "operatorVersion": "1.15", "quietPeriod": "1 ms", "sessions": true });
    let spec = json!({ "mode": "Apply", "rollout": rollout, "rules": { "no-tls": { "required": true } },
        "selector": { "namespaces": { "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } } } });
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.yaml");
    std::fs::write(&new, policy(&name, &spec).to_string()).unwrap();
    let new = new.to_str().unwrap();
    let ran = preview(&scene, &[new, "-o", "json"]).await;
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let counts = &told["namespaces"][0];
    for (count, expected) in [
        ("jobs", 5),
        ("otherPolicy", 0),
        ("filled", 1),
        ("statefulRestarts", 1),
        ("statelessRestarts", 0),
        ("sessionRestarts", 1),
        ("held", 1),
    ] {
        assert_eq!(counts[count], expected, "{count}: {told:#}");
    }
    let changes = told["changes"].as_array().unwrap();
    let violations = |name: &str| {
        let change = changes.iter().find(|change| change["name"] == name).unwrap();
        change["newViolations"].clone()
    };
    assert_eq!(violations("stateless"), json!(["MET001", "SEC002"]), "{told:#}");
    assert_eq!(violations("new"), json!(["MET001", "SEC002"]), "{told:#}");
    assert!(changes.iter().all(|change| change["name"] != "out" || change["action"].is_null()), "{told:#}");
    let table = String::from_utf8(preview(&scene, &[new]).await.stdout).unwrap();
    assert!(table.contains(" of 5 jobs would differ"), "{table}");
    assert!(table.contains("/stateful: restarts once with its state; newly in violation of MET001, SEC002"), "{table}");
    // The same policy changes nothing, and one by another name chooses itself.
    std::fs::write(
        folder.path().join("same.yaml"),
        policy(
            &name,
            &json!({ "mode": "Advise", "ruleModes": { "MET001": "Off" },
        "selector": { "namespaces": { "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } } } }),
        )
        .to_string(),
    )
    .unwrap();
    let same = preview(&scene, &[folder.path().join("same.yaml").to_str().unwrap(), "-o", "json"]).await;
    let same: Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!(same["changes"], json!([]), "{same:#}");
    assert!(scene.writes().is_empty(), "{:#?}", scene.writes());
    let broken = preview(&scene, &["/no/such/file"]).await;
    assert_eq!(broken.status.code(), Some(2));
}
