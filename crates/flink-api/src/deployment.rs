use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    FIELD_MANAGER, FlinkBlueGreenDeployment, FlinkDeploymentStatus, FlinkSessionJob, Ingress, JobManagerSpec, Kind,
    Parsed, PodTemplate, TaskManagerSpec,
};

/// FKO's `FlinkDeployment`: an application cluster with one job, or a session cluster. The other kinds with a job are
/// looked at in this shape too.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FlinkDeployment {
    /// The kind of the object that this is read from.
    #[serde(skip)]
    pub kind: Kind,
    /// Name, ownership, annotations.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What its owner wants.
    #[serde(default)]
    pub spec: Parsed<FlinkDeploymentSpec>,
    /// What FKO last said of it; absent before FKO first saw it.
    #[serde(default)]
    pub status: Option<Parsed<FlinkDeploymentStatus>>,
}

/// `FlinkDeployment.spec`, as far as rules and the restart gate read it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlinkDeploymentSpec {
    /// Such as `v1_20`.
    pub flink_version: Option<String>,
    /// Of all containers, where the pod templates name none.
    pub image: Option<String>,
    /// `map[string]string` up to FKO 1.12; later flat, nested or mixed.
    #[serde(default)]
    pub flink_configuration: Value,
    /// Log files by name; where it is present FKO's own files are not used at all.
    pub log_configuration: Option<BTreeMap<String, String>>,
    /// Template of `JobManager` and `TaskManager` pods.
    pub pod_template: Option<Arc<PodTemplate>>,
    /// `native` (the default) or `standalone`.
    pub mode: Option<String>,
    /// Size, replicas and pods of the `JobManager`.
    pub job_manager: Option<JobManagerSpec>,
    /// Size, replicas and pods of the `TaskManager`s.
    pub task_manager: Option<TaskManagerSpec>,
    /// Ingress to the `JobManager`'s REST port.
    pub ingress: Option<Ingress>,
    /// The job of an application cluster; absent on a session cluster.
    pub job: Option<JobSpec>,
    /// Of a session job, the name of its session cluster.
    #[serde(skip)]
    pub session_cluster: Option<String>,
}

/// `FlinkDeployment.spec.job`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// `running` (the default) or `suspended`.
    #[serde(default)]
    pub state: JobState,
    /// How FKO replaces a running job.
    #[serde(default)]
    pub upgrade_mode: UpgradeMode,
    /// The job's parallelism. FKO refuses an application without one, unless it has `taskManager.replicas`, whose slots
    /// then are the parallelism (`FlinkConfigBuilder.getParallelism`).
    pub parallelism: Option<i64>,
    /// The job's jar.
    #[serde(rename = "jarURI")]
    pub jar_uri: Option<String>,
    /// Main class; absent where the jar names it.
    pub entry_class: Option<String>,
    /// Arguments of the job's main method.
    pub args: Option<Vec<String>>,
    /// Savepoint that the first start restores.
    pub initial_savepoint_path: Option<String>,
}

/// `spec.job.state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// The job shall run.
    #[default]
    Running,
    /// The job shall not run.
    Suspended,
}

/// `spec.job.upgradeMode` (FKO: `JobSpec.java`, default stateless).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeMode {
    /// Cancel and start empty.
    #[default]
    Stateless,
    /// Stop with a savepoint and restore it.
    Savepoint,
    /// Restore the latest checkpoint from the high-availability metadata.
    LastState,
}

impl FlinkDeployment {
    /// Reads an object of this kind.
    ///
    /// # Errors
    /// Metadata that are none; a malformed spec or status is kept as such.
    pub fn read(kind: Kind, object: Value) -> serde_json::Result<Self> {
        match kind {
            Kind::Deployment => Self::deserialize(object),
            Kind::SessionJob => FlinkSessionJob::deserialize(object).map(FlinkSessionJob::into_deployment),
            Kind::BlueGreenDeployment => {
                FlinkBlueGreenDeployment::deserialize(object).map(FlinkBlueGreenDeployment::into_deployment)
            }
        }
    }

    /// The object's name, empty if it has none yet.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Of a session job, the name of its session cluster, if it names one.
    pub fn session_cluster(&self) -> Option<&str> {
        self.spec.as_result().ok()?.session_cluster.as_deref()
    }

