//! Plans that are not tried, or not tried again, until a person or a change says otherwise.

use crate::{HoldReason, Holdings, Moment, Plan, Situation};

/// Why a plan is not tried again with which the job has not come back before, unless a person says so.
pub(crate) fn quarantine(plan: &Plan, moment: &Moment, holdings: &Holdings) -> Option<HoldReason> {
    let quarantine =
        holdings.quarantine_in_force().filter(|quarantine| quarantine.covers(&plan.fills, &holdings.ours))?;
    let is_approved = plan.approved && *moment == Moment::Stable;
    (!is_approved).then(|| HoldReason::Quarantined { plan: quarantine.plan.clone(), why: quarantine.why.clone() })
}

/// That somebody else keeps taking our values away, so that we leave the job to them, unless a person says otherwise.
pub(crate) fn tug_of_war(plan: &Plan, situation: &Situation, holdings: &Holdings) -> Option<HoldReason> {
    let filled = holdings.filled.as_ref().filter(|_| !plan.approved)?;
    let others = || situation.changed_by.clone().unwrap_or_else(|| "somebody".to_owned());
    // What is put back in the request that takes it away costs nobody anything.
    let is_again = situation.arrival.is_none()
        && holdings.has_lost()
        && situation.changed.is_some_and(|lost| filled.is_tug_of_war(lost));
    filled.left_to.clone().or_else(|| is_again.then(others)).map(HoldReason::TugOfWar)
}
