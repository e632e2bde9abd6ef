//! What is asked of every job before one restarts, read once when the job comes into the cache.

use checklist::annotations::{FILLED, QUARANTINED};
use checklist::{Filled, Situation};
use flink_api::{FieldOwners, FlinkDeployment, Parsed};
use jiff::Timestamp;

/// What one job means for the restarts of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// A restart that we caused is not over.
    pub(crate) is_under_way: bool,
    /// When our last restart was made.
    pub(super) restarted: Option<Timestamp>,
    /// When the job was found not to have come back, while a person leaves the annotation in place.
    pub(super) quarantined: Option<Timestamp>,
    /// When anybody last changed it, while FKO has not acted on that.
    pub(super) waits_since: Option<Timestamp>,
    /// When FKO last wrote its status.
    pub(super) status_written: Option<Timestamp>,
}

impl Signs {
    /// Reads them off an object.
    pub(crate) fn of(job: &FlinkDeployment) -> Self {
        // One without a status FKO may not watch at all.
        let waits = match &job.status {
            Some(Parsed::Ok(status)) => status.has_acted_on(job.metadata.generation) == Some(false),
            None | Some(Parsed::Malformed(_)) => false,
        };
        let of_status = Self {
            waits_since: job.changed().filter(|_| waits),
            status_written: job.status_written(),
            ..Self::default()
        };
        let Some(record) = record(job) else { return of_status };
        let is_quarantined = job.annotation(QUARANTINED).is_some();
        // A restart that is known to have failed is over: the breaker counts it from then on.
        let restart = record.restart.as_ref().filter(|restart| !record.has_failed(restart));
        Self {
            is_under_way: restart.is_some_and(|restart| Situation::of(job).is_in_flight(restart.generation)),
            restarted: record.restart.as_ref().and_then(|restart| restart.at),
            quarantined: record.quarantine.map(|quarantine| quarantine.at).filter(|_| is_quarantined),
            ..of_status
        }
    }
}

/// Our record on this job.
fn record(job: &FlinkDeployment) -> Option<Filled> {
    job.annotation(FILLED)?;
    Filled::of(job, &FieldOwners::of(job))
}
