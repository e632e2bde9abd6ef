//! What owners of jobs do and see: manifests as they write them, `kubectl apply`, server-side apply of other
//! managers, annotations, and who owns what afterwards.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use e2e::{AuditEntry, Crds, Mark, Operator, apply, await_condition};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{MANIFESTS, OPERATOR, PATIENCE, REPORTS, Scene, record};

/// What a person annotates to be left alone.
pub(crate) const OPT_OUT: &str = "flink-remedy.dev/opt-out";
/// The key that closes the gap of [`Scene::one_gap`].
pub(crate) const INCREMENTAL: &str = "execution.checkpointing.incremental";

/// Both forms of the CRDs.
pub(crate) const BOTH: [Crds; 2] = [Crds::Typed, Crds::Untyped];

/// Two maps in one; the second wins.
pub(crate) fn merged(one: &Value, other: &Value) -> Value {
    let mut all = one.clone();
    all.as_object_mut().expect("a map").extend(other.as_object().expect("a map").clone());
    all
}

/// What a job has to choose before its first start, so that nobody has to be told.
fn chosen() -> Value {
    json!({ "pipeline.max-parallelism": "128", "pipeline.auto-generate-uids": "false" })
}

/// Configuration upon which only the rules that `more` concerns have anything to say.
pub(crate) fn settled(more: &Value) -> Value {
    let conf = json!({
        "restart-strategy.type": "exponential-delay",
        "metrics.reporter.slf4j.factory.class": "org.apache.flink.metrics.slf4j.Slf4jReporterFactory",
        "state.savepoints.dir": "s3://state/savepoints",
        "state.checkpoints.dir": "s3://state/checkpoints",
        "execution.checkpointing.interval": "1 min",
        "high-availability.type": "kubernetes",
        "high-availability.storageDir": "s3://state/ha",
    });
    merged(&merged(&conf, &chosen()), more)
}

/// The job with a log file of its own, at the right level.
pub(crate) fn own_log(mut job: Value) -> Value {
    job["spec"]["logConfiguration"] = json!({ "log4j-console.properties": "rootLogger.level = INFO\n" });
    job
}

/// The job with this option, in a spelling of the caller's choice.
pub(crate) fn with(mut job: Value, option: &Value) -> Value {
    let conf = &mut job["spec"]["flinkConfiguration"];
    *conf = merged(conf, option);
    job
}

/// A job's configuration as it stands.
pub(crate) fn conf(job: &DynamicObject) -> &Value {
    &job.data["spec"]["flinkConfiguration"]
}

/// The text under a flat key.
pub(crate) fn option<'a>(job: &'a DynamicObject, key: &str) -> Option<&'a str> {
    conf(job).get(key)?.as_str()
}

/// The targets that our record lists.
pub(crate) fn recorded(job: &DynamicObject) -> Vec<String> {
    record(job)["values"].as_object().into_iter().flatten().map(|(target, _)| target.clone()).collect()
}

/// The options that a manager owns, by the server's word, through `Apply` or `Update`.
pub(crate) fn owned_by(job: &DynamicObject, manager: &str) -> Vec<String> {
    let entries = job.metadata.managed_fields.iter().flatten();
    let own = entries.filter(|entry| entry.manager.as_deref() == Some(manager));
    let options = own.filter_map(|entry| {
        let fields = &entry.fields_v1.as_ref()?.0;
        Some(fields.pointer("/f:spec/f:flinkConfiguration")?.as_object()?.clone())
    });
    options.flatten().filter_map(|(name, _)| Some(name.strip_prefix("f:")?.to_owned())).collect()
}

