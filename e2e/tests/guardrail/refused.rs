//! The guardrail alone: of somebody by the operator's name who may do everything, the API server takes what flink-remedy has to write
//! and refuses the rest. Nobody else is touched.

use e2e::{Crds, await_condition, flink_blue_green_deployments, flink_deployments, flink_session_jobs};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::changes::*;
use crate::support::{OPERATOR, PATIENCE, Scene, job};

const BLUE_GREEN_CRD: &str = include_str!("../../testdata/flinkbluegreendeployments.yaml");
/// The Flink operator.
const FKO: &str = "system:serviceaccount:flink-operator:flink-operator";
/// What the API server says to a dry run of a patch; `None` where it takes it.
async fn said(api: &Api<DynamicObject>, name: &str, patch: &Value) -> Option<String> {
    let params = PatchParams { dry_run: true, ..PatchParams::default() };
    message(api.patch(name, &params, &Patch::Merge(patch)).await)
}

/// What a refused request is told.
pub(crate) fn message<T>(answer: kube::Result<T>) -> Option<String> {
    match answer {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(format!("{} {}", status.code, status.message)),
        Err(error) => panic!("{error}"),
    }
}

/// Compares what is said with what is expected.
pub(crate) fn compare(patch: &Value, said: Option<String>, expected: Option<&str>) {
    match (said, expected) {
        (None, None) => {}
        (Some(said), Some(expected)) => {
            assert!(said.starts_with("403") && said.contains("'flink-remedy-guardrail'"), "{patch}: {said}");
            assert!(said.contains(expected), "{patch}: {said}");
        }
        (said, expected) => panic!("{patch}: {said:?} in place of {expected:?}"),
    }
}

/// Whoever else does the same is not told of the guardrail: FKO, a person, and a user who only ends like us.
async fn nobody_else_is_touched(scene: &Scene, api: impl Fn(&Client) -> Api<DynamicObject>, name: &str, rows: &[Row]) {
    for user in [FKO, "alice", "alice:flink-remedy", "system:serviceaccount:a:not-flink-remedy"] {
        let api = api(&scene.plane.almighty(user).await);
        for (patch, _) in rows {
            let said = said(&api, name, patch).await.unwrap_or_default();
            assert!(!said.contains("guardrail"), "{user}: {patch}: {said}");
        }
    }
}

static LISTED: [OnceCell<()>; 2] = [OnceCell::const_new(), OnceCell::const_new()];

/// A scene under a guardrail that lists everything that must be refused all the same.
pub(crate) async fn guarded(crds: Crds, prefix: &str) -> Scene {
    let scene = Scene::on(crds, prefix).await;
    LISTED[usize::from(crds == Crds::Typed)].get_or_init(|| list(&scene, FORBIDDEN_KEYS)).await;
    scene
}

/// Lists further options by hand, as the guide has it, and returns when the API server goes by the new list.
pub(crate) async fn list(scene: &Scene, keys: &[&str]) {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(scene.admin.clone());
    let live = serde_json::to_value(policies.get("flink-remedy-guardrail").await.expect("a guardrail")).unwrap();
    let listed = live["spec"]["variables"][0]["expression"].as_str().unwrap().trim_end_matches(']').to_owned();
    // Whether the list is in force is told by a key of its own.
    let marker = format!("e2e.{}", scene.namespace);
    let expression = format!("{listed}, '{}', '{marker}']", keys.join("', '"));
    let patch = json!([
        { "op": "test", "path": "/spec/variables/0/name", "value": "settings" },
        { "op": "replace", "path": "/spec/variables/0/expression", "value": expression },
    ]);
    let patch = patch.to_string();
    let args = ["patch", "validatingadmissionpolicy", "flink-remedy-guardrail", "--type=json", "--patch", &patch];
    let patched = scene.plane.run_kubectl(&args, "").await;
    assert!(patched.status.success(), "{}", patched.stderr);
    scene.create(job("marker")).await;
    let jobs = flink_deployments(&scene.plane.almighty(OPERATOR).await, &scene.namespace);
    await_condition("the list to be in force", PATIENCE, async || {
        match said(&jobs, "marker", &option(&marker, json!("x"))).await {
            None => Ok(()),
            said => Err(said),
        }
    })
    .await;
    scene.jobs().delete("marker", &DeleteParams::default()).await.expect("a job");
}

#[tokio::test]
async fn of_flink_remedy_the_server_takes_what_it_has_to_write_and_nothing_else() {
    for crds in [Crds::Typed, Crds::Untyped] {
        let scene = guarded(crds, "refused").await;
        scene.create(filled_job("j")).await;
        // The name counts, in whatever namespace: so does each team's own.
        for user in [OPERATOR, "system:serviceaccount:team:flink-remedy"] {
            let jobs = flink_deployments(&scene.plane.almighty(user).await, &scene.namespace);
            for patch in taken() {
                compare(&patch, said(&jobs, "j", &patch).await, None);
            }
            for (patch, expected) in rows() {
                compare(&patch, said(&jobs, "j", &patch).await, expected);
            }
        }
        let jobs = |client: &Client| flink_deployments(client, &scene.namespace);
        nobody_else_is_touched(&scene, jobs, "j", &rows()).await;
    }
}

