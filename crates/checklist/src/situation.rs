use flink_api::{FlinkDeployment, FlinkDeploymentStatus, FlinkSessionJob, JobSpec, JobState, Parsed, UpgradeMode};
use jiff::Timestamp;

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
    /// When the policy's quiet period after that is over; `None` once it is.
    pub quiet_until: Option<Timestamp>,
    /// The time at which it is looked at; `None` where no clock counts, as for files.
    pub now: Option<Timestamp>,
    /// What FKO says; `None` before it first saw the object.
    pub status: Option<Parsed<FlinkDeploymentStatus>>,
}

/// What has come of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartOutcome {
    /// The job has been stable since.
    Stable,
    /// It has not, and there is evidence that it will not be; slowness is none.
    Failed(&'static str),
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
            quiet_until: None,
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

    /// Whether the restart that gave the object this generation is still under way: the job has not been
    /// stable since.
    pub fn is_in_flight(&self, restart_generation: i64) -> bool {
        let Some(Parsed::Ok(status)) = &self.status else { return true };
        let suspended = status.lifecycle_state.as_deref() == Some("SUSPENDED") && self.wants_suspended();
        !(self.was_stable_under(status, restart_generation) || suspended || self.deleting)
    }

    /// By its present state, or by the last stable spec that FKO keeps.
    fn was_stable_under(&self, status: &FlinkDeploymentStatus, generation: i64) -> bool {
        let stable_now = status.lifecycle_state.as_deref() == Some("STABLE")
            && (self.job.is_none() || status.job_status.state.as_deref() == Some("RUNNING"))
            && status.reconciled_generation().is_some_and(|reconciled| reconciled >= generation);
        stable_now || status.stable_generation().is_some_and(|stable| stable >= generation)
    }

    /// What has come of the restart that gave the object this generation; `None` where that cannot be told yet, or any
    /// more.
    pub fn outcome(&self, restart_generation: i64) -> Option<RestartOutcome> {
        let Some(Parsed::Ok(status)) = &self.status else { return None };
        if self.was_stable_under(status, restart_generation) {
            return Some(RestartOutcome::Stable);
        }
        if !self.is_in_flight(restart_generation) {
            return None;
        }
        let error = status.error.as_deref().is_some_and(|error| !error.is_empty());
        match (status.lifecycle_state.as_deref(), status.job_status.state.as_deref()) {
            (Some("ROLLING_BACK" | "ROLLED_BACK"), _) => {
                Some(RestartOutcome::Failed("the Flink operator has rolled it back"))
            }
            // Before FKO has acted on the change, that is what the change has found.
            (Some("FAILED"), _) | (_, Some("FAILED")) if self.is_reconciled(status) == Some(true) => {
                Some(RestartOutcome::Failed("the job has failed"))
            }
            _ if error => Some(RestartOutcome::Failed("the Flink operator reports an error in status.error")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn situation(status: &serde_json::Value, job: &serde_json::Value) -> Situation {
        let deployment: FlinkDeployment = serde_json::from_value(json!({
            "metadata": {"name": "a", "generation": 4}, "spec": {"flinkVersion": "v1_20", "job": job}, "status": status,
        }))
        .unwrap();
        Situation::of(&deployment)
    }

    #[test]
    fn a_restart_is_in_flight_until_the_job_was_stable_under_it() {
        let kept = |generation: i64| json!({"resource_metadata": {"metadata": {"generation": generation}}}).to_string();
        let status = |lifecycle: &str, observed: i64, stable: i64| {
            json!({"lifecycleState": lifecycle, "jobStatus": {"state": "RUNNING"}, "observedGeneration": observed,
                   "reconciliationStatus": {"lastStableSpec": kept(stable)}})
        };
        let job = json!({"upgradeMode": "savepoint"});
        assert!(situation(&status("STABLE", 3, 3), &job).is_in_flight(4));
        assert!(situation(&status("UPGRADING", 4, 3), &job).is_in_flight(4));
        assert!(!situation(&status("STABLE", 4, 3), &job).is_in_flight(4));
        assert!(!situation(&status("FAILED", 4, 4), &job).is_in_flight(4));
        assert!(situation(&status("FAILED", 4, 3), &job).is_in_flight(4));
        assert!(!situation(&json!({"lifecycleState": "SUSPENDED"}), &json!({"state": "suspended"})).is_in_flight(4));
        assert!(situation(&json!({"lifecycleState": 1}), &json!({})).is_in_flight(4));
    }

    #[test]
    fn a_restart_has_failed_on_evidence_only() {
        let outcome = |lifecycle: &str, state: &str, observed: i64, error: &str| {
            let status = json!({"lifecycleState": lifecycle, "jobStatus": {"state": state}, "observedGeneration": observed,
                                "error": error});
            situation(&status, &json!({"upgradeMode": "savepoint"})).outcome(4)
        };
        let is_failed = |outcome| matches!(outcome, Some(RestartOutcome::Failed(_)));
        assert_eq!(outcome("STABLE", "RUNNING", 4, ""), Some(RestartOutcome::Stable));
        assert_eq!(outcome("STABLE", "RUNNING", 3, ""), None);
        assert_eq!(outcome("UPGRADING", "RECONCILING", 3, ""), None);
        assert_eq!(outcome("DEPLOYED", "RESTARTING", 4, ""), None);
        assert!(is_failed(outcome("DEPLOYED", "FAILED", 4, "")) && is_failed(outcome("FAILED", "RECONCILING", 4, "")));
        assert_eq!(outcome("FAILED", "FAILED", 3, ""), None);
        assert!(is_failed(outcome("UPGRADING", "RUNNING", 3, "no savepoint")));
        assert!(is_failed(outcome("ROLLED_BACK", "RUNNING", 4, "")));
        assert_eq!(situation(&json!({"lifecycleState": 1}), &json!({})).outcome(4), None);
    }
}
