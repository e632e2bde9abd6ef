//! How many restarts are in flight in the whole cluster, derived from the objects themselves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU16;
use std::time::Duration;

use checklist::{Filled, Situation};
use flink_api::{FieldOwners, FlinkDeployment};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::jobs::Jobs;

/// How long a restart counts of which nobody knows whether it was written: far longer than a watch lags.
const UNCERTAIN: Duration = Duration::from_mins(1);

/// A restart by the generation that it gives its job, and until when it counts if the cache never shows it.
#[derive(Debug)]
struct Written {
    generation: i64,
    until: Option<Instant>,
}

/// The right to restart one job. Taken before the write and held over it, so that two reconciliations never
/// decide on the same free slot.
#[derive(Debug, Default)]
pub struct RestartSlot {
    /// Restarts that we wrote and the cache may not show yet: uid to the generation that the write gave.
    written: Mutex<HashMap<String, Written>>,
}

/// The slot, held while the restart is written.
#[derive(Debug)]
pub struct SlotGuard<'a> {
    written: MutexGuard<'a, HashMap<String, Written>>,
}

impl SlotGuard<'_> {
    /// Notes that the restart was written, as this generation of the object.
    pub fn written(&mut self, uid: &str, generation: i64) {
        self.written.insert(uid.to_owned(), Written { generation, until: None });
    }

    /// Notes that the restart may have been written, as this generation: the server's answer was lost.
    pub fn uncertain(&mut self, uid: &str, generation: i64) {
        self.written.insert(uid.to_owned(), Written { generation, until: Some(Instant::now() + UNCERTAIN) });
    }
}

impl RestartSlot {
    /// The slot for the job with this uid, or `namespace/name` of another whose restart is not over where that is true
    /// of `most` others, or of this job itself. A job may try its own lost write again: its uid and resourceVersion
    /// keep that from landing twice.
    pub async fn take(&self, jobs: &Jobs, uid: &str, most: NonZeroU16) -> Result<SlotGuard<'_>, String> {
        let mut written = self.written.lock().await;
        let mut busy = BTreeMap::new();
        let mut unseen = HashSet::new();
        for job in jobs.all() {
            if written.get(job.uid()).is_some_and(|written| job.metadata.generation < Some(written.generation)) {
                unseen.insert(job.uid().to_owned());
            }
            if is_in_flight(&job) {
                busy.insert(job.uid().to_owned(), format!("{}/{}", job.namespace(), job.name()));
            }
        }
        // A job that the cache does not hold any more is gone; one that it shows as we left it speaks for itself.
        let now = Instant::now();
        written.retain(|uid, written| unseen.contains(uid) && written.until.is_none_or(|until| now < until));
        for other in written.keys().filter(|other| *other != uid) {
            busy.entry(other.clone()).or_insert_with(|| format!("the job with uid {other}"));
        }
        let is_full = busy.contains_key(uid) || busy.len() >= usize::from(most.get());
        match busy.into_values().next() {
            Some(job) if is_full => Err(job),
            _ => Ok(SlotGuard { written }),
        }
    }
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

#[cfg(test)]
mod tests {
    use kube::runtime::reflector::store;
    use kube::runtime::reflector::store::Writer;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;

    fn job(uid: &str, restart: Option<i64>, lifecycle: &str) -> FlinkDeployment {
        let restart = restart.map(|generation| json!({"change": "c", "generation": generation}));
        let mut filled = json!({"version": 1, "change": "c", "at": "2026-01-02T03:04:05Z", "values": {}});
        if let Some(restart) = restart {
            filled["restart"] = restart;
        }
        serde_json::from_value(json!({
            "metadata": {"name": uid, "namespace": "n", "uid": uid, "generation": 2,
                "annotations": {"flink-remedy.dev/filled": filled.to_string()},
                "managedFields": [{"manager": "flink-remedy", "operation": "Apply",
                    "fieldsV1": {"f:metadata": {"f:annotations": {"f:flink-remedy.dev/filled": {}}}}}]},
            "spec": {"job": {}},
            "status": {"lifecycleState": lifecycle, "jobStatus": {"state": "RUNNING"}, "observedGeneration": 2},
        }))
        .unwrap()
    }

    fn cache() -> (Jobs, Writer<FlinkDeployment>) {
        let (reader, writer) = store();
        (Jobs::new(vec![reader]), writer)
    }

    #[tokio::test]
    async fn one_restart_at_a_time_until_that_job_is_stable() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        cache.apply_watcher_event(&Event::Apply(job("a", Some(2), "UPGRADING")));
        assert_eq!(slot.take(&jobs, "b", NonZeroU16::MIN).await.unwrap_err(), "n/a");
        cache.apply_watcher_event(&Event::Apply(job("a", Some(2), "STABLE")));
        assert!(slot.take(&jobs, "b", NonZeroU16::MIN).await.is_ok());
    }

    #[tokio::test]
    async fn no_more_restarts_than_the_policy_allows() {
        let (jobs, mut cache) = cache();
        let (slot, two) = (RestartSlot::default(), NonZeroU16::new(2).unwrap());
        cache.apply_watcher_event(&Event::Apply(job("a", Some(2), "UPGRADING")));
        assert!(slot.take(&jobs, "a", two).await.is_err(), "its own restart is not over");
        slot.take(&jobs, "b", two).await.unwrap().written("b", 2);
        let mut unseen = job("b", None, "STABLE");
        unseen.metadata.generation = Some(1);
        cache.apply_watcher_event(&Event::Apply(unseen));
        assert!(slot.take(&jobs, "c", two).await.is_err());
        cache.apply_watcher_event(&Event::Apply(job("a", Some(2), "STABLE")));
        assert!(slot.take(&jobs, "c", two).await.is_ok());
    }

    #[tokio::test]
    async fn a_restart_that_the_cache_does_not_show_yet_counts() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        let mut before = job("a", None, "STABLE");
        before.metadata.generation = Some(1);
        cache.apply_watcher_event(&Event::Apply(before));
        slot.take(&jobs, "b", NonZeroU16::MIN).await.unwrap().written("a", 2);
        assert!(slot.take(&jobs, "b", NonZeroU16::MIN).await.is_err());
        cache.apply_watcher_event(&Event::Apply(job("a", Some(2), "STABLE")));
        assert!(slot.take(&jobs, "b", NonZeroU16::MIN).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_whose_answer_was_lost_counts_for_a_while() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        let mut before = job("a", None, "STABLE");
        before.metadata.generation = Some(1);
        cache.apply_watcher_event(&Event::Apply(before));
        slot.take(&jobs, "b", NonZeroU16::MIN).await.unwrap().uncertain("a", 2);
        assert!(slot.take(&jobs, "b", NonZeroU16::MIN).await.is_err());
        assert!(slot.take(&jobs, "a", NonZeroU16::MIN).await.is_ok());
        tokio::time::advance(UNCERTAIN).await;
        assert!(slot.take(&jobs, "b", NonZeroU16::MIN).await.is_ok());
    }

    #[tokio::test]
    async fn a_deleted_job_frees_the_slot() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        let restarting = job("a", Some(2), "UPGRADING");
        cache.apply_watcher_event(&Event::Apply(restarting.clone()));
        assert!(slot.take(&jobs, "b", NonZeroU16::MIN).await.is_err());
        cache.apply_watcher_event(&Event::Delete(restarting));
        assert!(slot.take(&jobs, "b", NonZeroU16::MIN).await.is_ok());
    }
}
