//! A review answered with no cluster around: what the answer alone costs can be measured.

use std::sync::Arc;

use checklist::policy::Policies;
use checklist::{Platform, SessionJobs};
use jiff::Timestamp;
use tokio::sync::watch;

use super::judge::{Arriving, judge};
use super::on_policy;
use super::wire::{NoReview, Request, allowed};
use crate::namespaces::NamespaceMetadata;
use crate::policies::KnownPolicies;
use crate::reconcile::gather::Gathered;

/// The webhook without server, caches and clock.
pub struct OfflineWebhook {
    gathered: Gathered,
    policies: KnownPolicies,
}

impl OfflineWebhook {
    /// One that knows this platform and these policies, and of namespaces nothing.
    pub fn new(platform: Platform, policies: Policies) -> Self {
        let gathered = Gathered {
            platform: Arc::new(platform),
            layers_unreadable: None,
            namespace: NamespaceMetadata::default(),
            session_cluster: None,
            session_jobs: SessionJobs::Unknown,
        };
        let policies = KnownPolicies::new(watch::Sender::new(Some(Arc::new(policies))).subscribe());
        Self { gathered, policies }
    }

    /// The answer to an `AdmissionReview` at this time, of a job or of a policy.
    ///
    /// # Errors
    /// A body that is no review.
    pub fn review(&self, body: &[u8], now: Timestamp) -> Result<Vec<u8>, NoReview> {
        let request = Request::read(body)?;
        if request.is_of_policy() {
            return Ok(on_policy(&request).1?);
        }
        let kind = request.kind().filter(|_| request.is_of_whole_object());
        let arriving = kind.and_then(|kind| Arriving::read(&request, kind, now));
        let Some(arriving) = arriving.filter(|arriving| !arriving.deployment.name().is_empty()) else {
            return Ok(allowed(&request.uid, &json_patch::Patch::default(), &[])?);
        };
        let ruling = judge(&request, &arriving, &self.gathered, &self.policies, |_| false, now);
        Ok(allowed(&request.uid, &ruling.patch, &ruling.warnings)?)
    }
}
