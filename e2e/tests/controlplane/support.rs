//! What every test of this binary needs: a namespace with an operator of its own, jobs, and what was written.

use std::time::Duration;

use e2e::{
    AuditEntry, ControlPlane, Crds, Mark, Operator, OperatorOptions, apply, apply_yaml, await_condition, binary,
    flink_deployments,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The user that the operator is, by the manifests.
pub(crate) const OPERATOR: &str = "system:serviceaccount:flink-remedy:flink-remedy";
/// The plural of the reports' kind.
pub(crate) const REPORTS: &str = "remediationreports";
/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// Where the manifests are.
pub(crate) const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");
const STOCK_LOG: &str = include_str!("../../../crates/checklist/data/stock-log4j-console.properties");

static TYPED: OnceCell<()> = OnceCell::const_new();
static UNTYPED: OnceCell<()> = OnceCell::const_new();

/// The control plane with the Flink operator's stock configuration and the manifests' rights in place.
pub(crate) async fn plane(crds: Crds) -> &'static ControlPlane {
    let plane = ControlPlane::shared(crds).await;
    let installed = match crds {
        Crds::Typed => &TYPED,
        Crds::Untyped => &UNTYPED,
    };
    installed.get_or_init(|| install(plane)).await;
    plane
}

pub(crate) async fn install(plane: &ControlPlane) {
    let admin = plane.admin().await;
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "flink-operator" } });
    apply(&admin, namespace).await;
    apply(&admin, operator_config("flink-operator", "")).await;
    plane.service_account("flink-operator", "flink-operator").await;
    let applied = plane.run_kubectl(&["apply", "-k", &format!("{MANIFESTS}/rbac")], "").await;
    assert!(applied.status.success(), "{}", applied.stderr);
    let printed = std::process::Command::new(binary()).arg("crd").output().expect("flink-remedy runs");
    plane.install_crds(&String::from_utf8(printed.stdout).expect("YAML is text")).await;
    guard(plane, SETTINGS).await;
}

/// Options that policies of tests have under `settings`, with a value of each.
const SETTINGS: &[(&str, &str)] =
    &[("rest.flamegraph.enabled", "true"), ("jobmanager.memory.jvm-metaspace.size", "300 mb")];

/// Puts the guardrail in force, with these options as what policies have under `settings`: what else flink-remedy's identity
/// writes in any test is refused.
pub(crate) async fn guard(plane: &ControlPlane, settings: &[(&str, &str)]) {
    let listed: Vec<_> = settings.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let policy = json!({ "apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy",
        "metadata": { "name": "tests" }, "spec": { "settings": listed } });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, policy.to_string()).expect("the folder is writable");
    let mut export = std::process::Command::new(binary());
    let printed = export.args(["policy", "export", "--as", "guardrail", "--policy"]).arg(&file).output();
    let printed = printed.expect("flink-remedy runs");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    apply_yaml(&plane.admin().await, &String::from_utf8(printed.stdout).expect("YAML is text")).await;
    let anybody = plane.almighty("system:serviceaccount:anywhere:flink-remedy").await;
    await_condition("the guardrail to be in force", PATIENCE, async || {
        let new = serde_json::from_value(job("new")).expect("an object");
        let params = PostParams { dry_run: true, ..PostParams::default() };
        match flink_deployments(&anybody, "default").create(&params, &new).await {
            Err(kube::Error::Api(status)) if status.message.contains("flink-remedy-guardrail") => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

/// The Flink operator's configuration as its chart installs it, with these lines added.
pub(crate) fn operator_config(namespace: &str, lines: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "namespace": namespace, "name": "flink-operator-config" },
        "data": { "flink-conf.yaml": lines, "log4j-console.properties": STOCK_LOG },
    })
}

/// One test's part of a control plane.
pub(crate) struct Scene {
    /// The control plane.
    pub(crate) plane: &'static ControlPlane,
    /// The test's own namespace.
    pub(crate) namespace: String,
    /// A client that may do everything.
    pub(crate) admin: Client,
    mark: Mark,
}

