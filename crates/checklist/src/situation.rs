use flink_api::{FlinkDeployment, FlinkDeploymentStatus, JobSpec, JobState, Kind, Parsed, UpgradeMode};
use jiff::Timestamp;

use crate::moment::{is_free, is_ours_to_write, is_settled, unsettled_cluster};
use crate::{Arrival, Evidence, SessionJobs};

/// Label of FKO's canary resources, which probe FKO itself.
pub(crate) const CANARY_LABEL: &str = "flink.apache.org/canary";
/// Kind of the object that writes and rewrites its own deployments.
pub(crate) const BLUE_GREEN_KIND: &str = "FlinkBlueGreenDeployment";

/// Where a deployment stands, as far as it decides when a change is safe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Situation {
    /// Being deleted.
    pub deleting: bool,
    /// Written by a `FlinkBlueGreenDeployment`, which would overwrite us.
    pub blue_green: bool,
    /// The kind of the object.
    pub kind: Kind,
    /// The session jobs that would go down with it, where it is a session cluster.
    pub session_jobs: SessionJobs,
    /// Of a session job, its session cluster and how that one stands, unless it runs and is settled.
    pub cluster_unsettled: Option<String>,
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
    /// What its owner's change leaves us to do, while that is on its way to the API server.
    pub arrival: Option<Arrival>,
    /// What FKO says; `None` before it first saw the object.
    pub status: Option<Parsed<FlinkDeploymentStatus>>,
}

impl Situation {
    /// Reads the situation of one deployment; [`Situation::on`] adds a session job's cluster.
    pub fn of(deployment: &FlinkDeployment) -> Self {
        let metadata = &deployment.metadata;
        Self {
            deleting: metadata.deletion_timestamp.is_some(),
            blue_green: metadata.owner_references.iter().flatten().any(|owner| owner.kind == BLUE_GREEN_KIND),
            kind: deployment.kind,
            session_jobs: SessionJobs::default(),
            cluster_unsettled: None,
            canary: metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(CANARY_LABEL)),
            job: deployment.spec.as_result().ok().and_then(|spec| spec.job.clone()),
            generation: metadata.generation,
            layers_unreadable: None,
            changed: deployment.changed_by_others(),
            changed_by: deployment.last_other_manager().map(str::to_owned),
            quiet_until: None,
            evidence: None,
            now: None,
            arrival: None,
            status: deployment.status.clone(),
        }
    }

    /// The situation of a session job upon its session cluster.
    #[must_use]
    pub fn on(self, cluster: &FlinkDeployment) -> Self {
        let unsettled = unsettled_cluster(&Self::of(cluster));
        Self { cluster_unsettled: unsettled.map(|why| format!("{}: {why}", cluster.name())), ..self }
    }

    /// Whether a change costs nothing right now, whatever it is.
    pub fn is_free(&self) -> bool {
        is_free(self)
    }

    /// Whether it runs and is settled, so that its owner is not fighting a fire; whether FKO has acted on the present spec
    /// does not count.
    pub fn is_settled(&self) -> bool {
        is_settled(self)
    }

    /// Whether nothing but its own state keeps us from writing it.
    pub fn is_ours_to_write(&self) -> bool {
        is_ours_to_write(self)
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
        status.has_acted_on(self.generation)
    }
}
