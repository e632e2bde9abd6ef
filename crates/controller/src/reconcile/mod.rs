//! One look at one job: gather -> subject -> evaluate -> plan -> decide -> apply -> report.

pub mod apply;
mod backoff;
mod body;
pub mod decide;
pub(crate) mod gather;
pub(crate) mod records;
pub mod trigger;
pub(crate) mod verify;
#[cfg(test)]
mod wire;

pub use backoff::Backoff;

use std::sync::Arc;
use std::time::{Duration, Instant};

use checklist::policy::Chosen;
use checklist::{
    HoldReason, Holdings, Mode, Obedience, OptOut, Plan, Policy, Situation, Subject, SubjectError, Timing, plan,
};
use flink_api::{FlinkDeployment, Kind};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tracing::{debug, info, warn};

use crate::cache::CachedJob;
use crate::error::{Error, Retry};
use crate::events::{EXPIRES_SOON, EventSink};
use crate::lease::Fence;
use crate::metrics::Metrics;
use crate::open_reports::OpenReportSink;
use crate::policies::Tally;
use crate::report::{self, ReportSink};
use crate::rollout::{CheckpointWatch, Refused, RestartSlot, SlotGuard, Waiting, Watchdog, before_restart};
use crate::troubles::Trouble;
use apply::{Applied, apply};
use decide::{Intent, decide};
use gather::{Around, Gathered, gather, whole};
use records::Records;
use verify::{Verification, verify};

/// A look without any event, so that what time alone changes (an opt-out's end, an Event's expiry) is seen.
const RESYNC: Duration = Duration::from_mins(30);
/// While something is said hourly, or waits for another job.
const WHILE_HELD: Duration = Duration::from_mins(10);
/// While something keeps a restart from being made that nobody tells us the end of.
const WHILE_BLOCKED: Duration = Duration::from_mins(1);
const WHILE_IN_FLIGHT: Duration = Duration::from_secs(5);
/// For how long an object is new.
const NEW: SignedDuration = SignedDuration::from_mins(1);
/// While so many reports wait to be written that this one found no room.
const WHILE_REPORTS_WAIT: Duration = Duration::from_secs(5);

/// What every look shares.
pub struct Context {
    /// Reads and writes.
    pub client: Client,
    /// Lets writes through only while we lead.
    pub fence: Fence,
    /// What stands around jobs, and they themselves.
    pub(crate) around: Around,
    /// So many restarts at a time.
    pub slot: RestartSlot,
    /// What was seen of restarts that are watched.
    pub watchdog: Arc<Watchdog>,
    /// Our records as they last stood on jobs.
    pub(crate) records: Arc<Records>,
    /// Whether no job restarts any more, after too many have not come back.
    pub halted: tokio::sync::watch::Sender<bool>,
    /// Where completed checkpoints are to be seen.
    pub checkpoints: CheckpointWatch,
    /// The Deployment that we run in, for Events that are about no job.
    pub own: ObjectReference,
    /// Where Events go.
    pub events: EventSink,
    /// Where reports go.
    pub(crate) reports: ReportSink,
    /// When failed objects may be tried again.
    pub backoff: Arc<Backoff>,
    /// Where reports in the format of others go.
    pub(crate) open_reports: OpenReportSink,
    /// Where each job stands, for the status of its policy.
    pub(crate) tally: Tally,
    /// What is counted.
    pub metrics: Metrics,
    /// Decide and say, write nothing but Events and reports.
    pub dry_run: bool,
}

/// What a look came to, a closed set for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub(crate) enum Outcome {
    Waiting,
    Settled,
    Advised,
    Held,
    Remediated,
    DryRun,
    InvalidResource,
}