#[tokio::test]
async fn a_nested_configuration_stays_as_its_owner_wrote_it() {
    let scene = guarded(Crds::Untyped, "nested").await;
    let mut nested = job("nested");
    nested["spec"]["flinkVersion"] = json!("v2_1");
    nested["spec"]["flinkConfiguration"] = json!({
        "state": { "backend": { "type": "rocksdb" } }, "high-availability": { "type": "kubernetes" }, "parallelism.default": 3, "acme.flag": true,
    });
    scene.create(nested).await;
    let mut scalar = job("scalar");
    scalar["spec"]["flinkConfiguration"] = json!("a: b");
    scene.create(scalar).await;
    let mut none = job("none");
    none["spec"]["flinkConfiguration"] = Value::Null;
    scene.create(none).await;
    let jobs = flink_deployments(&scene.plane.almighty(OPERATOR).await, &scene.namespace);
    for (name, patch, expected) in [
        ("nested", option("execution.checkpointing.incremental", json!("true")), None),
        ("nested", option("execution.checkpointing.incremental", json!(true)), NO_TEXT),
        ("nested", option("execution.checkpointing.incremental", json!({ "a": "b" })), NO_TEXT),
        ("nested", option("execution", json!({ "checkpointing": { "interval": "1 s" } })), UNLISTED),
        ("nested", option("state", json!({ "backend": { "type": "hashmap" } })), CHANGED),
        ("nested", option("state", json!({ "backend": { "incremental": "true" } })), CHANGED),
        ("nested", option("state", json!(null)), UNLISTED),
        ("nested", option("state", json!("x")), CHANGED),
        ("nested", option("high-availability", Value::Null), UNRECORDED),
        ("nested", option("parallelism.default", json!("3")), CHANGED),
        ("nested", option("parallelism.default", json!(4)), CHANGED),
        ("nested", option("acme.flag", json!("true")), CHANGED),
        ("none", option("state.backend.incremental", json!("true")), None),
    ] {
        compare(&patch, said(&jobs, name, &patch).await, expected);
    }
    // What is no map flink-remedy leaves alone; where it did not, the expressions fail, and the request with them.
    for (name, patch) in [
        ("scalar", options(json!({ INCREMENTAL: "true" }))),
        ("scalar", json!({ "spec": { "image": "evil" } })),
        ("nested", options(json!("a: b"))),
        ("nested", json!({ "spec": null })),
    ] {
        let said = said(&jobs, name, &patch).await.unwrap_or_else(|| panic!("{patch} is taken"));
        assert!(said.contains("'flink-remedy-guardrail'"), "{patch}: {said}");
    }
}

#[tokio::test]
async fn it_creates_and_deletes_no_job_and_writes_no_status() {
    let scene = guarded(Crds::Typed, "verbs").await;
    scene.create(job("j")).await;
    let refused = Some("it may not");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let deletion = DeleteParams { dry_run: true, ..DeleteParams::default() };
    let status = json!({ "status": { "error": "x" } });
    for (user, is_refused) in [(OPERATOR, true), (FKO, false)] {
        let jobs = flink_deployments(&scene.plane.almighty(user).await, &scene.namespace);
        let mut new = job("new");
        new["metadata"]["namespace"] = json!(scene.namespace);
        let expected = if is_refused { refused } else { None };
        let object: DynamicObject = serde_json::from_value(new.clone()).unwrap();
        compare(&json!("create"), message(jobs.create(&dry, &object).await), expected);
        let apply = PatchParams { dry_run: true, ..PatchParams::apply("flink-remedy") };
        compare(&json!("apply"), message(jobs.patch("new", &apply, &Patch::Apply(&new)).await), expected);
        compare(&json!("delete"), message(jobs.delete("j", &deletion).await), expected);
        let answer = jobs.delete_collection(&deletion, &kube::api::ListParams::default()).await;
        compare(&json!("delete all"), message(answer), expected);
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let answer = jobs.patch_status("j", &params, &Patch::Merge(&status)).await;
        compare(&json!("status"), message(answer), expected);
        let scale = Patch::Merge(json!({ "spec": { "replicas": 3 } }));
        let answer = jobs.patch_subresource("scale", "j", &params, &scale).await;
        compare(&json!("scale"), message(answer), expected);
    }
}

