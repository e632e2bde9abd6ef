//! What a look came to -> Events, gauges, the job's `RemediationReport`. All speak of the object as the server holds it
//! after a write.

mod content;
mod follow;
mod history;
mod inputs;
mod known;
mod name;
mod writer;

pub(crate) use follow::follow;
pub(crate) use inputs::Inputs;
pub(crate) use known::{Key, Reports};
pub(crate) use name::key;
pub(crate) use writer::{ReportSink, ReportWriter};

use checklist::policy::{Breaker, Chosen, NamedPolicy};
use checklist::{HoldReason, Mode, Policy, Timing, annotations};
use flink_api::{FlinkDeployment, GROUP, Standing, VERSION};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::time::Instant;
use tracing::warn;

use crate::error::Error;
use crate::events::{About, Notice, Reason, fitted, notice, notices};
use crate::packed::NotKept;
use crate::reconcile::apply::{Applied, ApplyError};
use crate::reconcile::{Context, Look, Outcome};
use crate::rollout;
use crate::troubles::Trouble;

/// What the job's report and Events are made of, if the job is settled.
pub(crate) fn inputs(context: &Context, deployment: &FlinkDeployment, look: &Look) -> Option<Inputs> {
    Inputs::of(seen(context, deployment, look), look.job)
}

/// Says everything that is to be said after a look.
pub(crate) fn report(
    context: &Context,
    deployment: &FlinkDeployment,
    look: &Look,
    inputs: Option<Inputs>,
    applied: Option<&Applied>,
    now: Timestamp,
) -> Outcome {
    let hold = match &look.plan.timing {
        Timing::Held(reason) => Some(reason.label()),
        Timing::NextDeploy if look.plan.is_pressing() => Some(HoldReason::NextDeploy.label()),
        Timing::NextDeploy | Timing::Now | Timing::Nothing => None,
    };
    context.metrics.standing(deployment.uid(), &look.plan.findings, hold);
    if let (Some(applied), Timing::Held(_)) = (applied, &look.plan.timing) {
        tracing::debug!(resource_version = applied.object().metadata.resource_version, "announced");
        return Outcome::Held;
    }
    if let Some(applied) = applied {
        for rule in look.plan.fills.values().map(|fill| fill.rule).collect::<std::collections::BTreeSet<_>>() {
            context.metrics.remediated(rule);
        }
        // The write comes back through the watch and that look tells of it, as it would after a crash here.
        tracing::debug!(generation = applied.object().metadata.generation, "written");
        return Outcome::Remediated;
    }
    if deployment.metadata.deletion_timestamp.is_some() {
        return Outcome::Settled;
    }
    let is_held = matches!(look.plan.timing, Timing::Held(HoldReason::RolloutHalted(_)));
    if is_held || look.holdings.quarantine.is_some() || *context.halted.borrow() {
        halted(context, &look.policy().breaker, now);
    }
    let silent = announce(context, deployment, look, inputs, now);
    match &look.plan.timing {
        Timing::Held(_) | Timing::NextDeploy => Outcome::Held,
        Timing::Now => Outcome::DryRun,
        Timing::Nothing if silent => Outcome::Settled,
        // Something is said hourly while it lasts.
        Timing::Nothing => Outcome::Advised,
    }
}

/// Says what there is to say of the job, and whether that is nothing.
fn announce(
    context: &Context,
    deployment: &FlinkDeployment,
    look: &Look,
    inputs: Option<Inputs>,
    now: Timestamp,
) -> bool {
    // Time alone tells of the end of an opt-out.
    let is_timeless = look.obedience.expires.or(look.obedience.expired).is_none();
    let inputs = inputs.filter(|_| is_timeless);
    let (said, uid, instant) = (context.events.said(), deployment.uid(), Instant::now());
    if let Some(silent) = inputs.and_then(|inputs| said.is_whole(uid, inputs.digest(), instant)) {
        return silent;
    }
    let notices = match look.mode() {
        Mode::Off => Vec::new(),
        Mode::Advise | Mode::NextDeploy | Mode::Apply => notices(deployment, look, context.dry_run, now),
    };
    let silent = notices.is_empty();
    if let Some(inputs) = inputs {
        said.becomes_whole(uid, inputs.digest(), silent, instant);
    }
    for notice in notices {
        say(context, deployment, notice);
    }
    silent
}

