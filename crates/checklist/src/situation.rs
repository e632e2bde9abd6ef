use flink_api::{FlinkDeployment, FlinkDeploymentStatus, FlinkSessionJob, JobSpec, JobState, Parsed, UpgradeMode};
use jiff::Timestamp;

use crate::Evidence;

/// Label of FKO's canary resources, which probe FKO itself.
const CANARY_LABEL: &str = "flink.apache.org/canary";
const BLUE_GREEN_KIND: &str = "FlinkBlueGreenDeployment";

/// Where a deployment stands, as far as it decides when a change is safe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Situation {
    /// Being deleted.
    pub deleting: bool,
    /// Written by a `FlinkBlueGreenDeployment`, which would overwrite us.
    pub blue_green: bool,
    /// The kind, if it is one that we only judge.
    pub only_judged: Option<&'static str>,
    /// FKO's own canary.
    pub canary: bool,
    /// The job that the spec asks for; `None` on a session cluster.
    pub job: Option<JobSpec>,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// Why FKO's layers cannot be read, if they cannot.
    pub layers_unreadable: Option<String>,
    /// When somebody else last changed the object, its status aside; `None` where that cannot be told.
    pub changed: Option<Timestamp>,
    /// The field manager who did.
    pub changed_by: Option<String>,
    /// When the policy's quiet period after that is over; `None` once it is.
    pub quiet_until: Option<Timestamp>,
    /// Evidence, seen for as long as the policy asks, that the job has not come back from our last restart.
    pub evidence: Option<Evidence>,
    /// The time at which it is looked at; `None` where no clock counts, as for files.
    pub now: Option<Timestamp>,
    /// What FKO says; `None` before it first saw the object.
    pub status: Option<Parsed<FlinkDeploymentStatus>>,
}

impl Situation {
    /// Reads the situation of one deployment.
    pub fn of(deployment: &FlinkDeployment) -> Self {
        let metadata = &deployment.metadata;
        Self {
            deleting: metadata.deletion_timestamp.is_some(),
            blue_green: metadata.owner_references.iter().flatten().any(|owner| owner.kind == BLUE_GREEN_KIND),
            only_judged: None,
            canary: metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(CANARY_LABEL)),
            job: deployment.spec.as_result().ok().and_then(|spec| spec.job.clone()),
            generation: metadata.generation,
            layers_unreadable: None,
            changed: deployment.changed_by_others(),
            changed_by: deployment.last_other_manager().map(str::to_owned),
            quiet_until: None,
            evidence: None,
            now: None,
            status: deployment.status.clone(),
        }
    }

    /// Reads the situation of one session job.
    pub fn of_session_job(session_job: &FlinkSessionJob) -> Self {
        Self {
            deleting: session_job.metadata.deletion_timestamp.is_some(),
            only_judged: Some("FlinkSessionJob"),
            job: session_job.spec.as_result().ok().and_then(|spec| spec.job.clone()),
            generation: session_job.metadata.generation,
            status: session_job.status.clone(),
            ..Self::default()
        }
    }

    /// How FKO would replace the job; `None` on a session cluster.
    pub fn upgrade_mode(&self) -> Option<UpgradeMode> {
        self.job.as_ref().map(|job| job.upgrade_mode)
    }

    /// Whether the spec asks for a suspended job.
    pub fn wants_suspended(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.state == JobState::Suspended)
    }

    /// Whether FKO has acted on the present spec; `None` where it does not say.
    pub fn is_reconciled(&self, status: &FlinkDeploymentStatus) -> Option<bool> {
        Some(status.reconciled_generation()? >= self.generation?)
    }
}
