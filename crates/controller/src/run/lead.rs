//! What only the leader does, from the moment at which it leads.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::Store;
use tokio::sync::watch;
use tracing::{Instrument, error, info, info_span};

use super::{Parts, RunError, first_end};
use crate::cache::JobKey;
use crate::events::Emitter;
use crate::jobs::Jobs;
use crate::kinds::Kinds;
use crate::lease::Elector;
use crate::looks::Queue;
use crate::open_reports::OpenReportWriter;
use crate::operator_config::Known;
use crate::policies::{KnownPolicies, StatusWriter};
use crate::reconcile::{Context, error_policy, reconcile};
use crate::report::{ReportWriter, Reports};
use crate::troubles::Trouble;
use crate::watch::enqueue;
use crate::watched::Cache;

/// Longest time that looks in progress and queued Events get when the process is asked to end.
const GRACE: Duration = Duration::from_secs(20);

/// What has to be there before the first decision.
pub(super) struct Caches {
    pub(super) policies: KnownPolicies,
    pub(super) jobs: Vec<Cache>,
    pub(super) kinds: Kinds,
    pub(super) namespaces: Store<PartialObjectMeta<Namespace>>,
    pub(super) platform: watch::Receiver<Option<Known>>,
    pub(super) reports: Reports,
}

impl Caches {
    /// Waits for the first lists. A writer that is gone ends its own part, which ends the process.
    pub(super) async fn filled(&self) {
        self.kinds.looked_for().await;
        // Those of every kind that there is: what a cluster must have comes first.
        for cache in &self.jobs {
            if cache.is_awaited {
                cache.store.is_filled().await;
            }
        }
        let _ = self.namespaces.wait_until_ready().await;
        self.policies.known().await;
        let _ = self.platform.clone().wait_for(Option::is_some).await;
        self.reports.looked_for().await;
        info!(jobs = self.jobs.iter().map(|cache| cache.store.len()).sum::<usize>(), "caches are filled");
    }
}

/// What only the leader runs.
pub(super) struct Loops {
    pub(super) context: Arc<Context>,
    pub(super) queues: Vec<Queue>,
    pub(super) emitter: Emitter,
    pub(super) writer: ReportWriter,
    pub(super) status_writer: Option<StatusWriter>,
    pub(super) open_report_writer: Option<OpenReportWriter>,
    pub(super) concurrency: u16,
    pub(super) stop: watch::Receiver<bool>,
}

pub(super) async fn lead(
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
            error!(trouble = %Trouble::EndedLate, "not everything in progress ended within {} s; it is taken up again at the next start", GRACE.as_secs());
        },
        lost = elector.hold() => error!(trouble = %Trouble::from(&lost), %lost, "lease lost while ending"),
    }
    elector.release().await;
}

impl Loops {
    fn start(self, caches: Caches) -> Parts {
        let mut work = Parts::new();
        let Self { context, queues, emitter, writer, status_writer, open_report_writer, concurrency, stop } = self;
        let platform = caches.platform;
        let halted = look_again_on_change(context.halted.subscribe(), context.around.jobs.clone(), queues.clone());
        let policies = look_again_on_change(caches.policies.changes(), context.around.jobs.clone(), queues.clone());
        let platform = look_again_on_change(platform, context.around.jobs.clone(), queues);
        let mut stopped = stop.clone();
        work.spawn(async move {
            tokio::select! {
                // The loops may have ended already, and with them what these two watch.
                biased;
                _ = stopped.wait_for(|stop| *stop) => Ok(()),
                () = platform => Err(RunError::Ended("the watch of the Flink operator's configuration")),
                () = policies => Err(RunError::Ended("the watch of RemediationPolicies")),
                () = halted => Err(RunError::Ended("the watch of the breaker")),
            }
        });
        for cache in caches.jobs {
            work.spawn(loop_over(cache, context.clone(), concurrency, stop.clone()));
        }
        drop(context);
        work.spawn(emitter.run().map(Ok));
        work.spawn(writer.run().map(Ok));
        if let Some(writer) = open_report_writer {
            work.spawn(writer.run().map(Ok));
        }
        if let Some(status_writer) = status_writer {
            work.spawn(status_writer.run(stop).map(Ok));
        }
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
    tokio::select! {
        () = cache.open() => {}
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    }
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let look = |key: JobKey| {
        // A queued job that has gone is none of ours.
        let (job, context) = (cache.store.get(&key), context.clone());
        async move {
            let job = job?;
            let next = reconcile(&job, &context).instrument(info_span!("look", job = %key)).await;
            // Failed looks are logged and repeated by `error_policy`.
            Some(next.unwrap_or_else(|error| error_policy(&job, &error, &context)))
        }
    };
    cache.queue.look(concurrency, stopped, look).await;
    Ok(())
}

/// Looks at every job again whenever this changes.
async fn look_again_on_change<T>(mut seen: watch::Receiver<T>, jobs: Jobs, queues: Vec<Queue>) {
    seen.mark_unchanged();
    while seen.changed().await.is_ok() {
        enqueue(jobs.all().map(|job| job.key().clone()), &queues);
    }
}