/// Says, on our own Deployment, that no job restarts any more, if that is so.
fn halted(context: &Context, breaker: &Breaker, now: Timestamp) {
    let halted = rollout::halted(&context.around.jobs, breaker, now);
    // The jobs that wait for the end of it are looked at again when a person has ended it.
    context.halted.send_if_modified(|was| std::mem::replace(was, halted.is_some()) != halted.is_some());
    let Some(halted) = halted else { return };
    let jobs: Vec<String> = halted.jobs.into_iter().collect();
    let tail = format!(
        ". No running job restarts any more until {}, when the oldest of these failures no longer counts (policy: breaker). See \
         to these jobs, by their Events; one from which annotation {} is removed no longer counts and may be tried again.",
        halted.until,
        annotations::QUARANTINED
    );
    let head = format!("{} jobs have not come back from their restart: ", jobs.len());
    let notice = Notice::new(Reason::RolloutHalted, fitted(&head, &jobs, &tail));
    context.events.say(About { regarding: context.own.clone(), notice });
}

/// Brings the job's report up to date. False if that has to be tried again soon.
pub(crate) fn remember(
    context: &Context,
    deployment: &FlinkDeployment,
    look: &Look,
    inputs: Option<Inputs>,
    applied: Option<&Applied>,
    now: Timestamp,
) -> bool {
    // A write comes back through the watch, and that look tells of it.
    applied.is_some() || tell(context, deployment, look, inputs, None, now)
}

/// Says in the job's report that its change was refused.
pub(crate) fn refused(
    context: &Context,
    deployment: &FlinkDeployment,
    look: &Look,
    error: &ApplyError,
    now: Timestamp,
) {
    match error {
        ApplyError::Conflict { .. }
        | ApplyError::NotAMap(_)
        | ApplyError::Forbidden { .. }
        | ApplyError::Rejected { .. } => {
            tell(context, deployment, look, None, Some((error.into(), &error.to_string())), now);
        }
        ApplyError::Stale(_) | ApplyError::Gone | ApplyError::Unavailable(_) | ApplyError::NotLeader(_) => {}
    }
}

