//! How many restarts are in flight in the whole cluster, derived from the objects themselves.

mod checkpoints;
mod fleet;
mod liveness;
mod queue;
mod savepoint;
mod signs;
mod watchdog;

pub(crate) use checkpoints::CheckpointError;
pub use checkpoints::{CheckpointWatch, Checkpoints};
pub(crate) use fleet::{Fleet, LastFleet};
pub use queue::{Queue, Waiting};
pub use savepoint::before_restart;
pub(crate) use signs::Signs;
pub use watchdog::{Watchdog, Watching};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use checklist::policy::Breaker;
use checklist::{HoldReason, Policy};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::jobs::Jobs;
use crate::uid::Uid;

/// How long a restart counts of which nobody knows whether it was written: far longer than a watch lags.
const UNCERTAIN: Duration = Duration::from_mins(1);

/// What the hourly budget looks back.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

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
    written: Mutex<HashMap<Uid, Written>>,
    /// Jobs that wait for their turn.
    queue: Queue,
}

/// The slot, held while the restart is written.
#[derive(Debug)]
pub struct SlotGuard<'a> {
    written: MutexGuard<'a, HashMap<Uid, Written>>,
}

/// Why a job may not restart now.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// What it waits for.
    pub reason: HoldReason,
    /// How many rounds of restarts come before it, as far as only other jobs' turns are in its way.
    pub rounds: u32,
}

impl From<HoldReason> for Refused {
    fn from(reason: HoldReason) -> Self {
        Self { reason, rounds: 0 }
    }
}

impl SlotGuard<'_> {
    /// Notes that the restart was written, as this generation of the object.
    pub fn written(&mut self, uid: &str, generation: i64) {
        self.written.insert(uid.into(), Written { generation, until: None });
    }

    /// Notes that the restart may have been written, as this generation: the server's answer was lost.
    pub fn uncertain(&mut self, uid: &str, generation: i64) {
        self.written.insert(uid.into(), Written { generation, until: Some(Instant::now() + UNCERTAIN) });
    }
}

impl RestartSlot {
    /// Whose waiting jobs are the ones of `queue`.
    pub fn new(queue: Queue) -> Self {
        Self { written: Mutex::default(), queue }
    }

    /// The slot for a job that has one already: its last restart has failed, and it is taken back.
    pub async fn again(&self) -> SlotGuard<'_> {
        SlotGuard { written: self.written.lock().await }
    }

    /// The slot for the job with this uid, or why there is none: as many others restart as the policy allows at a time,
    /// this job does itself, or as many have within an hour; or free slots are left only for jobs that have waited longer,
    /// which take them within seconds. A job may try its own lost write again: its uid and
    /// resourceVersion keep that from landing twice.
    pub async fn take(
        &self,
        jobs: &Jobs,
        waiting: Waiting<'_>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<SlotGuard<'_>, Refused> {
        let taken = self.try_take(jobs, waiting, policy, now).await;
        match &taken {
            Ok(_) => self.queue.leave(waiting.uid),
            Err(_) => self.queue.enter(waiting),
        }
        taken
    }

    /// Notes that a job waits for no restart.
    pub fn leave(&self, uid: &str) {
        self.queue.leave(uid);
    }

    async fn try_take(
        &self,
        jobs: &Jobs,
        waiting: Waiting<'_>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<SlotGuard<'_>, Refused> {
        let rollout = &policy.rollout;
        let uid = waiting.uid.into();
        let mut written = self.written.lock().await;
        forget_shown(jobs, &mut written);
        // Read after that: of a restart that is forgotten because the caches show it, this has to show it as well.
        let fleet = jobs.fleet();
        if let Some(until) = policy.breaker.halted_until(fleet.quarantined.values().copied(), now) {
            return Err(HoldReason::RolloutHalted(until).into());
        }
        if let Some(waiting) = liveness::silent_operator(&fleet, now) {
            return Err(HoldReason::OperatorSilent(waiting).into());
        }
        let Counted { busy, mut recent } = count(&fleet, &written, uid, now);
        let at_a_time = rollout.max_concurrent.get();
        let free = usize::from(at_a_time).saturating_sub(busy.len());
        let is_full = busy.contains_key(&uid) || free == 0;
        let before = self.queue.before(waiting, |other| busy.contains_key(other));
        let in_flight = |reason| {
            let rounds = u32::try_from(before).unwrap_or(u32::MAX) / u32::from(at_a_time);
            Err(Refused { reason: HoldReason::InFlight(reason), rounds })
        };
        if let Some(job) = busy.into_values().next().filter(|_| is_full) {
            return in_flight(job);
        }
        // Once the oldest of the newest that fill the budget no longer counts, there is room.
        recent.sort_unstable_by(|one, other| other.cmp(one));
        if let Some(free_at) = recent.get(usize::from(rollout.per_hour.get()) - 1) {
            return Err(HoldReason::HourlyBudget(*free_at).into());
        }
        let left = free.min(usize::from(rollout.per_hour.get()).saturating_sub(recent.len()));
        if before >= left {
            return in_flight(format!("one of {before} jobs that have waited longer"));
        }
        Ok(SlotGuard { written })
    }
}

/// The restarts of ours that bear on the next one.
struct Counted {
    /// Jobs of which a restart is not over, and what they are called.
    busy: BTreeMap<Uid, String>,
    /// When each restart of the last hour no longer counts.
    recent: Vec<Timestamp>,
}

/// Forgets restarts that the caches show by now; of jobs that they do not hold any more, and those that may never have been.
fn forget_shown(jobs: &Jobs, written: &mut HashMap<Uid, Written>) {
    if written.is_empty() {
        return;
    }
    let mut unseen = HashSet::new();
    jobs.for_each(|job| {
        let uid = job.uid().into();
        if written.get(&uid).is_some_and(|written| job.generation() < Some(written.generation)) {
            unseen.insert(uid);
        }
    });
    let instant = Instant::now();
    written.retain(|uid, written| unseen.contains(uid) && written.until.is_none_or(|until| instant < until));
}

/// Counts over all jobs, for the one with this uid, together with what the caches do not show yet.
fn count(fleet: &Fleet, written: &HashMap<Uid, Written>, uid: Uid, now: Timestamp) -> Counted {
    let mut counted = Counted { busy: fleet.under_way.iter().cloned().collect(), recent: Vec::new() };
    let free_at = fleet.restarted.iter().filter_map(|at| at.checked_add(HOUR).ok());
    counted.recent.extend(free_at.take_while(|free_at| now < *free_at));
    for other in written.keys().filter(|other| **other != uid) {
        counted.busy.entry(*other).or_insert_with(|| "a job that has just been changed".to_owned());
        counted.recent.extend(now.checked_add(HOUR));
    }
    counted
}

/// That no job restarts any more, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halted {
    /// When that is over by itself.
    pub until: Timestamp,
    /// The jobs that have not come back, as `namespace/name`, with the kind where it is not the usual one.
    pub jobs: BTreeSet<String>,
}

