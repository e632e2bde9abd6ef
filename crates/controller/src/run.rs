//! Starts everything, and ends everything when one part ends.

use std::sync::Arc;
use std::time::Duration;

use checklist::Policy;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{Config as Concurrency, applier};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info};

use crate::admission::{self, Admission, WebhookSettings};
use crate::events::{Emitter, Said};
use crate::jobs::Jobs;
use crate::kinds::Kinds;
use crate::lease::{Elector, Fence, LeaseConfig, LeaseError};
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::operator_config::{self, Known, Source};
use crate::own::own_deployment;
use crate::reconcile::gather::Around;
use crate::reconcile::{Backoff, Context, error_policy, reconcile};
use crate::report::{self, ReportWriter, Reports};
use crate::rollout::{CheckpointWatch, RestartSlot, Watchdog};
use crate::watch::{self as watches, Forget, Queue, enqueue};
use crate::watched::{Cache, Watched};

/// Longest time that looks in progress and queued Events get when the process is asked to end.
const GRACE: Duration = Duration::from_secs(20);

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

/// What has to be there before the first decision.
struct Caches {
    jobs: Vec<Cache>,
    kinds: Kinds,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    platform: watch::Receiver<Option<Known>>,
    reports: Reports,
}

impl Caches {
    /// Waits for the first lists. A writer that is gone ends its own part, which ends the process.
    async fn filled(&self) {
        self.kinds.looked_for().await;
        // Those of every kind that there is: what a cluster must have comes first.
        for cache in &self.jobs {
            if cache.is_awaited {
                let _ = cache.store.wait_until_ready().await;
            }
        }
        let _ = self.namespaces.wait_until_ready().await;
        let _ = self.platform.clone().wait_for(Option::is_some).await;
        self.reports.looked_for().await;
        info!(jobs = self.jobs.iter().map(|cache| cache.store.len()).sum::<usize>(), "caches are filled");
    }
}

/// What only the leader runs.
struct Loops {
    context: Arc<Context>,
    queues: Vec<Queue>,
    emitter: Emitter,
    writer: ReportWriter,
    concurrency: u16,
    stop: watch::Receiver<bool>,
}

async fn lead(
    elector: &mut Elector,
    loops: Loops,
    caches: Caches,
    mut stop: watch::Receiver<bool>,
) -> Result<(), RunError> {
    tokio::select! {
        acquired = elector.acquire() => acquired?,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    }
    let metrics = loops.context.metrics.clone();
    metrics.leading(true);
    let mut work = loops.start(caches);
    let asked_to_end = stop.clone();
    let held = tokio::select! {
        lost = elector.hold() => Err(lost.into()),
        // The same signal ends the loops and this wait, in any order.
        ended = first_end(&mut work) => match ended {
            Ok(()) if *asked_to_end.borrow() => Ok(()),
            ended => ended.and(Err(RunError::Ended("the reconcile loop"))),
        },
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    };
    metrics.leading(false);
    if held.is_ok() {
        finish(elector, &mut work).await;
    }
    work.shutdown().await;
    held
}

/// Lets looks in progress end and queued Events go out, then gives the lease up.
async fn finish(elector: &mut Elector, work: &mut Parts) {
    info!("ending: finishing what is in progress");
    let all = async { while work.join_next().await.is_some() {} };
    tokio::select! {
        done = tokio::time::timeout(GRACE, all) => if done.is_err() {
            error!("not everything in progress ended within {} s; it is taken up again at the next start", GRACE.as_secs());
        },
        lost = elector.hold() => error!(%lost, "lease lost while ending"),
    }
    elector.release().await;
}

impl Loops {
    fn start(self, caches: Caches) -> Parts {
        let mut work = Parts::new();
        let Self { context, queues, emitter, writer, concurrency, stop } = self;
        let platform = caches.platform;
        let halted = look_again_on_change(context.halted.subscribe(), context.around.jobs.clone(), queues.clone());
        let platform = look_again_on_change(platform, context.around.jobs.clone(), queues);
        let mut stopped = stop.clone();
        work.spawn(async move {
            tokio::select! {
                // The loops may have ended already, and with them what these two watch.
                biased;
                _ = stopped.wait_for(|stop| *stop) => Ok(()),
                () = platform => Err(RunError::Ended("the watch of the Flink operator's configuration")),
                () = halted => Err(RunError::Ended("the watch of the breaker")),
            }
        });
        for cache in caches.jobs {
            work.spawn(loop_over(cache, context.clone(), concurrency, stop.clone()));
        }
        drop(context);
        work.spawn(emitter.run().map(Ok));
        work.spawn(writer.run().map(Ok));
        work
    }
}

/// The loop over one cache: it ends when `stop` turns true and the looks in progress are over.
async fn loop_over(
    cache: Cache,
    context: Arc<Context>,
    concurrency: u16,
    mut stop: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let queued = tokio::select! {
        queued = cache.open() => queued,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    let queue = futures::stream::unfold(queued, |mut queued| async { queued.recv().await.map(|job| (job, queued)) });
    let queue = queue.take_until(async move {
        let _ = stop.wait_for(|stop| *stop).await;
    });
    let looks = applier(
        |job, context| reconcile(job, context).boxed(),
        |job, error, context| error_policy(&job, error, &context),
        context,
        cache.store,
        queue.map(Ok::<_, std::convert::Infallible>),
        Concurrency::default().concurrency(concurrency),
    );
    // Failed looks are logged and repeated by `error_policy`; a queued job that has gone is none of ours.
    looks.for_each(|_| std::future::ready(())).await;
    Ok(())
}

/// Looks at every job again whenever this changes.
async fn look_again_on_change<T>(mut seen: watch::Receiver<T>, jobs: Jobs, queues: Vec<Queue>) {
    seen.mark_unchanged();
    while seen.changed().await.is_ok() {
        enqueue(jobs.all().map(|job| ObjectRef::from_obj(&*job)), &queues);
    }
}
