//! Annotations of namespaces, cached.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};

/// Read access to the annotations of every namespace.
#[derive(Clone, Debug)]
pub(crate) struct Namespaces(Store<PartialObjectMeta<Namespace>>);

impl Namespaces {
    /// Over this store.
    pub(crate) fn new(store: Store<PartialObjectMeta<Namespace>>) -> Self {
        Self(store)
    }

    /// A namespace's annotations; `None` while the namespace is not known.
    pub(crate) fn annotations(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let object = self.0.get(&ObjectRef::new(namespace))?;
        Some(object.metadata.annotations.clone().unwrap_or_default())
    }
}
