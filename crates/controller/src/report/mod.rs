//! What a look came to -> Events, gauges. Reports speak of the object as the server holds it after a write.

use checklist::{Mode, Timing};
use flink_api::{FlinkDeployment, GROUP, VERSION};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;

use crate::error::Error;
use crate::events::{About, Notice, Reason, notice, notices};
use crate::reconcile::apply::{Applied, ApplyError};
use crate::reconcile::{Context, Look, Outcome};

/// Says everything that is to be said after a look.
pub(crate) fn report(
    context: &Context,
    deployment: &FlinkDeployment,
    look: &Look,
    applied: Option<&Applied>,
    now: Timestamp,
) -> Outcome {
    let hold = match &look.plan.timing {
        Timing::Held(reason) => Some(reason.label()),
        Timing::NextDeploy if look.plan.is_pressing() => Some(checklist::HoldReason::NextDeploy.label()),
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
    let said = match look.obedience.mode(context.policy.mode) {
        Mode::Off => Vec::new(),
        Mode::Advise | Mode::NextDeploy | Mode::Apply => {
            notices(deployment, &look.plan, &look.holdings, &look.obedience, context.dry_run, now)
        }
    };
    let silent = said.is_empty();
    for notice in said {
        say(context, deployment, notice);
    }
    match &look.plan.timing {
        Timing::Held(_) | Timing::NextDeploy => Outcome::Held,
        Timing::Now => Outcome::DryRun,
        Timing::Nothing if silent => Outcome::Settled,
        // Something is said hourly while it lasts.
        Timing::Nothing => Outcome::Advised,
    }
}

/// Says that a resource cannot be judged.
pub(crate) fn invalid(context: &Context, deployment: &FlinkDeployment, why: &str) {
    context.metrics.forget(deployment.uid());
    if context.policy.mode == Mode::Off {
        return;
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
        ApplyError::NotAMap => notice(Reason::InvalidResource, format!("Nothing filled: {error}.")),
        ApplyError::Forbidden(_) | ApplyError::Rejected { .. } => {
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
        kind: Some("FlinkDeployment".to_owned()),
        namespace: deployment.metadata.namespace.clone(),
        name: deployment.metadata.name.clone(),
        uid: deployment.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}
