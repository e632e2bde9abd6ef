//! Session jobs and blue/green deployments: filled on the right object, and nothing beside it.

use std::io::Write as _;
use std::process::Command;

use e2e::{
    AuditEntry, Crds, Operator, OperatorOptions, apply, await_condition, binary, flink_blue_green_deployments,
    flink_session_jobs, patch_status,
};
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::sync::OnceCell;

use crate::fko::{Fko, stable};
use crate::owner::INCREMENTAL;
use crate::support::{PATIENCE, Scene, job, record};

const BLUE_GREEN_CRD: &str = include_str!("../../testdata/flinkbluegreendeployments.yaml");
const SESSION_JOBS: &str = "flinksessionjobs";
const BLUE_GREENS: &str = "flinkbluegreendeployments";

static BLUE_GREEN: OnceCell<()> = OnceCell::const_new();

/// A session cluster with high availability, directories and `RocksDB`.
pub(crate) fn cluster(name: &str) -> Value {
    let mut cluster = job(name);
    cluster["spec"].as_object_mut().expect("an object").remove("job");
    cluster
}

/// A job on it, with nothing of its own.
pub(crate) fn session_job(name: &str, cluster: &str) -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkSessionJob", "metadata": { "name": name },
        "spec": { "deploymentName": cluster,
            "job": { "jarURI": "https://repo.example.com/job.jar", "parallelism": 2, "upgradeMode": "savepoint" } },
    })
}

/// A blue/green deployment of such a job as the other tests have.
pub(crate) fn blue_green(name: &str) -> Value {
    let mut template = job(name)["spec"].clone();
    template["flinkVersion"] = json!("v1_20");
    json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkBlueGreenDeployment", "metadata": { "name": name },
        "spec": { "configuration": {}, "template": { "spec": template } },
    })
}

/// The status of a blue/green deployment as the Flink operator writes it: without a generation.
fn active(parent: &DynamicObject, state: &str) -> Value {
    json!({ "blueGreenState": state, "jobStatus": { "state": "RUNNING", "jobName": "job" },
        "lastReconciledSpec": json!({ "spec": parent.data["spec"] }).to_string() })
}

/// An operator in mode Apply that waits for nothing; the file has to outlive its start.
async fn in_mode_apply(scene: &Scene) -> (Operator, NamedTempFile) {
    let mut policy = NamedTempFile::new().expect("a file");
    let head = "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata: {name: tests}\n";
    let rollout = "rollout: {operatorVersion: '1.15', quietPeriod: 1 ms}\n  verification: {grace: 1 ms}";
    writeln!(policy, "{head}spec:\n  mode: Apply\n  {rollout}").expect("written");
    (scene.start(&["--policy", policy.path().to_str().expect("text")]).await, policy)
}

impl Scene {
    async fn with_blue_green() -> Self {
        let scene = Self::on(Crds::Untyped, "blue-green").await;
        scene.install_blue_green().await;
        scene
    }

    /// Installs the kind `FlinkBlueGreenDeployment`, once.
    pub(crate) async fn install_blue_green(&self) {
        BLUE_GREEN.get_or_init(|| self.plane.install_crds(BLUE_GREEN_CRD)).await;
    }

    fn session_jobs(&self) -> Api<DynamicObject> {
        flink_session_jobs(&self.admin, &self.namespace)
    }

    fn blue_greens(&self) -> Api<DynamicObject> {
        flink_blue_green_deployments(&self.admin, &self.namespace)
    }

    /// Creates a session job and writes that it runs, stable.
    async fn running_session_job(&self, name: &str, cluster: &str) -> DynamicObject {
        let created = self.create(session_job(name, cluster)).await;
        patch_status(&self.session_jobs(), name, session_status(&created)).await
    }

    /// What the operator's user wrote with success to this kind.
    fn patches_of(&self, resource: &str) -> Vec<AuditEntry> {
        self.writes().into_iter().filter(|entry| entry.resource == resource && entry.code < 300).collect()
    }
}

/// Without what only a cluster has.
fn session_status(job: &DynamicObject) -> Value {
    let mut status = stable(Fko::V1_15, job);
    let fields = status.as_object_mut().expect("an object");
    fields.retain(|field, _| {
        ["error", "jobStatus", "lifecycleState", "observedGeneration", "reconciliationStatus"].contains(&field.as_str())
    });
    status
}

