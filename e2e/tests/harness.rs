//! The harness proves itself: what other tests build on does what it says.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use e2e::process::ProcessId;
use e2e::proxy::{KillSwitch, Moment, Outcome, hold_first, hook, kill_at};
use e2e::state::State;
use e2e::{
    ControlPlane, Crds, Operator, OperatorOptions, Proxy, Verdict, apply, apply_yaml, await_condition,
    flink_deployments, patch_status,
};
use futures::TryStreamExt as _;
use hyper::{Method, StatusCode};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

const MERGE: PatchParams = PatchParams { dry_run: false, force: false, field_manager: None, field_validation: None };

fn job(namespace: &str, name: &str, version: &str, conf: &Value) -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": { "namespace": namespace, "name": name },
        "spec": { "image": "flink", "flinkVersion": version, "flinkConfiguration": conf },
    })
}

fn key(value: &str) -> Patch<Value> {
    Patch::Merge(json!({ "spec": { "flinkConfiguration": { "key": value } } }))
}

/// A service account that may do everything with `FlinkDeployments`, behind a proxy.
async fn behind(plane: &ControlPlane, proxy: &Proxy, namespace: &str) -> kube::Client {
    plane.service_account(namespace, "robot").await;
    apply_yaml(
        &plane.admin().await,
        &format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: robot, namespace: {namespace}}},
              rules: [{{apiGroups: [flink.apache.org], resources: ['*'], verbs: ['*']}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: robot, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: robot}}
subjects: [{{kind: ServiceAccount, name: robot, namespace: {namespace}}}]
"
        ),
    )
    .await;
    let patch =
        json!({ "namespace": namespace, "verb": "patch", "group": "flink.apache.org", "resource": "flinkdeployments" });
    plane.until_may(&format!("system:serviceaccount:{namespace}:robot"), &patch, true).await;
    let token = plane.token(namespace, "robot").await;
    plane.client_via(&token, &proxy.server()).await
}

#[tokio::test]
async fn typed_and_untyped_differ_in_what_they_accept() {
    let nested = json!({ "a": { "b": 1 } });
    let typed = ControlPlane::shared(Crds::Typed).await;
    let namespace = typed.namespace("typed").await;
    let admin = typed.admin().await;
    apply(&admin, job(&namespace, "flat", "v1_20", &json!({ "a.b": "1" }))).await;
    let body = serde_json::from_value(job(&namespace, "nested", "v1_20", &nested)).expect("an object");
    let refused = flink_deployments(&admin, &namespace).create(&PostParams::default(), &body).await;
    assert!(matches!(refused, Err(kube::Error::Api(_))), "{refused:?}");

    let untyped = ControlPlane::shared(Crds::Untyped).await;
    let namespace = untyped.namespace("untyped").await;
    let live = apply(&untyped.admin().await, job(&namespace, "nested", "v2_4", &nested)).await;
    assert_eq!(live.data["spec"]["flinkConfiguration"], nested);
    untyped.delete_namespace(&namespace).await;
}

#[tokio::test]
async fn the_audit_log_names_who_wrote_what() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let namespace = plane.namespace("audit").await;
    let admin = plane.admin().await;
    apply(&admin, job(&namespace, "j", "v1_20", &json!({}))).await;
    let again = apply(&admin, job(&namespace, "j", "v1_20", &json!({ "a": "b" }))).await;
    assert_eq!(again.data["spec"]["flinkConfiguration"]["a"], "b");

    let mark = plane.audit().mark();
    let api = flink_deployments(&admin, &namespace);
    let apply = PatchParams::apply("somebody");
    let body = json!({ "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "spec": { "flinkConfiguration": { "c": "d" } } });
    api.patch("j", &apply, &Patch::Apply(&body)).await.expect("an apply");
    api.patch("j", &PatchParams { dry_run: true, ..apply }, &Patch::Apply(&body)).await.expect("a dry run");
    patch_status(&api, "j", json!({ "lifecycleState": "STABLE" })).await;

    let writes = plane.audit().query().since(mark).user("admin").namespace(&namespace).writes().entries();
    let [patch, status] = writes.as_slice() else { panic!("{writes:#?}") };
    assert_eq!((patch.verb.as_str(), patch.name.as_str(), patch.code), ("patch", "j", 200));
    assert_eq!(patch.field_manager.as_deref(), Some("somebody"));
    assert_eq!(patch.request_object["spec"], body["spec"]);
    assert_eq!(status.subresource, "status");
}

#[tokio::test]
async fn the_proxy_passes_credentials_and_counts() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let namespace = plane.namespace("proxy").await;
    apply(&plane.admin().await, job(&namespace, "j", "v1_20", &json!({}))).await;
    let proxy = Proxy::start(plane);
    let client = behind(plane, &proxy, &namespace).await;
    let mark = plane.audit().mark();
    flink_deployments(&client, &namespace).patch("j", &MERGE, &key("1")).await.expect("a patch");
    assert_eq!(proxy.mutating(), 1);
    let writes =
        plane.audit().query().since(mark).resource("flinkdeployments").namespace(&namespace).writes().entries();
    assert_eq!(writes[0].user, format!("system:serviceaccount:{namespace}:robot"));
    let forbidden = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client, &namespace);
    let error = forbidden.list(&ListParams::default()).await.expect_err("RBAC is on");
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 403), "{error}");
}

