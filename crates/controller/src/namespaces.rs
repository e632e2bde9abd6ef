//! What namespaces say of the jobs in them, cached.

use std::collections::BTreeMap;

use checklist::Labels;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};

/// What a namespace says of the jobs in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamespaceMetadata {
    /// Its annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Its labels.
    pub(crate) labels: Labels,
}

impl NamespaceMetadata {
    /// Of this namespace.
    pub(crate) fn of(namespace: &PartialObjectMeta<Namespace>) -> Self {
        let metadata = &namespace.metadata;
        Self {
            annotations: metadata.annotations.clone().unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
        }
    }
}

/// Read access to what every namespace says.
#[derive(Clone, Debug)]
pub(crate) struct Namespaces(Store<PartialObjectMeta<Namespace>>);

impl Namespaces {
    /// Over this store.
    pub(crate) fn new(store: Store<PartialObjectMeta<Namespace>>) -> Self {
        Self(store)
    }

    /// What a namespace says; `None` while the namespace is not known.
    pub(crate) fn metadata(&self, namespace: &str) -> Option<NamespaceMetadata> {
        self.0.get(&ObjectRef::new(namespace)).map(|object| NamespaceMetadata::of(&object))
    }
}