    /// The object's namespace, empty if it names none.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The object's uid, empty if it never reached a server.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// When somebody else than us last changed the object, its status aside, by what the API server notes of the
    /// managers of its fields; the time of its creation at least. One that changed only labels counts as well.
    pub fn changed_by_others(&self) -> Option<Timestamp> {
        time_of(self.last_write(is_by_others)).max(self.created())
    }

    /// When anybody last changed the object, its status aside; the time of its creation at least.
    pub fn changed(&self) -> Option<Timestamp> {
        time_of(self.last_write(|entry| !is_of_status(entry))).max(self.created())
    }

    /// When FKO last wrote its status.
    pub fn status_written(&self) -> Option<Timestamp> {
        time_of(self.last_write(is_of_status))
    }

    /// The field manager who last changed the object, its status aside, and is not us.
    pub fn last_other_manager(&self) -> Option<&str> {
        self.last_write(is_by_others)?.manager.as_deref()
    }

    fn created(&self) -> Option<Timestamp> {
        self.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }

    fn last_write(&self, counts: impl Fn(&ManagedFieldsEntry) -> bool) -> Option<&ManagedFieldsEntry> {
        let entries = self.metadata.managed_fields.iter().flatten().filter(|entry| counts(entry));
        entries.max_by_key(|entry| time_of(Some(entry)))
    }
}

fn time_of(entry: Option<&ManagedFieldsEntry>) -> Option<Timestamp> {
    entry?.time.as_ref().map(|time| time.0)
}

fn is_of_status(entry: &ManagedFieldsEntry) -> bool {
    entry.subresource.as_deref().is_some_and(|subresource| !subresource.is_empty())
}

fn is_by_others(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() != Some(FIELD_MANAGER) && !is_of_status(entry)
}

impl FlinkDeploymentSpec {
    /// The annotations that the pod template gives to every pod.
    pub fn pod_annotations(&self) -> Option<&BTreeMap<String, String>> {
        self.pod_template.as_ref()?.annotations()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_read_and_the_unknown_ignored() {
        let deployment: FlinkDeployment = serde_json::from_value(json!({
            "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
            "metadata": {"name": "orders", "namespace": "shop"},
            "spec": {"flinkVersion": "v1_20", "flinkConfiguration": {"a": {"b": 1}}, "image": "x",
                     "podTemplate": {"metadata": {"annotations": {"k": "v"}}, "spec": {"containers": []}},
                     "job": {"jarURI": "local:///a.jar", "upgradeMode": "last-state"}},
        }))
        .unwrap();
        let spec = deployment.spec.as_result().unwrap();
        assert_eq!(spec.pod_annotations().unwrap()["k"], "v");
        let job = spec.job.as_ref().unwrap();
        assert_eq!((job.state, job.upgrade_mode), (JobState::Running, UpgradeMode::LastState));
        assert!(deployment.status.is_none());
    }

    #[test]
    fn a_malformed_part_spoils_only_itself() {
        let deployment: FlinkDeployment = serde_json::from_value(json!({
            "metadata": {"name": "orders"}, "spec": {"job": {"upgradeMode": "sideways"}}, "status": {"lifecycleState": 7},
        }))
        .unwrap();
        assert!(deployment.spec.as_result().unwrap_err().contains("sideways"));
        assert!(deployment.status.unwrap().as_result().is_err());
    }

    #[test]
    fn our_own_changes_and_the_status_are_no_change_by_others() {
        let entry = |manager: &str, subresource: &str, minute: u8| {
            json!({"manager": manager, "operation": "Update", "subresource": subresource,
                   "time": format!("2026-01-02T03:{minute:02}:00Z")})
        };
        let changed = |entries: Value| {
            let metadata = json!({"creationTimestamp": "2026-01-02T03:00:00Z", "managedFields": entries});
            let job: FlinkDeployment = serde_json::from_value(json!({"metadata": metadata})).unwrap();
            job.changed_by_others().map(|time| time.to_string())
        };
        let of = |minute: u8| Some(format!("2026-01-02T03:{minute:02}:00Z"));
        assert_eq!(changed(json!([])), of(0));
        assert_eq!(changed(json!([entry("kubectl", "", 5), entry("argocd", "", 3)])), of(5));
        assert_eq!(
            changed(json!([entry("kubectl", "", 5), entry(FIELD_MANAGER, "", 7), entry("fko", "status", 9)])),
            of(5)
        );
        assert_eq!(FlinkDeployment::default().changed_by_others(), None);
    }
}