fn tell(
    context: &Context,
    deployment: &FlinkDeployment,
    look: &Look,
    inputs: Option<Inputs>,
    refused: Option<(&'static str, &str)>,
    now: Timestamp,
) -> bool {
    let mode = look.mode();
    let seen = content::Seen { refused, ..seen(context, deployment, look) };
    let is_reported = is_reported(context, deployment, look.policy());
    let policy = &look.chosen.policy.name;
    let (key, reports) = (name::key(deployment), context.reports.reports());
    let inputs = inputs.filter(|_| is_reported && context.open_reports.is_off());
    if let Some(standing) = inputs.and_then(|inputs| reports.stands(&key, deployment.uid(), inputs)) {
        context.tally.stands(deployment.uid(), policy, standing);
        return true;
    }
    let before = reports.remembered(&key, deployment.uid(), Instant::now());
    let told = content::content(content::Seen { before: before.as_ref().ok().and_then(Option::as_ref), ..seen });
    context.tally.stands(deployment.uid(), policy, told.standing);
    // Whoever wants silence is not told of it anew.
    let is_silent = mode == Mode::Off && matches!(before, Ok(None));
    if mode != Mode::Off {
        context.open_reports.tell(deployment, &told);
    }
    if is_silent || !is_reported {
        return true;
    }
    if let Err(error) = before {
        return left_as_it_is(deployment, &error);
    }
    let is_queued = context.reports.tell(deployment, &told, now);
    if let Some(inputs) = inputs {
        reports.made_of(&key, deployment.uid(), &told, inputs);
    }
    is_queued
}

/// What a look came to, without what happened to its change.
fn seen<'a>(context: &Context, deployment: &'a FlinkDeployment, look: &'a Look) -> content::Seen<'a> {
    content::Seen {
        deployment,
        plan: &look.plan,
        holdings: &look.holdings,
        obedience: &look.obedience,
        mode: look.mode(),
        quiet_until: look.quiet_until,
        dry_run: context.dry_run,
        refused: None,
        restart: look.verification.standing,
        before: None,
        chosen: &look.chosen,
    }
}

/// A report whose past is not known any more is not written over. True: to try again would not help.
fn left_as_it_is(deployment: &FlinkDeployment, error: &NotKept) -> bool {
    let (namespace, name) = (deployment.namespace(), deployment.name());
    warn!(trouble = %Trouble::NotKept, namespace, name, %error, "the job's report is left as it is");
    true
}

fn is_reported(context: &Context, deployment: &FlinkDeployment, policy: &Policy) -> bool {
    policy.mode != Mode::Off
        && deployment.metadata.deletion_timestamp.is_none()
        && context.reports.reports().are_on(deployment.namespace())
}

fn last_report(context: &Context, deployment: &FlinkDeployment) -> Result<Option<history::Remembered>, NotKept> {
    let key = name::key(deployment);
    context.reports.reports().remembered(&key, deployment.uid(), Instant::now())
}

/// Says that a resource cannot be judged.
pub(crate) fn invalid(context: &Context, deployment: &FlinkDeployment, chosen: &Chosen, why: &str, now: Timestamp) {
    context.metrics.forget(deployment.uid());
    let NamedPolicy { name, policy, .. } = chosen.policy.as_ref();
    context.tally.stands(deployment.uid(), name, Standing::Invalid);
    if policy.mode == Mode::Off {
        return;
    }
    if is_reported(context, deployment, policy) {
        match last_report(context, deployment) {
            Ok(before) => context.reports.tell(deployment, &content::invalid(why, before.as_ref()), now),
            Err(error) => left_as_it_is(deployment, &error),
        };
    }
    let note = format!("Not judged: {why}.");
    say(context, deployment, notice(Reason::InvalidResource, note));
}

/// Says that a change did not land.
pub(crate) fn failed(context: &Context, deployment: &FlinkDeployment, error: &Error) {
    let Error::Apply(error) = error else { return };
    let said = match error {
        ApplyError::Conflict { .. } => notice(
            Reason::RemediationConflict,
            format!(
                "Nothing filled: {error}. To let us fill it, take the field out of that manager's manifest; to keep it, opt out."
            ),
        ),
        ApplyError::NotAMap(_) => notice(Reason::InvalidResource, format!("Nothing filled: {error}.")),
        ApplyError::Forbidden { .. } | ApplyError::Rejected { .. } => {
            notice(Reason::RemediationFailed, format!("Nothing filled: {error}. It is tried again, later each time."))
        }
        ApplyError::Stale(_) | ApplyError::Gone | ApplyError::Unavailable(_) | ApplyError::NotLeader(_) => return,
    };
    say(context, deployment, said);
}

fn say(context: &Context, deployment: &FlinkDeployment, notice: Notice) {
    context.events.say(About { regarding: reference(deployment), notice });
}

fn reference(deployment: &FlinkDeployment) -> ObjectReference {
    ObjectReference {
        api_version: Some(format!("{GROUP}/{VERSION}")),
        kind: Some(deployment.kind.name().to_owned()),
        namespace: deployment.metadata.namespace.clone(),
        name: deployment.metadata.name.clone(),
        uid: deployment.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}
