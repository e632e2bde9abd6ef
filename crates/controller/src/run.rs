//! Starts everything, and ends everything when one part ends.

mod lead;

use std::sync::Arc;

use checklist::Policy;
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
use crate::lease::{Elector, Fence, LeaseConfig, LeaseError};
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::operator_config::{self, Source};
use crate::own::own_deployment;
use crate::reconcile::gather::Around;
use crate::reconcile::{Backoff, Context};
use crate::report::{self, ReportWriter, Reports};
use crate::rollout::{CheckpointWatch, RestartSlot, Watchdog};
use crate::watch::{self as watches, Forget, Queue};
use crate::watched::{Cache, Watched};
use lead::{Caches, Loops, lead};

/// How the controller runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the platform wants.
    pub policy: Policy,
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
    /// Looks at the same time.
    pub concurrency: u16,
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
    ready: watch::Sender<bool>,
    webhook: Option<(TcpListener, WebhookSettings)>,
}

type Parts = JoinSet<Result<(), RunError>>;

impl Controller {
    /// Prepares the caches; nothing runs yet.
    pub fn new(client: Client, settings: Settings) -> Self {
        let watched = Watched::all(&scopes(&settings));
        let jobs = Jobs::new(watched.iter().map(|watched| watched.cache.store.clone()).collect());
        let (metrics, ready) = (Metrics::default(), watch::Sender::new(false));
        Self { client, settings, metrics, jobs, watched, ready, webhook: None }
    }

    /// Serves the admission webhook as well.
    pub fn serve_webhook(&mut self, listener: TcpListener, settings: WebhookSettings) {
        self.webhook = Some((listener, settings));
    }

    /// Puts what is counted into a registry.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register(registry, self.jobs.clone(), self.settings.policy.breaker.clone());
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
        let fence = Fence::default();
        let lease = &self.settings.lease;
        let (emitter, events) =
            Emitter::new(self.client.clone(), fence.clone(), lease.identity.clone(), self.metrics.clone());
        let scopes: Vec<_> = scopes(&self.settings);
        let reports = Reports::new(scopes.iter().cloned());
        let (report_writer, report_sink) =
            ReportWriter::new(self.client.clone(), fence.clone(), reports.clone(), self.metrics.clone());
        let stores: Vec<Cache> = self.watched.iter().map(|watched| watched.cache.clone()).collect();
        let queues: Vec<Queue> = stores.iter().map(|cache| cache.queue.clone()).collect();
        let kinds = Watched::optional(&self.watched);
        let backoff = Arc::new(Backoff::default());
        let watchdog = Arc::new(Watchdog::default());
        let gone = Gone {
            backoff: backoff.clone(),
            watchdog: watchdog.clone(),
            said: events.said(),
            metrics: self.metrics.clone(),
        };
        for watched in self.watched {
            let what = watches::what(watched.kind);
            let (client, jobs) = (self.client.clone(), self.jobs.clone());
            parts.spawn(forever(what, watched.follow(client, jobs, queues.clone(), gone.clone(), kinds.clone())));
        }
        for scope in scopes {
            let (reports, jobs) = (reports.clone(), self.jobs.clone());
            let follow = report::follow(self.client.clone(), scope, reports, jobs, queues.clone());
            parts.spawn(forever("the watch of RemediationReports", follow));
        }
        let (namespaces, writer): (Store<PartialObjectMeta<Namespace>>, _) = store();
        let watch = watches::namespaces(self.client.clone(), writer, self.jobs.clone(), queues.clone());
        parts.spawn(forever("the watch of Namespaces", watch));
        let (known, platform) = watch::channel(None);
        let follow = operator_config::follow(self.client.clone(), self.settings.operator_config.clone(), known);
        parts.spawn(forever("the watch of the Flink operator's configuration", follow));
        let caches = Caches {
            jobs: stores,
            kinds: kinds.clone(),
            namespaces: namespaces.clone(),
            platform: platform.clone(),
            reports,
        };
        let around = Around { platform, namespaces: Namespaces::new(namespaces), jobs: self.jobs.clone(), kinds };
        if let Some((listener, webhook)) = self.webhook {
            let admission = Admission {
                client: self.client.clone(),
                around: around.clone(),
                policy: self.settings.policy.clone(),
                metrics: self.metrics.clone(),
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
            policy: self.settings.policy.clone(),
            around,
            slot: RestartSlot::default(),
            watchdog,
            halted: watch::Sender::new(false),
            checkpoints: CheckpointWatch::new(self.client.clone()),
            own: own_deployment(&self.client, &lease.namespace, &self.settings.deployment).await,
            events,
            reports: report_sink,
            backoff,
            metrics: self.metrics.clone(),
            dry_run: self.settings.dry_run,
        });
        let mut elector = Elector::new(self.client, lease.clone(), fence);
        let loops = Loops {
            context,
            queues,
            emitter,
            writer: report_writer,
            concurrency: self.settings.concurrency,
            stop: stop.clone(),
        };
        let ready = self.ready;
        let mut stopped = stop.clone();
        let lead = async move {
            tokio::select! {
                () = caches.filled() => {}
                _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            }
            ready.send_replace(true);
            lead(&mut elector, loops, caches, stop.clone()).await
        };
        parts.spawn(lead);
        let ended = first_end(&mut parts).await;
        parts.shutdown().await;
        ended
    }
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
    said: Arc<Said>,
    metrics: Metrics,
}

impl Forget for Gone {
    fn forget(&self, uid: &str) {
        self.backoff.forget(uid);
        self.watchdog.forget(uid);
        self.said.forget(uid);
        self.metrics.forget(uid);
    }
}