/// Looks at one job. Its steps are the design's stages; only [`apply()`] writes.
///
/// # Errors
/// One variant a stage.
pub async fn reconcile(job: &CachedJob, context: &Context) -> Result<Duration, Error> {
    if let Some(wait) = context.backoff.remaining(job.uid(), Instant::now()) {
        context.metrics.reconciled(Outcome::Waiting.into());
        return Ok(wait);
    }
    let now = context.fence.clock().now();
    let deployment = whole(job)?;
    let gathered = gather(&context.around, &deployment)?; // reads caches only
    let started = Instant::now();
    let look = match look(context, job.digest(), &deployment, &gathered, now).await {
        Ok(look) => look,
        Err(SubjectError::NoSessionCluster(_)) if is_new(&deployment, now) => {
            context.metrics.reconciled(Outcome::Waiting.into());
            return Ok(WHILE_IN_FLIGHT);
        }
        Err(error) => {
            context.slot.leave(deployment.uid());
            let chosen = context.around.policies.choose(&deployment, &gathered.namespace.labels, None);
            report::invalid(context, &deployment, &chosen, &error.to_string(), now);
            context.metrics.reconciled(Outcome::InvalidResource.into());
            return Ok(WHILE_HELD);
        }
    };
    context.metrics.stage("plan", "ok", started.elapsed());
    let (look, applied) = carry_out(context, &deployment, look, now).await?; // the only writer
    let inputs = report::inputs(context, &deployment, &look);
    let outcome = report::report(context, &deployment, &look, inputs, applied.as_ref(), now); // queues Events
    let remembered = report::remember(context, &deployment, &look, inputs, applied.as_ref(), now); // queues the report
    context.backoff.forget(deployment.uid());
    log(&deployment, &look, outcome);
    context.metrics.reconciled(outcome.into());
    let next = next_look(&look, outcome, deployment.uid(), now);
    Ok(if remembered { next } else { next.min(WHILE_REPORTS_WAIT) })
}

/// Whether what it refers to may only just be on its way: manifests bring both in any order.
fn is_new(deployment: &FlinkDeployment, now: Timestamp) -> bool {
    let created = deployment.metadata.creation_timestamp.as_ref();
    created.is_some_and(|created| now.duration_since(created.0) < NEW)
}

/// Everything that the pure stages know of one job.
pub(crate) struct Look {
    /// Digest of all that a look reads of the object.
    pub(crate) job: u64,
    /// The policy that counts.
    pub(crate) chosen: Chosen,
    pub(crate) holdings: Holdings,
    pub(crate) obedience: Obedience,
    pub(crate) plan: Plan,
    /// When the quiet period after the last change by somebody else is over, if it is not.
    pub(crate) quiet_until: Option<Timestamp>,
    /// What has come of the last restart that we caused.
    pub(crate) verification: Verification,
    /// When somebody else last changed the job.
    changed: Option<Timestamp>,
    /// How many rounds of other jobs' restarts come before its own, if it waits for its turn.
    rounds: u32,
}

impl Look {
    /// What the platform wants of this job.
    pub(crate) fn policy(&self) -> &Policy {
        &self.chosen.policy.policy
    }

    /// The mode in force.
    pub(crate) fn mode(&self) -> Mode {
        self.obedience.mode(self.policy().mode)
    }

    /// Since when the job waits for its restart, by what stands on the object, so that another replica comes to the same.
    fn waiting_since(&self, now: Timestamp) -> Timestamp {
        let announced = self.holdings.filled.as_ref().and_then(|filled| filled.announced_at(&self.plan.hash));
        announced.or(self.changed).unwrap_or(now)
    }
}

async fn look(
    context: &Context,
    job: u64,
    deployment: &FlinkDeployment,
    gathered: &Gathered,
    now: Timestamp,
) -> Result<Look, SubjectError> {
    let cluster = gathered.session_cluster.as_ref();
    let subject = Subject::of(deployment, cluster, &gathered.platform)?;
    let labels = &gathered.namespace.labels;
    let chosen = context.around.policies.choose(deployment, labels, Some(subject.version));
    let policy = &chosen.policy.policy;
    let mut situation = Situation::of(deployment);
    if let Some(cluster) = cluster {
        situation = situation.on(cluster);
    }
    situation.session_jobs.clone_from(&gathered.session_jobs);
    situation.layers_unreadable.clone_from(&gathered.layers_unreadable);
    let quiet_until = situation.changed.map_or(Timestamp::MAX, |changed| policy.rollout.quiet_until(changed));
    situation.quiet_until = Some(quiet_until).filter(|until| now < *until);
    situation.now = Some(now);
    let holdings = context.records.holdings(deployment);
    let no_annotations = std::collections::BTreeMap::new();
    let annotations = deployment.metadata.annotations.as_ref().unwrap_or(&no_annotations);
    let obedience =
        Obedience::read(annotations, &gathered.namespace.annotations, now).without_leave_for(&policy.mandatory);
    // May ask the JobManager.
    let verification = verify(context, deployment, &subject, &situation, &holdings, &policy.verification, now).await;
    situation.evidence = verification.evidence();
    let plan = plan(&subject, &situation, &holdings, &obedience, policy);
    let (quiet_until, changed) = (situation.quiet_until, situation.changed);
    Ok(Look { job, chosen, holdings, obedience, plan, quiet_until, verification, changed, rounds: 0 })
}

