//! The cache of FlinkDeployments: one store for each watched namespace, or one for the cluster.

use std::sync::Arc;

use flink_api::FlinkDeployment;
use kube::runtime::reflector::{ObjectRef, Store};

/// Read access to every job that we watch.
#[derive(Clone, Debug)]
pub struct Jobs {
    stores: Arc<Vec<Store<FlinkDeployment>>>,
}

impl Jobs {
    /// Over these stores.
    pub fn new(stores: Vec<Store<FlinkDeployment>>) -> Self {
        Self { stores: Arc::new(stores) }
    }

    /// Every job.
    pub fn all(&self) -> impl Iterator<Item = Arc<FlinkDeployment>> {
        self.stores.iter().flat_map(Store::state)
    }

    /// The jobs of one namespace.
    pub fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = Arc<FlinkDeployment>> + 'a {
        self.all().filter(move |job| job.namespace() == namespace)
    }

    /// Whether any store has this object.
    pub fn get(&self, reference: &ObjectRef<FlinkDeployment>) -> Option<Arc<FlinkDeployment>> {
        self.stores.iter().find_map(|store| store.get(reference))
    }
}
