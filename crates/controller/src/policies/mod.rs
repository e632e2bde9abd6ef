//! The platform's policies: a file's, or those of the cluster, followed as they change.

mod crd;
mod follow;
mod object;
mod status;
mod tally;

use std::sync::Arc;

use checklist::Labels;
use checklist::policy::{Candidate, Chosen, Policies};
use flink_api::FlinkDeployment;
use flink_conf::FlinkVersion;
use tokio::sync::watch;

pub use crd::remediation_policy_crd;
pub(crate) use follow::{Follower, Objects, follow};
pub(crate) use object::POLICY_KIND;
pub use object::{JobCounts, POLICY_PLURAL, PolicyStatus, RemediationPolicy};
pub(crate) use status::StatusWriter;
pub(crate) use tally::Tally;

/// The policies as they are known, `None` until they are; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct KnownPolicies(watch::Receiver<Option<Arc<Policies>>>);

#[cfg(test)]
impl Default for KnownPolicies {
    fn default() -> Self {
        Self(watch::Sender::new(None).subscribe())
    }
}

impl KnownPolicies {
    pub(crate) fn new(known: watch::Receiver<Option<Arc<Policies>>>) -> Self {
        Self(known)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Arc<Policies> {
        self.0.borrow().clone().unwrap_or_default()
    }

    /// The one that counts for this job.
    pub(crate) fn choose(
        &self,
        job: &FlinkDeployment,
        namespace_labels: &Labels,
        version: Option<FlinkVersion>,
    ) -> Chosen {
        let no_labels = Labels::new();
        let labels = job.metadata.labels.as_ref().unwrap_or(&no_labels);
        self.all().choose(&Candidate { kind: job.kind, labels, namespace_labels, version })
    }

    /// Waits until they are known.
    pub(crate) async fn known(&self) {
        let _ = self.0.clone().wait_for(Option::is_some).await;
    }

    /// Tells of each change.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Arc<Policies>>> {
        self.0.clone()
    }
}
