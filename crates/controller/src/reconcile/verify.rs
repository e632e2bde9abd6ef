//! What has come of the last restart that we caused.

use std::time::Duration;

use checklist::{Evidence, Holdings, Situation, Subject, deadline};
use flink_api::FlinkDeployment;
use jiff::{SignedDuration, Timestamp};

use super::Context;
use crate::rollout::{Checkpoints, Watching};

/// How long a restart is news: as long as clusters keep Events.
pub(crate) const NEWS: SignedDuration = SignedDuration::from_hours(1);
/// While a restart is watched and nothing but time passes.
const WHILE_WATCHED: Duration = Duration::from_secs(10);

/// How the last restart stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// There is none, or what has come of it is told elsewhere or no longer ours to tell.
    Nothing,
    /// It is not over, or a checkpoint may still come.
    UnderWay,
    /// The job is not stable, though it should be by now.
    Late,
    /// The job is stable, and nobody can see its checkpoints.
    Unseen,
    /// The job is stable, but has completed no checkpoint though it should have by now.
    NoCheckpoint,
    /// The job is stable and has completed a checkpoint since.
    Verified,
    /// The job has not come back.
    Failed(Evidence),
}

/// A restart as this look sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verification {
    pub(crate) standing: Standing,
    /// When to look again, if it is watched.
    pub(crate) again: Option<Duration>,
}

impl Verification {
    const OVER: Self = Self { standing: Standing::Nothing, again: None };

    /// What shows that the job has not come back, seen for long enough.
    pub(crate) fn evidence(self) -> Option<Evidence> {
        match self.standing {
            Standing::Failed(evidence) => Some(evidence),
            Standing::Nothing
            | Standing::UnderWay
            | Standing::Late
            | Standing::Unseen
            | Standing::NoCheckpoint
            | Standing::Verified => None,
        }
    }
}

/// Watches a restart of ours until it is verified, has failed, or its time is over. One that somebody else's change has
/// followed is not watched: what comes of it is not ours to judge.
pub(super) async fn verify(
    context: &Context,
    deployment: &FlinkDeployment,
    subject: &Subject,
    situation: &Situation,
    holdings: &Holdings,
    policy: &checklist::policy::Verification,
    now: Timestamp,
) -> Verification {
    let uid = deployment.uid();
    let restart = holdings.filled.as_ref().and_then(|filled| {
        let restart = filled.restart.as_ref().filter(|restart| !filled.has_failed(restart))?;
        Some((restart, restart.at?, situation.watched(restart)?))
    });
    let Some((restart, at, watched)) = restart else {
        context.watchdog.forget(uid);
        return Verification::OVER;
    };
    let due = at.checked_add(deadline(subject, policy)).unwrap_or(Timestamp::MAX);
    let (is_due, is_news) = (now >= due, now.duration_since(at) < NEWS);
    let is_up = watched.stable && watched.trouble.is_none();
    let checkpoints =
        if is_up && is_news { context.checkpoints.since(deployment, at, policy).await } else { Checkpoints::NoneYet };
    let standing = match checkpoints {
        Checkpoints::Completed(_) => Standing::Verified,
        _ if !watched.stable && is_due => Standing::Late,
        _ if !is_up => Standing::UnderWay,
        _ if !is_news => Standing::Nothing,
        Checkpoints::Unseen => Standing::Unseen,
        Checkpoints::NoneYet if is_due => Standing::NoCheckpoint,
        Checkpoints::NoneYet => Standing::UnderWay,
    };
    if standing == Standing::Verified || (watched.stable && is_due) {
        context.watchdog.forget(uid);
        return Verification { standing, again: None };
    }
    let grace = Duration::from_millis(policy.grace.milliseconds());
    match context.watchdog.look(uid, restart.generation, watched, grace) {
        Watching::Failed(evidence) => Verification { standing: Standing::Failed(evidence), again: None },
        Watching::Suspicious(left) => Verification { standing, again: Some(left) },
        Watching::Quiet => Verification { standing, again: Some(WHILE_WATCHED) },
    }
}
