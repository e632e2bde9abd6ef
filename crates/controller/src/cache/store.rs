//! The jobs of one watch. kube's own store keeps each object's whole metadata, and the queue of its controller keeps its
//! name several times: of a fleet that is more than the jobs themselves.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};

use kube::runtime::watcher::Event;
use tokio::sync::watch;

use super::{CachedJob, JobKey};

type Jobs = HashMap<JobKey, Arc<CachedJob>>;

/// Read access; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: Arc<RwLock<Jobs>>,
    ready: watch::Receiver<bool>,
}

/// What a watch fills the store through.
#[derive(Debug)]
pub struct Writer {
    jobs: Arc<RwLock<Jobs>>,
    ready: watch::Sender<bool>,
    /// A new list, until it is whole.
    listed: Jobs,
}

/// An empty store.
pub fn store() -> (Store, Writer) {
    let (jobs, ready) = (Arc::default(), watch::Sender::new(false));
    (Store { jobs: Arc::clone(&jobs), ready: ready.subscribe() }, Writer { jobs, ready, listed: Jobs::new() })
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
        self.jobs.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
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
                *self.write() = mem::take(&mut self.listed);
                self.ready.send_replace(true);
            }
            Event::Apply(job) => drop(self.write().insert(job.key().clone(), Arc::clone(job))),
            Event::Delete(job) => drop(self.write().remove(job.key())),
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Jobs> {
        self.jobs.write().unwrap_or_else(PoisonError::into_inner)
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
