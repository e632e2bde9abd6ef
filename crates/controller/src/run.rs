//! Starts everything, and ends everything when one part ends.

mod lead;

use std::sync::Arc;

use checklist::Policy;
use checklist::policy::Policies;
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{Store, store};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::admission::{self, Admission, WebhookSettings};
use crate::events::{Emitter, Said};
use crate::jobs::Jobs;
use crate::kinds::{Kinds, Scope};
use crate::lease::{Elector, Fence, LeaseConfig, LeaseError};
use crate::looks::Queue;
use crate::metrics::Metrics;
use crate::namespaces::{self, Namespaces};
use crate::open_reports::{OpenReportSink, OpenReportWriter};
use crate::operator_config::{self, Source};
use crate::own::own_deployment;
use crate::policies::{self, KnownPolicies, StatusWriter, Tally};
use crate::reconcile::gather::Around;
use crate::reconcile::records::Records;
use crate::reconcile::{Backoff, Context};
use crate::report::{self, ReportWriter, Reports};
use crate::rollout::{self, CheckpointWatch, RestartSlot, Watchdog};
use crate::uid::Uid;
use crate::watch::{self as watches, Forget};
use crate::watched::{Cache, Watched};
use lead::{Caches, Loops, lead};

/// How the controller runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the platform wants.
    pub policies: PolicySource,
    /// Where FKO's configuration is.
    pub operator_config: Source,
    /// Namespaces to watch; empty means all.
    pub watch_namespaces: Vec<String>,
    /// Leader election.
    pub lease: LeaseConfig,
    /// Name of the Deployment that we run in, in the lease's namespace.
    pub deployment: String,
    /// Decide and say, write nothing but Events and reports.
    pub dry_run: bool,
    /// Whether reports are written in the format of openreports.io as well.
    pub open_reports: bool,
    /// Looks at the same time.
    pub concurrency: u16,
}

/// Where the platform's policies are.
#[derive(Clone, Debug)]
pub enum PolicySource {
    /// These, and what the cluster has is not looked at.
    Given(Policies),
    /// The cluster's, and this for jobs that none of them selects.
    Cluster {
        /// What counts then.
        built_in: Box<Policy>,
    },
}