impl Scene {
    /// A namespace on the control plane with published CRDs.
    pub(crate) async fn new(prefix: &str) -> Self {
        Self::on(Crds::Typed, prefix).await
    }

    /// A namespace on the control plane with those CRDs.
    pub(crate) async fn on(crds: Crds, prefix: &str) -> Self {
        let scene = Self::bare(plane(crds).await, prefix).await;
        scene.grant_lease("flink-remedy", "flink-remedy").await;
        scene
    }

    /// A namespace on a control plane as it is.
    pub(crate) async fn bare(plane: &'static ControlPlane, prefix: &str) -> Self {
        let mark = plane.audit().mark();
        let (namespace, admin) = (plane.namespace(prefix).await, plane.admin().await);
        Self { plane, namespace, admin, mark }
    }

    /// The manifests' rights on the lease, in this namespace, for a service account.
    pub(crate) async fn grant_lease(&self, namespace: &str, account: &str) {
        let own = &self.namespace;
        let yaml = format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: lease, namespace: {own}}},
              rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}},
                      {{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [flink-remedy], verbs: [get, update]}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: lease, namespace: {own}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: lease}}
subjects: [{{kind: ServiceAccount, name: {account}, namespace: {namespace}}}]
"
        );
        apply_yaml(&self.admin, &yaml).await;
    }

    /// Returns when the API server lets a service account of this namespace do that, or no longer: it follows roles by watches.
    pub(crate) async fn until_may(&self, account: &str, verb: &str, group: &str, resource: &str, may: bool) {
        let namespace = &self.namespace;
        let user = format!("system:serviceaccount:{namespace}:{account}");
        let resource = json!({ "namespace": namespace, "verb": verb, "group": group, "resource": resource,
                               "name": "flink-remedy" });
        self.plane.until_may(&user, &resource, may).await;
    }

    /// Takes the lease from a process that was killed, so that the next need not wait for it to run out.
    pub(crate) async fn free_lease(&self) {
        let leases: Api<Lease> = Api::namespaced(self.admin.clone(), &self.namespace);
        match leases.delete("flink-remedy", &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.reason == "NotFound" => {}
            other => drop(other.expect("a deletion")),
        }
    }

    /// A Flink operator's configuration in the test's namespace, which nobody else follows, with the right to
    /// follow it; what to call it.
    pub(crate) async fn own_operator_config(&self) -> String {
        let namespace = &self.namespace;
        let yaml = format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: config, namespace: {namespace}}},
              rules: [{{apiGroups: [''], resources: [configmaps], resourceNames: [flink-operator-config], verbs: [get, list, watch]}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: config, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: config}}
