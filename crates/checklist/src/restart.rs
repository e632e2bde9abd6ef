//! What has come of a restart that we caused, by the job's own state.

use flink_api::{FlinkDeploymentStatus, Parsed, UpgradeMode};
use flink_conf::options::CHECKPOINT_TIMEOUT;
use flink_conf::parse_duration_ms;
use jiff::{SignedDuration, Timestamp};
use strum::{EnumIter, IntoStaticStr};

use crate::moment::has_high_availability;
use crate::policy::Verification;
use crate::{Restart, Situation, Subject};

/// `SavepointInfo.lastSavepoint.triggerType` of a savepoint with which FKO stopped the job.
const UPGRADE: &str = "UPGRADE";

/// What has come of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartOutcome {
    /// The job has been stable since.
    Stable,
    /// It has not, and there is evidence that it will not be; slowness is none.
    Failed(Evidence),
}

/// What shows that a job has not come back from a restart. The variant's name is the label of metrics and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, EnumIter)]
pub enum Evidence {
    /// FKO has put the last stable spec back.
    RolledBack,
    /// Flink has given the job up.
    JobFailed,
    /// FKO says in `status.error` what it could not do.
    OperatorError,
    /// The job starts over and over again.
    RestartLoop,
}

impl Evidence {
    /// The label of metrics and reports, from a closed set.
    pub fn label(self) -> &'static str {
        self.into()
    }

    /// In words, as the end of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::RolledBack => "the Flink operator has rolled it back",
            Self::JobFailed => "the job has failed",
            Self::OperatorError => "the Flink operator reports an error in status.error",
            Self::RestartLoop => "the job starts over and over again",
        }
    }
}

impl Situation {
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
        let is_over = !self.is_in_flight(restart_generation);
        if is_over { None } else { self.trouble(status).map(RestartOutcome::Failed) }
    }

    /// Evidence that the job is down under its present spec, or that FKO cannot get it there.
    fn trouble(&self, status: &FlinkDeploymentStatus) -> Option<Evidence> {
        let error = status.error.as_deref().is_some_and(|error| !error.is_empty());
        match (status.lifecycle_state.as_deref(), status.job_status.state.as_deref()) {
            (Some("ROLLING_BACK" | "ROLLED_BACK"), _) => Some(Evidence::RolledBack),
            // Before FKO has acted on the change, that is what the change has found.
            (Some("FAILED"), _) | (_, Some("FAILED")) if self.is_reconciled(status) == Some(true) => {
                Some(Evidence::JobFailed)
            }
            _ if error => Some(Evidence::OperatorError),
            _ => None,
        }
    }

    /// What the job's state shows of a restart of ours that is to be watched; `None` where there is nothing to watch:
    /// somebody else has changed the spec since, so that what comes of the job is not ours to judge.
    pub fn watched(&self, restart: &Restart) -> Option<Watched> {
        let Some(Parsed::Ok(status)) = &self.status else { return None };
        if self.generation != Some(restart.generation) || self.deleting || self.wants_suspended() {
            return None;
        }
        let is_restarting = self.is_reconciled(status) == Some(true)
            && matches!(status.job_status.state.as_deref(), Some("RESTARTING" | "FAILING"));
        Some(Watched {
            stable: self.was_stable_under(status, restart.generation),
            trouble: self.trouble(status),
            is_restarting,
        })
    }

    /// Whether the job finds its state again when it is replaced now, though it may be down: by the metadata of high
    /// availability, or by the savepoint with which it was stopped for this restart.
    pub(crate) fn has_way_back(&self, subject: &Subject, restart: &Restart) -> bool {
        match self.upgrade_mode() {
            None | Some(UpgradeMode::Stateless) => false,
            Some(UpgradeMode::LastState) => has_high_availability(subject),
            Some(UpgradeMode::Savepoint) => has_high_availability(subject) || self.has_savepoint_of(restart),
        }
    }

    fn has_savepoint_of(&self, restart: &Restart) -> bool {
        let Some(Parsed::Ok(status)) = &self.status else { return false };
        // FKO keeps this path only while the job is on its way back from its upgrade.
        let kept = status.job_status.upgrade_savepoint_path.as_deref().is_some_and(|path| !path.is_empty());
        let last = status.job_status.savepoint_info.as_ref().and_then(|info| info.last_savepoint.as_ref());
        let last_is_of_it = last.is_some_and(|last| {
            let since = restart.at.map(Timestamp::as_millisecond);
            last.trigger_type.as_deref() == Some(UPGRADE) && last.time_stamp >= since && since.is_some()
        });
        (kept && !self.was_stable_under(status, restart.generation)) || last_is_of_it
    }
}

/// A restart that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The job has been stable since.
    pub stable: bool,
    /// What shows that it is down.
    pub trouble: Option<Evidence>,
    /// Flink is starting it again after a failure.
    pub is_restarting: bool,
}

/// How long after a restart the job is expected back, with a checkpoint: what the policy says, or three times the timeout
/// of the job's checkpoints where that is longer.
pub fn deadline(subject: &Subject, verification: &Verification) -> SignedDuration {
    let version = subject.version;
    let lookup = CHECKPOINT_TIMEOUT.find(&subject.conf, version);
    let timeout = lookup.value().or_else(|| CHECKPOINT_TIMEOUT.default(version));
    let timeout = timeout.and_then(|text| parse_duration_ms(text, version).ok()).unwrap_or_default();
    let milliseconds = verification.deadline.milliseconds().max(timeout.saturating_mul(3));
    SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use flink_api::FlinkDeployment;
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