/// Why the process ends other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Leadership is lost.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A part that should go on for ever has ended.
    #[error("{0} has ended, so this process does too")]
    Ended(&'static str),
    /// A part has panicked.
    #[error("a task has failed: {0}")]
    Task(#[from] JoinError),
}

/// Everything that runs in one process.
pub struct Controller {
    client: Client,
    settings: Settings,
    metrics: Metrics,
    jobs: Jobs,
    watched: Vec<Watched>,
    policies: watch::Sender<Option<Arc<Policies>>>,
    ready: watch::Sender<bool>,
    webhook: Option<(TcpListener, WebhookSettings)>,
    fence: Fence,
}

type Parts = JoinSet<Result<(), RunError>>;

impl Controller {
    /// Prepares the caches; nothing runs yet.
    pub fn new(client: Client, settings: Settings) -> Self {
        let watched = Watched::all(&scopes(&settings));
        let jobs = Jobs::new(watched.iter().map(|watched| watched.cache.store.clone()).collect());
        let (metrics, ready) = (Metrics::default(), watch::Sender::new(false));
        let policies = watch::Sender::new(match &settings.policies {
            PolicySource::Given(policies) => Some(Arc::new(policies.clone())),
            PolicySource::Cluster { .. } => None,
        });
        let fence = Fence::new(settings.concurrency);
        Self { client, settings, metrics, jobs, watched, policies, ready, webhook: None, fence }
    }

    /// Serves the admission webhook as well.
    pub fn serve_webhook(&mut self, listener: TcpListener, settings: WebhookSettings) {
        self.webhook = Some((listener, settings));
    }

    /// Puts what is counted into a registry.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let policies = KnownPolicies::new(self.policies.subscribe());
        self.metrics.register(registry, self.jobs.clone(), policies, &self.fence);
    }

    /// True once the first lists are here and FKO's configuration has been looked for.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Runs until `stop` turns true, which is an orderly end, or until a part fails.
    ///
    /// # Errors
    /// What failed.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), RunError> {
        let mut parts = Parts::new();
        let fence = self.fence;
        let lease = &self.settings.lease;
        let stores: Vec<Cache> = self.watched.iter().map(|watched| watched.cache.clone()).collect();
        let queues: Vec<Queue> = stores.iter().map(|cache| cache.queue.clone()).collect();
        let (emitter, events) = Emitter::new(
            self.client.clone(),
            fence.clone(),
            lease.identity.clone(),
            self.metrics.clone(),
            queues.clone(),
        );
        let scopes: Vec<_> = scopes(&self.settings);
        let reports = Reports::new(scopes.iter().cloned());
        let (report_writer, report_sink) = ReportWriter::new(
            self.client.clone(),
            fence.clone(),
            reports.clone(),
            self.metrics.clone(),
            queues.clone(),
        );
        let kinds = Watched::optional(&self.watched);
        let gone = Gone::new(events.said(), self.metrics.clone());
        let shared = (&self.client, &self.jobs, queues.as_slice());
        follow_jobs(self.watched, shared, &gone, &kinds, &mut parts);
        let namespaces = follow_namespaces_and_reports(scopes, shared, &reports, &mut parts);
        let (known, platform) = watch::channel(None);
        let follow = operator_config::follow(self.client.clone(), self.settings.operator_config.clone(), known);
        parts.spawn(forever("the watch of the Flink operator's configuration", follow));
        let policies = KnownPolicies::new(self.policies.subscribe());
        let (open_report_writer, open_reports) =
            open_reports(&self.client, &self.settings, &fence, &self.jobs, &queues);
        let objects = follow_policies(&self.client, &self.settings, self.policies, &mut parts);
        let status_writer =
            StatusWriter { client: self.client.clone(), fence: fence.clone(), objects, tally: gone.tally.clone() };
        // Whoever sees some namespaces only does not see all jobs of a policy.
        let status_writer = self.settings.watch_namespaces.is_empty().then_some(status_writer);
        let caches = Caches {
            policies: policies.clone(),
            jobs: stores,
            kinds: kinds.clone(),
            namespaces: namespaces.clone(),
            platform: platform.clone(),
            reports,
        };
        let around =
            Around { platform, policies, namespaces: Namespaces::new(namespaces), jobs: self.jobs.clone(), kinds };
        if let Some((listener, webhook)) = self.webhook {
            let admission = Admission {
                client: self.client.clone(),
                around: around.clone(),
                metrics: self.metrics.clone(),
                clock: fence.clock().clone(),
                watch_namespaces: self.settings.watch_namespaces.clone(),
                operator_accounts: webhook.operator_accounts,
                dry_run: self.settings.dry_run,
                ready: self.ready.subscribe(),
            };
            let serving = admission::run(listener, admission, webhook.certificate, fence.clone(), stop.clone());
            parts.spawn(until_asked_to_end(serving.boxed(), stop.clone()));
        }
        let context = Arc::new(Context {
            client: self.client.clone(),
            fence: fence.clone(),
            around,
            slot: RestartSlot::new(gone.waiting),
            watchdog: gone.watchdog,
            records: gone.records,
            halted: watch::Sender::new(false),
            checkpoints: CheckpointWatch::new(self.client.clone()),
            own: own_deployment(&self.client, &lease.namespace, &self.settings.deployment).await,
            events,
            reports: report_sink,
            backoff: gone.backoff,
            open_reports,
            tally: gone.tally,
            metrics: self.metrics.clone(),
            dry_run: self.settings.dry_run,
        });
        let elector = Elector::new(self.client, lease.clone(), fence);
        let loops = Loops {
            context,
            queues,
            emitter,
            writer: report_writer,
            status_writer,
            open_report_writer,
            concurrency: self.settings.concurrency,
            stop: stop.clone(),
        };
        parts.spawn(lead_once_ready(elector, loops, caches, self.ready, stop));
        let ended = first_end(&mut parts).await;
        parts.shutdown().await;
        ended
    }
}

/// What every watch asks, knows and tells.
type Shared<'a> = (&'a Client, &'a Jobs, &'a [Queue]);

fn follow_jobs(watched: Vec<Watched>, shared: Shared, gone: &Gone, kinds: &Kinds, parts: &mut Parts) {
    let (client, jobs, queues) = shared;
    for watched in watched {
        let what = watches::what(watched.kind);
        let follow = watched.follow(client.clone(), jobs.clone(), queues.to_vec(), gone.clone(), kinds.clone());
        parts.spawn(forever(what, follow));
    }
}