subjects: [{{kind: ServiceAccount, name: flink-remedy, namespace: flink-remedy}}]
"
        );
        apply_yaml(&self.admin, &yaml).await;
        apply(&self.admin, operator_config(namespace, "")).await;
        format!("{namespace}/flink-operator-config")
    }

    /// The namespace's jobs.
    pub(crate) fn jobs(&self) -> Api<DynamicObject> {
        flink_deployments(&self.admin, &self.namespace)
    }

    /// Creates a job, or replaces it.
    pub(crate) async fn create(&self, mut job: Value) -> DynamicObject {
        job["metadata"]["namespace"] = json!(self.namespace);
        apply(&self.admin, job).await
    }

    /// The job as it is.
    pub(crate) async fn job(&self, name: &str) -> DynamicObject {
        self.jobs().get(name).await.expect("the job exists")
    }

    /// Merges a patch into a job, as its owner would.
    pub(crate) async fn merge(&self, name: &str, patch: Value) -> DynamicObject {
        let params = PatchParams { field_manager: Some("owner".into()), ..PatchParams::default() };
        self.jobs().patch(name, &params, &Patch::Merge(patch)).await.expect("a patch by the owner")
    }

    /// How an operator for this namespace is started, with the token of the manifests' service account.
    pub(crate) async fn options(&self, args: &[&str]) -> OperatorOptions {
        self.options_via(self.plane.server(), args).await
    }

    /// The same behind a proxy.
    pub(crate) async fn options_via(&self, server: &str, args: &[&str]) -> OperatorOptions {
        let token = self.plane.token("flink-remedy", "flink-remedy").await;
        self.options_as(&token, server, args)
    }

    /// The same with any token.
    pub(crate) fn options_as(&self, token: &str, server: &str, args: &[&str]) -> OperatorOptions {
        let namespace = self.namespace.as_str();
        OperatorOptions::new(self.plane.kubeconfig_for(token, server))
            .args(["--watch-namespaces", namespace, "--lease-namespace", namespace])
            .args(args.iter().copied())
    }

    /// Starts an operator for this namespace and returns when it is ready.
    pub(crate) async fn start(&self, args: &[&str]) -> Operator {
        let operator = Operator::start(&self.options(args).await);
        operator.wait_ready().await;
        operator
    }

    /// What the operator's user wrote in this namespace, leases and reports left out, in the order of the answers.
    pub(crate) fn writes(&self) -> Vec<AuditEntry> {
        self.writes_since(self.mark)
    }

    /// The same, behind a mark.
    pub(crate) fn writes_since(&self, mark: Mark) -> Vec<AuditEntry> {
        let query = self.plane.audit().query().since(mark).acting_user(OPERATOR).namespace(&self.namespace);
        query.writes().filter(|entry| entry.resource != "leases" && entry.resource != REPORTS).entries()
    }

    /// What the operator's user asked to write to reports, in the order of the answers.
    pub(crate) fn report_writes(&self) -> Vec<AuditEntry> {
        let query = self.plane.audit().query().since(self.mark).acting_user(OPERATOR).namespace(&self.namespace);
        query.writes().resource(REPORTS).entries()
    }

    /// What the operator's user wrote to jobs with success.
    pub(crate) fn patches(&self) -> Vec<AuditEntry> {
        let writes = self.writes().into_iter();
        writes.filter(|entry| entry.resource == "flinkdeployments" && entry.code < 300).collect()
    }

    /// Everything asked of the server in this namespace since the test began, by whomever.
    pub(crate) fn audited(&self) -> Vec<AuditEntry> {
        self.plane.audit().query().since(self.mark).namespace(&self.namespace).entries()
    }

    /// The Events in this namespace.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let api: Api<Event> = Api::namespaced(self.admin.clone(), &self.namespace);
        api.list(&ListParams::default()).await.expect("a list of Events").items
    }

    /// Notes of the Events about one object with that reason.
    pub(crate) async fn notes(&self, name: &str, reason: &str) -> Vec<String> {
        let events = self.events().await.into_iter();
        let about = |event: &Event| event.regarding.as_ref().and_then(|object| object.name.clone());
        events
            .filter(|event| about(event).as_deref() == Some(name) && event.reason.as_deref() == Some(reason))
            .map(|event| event.note.unwrap_or_default())
            .collect()
    }

    /// Waits for an Event about an object whose note holds the text, and returns the note.
    pub(crate) async fn note(&self, name: &str, reason: &str, text: &str) -> String {
        await_condition(&format!("Event {reason} on {name} with `{text}`"), PATIENCE, async || {
            match self.notes(name, reason).await.into_iter().find(|note| note.contains(text)) {
                Some(note) => Ok(note),
                None => Err(self.said().await),
            }
        })
        .await
    }

    /// Object, reason and note of every Event, sorted.
    pub(crate) async fn said(&self) -> Vec<(String, String, String)> {
        let events = self.events().await.into_iter().map(|event| {
            let name = event.regarding.and_then(|object| object.name).unwrap_or_default();
            (name, event.reason.unwrap_or_default(), event.note.unwrap_or_default())
        });
        let mut said: Vec<_> = events.collect();
        said.sort();
        said
    }

    /// Waits until our record stands on the job, and returns the job.
    pub(crate) async fn filled(&self, name: &str) -> DynamicObject {
        await_condition(&format!("{name} to be filled"), PATIENCE, async || {
            let job = self.job(name).await;
            if record(&job).is_null() { Err(self.said().await) } else { Ok(job) }
        })
        .await
    }

    /// Changes an annotation of the namespace that means nothing, which makes an operator look at each of its
    /// jobs, and returns when that many looks are over.
    pub(crate) async fn look_again(&self, operator: &Operator, jobs: u32) {
        let before = looks(operator).await;
        // Another operator in the same namespace may have come to the same number.
        self.touch(&format!("{} {before}", operator.pid())).await;
        await_condition(&format!("{jobs} more looks"), PATIENCE, async || {
            let now = looks(operator).await;
            if now >= before + f64::from(jobs) { Ok(()) } else { Err((before, now)) }
        })
        .await;
    }

    /// Sets an annotation of the namespace that means nothing: whoever watches it looks at its jobs.
    pub(crate) async fn touch(&self, mark: &str) {
        let api: Api<Namespace> = Api::all(self.admin.clone());
        let patch = json!({ "metadata": { "annotations": { "e2e/look": mark } } });
        api.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(patch)).await.expect("a patch");
    }

    /// Has everything looked at once more and ends the operator, which posts what is queued: what it has not
    /// written by then it was not going to write.
    pub(crate) async fn settle(&self, operator: &Operator, jobs: u32) {
        self.look_again(operator, jobs).await;
        assert_eq!(operator.terminate().await.code(), Some(0), "{}", operator.logs());
    }
}

