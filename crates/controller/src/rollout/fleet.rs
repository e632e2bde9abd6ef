//! What all jobs together mean for the next restart. Every job that waits for one asks, and between two changes of the caches
//! each gets the same answer: to go through all jobs for each of them would take the square of a fleet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::Signs;
use crate::cache::CachedJob;
use crate::jobs::{Jobs, shown};
use crate::uid::Uid;

/// The signs of all jobs.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    /// Jobs of which a restart is not over, and what they are called.
    pub(super) under_way: Vec<(Uid, String)>,
    /// When each job was last restarted by us, the newest first.
    pub(super) restarted: Vec<Timestamp>,
    /// Jobs that have not come back, and when that was found.
    pub(super) quarantined: BTreeMap<String, Timestamp>,
    /// Since when jobs wait for FKO to act on them, the newest first.
    pub(super) waiting: Vec<(Timestamp, Arc<str>)>,
    /// When FKO last wrote the status of any job.
    pub(super) status_written: Option<Timestamp>,
}

impl Fleet {
    fn of(jobs: &Jobs) -> Self {
        let mut fleet = Self::default();
        jobs.for_each(|job| fleet.add(job));
        fleet.restarted.sort_unstable_by(|one, other| other.cmp(one));
        fleet.waiting.sort_unstable_by(|one, other| other.cmp(one));
        fleet
    }

    fn add(&mut self, job: &CachedJob) {
        let Signs { is_under_way, restarted, quarantined, waits_since, status_written } = &job.signs;
        if *is_under_way {
            self.under_way.push((job.uid().into(), shown(job)));
        }
        self.restarted.extend(restarted);
        self.quarantined.extend(quarantined.map(|at| (shown(job), at)));
        self.waiting.extend(waits_since.map(|since| (since, shown(job).into())));
        self.status_written = self.status_written.max(*status_written);
    }
}

/// What was last found, and in which state of the caches; never given out for another state.
#[derive(Debug, Default)]
pub(crate) struct LastFleet(Mutex<Option<(Vec<u64>, Arc<Fleet>)>>);

impl LastFleet {
    /// Of the jobs as they are now.
    pub(crate) fn of(&self, jobs: &Jobs) -> Arc<Fleet> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Read first: what changes while all jobs are gone through makes for another state.
        let state = jobs.state();
        if let Some((_, fleet)) = last.as_ref().filter(|(of, _)| *of == state) {
            return Arc::clone(fleet);
        }
        let fleet = Arc::new(Fleet::of(jobs));
        *last = Some((state, Arc::clone(&fleet)));
        fleet
    }
}

#[cfg(test)]
mod tests {
    use flink_api::FlinkDeployment;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;
    use crate::cache::{Packer, Writer, store};

    /// A job whose status was written in this minute.
    fn written(name: &str, minute: u8) -> Arc<CachedJob> {
        let at = format!("2026-01-02T03:{minute:02}:00Z");
        let entry = json!({"manager": "flink", "operation": "Update", "subresource": "status", "time": at});
        let metadata = json!({"name": name, "namespace": "n", "uid": name, "generation": 1, "managedFields": [entry]});
        let job = json!({"metadata": metadata, "spec": {"job": {}}, "status": {"observedGeneration": 1}});
        Packer::default().pack(serde_json::from_value::<FlinkDeployment>(job).unwrap())
    }

    fn stores() -> (Jobs, [Writer; 2]) {
        let ((one, first), (other, second)) = (store(), store());
        (Jobs::new(vec![one, other]), [first, second])
    }

    #[test]
    fn every_change_of_any_cache_is_seen_by_whoever_asks_next() {
        let (jobs, [mut first, mut second]) = stores();
        let minute = || jobs.fleet().status_written.map(|at| at.to_string()[14..16].to_owned());
        assert_eq!(minute(), None);
        first.apply(&Event::Apply(written("a", 10)));
        assert_eq!(minute().as_deref(), Some("10"));
        second.apply(&Event::Apply(written("b", 20)));
        assert_eq!(minute().as_deref(), Some("20"));
        second.apply(&Event::Delete(written("b", 20)));
        assert_eq!(minute().as_deref(), Some("10"));
        for event in [Event::Init, Event::InitApply(written("c", 30))] {
            first.apply(&event);
            assert_eq!(minute().as_deref(), Some("10"), "a list that is not whole");
        }
        first.apply(&Event::InitDone);
        assert_eq!(minute().as_deref(), Some("30"));
    }

    #[test]
    fn between_two_changes_nobody_goes_through_all_jobs_again() {
        let (jobs, [mut first, _second]) = stores();
        first.apply(&Event::Apply(written("a", 10)));
        let (before, clone) = (jobs.fleet(), jobs.clone());
        assert!(Arc::ptr_eq(&before, &clone.fleet()));
        first.apply(&Event::Apply(written("a", 10)));
        assert!(!Arc::ptr_eq(&before, &clone.fleet()));
    }
}
