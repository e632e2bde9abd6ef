//! One restart in flight in the whole cluster, derived from the objects themselves.

use std::collections::HashMap;
use std::sync::Arc;

use checklist::{Filled, Situation};
use flink_api::{FieldOwners, FlinkDeployment};
use tokio::sync::{Mutex, MutexGuard};

use crate::jobs::Jobs;

/// The right to restart one job. Taken before the write and held over it, so that two reconciliations never
/// decide on the same free slot.
#[derive(Debug, Default)]
pub struct RestartSlot {
    /// Restarts that we wrote and the cache may not show yet: uid to change id.
    written: Mutex<HashMap<String, String>>,
}

/// The slot, held while the restart is written.
#[derive(Debug)]
pub struct SlotGuard<'a> {
    written: MutexGuard<'a, HashMap<String, String>>,
}

impl SlotGuard<'_> {
    /// Notes that the restart was written.
    pub fn written(&mut self, uid: &str, change: &str) {
        self.written.insert(uid.to_owned(), change.to_owned());
    }
}

impl RestartSlot {
    /// The slot, or `namespace/name` of the job whose restart is not over.
    pub async fn take(&self, jobs: &Jobs) -> Result<SlotGuard<'_>, String> {
        let mut written = self.written.lock().await;
        let mut busy = None;
        let mut seen = HashMap::new();
        for job in jobs.all() {
            if let Some(change) = written.get(job.uid()) {
                seen.insert(job.uid().to_owned(), last_change(&job).is_some_and(|last| last == *change));
            }
            if is_in_flight(&job) {
                busy = Some(format!("{}/{}", job.namespace(), job.name()));
            }
        }
        // A job that the cache does not hold any more is gone; one that it shows with our change speaks for itself.
        written.retain(|uid, _| seen.get(uid) == Some(&false));
        if let Some(uid) = written.keys().next() {
            busy.get_or_insert_with(|| format!("the job with uid {uid}"));
        }
        match busy {
            Some(job) => Err(job),
            None => Ok(SlotGuard { written }),
        }
    }
}

fn last_change(job: &FlinkDeployment) -> Option<String> {
    Some(Filled::of(job, &FieldOwners::of(&job.metadata))?.change)
}

/// Whether a restart that we caused is not over on this job.
pub fn is_in_flight(job: &FlinkDeployment) -> bool {
    if job.annotation(checklist::annotations::FILLED).is_none() {
        return false;
    }
    let filled = Filled::of(job, &FieldOwners::of(&job.metadata));
    let restart = filled.and_then(|filled| filled.restart);
    restart.is_some_and(|restart| Situation::of(job).is_in_flight(restart.generation))
}

/// A slot that reconciliations share.
pub type SharedSlot = Arc<RestartSlot>;
