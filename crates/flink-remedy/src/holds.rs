//! Why a change is held, as people read of it: the words of Event and report, with an example in place of what they are about.

use checklist::{HoldKind, HoldReason, SessionJobs};
use jiff::Timestamp;
use strum::IntoEnumIterator;

/// Every reason with its words.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, String)> {
    HoldKind::iter().map(|kind| (kind.into(), words(kind)))
}

/// The words of the reason with this label.
pub(crate) fn find(label: &str) -> Option<String> {
    all().find(|(known, _)| *known == label).map(|(_, words)| words)
}

fn words(kind: HoldKind) -> String {
    let words = example(kind).to_string();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>() + ".").unwrap_or_default()
}

/// A reason of this kind; where it has to be about something, that is an example.
fn example(kind: HoldKind) -> HoldReason {
    /// A Monday, 02:00 in Berlin.
    const NEXT: i64 = 1_799_024_400;
    let at = Timestamp::from_second(NEXT).unwrap_or_default();
    let text = |text: &str| text.to_owned();
    match kind {
        HoldKind::NextDeploy => HoldReason::NextDeploy,
        HoldKind::Advise => HoldReason::Advise,
        HoldKind::LayersUnreadable => {
            HoldReason::LayersUnreadable(text("ConfigMap flink-operator/flink-operator-config does not exist"))
        }
        HoldKind::Deleting => HoldReason::Deleting,
        HoldKind::OwnedByBlueGreen => HoldReason::OwnedByBlueGreen,
        HoldKind::Canary => HoldReason::Canary,
        HoldKind::StatusUnreadable => HoldReason::StatusUnreadable(text("what is wrong")),
        HoldKind::DeploymentError => HoldReason::DeploymentError,
        HoldKind::Failed => HoldReason::Failed,
        HoldKind::Terminal => HoldReason::Terminal(text("FINISHED")),
        HoldKind::Upgrading => HoldReason::Upgrading,
        HoldKind::RolledBack => HoldReason::RolledBack,
        HoldKind::NotStable => HoldReason::NotStable(text("DEPLOYED")),
        HoldKind::NotRunning => HoldReason::NotRunning(text("RESTARTING")),
        HoldKind::NotReconciled => HoldReason::NotReconciled,
        HoldKind::SavepointPending => HoldReason::SavepointPending,
        HoldKind::Stateless => HoldReason::Stateless,
        HoldKind::SessionCluster => {
            HoldReason::SessionCluster(SessionJobs::Known([text("orders"), text("refunds")].into()))
        }
        HoldKind::SessionClusterUnsettled => HoldReason::SessionClusterUnsettled(text("analytics, UPGRADING")),
        HoldKind::NoSavepointDirectory => HoldReason::NoSavepointDirectory,
        HoldKind::NoTransitionSavepoint => HoldReason::NoTransitionSavepoint,
        HoldKind::NoHighAvailability => HoldReason::NoHighAvailability,
        HoldKind::Paused => HoldReason::Paused,
        HoldKind::Quiet => HoldReason::Quiet,
        HoldKind::OperatorVersion => HoldReason::OperatorVersion(text("unknown")),
        HoldKind::Window => HoldReason::Window(Some((at, text("`0 2 * * 1-5` in Europe/Berlin")))),
        HoldKind::Announced => HoldReason::Announced(Some(at)),
        HoldKind::Removed => HoldReason::Removed,
        HoldKind::TugOfWar => HoldReason::TugOfWar(text("argocd-controller")),
        HoldKind::OwnerTookOver => HoldReason::OwnerTookOver,
        HoldKind::Quarantined => HoldReason::Quarantined { plan: text("3f9c0a1b"), why: text("what was seen then") },
        HoldKind::RolloutHalted => HoldReason::RolloutHalted(at),
        HoldKind::OperatorSilent => HoldReason::OperatorSilent(text("shop/orders")),
        HoldKind::SavepointFirst => HoldReason::SavepointFirst,
        HoldKind::SavepointFailed => HoldReason::SavepointFailed(text("the Flink operator's words")),
        HoldKind::HourlyBudget => HoldReason::HourlyBudget(at),
        HoldKind::InFlight => HoldReason::InFlight(text("shop/orders")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_an_example_of_its_own_kind() {
        for kind in HoldKind::iter() {
            let label: &str = kind.into();
            assert_eq!(example(kind).label(), label);
        }
    }
}