fn follow_namespaces_and_reports(
    scopes: Vec<Scope>,
    (client, jobs, queues): Shared,
    reports: &Reports,
    parts: &mut Parts,
) -> Store<PartialObjectMeta<Namespace>> {
    for scope in scopes.clone() {
        let follow = report::follow(client.clone(), scope, reports.clone(), jobs.clone(), queues.to_vec());
        parts.spawn(forever("the watch of RemediationReports", follow));
    }
    let (store, writer) = store();
    let (client, jobs, queues) = (client.clone(), jobs.clone(), queues.to_vec());
    let watch = async move { namespaces::follow(client, &scopes, writer, jobs, queues).await };
    parts.spawn(forever("the watch of Namespaces", watch));
    store
}

/// Follows the cluster's policies, unless there are others; returns the objects to write statuses of.
fn follow_policies(
    client: &Client,
    settings: &Settings,
    known: watch::Sender<Option<Arc<Policies>>>,
    parts: &mut Parts,
) -> watch::Receiver<policies::Objects> {
    let objects = watch::Sender::default();
    let seen = objects.subscribe();
    match &settings.policies {
        PolicySource::Cluster { built_in } => {
            let (client, fallback) = (client.clone(), built_in.as_ref().clone());
            let goes_on_unread = !settings.watch_namespaces.is_empty();
            let follower = policies::Follower { client, fallback, goes_on_unread, known, objects };
            parts.spawn(forever("the watch of RemediationPolicies", policies::follow(follower)));
        }
        PolicySource::Given(_) => {
            // Whoever listens for changes must not think that nobody tells them any more.
            parts.spawn(async move {
                let _known = known;
                std::future::pending().await
            });
        }
    }
    seen
}

/// Waits for the caches, then for the lease, and leads.
async fn lead_once_ready(
    mut elector: Elector,
    loops: Loops,
    caches: Caches,
    ready: watch::Sender<bool>,
    stop: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let mut stopped = stop.clone();
    tokio::select! {
        () = caches.filled() => {}
        _ = stopped.wait_for(|stop| *stop) => return Ok(()),
    }
    ready.send_replace(true);
    lead(&mut elector, loops, caches, stop).await
}

/// What writes reports in the format of openreports.io, where that is asked for.
fn open_reports(
    client: &Client,
    settings: &Settings,
    fence: &Fence,
    jobs: &Jobs,
    queues: &[Queue],
) -> (Option<OpenReportWriter>, OpenReportSink) {
    if !settings.open_reports {
        return (None, OpenReportSink::off());
    }
    let (jobs, queues) = (jobs.clone(), queues.to_vec());
    let (writer, sink) = OpenReportWriter::new(client.clone(), fence.clone(), scopes(settings), jobs, queues);
    (Some(writer), sink)
}

async fn first_end(parts: &mut Parts) -> Result<(), RunError> {
    match parts.join_next().await {
        Some(ended) => ended?,
        None => Ok(()),
    }
}

/// The namespaces to watch; `None` is all.
fn scopes(settings: &Settings) -> Vec<Option<String>> {
    if settings.watch_namespaces.is_empty() {
        return vec![None];
    }
    settings.watch_namespaces.iter().cloned().map(Some).collect()
}

fn forever(
    what: &'static str,
    part: impl Future<Output = ()> + Send,
) -> impl Future<Output = Result<(), RunError>> + Send {
    part.map(move |()| Err(RunError::Ended(what)))
}

/// A part whose orderly end comes before that of everything else.
async fn until_asked_to_end(part: BoxFuture<'static, ()>, stop: watch::Receiver<bool>) -> Result<(), RunError> {
    part.await;
    let is_asked = *stop.borrow();
    if is_asked { std::future::pending().await } else { Err(RunError::Ended("the admission webhook")) }
}

/// Forgets deleted jobs wherever something is kept about them.
#[derive(Clone)]
struct Gone {
    backoff: Arc<Backoff>,
    watchdog: Arc<Watchdog>,
    records: Arc<Records>,
    said: Arc<Said>,
    metrics: Metrics,
    tally: Tally,
    waiting: rollout::Queue,
}

impl Gone {
    /// Of a process that has seen no job yet.
    fn new(said: Arc<Said>, metrics: Metrics) -> Self {
        let (backoff, watchdog, records) = (Arc::default(), Arc::default(), Arc::default());
        Self { backoff, watchdog, records, said, metrics, tally: Tally::default(), waiting: rollout::Queue::default() }
    }
}

impl Forget for Gone {
    fn forget(&self, uid: Uid) {
        self.backoff.forget(uid);
        self.watchdog.forget(uid);
        self.records.forget(uid);
        self.said.forget(uid);
        self.metrics.forget(uid);
        self.tally.forget(uid);
        self.waiting.leave(uid);
    }
}