/// Decides and writes. A restart first takes a slot of the cluster's, and is held when other jobs have them all.
async fn carry_out(
    context: &Context,
    deployment: &FlinkDeployment,
    mut look: Look,
    now: Timestamp,
) -> Result<(Look, Option<Applied>), Error> {
    let is_off = look.obedience.mode(look.policy().furthest_mode()) <= Mode::Advise;
    let is_left_alone = look.obedience.opt_out == OptOut::All || deployment.metadata.deletion_timestamp.is_some();
    if context.dry_run || is_off || is_left_alone {
        context.slot.leave(deployment.uid());
        return Ok((look, None));
    }
    let intent = decide(deployment, &look.plan, &look.holdings, &look.obedience, now);
    let slot = match &intent {
        Intent::Patch(change) if change.withdraws => Some(context.slot.again().await),
        Intent::Patch(change) if change.restarts => match slot(context, deployment, &look, now).await {
            Ok(slot) => Some(slot),
            Err(Refused { reason, rounds }) => {
                look.plan.timing = Timing::Held(reason);
                look.rounds = rounds;
                return Ok((look, None));
            }
        },
        Intent::Nothing | Intent::DropForeignRecord | Intent::Patch(_) => {
            context.slot.leave(deployment.uid());
            None
        }
    };
    let started = Instant::now();
    let written = apply(&context.client, &context.fence, deployment, &intent).await;
    if let Some(slot) = slot {
        occupy(slot, deployment, &written);
        context.metrics.restarted(u64::from(matches!(written, Ok(Some(_)))));
    }
    if let (Some(setback), Ok(Some(_))) = (&look.plan.setback, &written) {
        context.metrics.failed(setback.evidence, !setback.takes_back.is_empty());
    }
    if intent != Intent::Nothing {
        let outcome = written.as_ref().map_or_else(<&'static str>::from, |_| "ok");
        context.metrics.stage("apply", outcome, started.elapsed());
    }
    match written {
        // Gone: the watch says so too.
        Err(apply::ApplyError::Gone) => Ok((look, None)),
        Err(error) => {
            report::refused(context, deployment, &look, &error, now);
            Err(error.into())
        }
        Ok(applied) => {
            if let (Intent::Patch(_), Some(applied)) = (&intent, &applied) {
                context.records.wrote(deployment, applied.object());
            }
            Ok((look, applied))
        }
    }
}

/// A slot for a restart; with the savepoint before it that the policy asks for.
async fn slot<'a>(
    context: &'a Context,
    deployment: &FlinkDeployment,
    look: &Look,
    now: Timestamp,
) -> Result<SlotGuard<'a>, Refused> {
    let waiting = Waiting { uid: deployment.uid(), since: look.waiting_since(now) };
    let take = || context.slot.take(&context.around.jobs, waiting, look.policy(), now);
    let slot = take().await?;
    // A session cluster has none to take, and a transition of blue and green takes one by itself.
    let has_job = deployment.spec.as_result().is_ok_and(|spec| spec.job.is_some());
    let can_take = has_job && deployment.kind != Kind::BlueGreenDeployment;
    if !(look.policy().rollout.savepoint_first && can_take) {
        return Ok(slot);
    }
    // Others need not wait while we ask.
    drop(slot);
    before_restart(&context.client, &context.fence, deployment, &look.plan.hash, now).await?;
    take().await
}

/// Notes the restart that was written, or may have been: the cache does not show it yet.
fn occupy(mut slot: SlotGuard<'_>, deployment: &FlinkDeployment, written: &Result<Option<Applied>, apply::ApplyError>) {
    match written {
        Ok(Some(applied)) => {
            slot.written(deployment.uid(), applied.object().metadata.generation.unwrap_or_default());
        }
        Err(error) if error.is_uncertain() => {
            slot.uncertain(deployment.uid(), deployment.metadata.generation.unwrap_or_default() + 1);
        }
        Ok(None) | Err(_) => {}
    }
}