#[tokio::test]
async fn the_proxy_drops_before_and_after_and_answers_itself() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let namespace = plane.namespace("drop").await;
    apply(&plane.admin().await, job(&namespace, "j", "v1_20", &json!({}))).await;
    let patches = |request: &e2e::RequestInfo| request.method == Method::PATCH && request.name == "j";
    let proxy = Proxy::with_hook(
        plane,
        hook(async move |request| match request.mutating {
            Some(1) => Verdict::Drop,
            Some(2) => Verdict::ForwardThenDropConnection,
            Some(3) => Verdict::refuse(StatusCode::CONFLICT, "Conflict", "made up"),
            _ => Verdict::Forward,
        }),
    );
    let api = flink_deployments(&behind(plane, &proxy, &namespace).await, &namespace);
    let stored = async || api.get("j").await.expect("the job").data["spec"]["flinkConfiguration"]["key"].clone();

    api.patch("j", &MERGE, &key("1")).await.expect_err("dropped before");
    assert_eq!(stored().await, Value::Null);
    api.patch("j", &MERGE, &key("2")).await.expect_err("dropped after");
    assert_eq!(stored().await, "2");
    let error = api.patch("j", &MERGE, &key("3")).await.expect_err("refused");
    assert!(matches!(&error, kube::Error::Api(status) if status.reason == "Conflict"), "{error}");
    assert_eq!(stored().await, "2");
    assert_eq!(proxy.count(patches), 3);
    let outcomes: Vec<_> =
        proxy.requests().iter().filter(|record| patches(&record.request)).map(|record| record.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Dropped, Outcome::Forwarded(StatusCode::OK), Outcome::Responded(StatusCode::CONFLICT)]
    );
}

#[tokio::test]
async fn the_proxy_holds_streams_and_freezes() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let namespace = plane.namespace("hold").await;
    apply(&plane.admin().await, job(&namespace, "j", "v1_20", &json!({}))).await;
    let (hook, gate) = hold_first(|request| request.method == Method::PATCH);
    let proxy = Proxy::with_hook(plane, hook);
    let api = flink_deployments(&behind(plane, &proxy, &namespace).await, &namespace);
    let direct = flink_deployments(&plane.admin().await, &namespace);

    let patching = tokio::spawn({
        let api = api.clone();
        async move { api.patch("j", &MERGE, &key("held")).await }
    });
    gate.reached().await;
    let before = direct.get("j").await.expect("the job");
    assert_eq!(before.data["spec"]["flinkConfiguration"]["key"], Value::Null);
    gate.open();
    patching.await.expect("no panic").expect("a patch");

    let version = direct.get("j").await.expect("the job").metadata.resource_version.expect("a version");
    let stream = api.watch(&WatchParams::default(), &version).await.expect("a watch");
    let mut stream = std::pin::pin!(stream);
    direct.patch("j", &MERGE, &key("seen")).await.expect("a patch");
    let event = stream.try_next().await.expect("a stream").expect("an event");
    assert!(matches!(&event, WatchEvent::Modified(job) if job.data["spec"]["flinkConfiguration"]["key"] == "seen"));

    proxy.freeze();
    direct.patch("j", &MERGE, &key("frozen")).await.expect("a patch");
    let quiet = Duration::from_millis(300);
    assert!(tokio::time::timeout(quiet, stream.try_next()).await.is_err(), "a frozen proxy streams nothing");
    assert!(tokio::time::timeout(quiet, api.get("j")).await.is_err(), "a frozen proxy answers nothing");
    proxy.thaw();
    assert!(stream.try_next().await.expect("a stream").is_some());
    api.get("j").await.expect("an answer");
}

