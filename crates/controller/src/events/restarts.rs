//! What people read about the restarts that we cause.

use checklist::{Filled, Quarantine, Restart, Target, annotations};
use flink_api::FlinkDeployment;
use jiff::Timestamp;

use super::notes::{HOW_TO_OPT_OUT, by_rule, fitted};
use super::{EventType, Notice, Reason};
use crate::reconcile::verify::{NEWS, Standing};

/// What has come of the last restart, told from the record and the status.
pub(super) fn restarted(
    deployment: &FlinkDeployment,
    filled: &Filled,
    standing: Standing,
    now: Timestamp,
) -> Option<Notice> {
    let restart = filled.restart.as_ref()?;
    if restart.withdrawal {
        return taken_back(deployment, filled, restart, standing);
    }
    let is_news = |quarantine: &&Quarantine| now.duration_since(quarantine.at) < NEWS;
    if let Some(quarantine) = filled.quarantine.as_ref().filter(is_news).filter(|_| filled.has_failed(restart)) {
        return left_alone(filled, quarantine);
    }
    let about = values_of(filled, restart);
    let (reason, head, tail) = match standing {
        Standing::Nothing | Standing::UnderWay | Standing::Failed(_) => return None,
        Standing::Verified => (
            Reason::RemediationVerified,
            "The job is stable again after the restart for ",
            ", and has completed a checkpoint since.".to_owned(),
        ),
        Standing::Unseen => (
            Reason::RemediationUnverified,
            "The job is stable again after the restart for ",
            ". Whether it completes checkpoints is not to be seen from here; see that one does, or let the policy ask the \
             JobManager (verification.askJobManager)."
                .to_owned(),
        ),
        Standing::NoCheckpoint => (
            Reason::RemediationUnverified,
            "The job is stable again after the restart for ",
            ", but no checkpoint was seen to complete in time. Nothing is taken back for that; see that one does.".to_owned(),
        ),
        Standing::Late => (
            Reason::RemediationUnverified,
            "The job is not stable yet, later than expected, after the restart for ",
            format!(". Nothing is taken back for slowness alone. See to the job: other jobs' restarts wait for it. {HOW_TO_OPT_OUT}"),
        ),
    };
    let warns = matches!(standing, Standing::NoCheckpoint | Standing::Late);
    let event_type = if warns { EventType::Warning } else { reason.usual_type() };
    Some(Notice { event_type, salt: restart.change.clone(), ..Notice::new(reason, fitted(head, &about, &tail)) })
}

/// After the values were taken back with which the job had not come back.
fn taken_back(deployment: &FlinkDeployment, filled: &Filled, restart: &Restart, standing: Standing) -> Option<Notice> {
    let (reason, note) = match standing {
        Standing::Nothing | Standing::UnderWay => return None,
        Standing::Verified => (
            Reason::RemediationVerified,
            "The job is stable again without the values that were taken back, and has completed a checkpoint since.".to_owned(),
        ),
        Standing::Unseen | Standing::NoCheckpoint => (
            Reason::RemediationUnverified,
            "The job is stable again without the values that were taken back. See that it completes checkpoints.".to_owned(),
        ),
        Standing::Late => (
            Reason::RemediationUnverified,
            "The job is not stable yet, later than expected, though the values were taken back. See to the job: other jobs' \
             restarts wait for it."
                .to_owned(),
        ),
        Standing::Failed(evidence) => (
            Reason::RemediationFailed,
            format!(
                "The job has not come back though the values were taken back: {}. Nothing more is done by itself: see to the \
                 job. Other jobs' restarts wait for it.{}",
                evidence.words(),
                how_to_restore(deployment)
            ),
        ),
    };
    let event_type = if standing == Standing::Late { EventType::Warning } else { reason.usual_type() };
    let salt = format!("{} {}", restart.change, filled.at);
    Some(Notice { event_type, salt, ..Notice::new(reason, note) })
}

/// What a person can do where the Flink operator refuses to start the job again: the job was stopped with a savepoint, and
/// its new `JobManager` ended without metadata of high availability (`ApplicationReconciler`, FKO 1.7 and 1.15).
/// `savepointRedeployNonce` is there since FKO 1.8.
fn how_to_restore(deployment: &FlinkDeployment) -> String {
    let status = deployment.status.as_ref().and_then(|status| status.as_result().ok());
    let Some(savepoint) = status.and_then(|status| status.savepoint()) else { return String::new() };
    format!(
        " Its newest savepoint is {savepoint}. Where status.error asks for a manual restore: set spec.job.initialSavepointPath \
         to it and change spec.job.savepointRedeployNonce (Flink operator 1.8 and newer), or delete the {} and create it again \
         with that path, opted out ({}: \"true\") until the cause is found.",
        deployment.kind.name(),
        annotations::OPT_OUT
    )
}

/// The withdrawal itself.
pub(super) fn withdrawn(filled: &Filled, quarantine: &Quarantine) -> Notice {
    let stays = |(target, _): &(&Target, &String)| filled.values.contains_key(*target);
    let (kept, gone): (Vec<_>, Vec<_>) = quarantine.values.iter().partition(stays);
    let shown =
        |values: &[(&Target, &String)]| values.iter().map(|(target, value)| target.shown(value)).collect::<Vec<_>>();
    let kept = shown(&kept);
    let kept = if kept.is_empty() {
        String::new()
    } else {
        format!(" What the job finds its state by stays: {}.", kept.join(", "))
    };
    let tail = format!(
        ": after the restart for it {}. The job restarts once more, without.{kept} {}",
        quarantine.why,
        how_to_try_again(quarantine)
    );
    let note = fitted("Took back ", &shown(&gone), &tail);
    Notice { salt: filled.at.to_string(), ..Notice::new(Reason::RemediationWithdrawn, note) }
}

/// A failure after which the spec is left as it is.
fn left_alone(filled: &Filled, quarantine: &Quarantine) -> Option<Notice> {
    let left = quarantine.left?;
    let restart = filled.restart.as_ref()?;
    let tail = format!(": {}. {left}. {}", quarantine.why, how_to_try_again(quarantine));
    let note = fitted("After the restart for ", &values_of(filled, restart), &tail);
    Some(Notice { salt: restart.change.clone(), ..Notice::new(Reason::RemediationFailed, note) })
}

fn how_to_try_again(quarantine: &Quarantine) -> String {
    format!(
        "Plan {} is not tried again until plan or job change, or somebody removes annotation {}.",
        quarantine.plan,
        annotations::QUARANTINED
    )
}

/// What the restart was for, one item for each rule.
fn values_of(filled: &Filled, restart: &Restart) -> Vec<String> {
    let values = filled.values.iter().filter(|(_, value)| value.change == restart.change);
    let values = by_rule(values.map(|(target, value)| (value.rule.as_str(), target.shown(&value.value))));
    if values.is_empty() { vec![format!("change {}", restart.change)] } else { values }
}
