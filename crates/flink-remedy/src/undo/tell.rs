//! What a person is told before and after.

use std::fmt::Write;

use checklist::{Filled, HoldReason, Holdings, Situation, Target, Withdrawal};
use flink_api::UpgradeMode;

use crate::printable;

/// What would leave, what would stay, and what that costs.
pub(super) fn withdrawal(plan: &Withdrawal, holdings: &Holdings, situation: &Situation) -> String {
    let mut text = String::new();
    for (target, value) in &plan.leaving {
        let rule = rule(holdings.filled.as_ref(), target);
        let _ = writeln!(text, "  leaves  {}{rule}", printable(&target.shown(value)));
    }
    for (target, why) in &plan.staying {
        let _ = writeln!(text, "  stays   {}: {why}", printable(&target.to_string()));
    }
    let _ = writeln!(text, "{}", cost(plan, situation));
    text
}

/// What would be given up.
pub(super) fn release(holdings: &Holdings) -> String {
    let mut text = String::new();
    for (target, value) in holdings.ours.iter().chain(&holdings.pinned) {
        let rule = rule(holdings.filled.as_ref(), target);
        let _ = writeln!(text, "  stays   {}{rule}", printable(&target.shown(value)));
    }
    text.push_str("Every value stays as it is, and flink-remedy owns none of them any more. It costs no restart.\n");
    text
}

fn rule(filled: Option<&Filled>, target: &Target) -> String {
    let value = filled.and_then(|filled| filled.values.get(target));
    value.map(|value| format!(" ({})", printable(&value.rule))).unwrap_or_default()
}

fn cost(plan: &Withdrawal, situation: &Situation) -> String {
    if !plan.restarts {
        return "It costs no restart.".to_owned();
    }
    match situation.upgrade_mode() {
        Some(UpgradeMode::Savepoint) => "The running job restarts once, from a savepoint.".to_owned(),
        Some(UpgradeMode::LastState) => "The running job restarts once, from its last checkpoint.".to_owned(),
        Some(UpgradeMode::Stateless) => "The running job restarts once, EMPTY.".to_owned(),
        None => "The session cluster restarts once, and ALL ITS JOBS go down.".to_owned(),
    }
}

/// Why a withdrawal is refused, and what to do.
pub(super) fn refusal(reason: &HoldReason) -> String {
    let or_keep = "or give up ownership at no cost: --keep-values";
    if *reason == HoldReason::Stateless {
        format!(
            "upgrade mode stateless would start the running job empty; suspend it first (spec.job.state: suspended), set \
             upgradeMode savepoint or last-state, {or_keep}"
        )
    } else if let HoldReason::SessionCluster(_) = reason {
        format!("a restart of a session cluster takes every session job down; end those first and delete it, {or_keep}")
    } else if let HoldReason::OperatorVersion(version) = reason {
        format!(
            "the Flink operator's version is {version}, and before 1.15 an upgrade can lose the job's state (FLINK-39270); \
             say --operator-version, accept it in the policy (rollout.acceptedOperatorVersions), suspend the job first, \
             {or_keep}"
        )
    } else {
        format!("{reason}; when that is over, or once the job is suspended, run this again, {or_keep}")
    }
}