#[tokio::test]
async fn savepoints_that_it_asks_for_are_new_and_stay() {
    let scene = guarded(Crds::Typed, "snapshots").await;
    let kind = GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkStateSnapshot");
    let kind = ApiResource::from_gvk_with_plural(&kind, "flinkstatesnapshots");
    let reference = json!({ "kind": "FlinkDeployment", "name": "j" });
    for (spec, is_taken) in [
        (json!({ "savepoint": { "disposeOnDelete": false } }), true),
        (json!({ "savepoint": { "disposeOnDelete": true } }), false),
        (json!({ "savepoint": {} }), false),
        (json!({ "savepoint": { "disposeOnDelete": false, "alreadyExists": true } }), false),
        (json!({ "savepoint": { "disposeOnDelete": false, "path": "s3://evil" } }), false),
        (json!({ "checkpoint": {} }), false),
    ] {
        for (user, expected) in [(OPERATOR, is_taken), (FKO, true)] {
            let client = scene.plane.almighty(user).await;
            let api: Api<DynamicObject> = Api::namespaced_with(client, &scene.namespace, &kind);
            let mut snapshot = json!({ "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkStateSnapshot",
                "metadata": { "name": "s" }, "spec": spec });
            snapshot["spec"]["jobReference"] = reference.clone();
            let params = PostParams { dry_run: true, ..PostParams::default() };
            let said = message(api.create(&params, &serde_json::from_value(snapshot.clone()).unwrap()).await);
            compare(
                &snapshot,
                said,
                if expected { None } else { Some("it may not create flinkstatesnapshots in this way") },
            );
        }
    }
}

#[tokio::test]
async fn of_a_session_job_its_options_and_of_a_blue_green_deployment_its_template() {
    let scene = guarded(Crds::Untyped, "kinds").await;
    scene.plane.install_crds(BLUE_GREEN_CRD).await;
    scene
        .create(json!({
            "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkSessionJob",
            "metadata": { "name": "j", "labels": { "team": "shop" } },
            "spec": { "deploymentName": "cluster", "job": { "jarURI": "https://repo.example.com/job.jar", "parallelism": 2 } },
        }))
        .await;
    let session_jobs = |client: &Client| flink_session_jobs(client, &scene.namespace);
    let label = |value: &str| json!({ "metadata": { "labels": { "target.session": value } } });
    let rows_of_session_job: Vec<Row> = vec![
        (option("execution.checkpointing.incremental", json!("true")), None),
        (option("taskmanager.numberOfTaskSlots", json!("8")), UNLISTED),
        (option("env.java.opts.all", json!("x")), FORBIDDEN),
        (json!({ "spec": { "deploymentName": "other" } }), UNTOUCHED),
        (json!({ "spec": { "job": { "parallelism": 3 } } }), UNTOUCHED),
        (json!({ "metadata": { "labels": { "team": "other" } } }), UNTOUCHED),
        // The Flink operator's webhook writes it in the same request.
        (label("cluster"), None),
        (label("other"), UNTOUCHED),
    ];
    let api = session_jobs(&scene.plane.almighty(OPERATOR).await);
    for (patch, expected) in &rows_of_session_job {
        compare(patch, said(&api, "j", patch).await, *expected);
    }
    nobody_else_is_touched(&scene, session_jobs, "j", &rows_of_session_job).await;

    let (template, metadata) = (filled_job("bg")["spec"].clone(), filled_job("bg")["metadata"].clone());
    scene
        .create(json!({
            "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkBlueGreenDeployment", "metadata": metadata,
            "spec": { "configuration": { "a": "b" }, "template": { "metadata": { "labels": {} }, "spec": template } },
        }))
        .await;
    let blue_greens = |client: &Client| flink_blue_green_deployments(client, &scene.namespace);
    let api = blue_greens(&scene.plane.almighty(OPERATOR).await);
    let nested = |patch: &Value| {
        let mut nested = patch.clone();
        if let Some(spec) = nested.as_object_mut().unwrap().remove("spec") {
            nested["spec"] = json!({ "template": { "spec": spec } });
        }
        nested
    };
    for patch in taken() {
        let patch = nested(&patch);
        compare(&patch, said(&api, "bg", &patch).await, None);
    }
    let mut of_blue_green: Vec<Row> = rows().iter().map(|(patch, expected)| (nested(patch), *expected)).collect();
    of_blue_green.extend([
        (json!({ "spec": { "configuration": { "a": "c" } } }), UNTOUCHED),
        (json!({ "spec": { "template": { "metadata": { "labels": { "a": "b" } } } } }), UNTOUCHED),
    ]);
    for (patch, expected) in &of_blue_green {
        compare(patch, said(&api, "bg", patch).await, *expected);
    }
    nobody_else_is_touched(&scene, blue_greens, "bg", &of_blue_green).await;
}

/// The API server bounds what expressions may cost.
#[tokio::test]
async fn a_job_with_thousands_of_options_is_filled_all_the_same() {
    let scene = guarded(Crds::Typed, "large").await;
    let mut large = job("large");
    let options = large["spec"]["flinkConfiguration"].as_object_mut().unwrap();
    options
        .extend((0..5000).map(|number| (format!("acme.team.option-with-a-long-name.number-{number}"), json!("value"))));
    scene.create(large).await;
    let jobs = flink_deployments(&scene.plane.almighty(OPERATOR).await, &scene.namespace);
    let patch = option("execution.checkpointing.incremental", json!("true"));
    compare(&patch, said(&jobs, "large", &patch).await, None);
    let patch = option("acme.team.option-with-a-long-name.number-7", json!("other"));
    compare(&patch, said(&jobs, "large", &patch).await, CHANGED);
}
