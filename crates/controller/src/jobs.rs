//! The caches of jobs: one store for each kind and watched namespace, or for the cluster.

use std::sync::Arc;

use flink_api::Kind;

use crate::cache::{CachedJob, JobKey, Store};
use crate::rollout::{Fleet, LastFleet};

/// Read access to every job that we watch, of all kinds.
#[derive(Clone, Debug)]
pub struct Jobs {
    stores: Arc<Vec<Store>>,
    last: Arc<LastFleet>,
}

impl Jobs {
    /// Over these stores.
    pub fn new(stores: Vec<Store>) -> Self {
        Self { stores: Arc::new(stores), last: Arc::default() }
    }

    /// Every job.
    pub fn all(&self) -> impl Iterator<Item = Arc<CachedJob>> {
        self.stores.iter().flat_map(Store::all)
    }

    /// Shows every job, none of them to be kept.
    pub(crate) fn for_each(&self, mut show: impl FnMut(&CachedJob)) {
        self.stores.iter().for_each(|store| store.for_each(&mut show));
    }

    /// What all of them mean for the next restart.
    pub(crate) fn fleet(&self) -> Arc<Fleet> {
        self.last.of(self)
    }

    /// Differs from what it was before any change of any store.
    pub(crate) fn state(&self) -> Vec<u64> {
        self.stores.iter().map(Store::changes).collect()
    }

    /// The jobs of one namespace.
    pub fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = Arc<CachedJob>> + 'a {
        self.matching(move |job| job.namespace() == namespace)
    }

    /// The jobs of which that is true.
    pub(crate) fn matching<'a>(
        &'a self,
        is_meant: impl Fn(&CachedJob) -> bool + 'a,
    ) -> impl Iterator<Item = Arc<CachedJob>> + 'a {
        self.stores.iter().flat_map(move |store| store.matching(&is_meant))
    }

    /// The `FlinkDeployment` of this name: names are given once for each kind.
    pub fn deployment(&self, namespace: &str, name: &str) -> Option<Arc<CachedJob>> {
        let key = JobKey::new(namespace, name);
        let mut found = self.stores.iter().filter_map(|store| store.get(&key));
        found.find(|job| job.kind == Kind::Deployment)
    }

    /// The session jobs on the session cluster of this name.
    pub fn session_jobs<'a>(
        &'a self,
        namespace: &'a str,
        cluster: &'a str,
    ) -> impl Iterator<Item = Arc<CachedJob>> + 'a {
        self.matching(move |job| job.session_cluster() == Some(cluster) && job.namespace() == namespace)
    }
}

/// `namespace/name`, with the kind before it where it is not the usual one.
pub(crate) fn shown(job: &CachedJob) -> String {
    let name = format!("{}/{}", job.namespace(), job.name());
    match job.kind {
        Kind::Deployment => name,
        Kind::BlueGreenDeployment | Kind::SessionJob => format!("{} {name}", job.kind.name()),
    }
}

#[cfg(test)]
mod tests {
    use flink_api::FlinkDeployment;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;
    use crate::cache::{Packer, store};

    #[test]
    fn a_name_is_told_apart_by_its_kind() {
        let of = |kind: Kind| {
            let job = json!({"metadata": {"namespace": "n", "name": "a"}, "spec": {"flinkVersion": kind.name()}});
            Packer::default().pack(FlinkDeployment { kind, ..serde_json::from_value(job).unwrap() })
        };
        let (stores, writers): (Vec<_>, Vec<_>) = Kind::ALL.iter().map(|_| store()).unzip();
        for (kind, mut writer) in Kind::ALL.iter().rev().zip(writers) {
            writer.apply(&Event::Apply(of(*kind)));
        }
        let jobs = Jobs::new(stores);
        assert_eq!(jobs.deployment("n", "a").map(|job| job.kind), Some(Kind::Deployment));
        assert!(jobs.deployment("n", "b").is_none() && jobs.deployment("m", "a").is_none());
        let mut shown: Vec<String> = jobs.all().map(|job| shown(&job)).collect();
        shown.sort();
        assert_eq!(shown, ["FlinkBlueGreenDeployment n/a", "FlinkSessionJob n/a", "n/a"]);
    }
}
