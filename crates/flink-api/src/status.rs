use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize};

/// `FlinkDeployment.status`. FKO calls it internal and changes it between versions, so every field is
/// optional and every state a text: what we do not know, the restart gate treats as a reason to wait.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlinkDeploymentStatus {
    /// `CREATED`, `SUSPENDED`, `UPGRADING`, `DEPLOYED`, `STABLE`, `ROLLING_BACK`, `ROLLED_BACK`, `FAILED`,
    /// `DELETING` or `DELETED`.
    pub lifecycle_state: Option<String>,
    /// `READY` when the `JobManager` answers.
    pub job_manager_deployment_status: Option<String>,
    /// The job as Flink reports it.
    #[serde(default)]
    pub job_status: JobStatus,
    /// What FKO has deployed.
    #[serde(default)]
    pub reconciliation_status: ReconciliationStatus,
    /// What FKO could not do.
    pub error: Option<String>,
    /// Generation that FKO has seen; set by newer FKO only (1.7 never sets it).
    pub observed_generation: Option<i64>,
}

/// `status.jobStatus`.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// Flink's `JobStatus`: `RUNNING`, `FAILED`, `FINISHED`, ...
    pub state: Option<String>,
    /// By which Flink's REST API knows it.
    pub job_id: Option<String>,
    /// Savepoints of FKO up to 1.9.
    pub savepoint_info: Option<SavepointInfo>,
    /// The savepoint that a job is restored from whose upgrade is under way, as newer FKO keep it.
    pub upgrade_savepoint_path: Option<String>,
}

/// `status.jobStatus.savepointInfo`.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavepointInfo {
    /// Set while a savepoint that FKO triggered is being written.
    pub trigger_id: Option<String>,
    /// The newest complete one.
    pub last_savepoint: Option<LastSavepoint>,
}

/// `status.jobStatus.savepointInfo.lastSavepoint`.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastSavepoint {
    /// When it was complete, in milliseconds since 1970.
    pub time_stamp: Option<i64>,
    /// `UPGRADE` where FKO stopped the job with it.
    pub trigger_type: Option<String>,
    /// Where it lies.
    pub location: Option<String>,
}

/// `status.reconciliationStatus`.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconciliationStatus {
    /// `DEPLOYED`, `UPGRADING`, `ROLLING_BACK` or `ROLLED_BACK`.
    pub state: Option<String>,
    /// The spec that FKO last acted on.
    #[serde(skip_serializing)]
    pub last_reconciled_spec: Option<ReconciledSpec>,
    /// The spec under which the job was last seen running.
    #[serde(skip_serializing)]
    pub last_stable_spec: Option<ReconciledSpec>,
}

/// A spec that FKO keeps in its status as a JSON string; only a digest of it stays in memory.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct ReconciledSpec {
    /// `metadata.generation` of that spec (`resource_metadata.metadata.generation`), where FKO recorded it.
    pub generation: Option<i64>,
    /// Digest of the whole text.
    pub digest: u64,
}

/// What FKO keeps beside the spec.
#[derive(Deserialize)]
struct Kept {
    resource_metadata: Option<ResourceMetadata>,
}

#[derive(Deserialize)]
struct ResourceMetadata {
    metadata: Option<Generation>,
}

#[derive(Deserialize)]
struct Generation {
    generation: Option<i64>,
}

impl<'de> Deserialize<'de> for ReconciledSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::of(&text))
    }
}

impl ReconciledSpec {
    /// Reads what FKO keeps.
    pub(crate) fn of(text: &str) -> Self {
        // The rest of it, which is most of the object, is only read over.
        let generation =
            serde_json::from_str::<Kept>(text).ok().and_then(|kept| kept.resource_metadata?.metadata?.generation);
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { generation, digest: hasher.finish() }
    }
}

/// What FKO from 1.10 on writes in place of a savepoint's path where a job is restored by the metadata of high availability
/// (`AbstractJobReconciler.LAST_STATE_DUMMY_SP_PATH`).
const LAST_STATE: &str = "KUBERNETES_OPERATOR_LAST_STATE";

impl FlinkDeploymentStatus {
    /// Where the newest savepoint lies that FKO tells of.
    pub fn savepoint(&self) -> Option<&str> {
        let of_upgrade = self.job_status.upgrade_savepoint_path.as_deref().filter(|path| *path != LAST_STATE);
        let last = || self.job_status.savepoint_info.as_ref()?.last_savepoint.as_ref()?.location.as_deref();
        of_upgrade.or_else(last).filter(|path| !path.is_empty())
    }

    /// The generation of the spec that FKO has acted on: as it says itself, else as recorded in the spec it keeps.
    pub fn reconciled_generation(&self) -> Option<i64> {
        self.observed_generation.or_else(|| self.reconciliation_status.last_reconciled_spec.as_ref()?.generation)
    }

    /// Whether FKO has acted on the spec of this generation; `None` where it does not say.
    pub fn has_acted_on(&self, generation: Option<i64>) -> Option<bool> {
        Some(self.reconciled_generation()? >= generation?)
    }

    /// Whether FKO has not deployed it yet. FKO writes its status before it acts, so a status without a reconciled
    /// spec means that nothing runs (`ReconciliationStatus.isBeforeFirstDeployment`).
    pub fn is_before_first_deployment(&self) -> bool {
        self.reconciliation_status.last_reconciled_spec.is_none()
    }

    /// The generation under which the job was last seen running, where FKO recorded it.
    pub fn stable_generation(&self) -> Option<i64> {
        self.reconciliation_status.last_stable_spec.as_ref()?.generation
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_generation_is_found_inside_the_kept_spec() {
        let kept = json!({"spec": {}, "resource_metadata": {"metadata": {"generation": 3}}}).to_string();
        let status: FlinkDeploymentStatus =
            serde_json::from_value(json!({"reconciliationStatus": {"lastReconciledSpec": kept}})).unwrap();
        assert_eq!(status.reconciled_generation(), Some(3));
        assert_eq!(status.stable_generation(), None);
    }

    #[test]
    fn what_fko_says_itself_comes_first() {
        let status: FlinkDeploymentStatus = serde_json::from_value(json!({
            "observedGeneration": 5, "reconciliationStatus": {"lastReconciledSpec": "not json"},
        }))
        .unwrap();
        assert_eq!(status.reconciled_generation(), Some(5));
    }
}