async fn filled(api: &Api<DynamicObject>, name: &str) -> DynamicObject {
    await_condition(&format!("{name} to be filled"), PATIENCE, async || {
        let object = api.get(name).await.expect("it exists");
        if record(&object).is_null() { Err(object.metadata.annotations) } else { Ok(object) }
    })
    .await
}

fn keys(map: &Value) -> Vec<&str> {
    map.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

#[tokio::test]
async fn a_new_session_job_is_filled_with_options_of_the_job_only() {
    let scene = Scene::new("session-job").await;
    // Names are given once for each kind.
    scene.create(cluster("same")).await;
    scene.create(session_job("same", "same")).await;
    let operator = scene.start(&[]).await;
    let job = filled(&scene.session_jobs(), "same").await;
    assert_eq!(keys(&job.data["spec"]), ["deploymentName", "flinkConfiguration", "job"]);
    let conf = &job.data["spec"]["flinkConfiguration"];
    assert_eq!(conf["state.backend.incremental"], "true", "{conf}");
    let is_of_job = |key: &&str| key.starts_with("restart-strategy") || key.starts_with("state.backend.");
    assert!(keys(conf).iter().all(is_of_job), "{conf}");
    let metrics = scene.filled("same").await.data["spec"]["flinkConfiguration"].clone();
    assert!(keys(&metrics).iter().any(|key| key.starts_with("metrics.reporter")), "{metrics}");
    assert!(metrics.get("state.backend.incremental").is_none());
    let of = |report: &Value| report["metadata"]["ownerReferences"][0]["kind"].clone();
    let standing = |report: &Value| report["standing"] == "Remediated";
    assert_eq!(of(&scene.report("same.session-job", standing).await), "FlinkSessionJob");
    assert_eq!(of(&scene.report("same", standing).await), "FlinkDeployment");
    scene.note("same", "Remediated", "state.backend.incremental=true (CKP003)").await;
    let events = scene.events().await;
    let regarding = |key: &str| {
        let about = events.iter().find(|event| event.note.as_ref().is_some_and(|note| note.contains(key)));
        about.and_then(|event| event.regarding.clone()?.kind)
    };
    assert_eq!(regarding("state.backend.incremental=true").as_deref(), Some("FlinkSessionJob"));
    // This control plane has no blue/green deployments: said once, and all goes on.
    let absent = "the kind FlinkBlueGreenDeployment is not installed";
    assert_eq!(operator.logs().matches(absent).count(), 1, "{}", operator.logs());
    scene.settle(&operator, 2).await;
    assert_eq!((scene.patches_of(SESSION_JOBS).len(), scene.patches().len()), (1, 1));
}

#[tokio::test]
async fn a_session_job_waits_for_its_cluster() {
    let scene = Scene::new("no-cluster").await;
    scene.create(session_job("j", "later")).await;
    let operator = scene.start(&[]).await;
    scene.look_again(&operator, 1).await;
    assert!(scene.writes().is_empty(), "{:?}", scene.writes());
    scene.create(cluster("later")).await;
    filled(&scene.session_jobs(), "j").await;
}

#[tokio::test]
async fn a_running_session_job_restarts_once_on_a_settled_cluster_and_in_turn() {
    let scene = Scene::new("session-apply").await;
    scene.create_stable(Fko::V1_15, cluster("c")).await;
    let mut unsettled = stable(Fko::V1_15, &scene.job("c").await);
    unsettled["lifecycleState"] = json!("UPGRADING");
    scene.status("c", unsettled).await;
    for name in ["a", "b"] {
        scene.running_session_job(name, "c").await;
    }
    let (operator, _policy) = in_mode_apply(&scene).await;
    for name in ["a", "b"] {
        scene.note(name, "RemediationHeld", "its session cluster is not settled (c: ").await;
    }
    assert!(scene.patches_of(SESSION_JOBS).is_empty());
    scene.now_stable(Fko::V1_15, "c").await;
    let restarted = await_condition("one restart", PATIENCE, async || {
        scene.patches_of(SESSION_JOBS).first().map(|patch| patch.name.clone()).ok_or(scene.said().await)
    })
    .await;
    let other = if restarted == "a" { "b" } else { "a" };
    scene.note(other, "RemediationHeld", "other jobs' restarts are not over").await;
    let live = filled(&scene.session_jobs(), &restarted).await;
    assert!(record(&live)["restart"].is_object());
    let series = format!(
        "flink_remedy_restart_in_flight{{namespace=\"{}\",name=\"{restarted}\",kind=\"FlinkSessionJob\",deployment=\"c\"}}",
        scene.namespace
    );
    let shown = await_condition("the restart to be shown", PATIENCE, async || operator.metric(&series).await).await;
    assert!((shown - 1.0).abs() < f64::EPSILON, "{shown}");
    patch_status(&scene.session_jobs(), &restarted, session_status(&live)).await;
    let live = filled(&scene.session_jobs(), other).await;
    patch_status(&scene.session_jobs(), other, session_status(&live)).await;
    scene.note(&restarted, "Remediated", "The running job restarts once for it").await;
    scene.settle(&operator, 3).await;
    assert_eq!(scene.patches_of(SESSION_JOBS).len(), 2);
    assert!(scene.patches().is_empty(), "the cluster restarts by approval only: {:?}", scene.patches());
}

#[tokio::test]
async fn the_hold_of_a_session_cluster_counts_and_names_its_jobs() {
    let scene = Scene::new("session-hold").await;
    scene.create_stable(Fko::V1_15, cluster("c")).await;
    scene.create(cluster("other")).await;
    for (name, cluster) in [("b", "c"), ("a", "c"), ("elsewhere", "other")] {
        scene.create(session_job(name, cluster)).await;
    }
    let _operator = scene.start(&[]).await;
    scene.note("c", "RemediationHeld", "every session job down: 2 FlinkSessionJobs (a, b)").await;
    scene.report("c", |report| report["hold"]["message"].to_string().contains("2 FlinkSessionJobs (a, b)")).await;
    // Known anew when they change.
    scene.create(session_job("d", "c")).await;
    scene.note("c", "RemediationHeld", "3 FlinkSessionJobs (a, b, d)").await;
    let (reason, _) = reason_to_hold(&scene, &scene.options(&[]).await, "c").await;
    assert!(reason.contains("3 FlinkSessionJobs (a, b, d)"), "{reason}");
}

/// Why `check --cluster` would hold the job, and what it warns of.
async fn reason_to_hold(scene: &Scene, options: &OperatorOptions, name: &str) -> (String, String) {
    let mut command = Command::new(binary());
    command.args(["check", "--cluster", "-n", &scene.namespace, "-o", "json"]);
    command.env("KUBECONFIG", &options.kubeconfig);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("a run").expect("it runs");
    let warned = String::from_utf8_lossy(&ran.stderr).into_owned();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {warned}"));
    let jobs = report["jobs"].as_array().expect("jobs");
    let held = jobs.iter().find(|job| job["name"] == name).expect("the job");
    (held["plan"]["reason"].to_string(), warned)
}

#[tokio::test]
async fn a_new_blue_green_deployment_is_filled_on_the_parent_and_its_child_left_alone() {
    let scene = Scene::with_blue_green().await;
    let parent = scene.create(blue_green("pricing")).await;
    let mut child = job("pricing-blue");
    child["metadata"]["ownerReferences"] = json!([{ "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkBlueGreenDeployment", "name": "pricing", "uid": parent.metadata.uid }]);
    scene.create(child).await;
    let operator = scene.start(&[]).await;
    let parent = filled(&scene.blue_greens(), "pricing").await;
    let template = &parent.data["spec"]["template"]["spec"];
    assert_eq!(template["flinkConfiguration"][INCREMENTAL], "true");
    assert_eq!(template["podTemplate"]["metadata"]["annotations"]["prometheus.io/scrape"], "true");
    assert_eq!(keys(&parent.data["spec"]), ["configuration", "template"]);
    scene.note("pricing", "Remediated", "It cost no restart").await;
    scene.note("pricing-blue", "RemediationHeld", "the parent's template is the place").await;
    scene.report("pricing.blue-green", |report| report["standing"] == "Remediated").await;
    scene.settle(&operator, 2).await;
    assert_eq!((scene.patches_of(BLUE_GREENS).len(), scene.patches().len()), (1, 0));
}

#[tokio::test]
async fn a_running_blue_green_deployment_goes_through_one_transition_and_only_from_a_settled_state() {
    let scene = Scene::with_blue_green().await;
    let created = scene.create(blue_green("pricing")).await;
    let mut moving = active(&created, "SAVEPOINTING_BLUE");
    patch_status(&scene.blue_greens(), "pricing", moving.clone()).await;
    let (operator, _policy) = in_mode_apply(&scene).await;
    scene.note("pricing", "RemediationHeld", "is upgrading it").await;
    moving["blueGreenState"] = json!("ACTIVE_PURPLE");
    patch_status(&scene.blue_greens(), "pricing", moving.clone()).await;
    scene.note("pricing", "RemediationHeld", "its lifecycle state is ACTIVE_PURPLE").await;
    moving["blueGreenState"] = json!("ACTIVE_BLUE");
    moving["lastReconciledSpec"] = json!(r#"{"spec": {"template": {"spec": {"image": "another"}}}}"#);
    patch_status(&scene.blue_greens(), "pricing", moving).await;
    scene.note("pricing", "RemediationHeld", "has not yet acted on the present spec").await;
    assert!(scene.patches_of(BLUE_GREENS).is_empty());
    patch_status(&scene.blue_greens(), "pricing", active(&created, "ACTIVE_BLUE")).await;
    let live = filled(&scene.blue_greens(), "pricing").await;
    assert!(record(&live)["restart"].is_object() && live.metadata.generation > created.metadata.generation);
    scene.look_again(&operator, 1).await;
    assert!(operator.metric("flink_remedy_restarts_total").await == Some(1.0));
    patch_status(&scene.blue_greens(), "pricing", active(&live, "ACTIVE_GREEN")).await;
    scene.note("pricing", "RemediationUnverified", "").await;
    scene.settle(&operator, 1).await;
    assert_eq!(scene.patches_of(BLUE_GREENS).len(), 1);
}

#[tokio::test]
async fn without_the_right_to_session_jobs_all_else_goes_on() {
    let scene = Scene::new("no-right").await;
    let namespace = &scene.namespace;
    scene.create_stable(Fko::V1_15, cluster("c")).await;
    scene.create(session_job("j", "c")).await;
    scene.create(job("new")).await;
    scene.plane.service_account(namespace, "operator").await;
    scene.grant_lease(namespace, "operator").await;
    let api = Api::<k8s_openapi::api::rbac::v1::ClusterRole>::all(scene.admin.clone());
    let mut role = serde_json::to_value(api.get("flink-remedy").await.expect("the shipped role")).expect("JSON");
    role["rules"].as_array_mut().expect("rules").retain(|rule| rule["resources"] != json!([SESSION_JOBS]));
    let group = "rbac.authorization.k8s.io/v1";
    let metadata = json!({ "name": namespace });
    let rules = json!({ "apiVersion": group, "kind": "ClusterRole", "metadata": metadata, "rules": role["rules"] });
    apply(&scene.admin, rules).await;
    let subjects = json!([{ "kind": "ServiceAccount", "name": "operator", "namespace": namespace }]);
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace });
    apply(
        &scene.admin,
        json!({ "apiVersion": group, "kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": role, "subjects": subjects }),
    )
    .await;
    let token = scene.plane.token(namespace, "operator").await;
    let options = scene.options_as(&token, scene.plane.server(), &["--operator-config", "none"]);
    let operator = Operator::start(&options);
    operator.wait_ready().await;
    scene.filled("new").await;
    scene.note("c", "RemediationHeld", "how many FlinkSessionJobs run on it cannot be told").await;
    let (_, warned) = reason_to_hold(&scene, &options, "c").await;
    assert!(warned.contains("warning: FlinkSessionJobs cannot be listed"), "{warned}");
    let said = "may not list and watch flinksessionjobs.flink.apache.org";
    assert_eq!(operator.logs().matches(said).count(), 1, "{}", operator.logs());
    assert_eq!(operator.terminate().await.code(), Some(0), "{}", operator.logs());
}
