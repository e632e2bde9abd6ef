//! `flink-remedy undo`: what was filled leaves with one write, or stays and is nobody's, and the operator lets it be.

use std::process::{Command, Output};

use e2e::proxy::hold_first;
use e2e::{AuditEntry, Proxy, apply_yaml, binary};
use hyper::Method;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::fko::Fko;
use crate::owner::{INCREMENTAL, OPT_OUT, owned_by, recorded};
use crate::support::{Scene, job, record, with_mode};

const US: &str = "flink-remedy";
const RELEASED: &str = "flink-remedy-released";
const MAX_PARALLELISM: &str = "pipeline.max-parallelism";

/// Runs it as a person who may do everything.
pub(crate) async fn undo(scene: &Scene, args: &[&str]) -> Output {
    run(scene, scene.plane.kubeconfig().to_owned(), args).await
}

async fn run(scene: &Scene, kubeconfig: std::path::PathBuf, args: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["undo", "-n", &scene.namespace]).args(args).env("KUBECONFIG", kubeconfig);
    command.stdin(std::process::Stdio::null());
    tokio::task::spawn_blocking(move || command.output()).await.expect("a run").expect("flink-remedy runs")
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// What it wrote.
fn undone(scene: &Scene) -> Vec<AuditEntry> {
    let entries = scene.audited().into_iter();
    entries.filter(|entry| entry.field_manager.as_deref() == Some("flink-remedy-undo")).collect()
}

/// A job without a maximum parallelism, which is filled, and can be kept.
fn open_job(name: &str) -> Value {
    let mut job = job(name);
    job["spec"]["flinkConfiguration"].as_object_mut().expect("a map").remove(MAX_PARALLELISM);
    job
}

fn annotation<'a>(job: &'a DynamicObject, key: &str) -> Option<&'a str> {
    job.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

#[tokio::test]
async fn everything_leaves_a_new_job_and_stays_away() {
    let scene = Scene::new("undo").await;
    let before = scene.create(open_job("job")).await;
    let operator = scene.start(&["--mode", "Apply"]).await;
    let filled = scene.filled("job").await;
    assert!(filled.data["spec"]["logConfiguration"].is_object() && filled.data["spec"]["podTemplate"].is_object());
    let (code, out, err) = told(&undo(&scene, &["job", "--yes"]).await);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains(&format!("leaves  {MAX_PARALLELISM}=128 (JOB002)")) && out.contains("costs no restart"),
        "{out}"
    );
    let job = scene.job("job").await;
    assert_eq!(job.data["spec"], before.data["spec"]);
    assert_eq!(annotation(&job, OPT_OUT), Some("true"));
    let reason = annotation(&job, "flink-remedy.dev/opt-out-reason").expect("a reason").to_owned();
    assert!(reason.starts_with("undone by flink-remedy undo at 20"), "{reason}");
    assert_eq!((undone(&scene).len(), owned_by(&job, US)), (1, vec![]));
    scene.note("job", "OptedOut", "undone by flink-remedy undo").await;
    scene.report("job", |report| report["standing"] == "OptedOut" && report["filled"].is_null()).await;
    // Nothing left to undo.
    let (code, out, _) = told(&undo(&scene, &["job", "--yes"]).await);
    assert!(code == Some(0) && out.contains("owns no value there"), "{out}");
    scene.settle(&operator, 1).await;
    assert_eq!(scene.job("job").await.metadata.resource_version, job.metadata.resource_version);

    // Told otherwise, it is filled again.
    let operator = scene.start(&[]).await;
    scene.annotate("job", json!({ OPT_OUT: null })).await;
    scene.has("job", "state.backend.incremental", Some("true")).await;
    scene.settle(&operator, 1).await;
}

#[tokio::test]
async fn a_running_job_keeps_what_its_state_needs_and_restarts_once() {
    let scene = Scene::new("undorun").await;
    scene.create(open_job("job")).await;
    let operator = scene.start(&["--mode", "Apply"]).await;
    scene.filled("job").await;
    let before = scene.now_stable(Fko::V1_15, "job").await;
    let (code, out, err) = told(&undo(&scene, &["job", "--yes"]).await);
    assert!(code == Some(1) && err.contains("the Flink operator's version is unknown"), "{out}{err}");
    let (code, out, err) = told(&undo(&scene, &["job", "--yes", "--operator-version", "1.15"]).await);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("restarts once, from a savepoint"), "{out}");
    assert!(out.contains(&format!("stays   {MAX_PARALLELISM}: the job has run with it")), "{out}");
    let job = scene.job("job").await;
    assert_eq!(job.metadata.generation, before.metadata.generation.map(|generation| generation + 1));
    assert_eq!(owned_by(&job, US), [MAX_PARALLELISM]);
    assert!(job.data["spec"]["logConfiguration"].is_null(), "{}", job.data["spec"]);
    // Told otherwise while it runs, nothing is put back at the cost of another restart.
    scene.now_stable(Fko::V1_15, "job").await;
    scene.annotate("job", json!({ OPT_OUT: null })).await;
    scene.note("job", "RemediationHeld", "somebody removed a value that was filled before").await;
    scene.settle(&operator, 1).await;
    assert_eq!((scene.patches().len(), undone(&scene).len()), (1, 1));
}