/// How many looks at jobs the operator has taken.
pub(crate) async fn looks(operator: &Operator) -> f64 {
    sum(&operator.metrics().await, "flink_remedy_reconciliations_total")
}

/// The sum of a metric over its labels.
pub(crate) fn sum(page: &str, metric: &str) -> f64 {
    let rows = page.lines().filter_map(|line| line.strip_prefix(metric)?.rsplit_once(' '));
    rows.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
}

/// Our record on a job; null if there is none.
pub(crate) fn record(job: &DynamicObject) -> Value {
    let text = job.metadata.annotations.as_ref().and_then(|annotations| annotations.get("flink-remedy.dev/filled"));
    text.map(|text| serde_json::from_str(text).expect("our record is JSON")).unwrap_or_default()
}

/// A RocksDB job on Flink 1.18, upgrade mode savepoint, whose gaps are CKP003, MET001 and RST001; Implicit is
/// LOG001.
pub(crate) fn job(name: &str) -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": { "name": name },
        "spec": {
            "image": "flink:1.18",
            "flinkVersion": "v1_18",
            "flinkConfiguration": {
                "pipeline.max-parallelism": "128",
                "pipeline.auto-generate-uids": "false",
                "state.backend.type": "rocksdb",
                "execution.checkpointing.interval": "1 min",
                "state.checkpoints.dir": "s3://flink/checkpoints",
                "state.savepoints.dir": "s3://flink/savepoints",
                "high-availability.type": "kubernetes",
                "high-availability.storageDir": "s3://flink/ha",
            },
            "serviceAccount": "flink",
            "jobManager": { "resource": { "memory": "2048m", "cpu": 1 } },
            "taskManager": { "resource": { "memory": "4096m", "cpu": 2 } },
            "job": { "jarURI": "local:///opt/flink/usrlib/job.jar", "parallelism": 2, "upgradeMode": "savepoint" },
        },
    })
}

/// The same in another upgrade mode.
pub(crate) fn with_mode(mut job: Value, upgrade_mode: &str) -> Value {
    job["spec"]["job"]["upgradeMode"] = json!(upgrade_mode);
    job
}

/// The same with an annotation.
pub(crate) fn annotated(mut job: Value, key: &str, value: &str) -> Value {
    job["metadata"]["annotations"][key] = json!(value);
    job
}