/// Whether so many jobs have not come back from their restart that none restarts any more. Derived from the jobs: a
/// person who takes the annotation `quarantined` off a job takes it out of the count.
pub fn halted(jobs: &Jobs, breaker: &Breaker, now: Timestamp) -> Option<Halted> {
    let fleet = jobs.fleet();
    let until = breaker.halted_until(fleet.quarantined.values().copied(), now)?;
    Some(Halted { until, jobs: fleet.quarantined.keys().cloned().collect() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flink_api::FlinkDeployment;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;
    use crate::cache::{CachedJob, Packer, Writer, store};

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

    fn applied(job: FlinkDeployment) -> Event<Arc<CachedJob>> {
        Event::Apply(Packer::default().pack(job))
    }

    fn rollout(document: &serde_json::Value) -> Policy {
        serde_json::from_value(json!({"rollout": document})).unwrap()
    }

    fn one() -> Policy {
        Policy::default()
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn ask(uid: &str) -> Waiting<'_> {
        Waiting { uid, since: now() }
    }

    fn cache() -> (Jobs, Writer) {
        let (reader, writer) = store();
        (Jobs::new(vec![reader]), writer)
    }

    #[tokio::test]
    async fn one_restart_at_a_time_until_that_job_is_stable() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        cache.apply(&applied(job("a", Some(2), "UPGRADING")));
        assert_eq!(
            slot.take(&jobs, ask("b"), &one(), now()).await.unwrap_err().reason,
            HoldReason::InFlight("n/a".to_owned())
        );
        cache.apply(&applied(job("a", Some(2), "STABLE")));
        assert!(slot.take(&jobs, ask("b"), &one(), now()).await.is_ok());
    }

    #[tokio::test]
    async fn no_more_restarts_than_the_policy_allows() {
        let (jobs, mut cache) = cache();
        let (slot, two) = (RestartSlot::default(), rollout(&json!({"maxConcurrent": 2})));
        cache.apply(&applied(job("a", Some(2), "UPGRADING")));
        assert!(slot.take(&jobs, ask("a"), &two, now()).await.is_err(), "its own restart is not over");
        slot.leave("a");
        slot.take(&jobs, ask("b"), &two, now()).await.unwrap().written("b", 2);
        let mut unseen = job("b", None, "STABLE");
        unseen.metadata.generation = Some(1);
        cache.apply(&applied(unseen));
        assert!(slot.take(&jobs, ask("c"), &two, now()).await.is_err());
        cache.apply(&applied(job("a", Some(2), "STABLE")));
        assert!(slot.take(&jobs, ask("c"), &two, now()).await.is_ok());
    }

    #[tokio::test]
    async fn no_more_restarts_within_an_hour_than_the_policy_allows() {
        let (jobs, mut cache) = cache();
        let (slot, two) = (RestartSlot::default(), rollout(&json!({"perHour": 2})));
        let restarted = |uid: &str, at: &str| {
            let mut job = job(uid, Some(2), "STABLE");
            let record = job.metadata.annotations.as_mut().unwrap().get_mut("flink-remedy.dev/filled").unwrap();
            *record = record.replace("\"generation\":2", &format!("\"generation\":2,\"at\":\"2026-01-02T{at}:05Z\""));
            applied(job)
        };
        cache.apply(&restarted("a", "02:04"));
        cache.apply(&restarted("b", "02:30"));
        assert!(slot.take(&jobs, ask("x"), &two, now()).await.is_ok(), "the first is an hour old");
        cache.apply(&restarted("c", "02:50"));
        let free_at = "2026-01-02T03:30:05Z".parse().unwrap();
        assert_eq!(
            slot.take(&jobs, ask("x"), &two, now()).await.unwrap_err().reason,
            HoldReason::HourlyBudget(free_at)
        );
        assert!(slot.take(&jobs, ask("x"), &two, free_at).await.is_ok());
    }

    #[tokio::test]
    async fn a_restart_that_the_cache_does_not_show_yet_counts() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        let mut before = job("a", None, "STABLE");
        before.metadata.generation = Some(1);
        cache.apply(&applied(before));
        slot.take(&jobs, ask("b"), &one(), now()).await.unwrap().written("a", 2);
        assert!(slot.take(&jobs, ask("b"), &one(), now()).await.is_err());
        cache.apply(&applied(job("a", Some(2), "STABLE")));
        assert!(slot.take(&jobs, ask("b"), &one(), now()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_whose_answer_was_lost_counts_for_a_while() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        let mut before = job("a", None, "STABLE");
        before.metadata.generation = Some(1);
        cache.apply(&applied(before));
        slot.take(&jobs, ask("b"), &one(), now()).await.unwrap().uncertain("a", 2);
        assert!(slot.take(&jobs, ask("b"), &one(), now()).await.is_err());
        assert!(slot.take(&jobs, ask("a"), &one(), now()).await.is_ok());
        tokio::time::advance(UNCERTAIN).await;
        assert!(slot.take(&jobs, ask("b"), &one(), now()).await.is_ok());
    }

    #[tokio::test]
    async fn who_has_waited_longest_goes_first_and_holds_nobody_up_who_has_room_beside() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        cache.apply(&applied(job("a", Some(2), "UPGRADING")));
        for uid in ["old", "young", "last"] {
            cache.apply(&applied(job(uid, None, "STABLE")));
        }
        let since = |uid, minutes| Waiting { uid, since: now() - SignedDuration::from_mins(minutes) };
        let (old, young, last) = (since("old", 9), since("young", 5), since("last", 1));
        for waiting in [young, old, last] {
            assert!(slot.take(&jobs, waiting, &one(), now()).await.is_err());
        }
        let refused = slot.take(&jobs, last, &one(), now()).await.unwrap_err();
        assert_eq!(refused, Refused { reason: HoldReason::InFlight("n/a".to_owned()), rounds: 2 });
        let three = rollout(&json!({"maxConcurrent": 3}));
        assert!(slot.take(&jobs, last, &three, now()).await.is_err_and(|refused| refused.rounds == 0));
        cache.apply(&applied(job("a", Some(2), "STABLE")));
        assert!(slot.take(&jobs, last, &one(), now()).await.is_err());
        assert!(slot.take(&jobs, young, &one(), now()).await.is_err());
        let two = rollout(&json!({"maxConcurrent": 2}));
        assert!(slot.take(&jobs, last, &two, now()).await.is_err(), "two have waited longer");
        assert!(slot.take(&jobs, young, &two, now()).await.is_ok(), "there is room for both");
        assert!(slot.take(&jobs, old, &one(), now()).await.is_ok());
        assert!(slot.take(&jobs, last, &one(), now()).await.is_ok(), "those before it have had their turn");
    }

    #[tokio::test]
    async fn a_deleted_job_frees_the_slot() {
        let (jobs, mut cache) = cache();
        let slot = RestartSlot::default();
        let restarting = job("a", Some(2), "UPGRADING");
        cache.apply(&applied(restarting.clone()));
        assert!(slot.take(&jobs, ask("b"), &one(), now()).await.is_err());
        cache.apply(&Event::Delete(Packer::default().pack(restarting)));
        assert!(slot.take(&jobs, ask("b"), &one(), now()).await.is_ok());
    }
}