#[tokio::test]
async fn kubectl_and_garbage_collection_work() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let namespace = plane.namespace("kubectl").await;
    let yaml = serde_json::to_string(&job(&namespace, "j", "v1_20", &json!({}))).expect("JSON");
    let created = plane.run_kubectl(&["create", "-f", "-"], &yaml).await;
    assert!(created.status.success(), "{}", created.stderr);
    let admin = plane.admin().await;
    let owner = flink_deployments(&admin, &namespace).get("j").await.expect("the job").metadata.uid;
    apply(
        &admin,
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": namespace, "name": "owned",
            "ownerReferences": [{ "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "name": "j", "uid": owner }] } }),
    )
    .await;
    flink_deployments(&admin, &namespace).delete("j", &DeleteParams::default()).await.expect("a deletion");
    let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(admin, &namespace);
    await_condition("the owned ConfigMap to be collected", Duration::from_mins(3), async || {
        match maps.get_opt("owned").await {
            Ok(None) => Ok(()),
            other => Err(other.map(|_| "still there")),
        }
    })
    .await;
}

/// How far a stand-in got that was killed at its third patch.
async fn killed_at_the_third_patch(moment: Moment) -> Value {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let namespace = plane.namespace("kill").await;
    apply(&plane.admin().await, job(&namespace, "j", "v1_20", &json!({}))).await;
    let switch = KillSwitch::new();
    let proxy = Proxy::with_hook(plane, kill_at(3, moment, &switch));
    behind(plane, &proxy, &namespace).await;
    let token = plane.token(&namespace, "robot").await;
    let operator = Arc::new(Operator::start(&OperatorOptions {
        program: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/stand-in-operator").into()),
        ..OperatorOptions::new(plane.kubeconfig_for(&token, &proxy.server())).args([namespace.as_str(), "j"])
    }));
    switch.arm(&operator);
    let status = operator.wait_exit(Duration::from_mins(2)).await.expect("killed");
    assert_eq!(status.signal(), Some(9), "{}", operator.logs());
    assert!(operator.logs().ends_with("patch 3\n"), "{}", operator.logs());
    assert_eq!(proxy.mutating(), 3);
    let job = flink_deployments(&plane.admin().await, &namespace).get("j").await.expect("the job");
    job.data["spec"]["flinkConfiguration"]["number"].clone()
}

#[tokio::test]
async fn a_crash_can_be_put_on_either_side_of_a_write() {
    assert_eq!(killed_at_the_third_patch(Moment::BeforeForward).await, "2");
    assert_eq!(killed_at_the_third_patch(Moment::AfterForward).await, "3");
}

#[tokio::test]
async fn an_operator_can_be_watched_paused_and_stopped() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let namespace = plane.namespace("operator").await;
    apply(&plane.admin().await, job(&namespace, "j", "v1_20", &json!({}))).await;
    let proxy = Proxy::start(plane);
    behind(plane, &proxy, &namespace).await;
    let token = plane.token(&namespace, "robot").await;
    let operator = Operator::start(&OperatorOptions {
        program: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/stand-in-operator").into()),
        ..OperatorOptions::new(plane.kubeconfig_for(&token, &proxy.server())).args([namespace.as_str(), "j"])
    });
    operator.wait_ready().await;
    assert_eq!(operator.metric("patches_total{kind=\"x\"}").await, Some(7.0));
    operator.pause();
    assert!(operator.get("/ready").await.is_none(), "a paused process answers nothing");
    operator.resume();
    operator.wait_ready().await;
    assert_eq!(operator.terminate().await.signal(), Some(15));
}

#[tokio::test]
async fn a_control_plane_ends_with_the_pipe_that_holds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("plane");
    let mut holder = Command::new(env!("CARGO_BIN_EXE_controlplane"))
        .args(["up", "--hold", "--dir"])
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the holder starts");
    let state = await_condition("a control plane", Duration::from_mins(3), async || {
        State::load(&dir).map_err(|error| error.to_string())?.ok_or_else(|| "not yet".to_owned())
    })
    .await;
    assert!(state.processes.len() == 3 && state.is_alive(), "{state:?}");
    drop(holder.stdin.take());
    assert!(holder.wait().expect("a child").success());
    assert!(!state.processes.iter().any(ProcessId::is_alive), "{state:?}");
    assert!(!dir.exists());
}
