//! The jobs of one watch. kube's own store keeps each object's whole metadata, and the queue of its controller keeps its
//! name several times: of a fleet that is more than the jobs themselves.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use kube::runtime::watcher::Event;
use tokio::sync::watch;

use super::{CachedJob, JobKey};

type Jobs = HashMap<JobKey, Arc<CachedJob>>;

/// Read access; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: Arc<RwLock<Jobs>>,
    changes: Arc<AtomicU64>,
    ready: watch::Receiver<bool>,
}

/// What a watch fills the store through.
#[derive(Debug)]
pub struct Writer {
    jobs: Arc<RwLock<Jobs>>,
    changes: Arc<AtomicU64>,
    ready: watch::Sender<bool>,
    /// A new list, until it is whole.
    listed: Jobs,
}

/// An empty store.
pub fn store() -> (Store, Writer) {
    let (jobs, changes, ready) = (Arc::default(), Arc::default(), watch::Sender::new(false));
    let store = Store { jobs: Arc::clone(&jobs), changes: Arc::clone(&changes), ready: ready.subscribe() };
    (store, Writer { jobs, changes, ready, listed: Jobs::new() })
}

impl Store {
    /// Waits for the first list. False if none will come any more.
    pub(crate) async fn is_filled(&self) -> bool {
        self.ready.clone().wait_for(|ready| *ready).await.is_ok()
    }

    /// The job of this name.
    pub(crate) fn get(&self, key: &JobKey) -> Option<Arc<CachedJob>> {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Every job.
    pub(crate) fn all(&self) -> Vec<Arc<CachedJob>> {
        self.matching(|_| true)
    }

    /// The jobs of which that is true.
    pub(crate) fn matching(&self, is_meant: impl Fn(&CachedJob) -> bool) -> Vec<Arc<CachedJob>> {
        let jobs = self.jobs.read().unwrap_or_else(PoisonError::into_inner);
        jobs.values().filter(|job| is_meant(job)).cloned().collect()
    }

    /// Shows every job, none of them to be kept: whatever is asked of a whole fleet takes no memory for it.
    pub(crate) fn for_each(&self, show: impl FnMut(&CachedJob)) {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::as_ref).for_each(show);
    }

    /// How often it has changed. Whoever asks before reading reads this state or a later one.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Writer {
    /// Takes in what the watch shows. A new list counts once it is whole.
    pub fn apply(&mut self, event: &Event<Arc<CachedJob>>) {
        match event {
            Event::Init => self.listed = Jobs::new(),
            Event::InitApply(job) => drop(self.listed.insert(job.key().clone(), Arc::clone(job))),
            Event::InitDone => {
                let listed = mem::take(&mut self.listed);
                self.change(|jobs| *jobs = listed);
                self.ready.send_replace(true);
            }
            Event::Apply(job) => self.change(|jobs| drop(jobs.insert(job.key().clone(), Arc::clone(job)))),
            Event::Delete(job) => self.change(|jobs| drop(jobs.remove(job.key()))),
        }
    }

    /// Counted before others may read, so that no state is taken for the one before it.
    fn change(&self, change: impl FnOnce(&mut Jobs)) {
        let mut jobs = self.jobs.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut jobs);
        self.changes.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use flink_api::FlinkDeployment;
    use futures::FutureExt;
    use serde_json::json;

    use super::*;
    use crate::cache::Packer;

    fn job(name: &str, generation: i64) -> Arc<CachedJob> {
        let metadata = json!({"name": name, "namespace": "n", "generation": generation});
        Packer::default().pack(serde_json::from_value::<FlinkDeployment>(json!({"metadata": metadata})).unwrap())
    }

    fn shown(store: &Store) -> Vec<String> {
        let mut shown: Vec<String> =
            store.all().iter().map(|job| format!("{}:{}", job.name(), job.generation().unwrap())).collect();
        shown.sort();
        shown
    }

    #[test]
    fn a_new_list_counts_when_it_is_whole() {
        let (store, mut writer) = store();
        assert!(store.is_filled().now_or_never().is_none());
        for event in [Event::Init, Event::InitApply(job("a", 1)), Event::InitApply(job("b", 1)), Event::InitDone] {
            writer.apply(&event);
        }
        assert_eq!((store.is_filled().now_or_never(), store.len()), (Some(true), 2));
        writer.apply(&Event::Apply(job("a", 2)));
        for event in [Event::Init, Event::InitApply(job("c", 1))] {
            writer.apply(&event);
            assert_eq!(shown(&store), ["a:2", "b:1"]);
        }
        // Broken off and begun anew.
        for event in [Event::Init, Event::InitApply(job("b", 3)), Event::InitDone] {
            writer.apply(&event);
        }
        assert_eq!(shown(&store), ["b:3"]);
        writer.apply(&Event::Delete(job("b", 3)));
        assert!(shown(&store).is_empty() && store.get(&JobKey::new("n", "b")).is_none());
    }

    #[test]
    fn without_a_writer_nothing_will_come() {
        let (store, _) = store();
        assert_eq!(store.is_filled().now_or_never(), Some(false));
    }
}