/// How far each server's audit log has been judged by any test.
fn marks() -> MutexGuard<'static, BTreeMap<String, Mark>> {
    static JUDGED: Mutex<BTreeMap<String, Mark>> = Mutex::new(BTreeMap::new());
    JUDGED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scene {
    /// A job of this namespace with this version and, beside what is [`chosen`], this configuration; upgrade mode savepoint.
    pub(crate) fn manifest(&self, name: &str, version: &str, conf: &Value) -> Value {
        let mut job = crate::support::job(name);
        job["metadata"]["namespace"] = json!(self.namespace);
        job["spec"]["flinkVersion"] = json!(version);
        job["spec"]["flinkConfiguration"] = if conf.is_object() { merged(&chosen(), conf) } else { conf.clone() };
        job
    }

    /// A job on Flink 1.20 with one gap only, CKP003, for tests in which the rule does not matter.
    pub(crate) fn one_gap(&self, name: &str) -> Value {
        own_log(self.manifest(name, "v1_20", &settled(&json!({ "state.backend.type": "rocksdb" }))))
    }

    /// Grants a Role of the shipped manifests in this namespace instead of its own.
    pub(crate) async fn grant(&self, manifest: &str) {
        let text = std::fs::read_to_string(format!("{MANIFESTS}/{manifest}")).expect("a shipped manifest");
        for mut document in serde_saphyr::from_multiple::<Value>(&text).expect("YAML") {
            document["metadata"]["namespace"] = json!(self.namespace);
            apply(&self.admin, document).await;
        }
    }

    /// Starts an operator for this namespace behind a proxy.
    pub(crate) async fn start_via(&self, server: &str, args: &[&str]) -> Operator {
        let operator = Operator::start(&self.options_via(server, args).await);
        operator.wait_ready().await;
        operator
    }

    /// `kubectl apply` of one object, client-side, as people do.
    pub(crate) async fn kubectl_apply(&self, object: &Value) {
        let output = self.plane.run_kubectl(&["apply", "-f", "-"], &object.to_string()).await;
        assert!(output.status.success(), "{}", output.stderr);
    }

    /// Server-side apply through the API: kubectl's own takes over more than it says.
    pub(crate) async fn apply_as(
        &self,
        manager: &str,
        name: &str,
        force: bool,
        spec: &Value,
    ) -> kube::Result<DynamicObject> {
        let body = json!({ "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "spec": spec });
        let params = PatchParams { force, ..PatchParams::apply(manager) };
        self.jobs().patch(name, &params, &Patch::Apply(&body)).await
    }

    /// Sets annotations of a job; null removes one.
    pub(crate) async fn annotate(&self, name: &str, annotations: Value) {
        self.merge(name, json!({ "metadata": { "annotations": annotations } })).await;
    }

    /// Sets annotations of the namespace; null removes one.
    pub(crate) async fn annotate_namespace(&self, annotations: Value) {
        let api: Api<Namespace> = Api::all(self.admin.clone());
        let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
        api.patch(&self.namespace, &PatchParams::default(), &patch).await.expect("a patch");
    }

    /// Waits until the job has exactly this text under the flat key (`None`: nothing).
    pub(crate) async fn has(&self, name: &str, key: &str, value: Option<&str>) -> DynamicObject {
        await_condition(&format!("{name} to have {key} = {value:?}"), PATIENCE, async || {
            let job = self.job(name).await;
            if option(&job, key) == value { Ok(job) } else { Err((conf(&job).clone(), self.said().await)) }
        })
        .await
    }

    /// Waits for an Event about an object whose note holds the text.
    pub(crate) async fn event(&self, name: &str, reason: &str, text: &str) -> Event {
        let note = self.note(name, reason, text).await;
        let mut events = self.events().await.into_iter();
        events.find(|event| event.note.as_ref() == Some(&note)).expect("an Event that was there")
    }

    /// The reasons of the Events about an object, sorted.
    pub(crate) async fn reasons(&self, name: &str) -> Vec<String> {
        self.said().await.into_iter().filter(|said| said.0 == name).map(|said| said.1).collect()
    }

    /// What the operator asked to change on one job, refused requests included.
    pub(crate) fn asked(&self, name: &str) -> Vec<AuditEntry> {
        let writes = self.writes().into_iter();
        writes.filter(|entry| entry.resource == "flinkdeployments" && entry.name == name).collect()
    }

    /// Returns when the operator has looked at everything that happened so far: a job that comes last is filled
    /// and reported, which takes a second look. Then proves that it wrote nothing but patches of jobs, Events, snapshots,
    /// reports and leases, in whatever namespace and test; what has been found so is not read again.
    pub(crate) async fn all_seen(&self) {
        let name = format!("barrier-{}", self.audited().len());
        self.create(self.one_gap(&name)).await;
        self.note(&name, "Remediated", INCREMENTAL).await;
        let (log, server) = (self.plane.audit(), self.plane.server());
        let (judged, end) = (marks().get(server).copied(), log.mark());
        let query = judged.map_or_else(|| log.query(), |mark| log.query().since(mark));
        let other = query.acting_user(OPERATOR).writes().filter(|entry| {
            let what = (entry.verb.as_str(), entry.resource.as_str(), entry.subresource.as_str());
            let may = [
                ("patch", "flinkdeployments", ""),
                ("patch", "flinksessionjobs", ""),
                ("patch", "flinkbluegreendeployments", ""),
                ("create", "events", ""),
                ("patch", REPORTS, ""),
                // A savepoint before a restart.
                ("create", "flinkstatesnapshots", ""),
                ("create", "leases", ""),
                ("update", "leases", ""),
                // The webhook's certificate, and that the API server knows it.
                ("create", "secrets", ""),
                ("update", "secrets", ""),
                ("patch", "mutatingwebhookconfigurations", ""),
            ];
            !may.contains(&what)
        });
        assert_eq!(other.entries(), []);
        marks().insert(server.to_owned(), end);
    }

    /// As [`all_seen`](Self::all_seen), and proves how many requests changed the job, none of them refused.
    pub(crate) async fn settled_after(&self, name: &str, requests: usize) {
        self.all_seen().await;
        let codes: Vec<u16> = self.asked(name).iter().map(|entry| entry.code).collect();
        assert_eq!(codes, vec![200; requests], "requests that changed {name}");
    }
}