fn next_look(look: &Look, outcome: Outcome, uid: &str, now: Timestamp) -> Duration {
    let jitter = 1.0 + backoff::share(uid, 0) / 5.0;
    let usual = match (&look.plan.timing, outcome) {
        (Timing::Held(HoldReason::InFlight(_)), _) => until_its_turn(look.rounds),
        (Timing::Held(HoldReason::SavepointFirst), _) => WHILE_IN_FLIGHT,
        (Timing::Held(HoldReason::SavepointFailed(_) | HoldReason::OperatorSilent(_)), _) => WHILE_BLOCKED,
        (_, Outcome::Held | Outcome::Advised | Outcome::DryRun | Outcome::Remediated) => WHILE_HELD,
        (_, Outcome::Settled | Outcome::Waiting | Outcome::InvalidResource) => RESYNC,
    };
    let until = |time: Timestamp| Duration::try_from(time.duration_since(now)).ok();
    let expiry = look.obedience.expires.and_then(|ends| {
        // It is told a while before.
        let told = ends.checked_sub(EXPIRES_SOON).unwrap_or(ends);
        until(if now < told { told } else { ends })
    });
    let hold = match &look.plan.timing {
        Timing::Held(reason) => reason.until().and_then(until),
        Timing::Now | Timing::NextDeploy | Timing::Nothing => None,
    };
    let watched = look.verification.again;
    let quiet = look.quiet_until.and_then(until);
    let soonest = expiry.into_iter().chain(quiet).chain(hold).chain(watched).min();
    let at_most = soonest.unwrap_or(RESYNC * 2);
    usual.mul_f64(jitter).min(at_most)
}

/// A job whose turn is far off need not ask as often as the one whose turn is next: of thousands that wait, only a few look at
/// a time.
fn until_its_turn(rounds: u32) -> Duration {
    WHILE_HELD.min(WHILE_IN_FLIGHT * rounds.saturating_add(1))
}

fn log(deployment: &FlinkDeployment, look: &Look, outcome: Outcome) {
    let plan = &look.plan;
    let keys = plan.fills.keys().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let (kind, outcome) = (deployment.kind.name(), <&str>::from(outcome));
    let (namespace, name) = (deployment.namespace(), deployment.name());
    match &plan.timing {
        Timing::Nothing => debug!(kind, namespace, name, outcome, "decided"),
        Timing::Now | Timing::NextDeploy => {
            info!(kind, namespace, name, outcome, plan = plan.hash, keys, restarts = plan.restarts, "decided");
        }
        Timing::Held(HoldReason::InFlight(other)) => {
            debug!(kind, namespace, name, outcome, plan = plan.hash, other, "decided");
        }
        Timing::Held(reason) => {
            info!(kind, namespace, name, outcome, plan = plan.hash, keys, hold = reason.label(), "decided");
        }
    }
}

/// Says when a failed look is repeated, and tells people what failed.
pub fn error_policy(job: &CachedJob, error: &Error, context: &Context) -> Duration {
    let now = Instant::now();
    let uid = job.uid();
    context.metrics.reconciled(error.label());
    // One that cannot be read is what the error is about.
    if let Ok(deployment) = job.read() {
        report::failed(context, &deployment, error);
    }
    let again = match error.retry() {
        Retry::Soon => context.backoff.soon(uid, now),
        Retry::Backoff => context.backoff.failed(uid, now),
        Retry::OnChange => {
            context.backoff.forget(uid);
            return RESYNC;
        }
    };
    let (kind, namespace) = (job.kind.name(), job.namespace());
    let (name, trouble) = (job.name(), Trouble::from(error));
    warn!(%trouble, kind, namespace, name, %error, retry_in = ?again, "look failed");
    again
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_that_wait_do_not_look_all_the_time() {
        assert_eq!([0, 1, 9].map(|rounds| until_its_turn(rounds).as_secs()), [5, 10, 50]);
        let looks_a_second: f64 = (0..10_000).map(|rounds| until_its_turn(rounds).as_secs_f64().recip()).sum();
        assert!(looks_a_second < 20.0, "{looks_a_second}");
        assert_eq!(until_its_turn(u32::MAX), WHILE_HELD);
    }
}
