//! The mutating webhook: the same subject, evaluation and plan as the loop, at the moment at which they cost nothing.
//!
//! It answers on every replica, changes nothing but what it answers, and always allows a job. A policy that is none it refuses.

mod certificate;
mod judge;
mod keeper;
mod offline;
mod server;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use checklist::Policy;
use flink_api::FIELD_MANAGER;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::error::GatherError;
use crate::lease::{Clock, Fence};
use crate::metrics::Metrics;
use crate::namespaces::NamespaceMetadata;
use crate::policies::RemediationPolicy;
use crate::reconcile::gather::{Around, Gathered, gather, gather_in};
use crate::rollout::halted;
use crate::troubles::Trouble;
pub(crate) use certificate::CertificateError;
use certificate::Served;
use judge::{Arriving, Outcome, Ruling, judge};
use keeper::{Files, Keeper};
pub use wire::NoReview;
use wire::{Request, allowed, refused};

pub use offline::OfflineWebhook;
pub use server::PATH;

/// How long a namespace is asked for that has only just been made. The API server waits for all of this.
const LOOKUP: Duration = Duration::from_secs(1);

/// How the webhook is run.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where its certificate comes from.
    pub certificate: CertificateSource,
    /// Accounts of FKO, whose changes pass: user names, or `ServiceAccount`s by name, with or without `NAMESPACE/`.
    pub operator_accounts: Vec<String>,
}

/// Where the webhook's certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// A folder with `tls.crt` and `tls.key`, read again when they change; somebody else puts the authority's certificate
    /// into the webhook's configuration.
    Files(PathBuf),
    /// Made and renewed by ourselves.
    Own(OwnCertificate),
}

/// A certificate of our own authority.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret with keys and certificates.
    pub secret: String,
    /// Name of the `MutatingWebhookConfiguration` that has to know the authority.
    pub configuration: String,
    /// DNS names and addresses by which the API server calls us.
    pub names: Vec<String>,
    /// How long a certificate is valid.
    pub lifetime: SignedDuration,
}

/// What every review needs.
pub(crate) struct Admission {
    pub(crate) client: Client,
    pub(crate) around: Around,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    /// Namespaces that are watched; empty means all.
    pub(crate) watch_namespaces: Vec<String>,
    pub(crate) operator_accounts: Vec<String>,
    /// Say what would be done, change nothing.
    pub(crate) dry_run: bool,
    /// True once the caches are filled.
    pub(crate) ready: watch::Receiver<bool>,
}

impl Admission {
    /// Answers one call.
    ///
    /// # Errors
    /// A body that is no review.
    pub(crate) async fn review(&self, body: &[u8]) -> Result<Vec<u8>, NoReview> {
        let started = Instant::now();
        let request = Request::read(body).inspect_err(|error| {
            self.metrics.reviewed(Outcome::Malformed.into(), started.elapsed());
            debug!(trouble = %Trouble::from(error), %error, "no review");
        })?;
        if request.is_of_policy() {
            let (outcome, answer) = on_policy(&request);
            self.metrics.reviewed(outcome.into(), started.elapsed());
            return Ok(answer?);
        }
        let mut ruling = self.ruling(&request).await;
        if self.dry_run {
            ruling.patch = json_patch::Patch::default();
        }
        let answer = allowed(&request.uid, &ruling.patch, &ruling.warnings)?;
        self.metrics.reviewed(ruling.outcome.into(), started.elapsed());
        Ok(answer)
    }

    async fn ruling(&self, request: &Request) -> Ruling {
        let Some(kind) = request.kind().filter(|_| self.is_concerned(request)) else {
            return Ruling::as_sent(Outcome::Passed);
        };
        let now = self.clock.now();
        let Some(arriving) = Arriving::read(request, kind, now) else { return Ruling::as_sent(Outcome::Unreadable) };
        let name = arriving.deployment.name().to_owned();
        // A name that is made up later may be part of what is filled.
        if name.is_empty() {
            return Ruling::as_sent(Outcome::Untouched);
        }
        let Some(gathered) = self.gathered(&arriving).await else { return Ruling::as_sent(Outcome::Unreadable) };
        let is_halted = |policy: &Policy| halted(&self.around.jobs, &policy.breaker, now).is_some();
        let ruling = judge(request, &arriving, &gathered, &self.around.policies, is_halted, now);
        let (kind, namespace, operation) = (kind.name(), request.namespace.as_str(), request.operation.as_str());
        let (outcome, changes) = (<&str>::from(ruling.outcome), ruling.patch.0.len());
        // What is only asked for is no decision.
        if changes > 0 && !request.dry_run {
            info!(kind, namespace, name, operation, outcome, changes, dry_run = self.dry_run, "admitted");
        } else {
            debug!(kind, namespace, name, operation, outcome, asked_only = request.dry_run, "admitted");
        }
        ruling
    }

    fn is_concerned(&self, request: &Request) -> bool {
        let is_watched = self.watch_namespaces.is_empty() || self.watch_namespaces.contains(&request.namespace);
        let is_own = request.field_manager() == FIELD_MANAGER;
        *self.ready.borrow()
            && is_watched
            && request.is_of_whole_object()
            && !is_own
            && !request.is_by(&self.operator_accounts)
    }

    async fn gathered(&self, arriving: &Arriving) -> Option<Gathered> {
        match gather(&self.around, &arriving.deployment) {
            Ok(gathered) => return Some(gathered),
            Err(GatherError::UnknownNamespace(_)) => {}
            Err(error @ GatherError::NotKept(..)) => return unread(&error),
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = namespaces.get_metadata(arriving.deployment.namespace());
        let namespace = tokio::time::timeout(LOOKUP, namespace).await.ok()?.ok()?;
        let gathered = gather_in(&self.around, &arriving.deployment, NamespaceMetadata::of(&namespace));
        gathered.map_or_else(|error| unread(&error), Some)
    }
}

/// What a job refers to is in a cache and cannot be read there: the job stays as it was sent.
fn unread(error: &GatherError) -> Option<Gathered> {
    warn!(trouble = %Trouble::NotKept, %error, "a job was admitted unjudged");
    None
}

/// Refuses a policy that its schema lets through and that is none all the same.
fn on_policy(request: &Request) -> (Outcome, serde_json::Result<Vec<u8>>) {
    let spec = request.object.get("spec").cloned().unwrap_or_default();
    let policy = RemediationPolicy { spec, ..RemediationPolicy::default() };
    if let Some(problem) = policy.problem() {
        return (Outcome::Refused, refused(&request.uid, &problem));
    }
    let warnings = policy.in_force().policy.warnings();
    (Outcome::Untouched, allowed(&request.uid, &json_patch::Patch::default(), &warnings))
}

/// Serves reviews, and keeps the certificate for it, until `stop` turns true.
pub(crate) async fn run(
    listener: TcpListener,
    admission: Admission,
    source: CertificateSource,
    fence: Fence,
    stop: watch::Receiver<bool>,
) {
    let served = Arc::new(Served::default());
    let client = admission.client.clone();
    let serving = server::serve(listener, Arc::clone(&served), Arc::new(admission), stop);
    match source {
        CertificateSource::Files(folder) => tokio::select! {
            () = serving => {}
            () = Files::new(folder).follow(&served) => {}
        },
        CertificateSource::Own(own) => tokio::select! {
            () = serving => {}
            () = Keeper::new(client, fence, own).keep(&served) => {}
        },
    }
}