#[tokio::test]
async fn values_that_are_kept_belong_to_nobody_and_no_apply_takes_them_away() {
    let scene = Scene::new("undokeep").await;
    let manifest = scene.one_gap("job");
    scene.kubectl_apply(&manifest).await;
    let operator = scene.start(&["--mode", "Apply"]).await;
    scene.has("job", INCREMENTAL, Some("true")).await;
    let before = scene.now_stable(Fko::V1_15, "job").await;
    let (code, out, err) = told(&undo(&scene, &["job", "--keep-values", "--yes"]).await);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains(&format!("stays   {INCREMENTAL}=true (CKP003)")) && out.contains("no restart"), "{out}");
    let job = scene.job("job").await;
    assert_eq!((job.metadata.generation, &job.data["spec"]), (before.metadata.generation, &before.data["spec"]));
    assert_eq!((owned_by(&job, US), owned_by(&job, RELEASED)), (vec![], vec![INCREMENTAL.to_owned()]));
    assert!(record(&job).is_null() && annotation(&job, OPT_OUT) == Some("true"));
    // Neither its owner's next manifest, nor another tool, nor ours.
    let mut changed = manifest.clone();
    changed["spec"]["image"] = json!("flink:1.20.1");
    scene.kubectl_apply(&changed).await;
    scene.apply_as("argocd", "job", false, &json!({ "serviceAccount": "flink" })).await.expect("an apply");
    scene.annotate("job", json!({ OPT_OUT: null })).await;
    scene.all_seen().await;
    let job = scene.has("job", INCREMENTAL, Some("true")).await;
    assert_eq!((owned_by(&job, RELEASED), recorded(&job)), (vec![INCREMENTAL.to_owned()], vec![]));
    assert_eq!((scene.asked("job").len(), undone(&scene).len()), (1, 1));
    scene.settle(&operator, 2).await;
}

#[tokio::test]
async fn a_job_that_would_lose_something_is_refused_and_nothing_changes() {
    let scene = Scene::new("undono").await;
    scene.create(with_mode(job("empty"), "stateless")).await;
    scene.create(job("failed")).await;
    let operator = scene.start(&[]).await;
    for name in ["empty", "failed"] {
        scene.filled(name).await;
        scene.now_stable(Fko::V1_15, name).await;
    }
    scene.status("failed", json!({ "lifecycleState": "FAILED", "jobStatus": { "state": "FAILED" } })).await;
    for (name, words) in [("empty", "start the running job empty; suspend it first"), ("failed", "the job has failed")]
    {
        let before = scene.job(name).await;
        let (code, out, err) = told(&undo(&scene, &[name, "--yes", "--operator-version", "1.15"]).await);
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(err.starts_with("refused, nothing was changed: ") && err.contains(words), "{err}");
        assert_eq!(scene.job(name).await.metadata.resource_version, before.metadata.resource_version);
    }
    assert!(undone(&scene).is_empty());
    scene.settle(&operator, 2).await;
}

#[tokio::test]
async fn unasked_it_does_nothing_and_says_how_to() {
    let scene = Scene::new("undoask").await;
    scene.create(job("job")).await;
    let operator = scene.start(&[]).await;
    scene.filled("job").await;
    let (code, out, err) = told(&undo(&scene, &["job"]).await);
    assert!(
        code == Some(2) && out.contains("leaves  state.backend.incremental=true") && err.contains("say --yes"),
        "{err}"
    );
    let (code, _, err) = told(&undo(&scene, &["no-such-job", "--yes"]).await);
    assert!(code == Some(2) && err.contains(&format!("{}/no-such-job does not exist", scene.namespace)), "{err}");
    assert!(undone(&scene).is_empty());
    scene.settle(&operator, 1).await;
}

#[tokio::test]
async fn a_change_in_between_is_not_overrun_and_a_missing_right_is_named() {
    let scene = Scene::new("undorace").await;
    scene.create(job("job")).await;
    let operator = scene.start(&[]).await;
    scene.filled("job").await;
    scene.settle(&operator, 1).await;
    let (hook, gate) = hold_first(|request| request.method == Method::PATCH && request.resource == "flinkdeployments");
    let proxy = Proxy::with_hook(scene.plane, hook);
    let admin = scene.plane.token("flink-remedy", "flink-remedy").await;
    let kubeconfig = scene.plane.kubeconfig_for(&admin, &proxy.server());
    let meanwhile = async {
        gate.reached().await;
        let theirs = json!({ "spec": { "flinkConfiguration": { "state.backend.incremental": "false" } } });
        let job = scene.merge("job", theirs).await;
        gate.open();
        job
    };
    let args = ["job", "--yes", "--operator-config", "none"];
    let (output, theirs) = tokio::join!(run(&scene, kubeconfig, &args), meanwhile);
    let (code, out, err) = told(&output);
    assert!(code == Some(1) && err.contains("has changed in the meantime, so nothing was changed"), "{out}{err}");
    assert_eq!(scene.job("job").await.metadata.resource_version, theirs.metadata.resource_version);

    // Somebody who may only read.
    let namespace = &scene.namespace;
    scene.plane.service_account(namespace, "reader").await;
    let yaml = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: read, namespace: {namespace}}},
          rules: [{{apiGroups: [flink.apache.org], resources: [flinkdeployments], verbs: [get]}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: read, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: read}}
subjects: [{{kind: ServiceAccount, name: reader, namespace: {namespace}}}]
"
    );
    apply_yaml(&scene.admin, &yaml).await;
    scene.until_may("reader", "get", "flink.apache.org", "flinkdeployments", true).await;
    let token = scene.plane.token(namespace, "reader").await;
    let kubeconfig = scene.plane.kubeconfig_for(&token, scene.plane.server());
    let (code, out, err) = told(&run(&scene, kubeconfig, &args).await);
    assert!(code == Some(1) && err.contains("nothing was changed") && err.contains("cannot patch"), "{out}{err}");
}
