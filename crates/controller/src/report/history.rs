//! The last changes of a job and what came of them: the record on the job, joined with what the last report told.

use std::collections::{BTreeMap, BTreeSet};

use checklist::{Filled, Holdings, Restart, RestartOutcome, Situation};
use flink_api::{Cost, HistoryEntry, OutcomeReport, ReportContent};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::content::shown;
use crate::reconcile::verify::Standing;

/// Changes that are kept.
const CHANGES: usize = 10;
/// Values that are listed of one change.
const VALUES: usize = 30;

/// What of a report is needed to write the next one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// Its history, the newest first.
    pub(crate) history: Vec<HistoryEntry>,
    /// What was filled, by target, so that "when" outlives the history.
    pub(crate) written: BTreeMap<String, Written>,
}

/// A value's change and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) change: String,
    pub(crate) at: Option<Timestamp>,
}

impl Remembered {
    /// Reads a report.
    pub(crate) fn of(content: &ReportContent) -> Self {
        let written = content
            .filled
            .iter()
            .map(|value| (value.target.clone(), Written { change: value.change.clone(), at: value.at }));
        Self { history: content.history.clone(), written: written.collect() }
    }
}

/// The history after a look, the newest first.
pub(super) fn after(
    holdings: &Holdings,
    situation: &Situation,
    standing: Standing,
    before: Option<&Remembered>,
) -> Vec<HistoryEntry> {
    let mut history = before.map(|before| before.history.clone()).unwrap_or_default();
    let Some(filled) = &holdings.filled else { return history };
    // The last restart may be older than the last change.
    if let Some(restart) = filled.restart.as_ref().filter(|restart| restart.change != filled.change) {
        add(&mut history, filled, &restart.change, restart.at, holdings, None);
    }
    add(&mut history, filled, &filled.change, Some(filled.at), holdings, before);
    history.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    history.truncate(CHANGES);
    for entry in &mut history {
        judge(entry, filled, situation, standing);
    }
    history
}

/// Adds a change of the record that the history does not have yet.
fn add(
    history: &mut Vec<HistoryEntry>,
    filled: &Filled,
    change: &str,
    at: Option<Timestamp>,
    holdings: &Holdings,
    before: Option<&Remembered>,
) {
    if history.iter().any(|entry| entry.change == change && entry.at == at) {
        return;
    }
    let of_change = filled.values.iter().filter(|(_, value)| value.change == change);
    // What was ours and stands nowhere any more went with this change; what somebody took over still stands.
    let standing: BTreeSet<String> =
        holdings.ours.keys().chain(holdings.pinned.keys()).chain(&holdings.shared).map(ToString::to_string).collect();
    let gone = before.into_iter().flat_map(|before| before.written.keys()).filter(|target| !standing.contains(*target));
    let entry = HistoryEntry {
        change: change.to_owned(),
        at,
        filled: of_change.take(VALUES).map(|(target, value)| shown(target, &value.value)).collect(),
        withdrawn: gone.take(VALUES).cloned().collect(),
        cost: if filled.restart.as_ref().is_some_and(|restart| is_of(restart, change, at)) {
            Cost::Restart
        } else {
            Cost::None
        },
        outcome: OutcomeReport::Unknown,
        reason: None,
    };
    // Sorted by time, it stays before those of the same second.
    history.insert(0, entry);
}

fn is_of(restart: &Restart, change: &str, at: Option<Timestamp>) -> bool {
    restart.change == change && (restart.at.is_none() || restart.at == at)
}

/// Says what came of a change, as far as the job tells now; what was told before stays.
fn judge(entry: &mut HistoryEntry, filled: &Filled, situation: &Situation, standing: Standing) {
    if entry.cost == Cost::None {
        entry.outcome = OutcomeReport::Done;
        return;
    }
    if let Some(quarantine) = filled.quarantine.as_ref().filter(|quarantine| quarantine.plan == entry.change) {
        entry.outcome = if quarantine.left.is_some() { OutcomeReport::Failed } else { OutcomeReport::Withdrawn };
        entry.reason = Some(quarantine.why.clone());
        return;
    }
    let restart = filled.restart.as_ref().filter(|restart| is_of(restart, &entry.change, entry.at));
    let Some(restart) = restart else {
        // Another restart has come since, and nobody saw the end of this one.
        if entry.outcome == OutcomeReport::Pending {
            entry.outcome = OutcomeReport::Unknown;
        }
        return;
    };
    if let Some((outcome, reason)) = told(standing, restart, entry.outcome, situation) {
        (entry.outcome, entry.reason) = (outcome, reason);
    }
}

/// What is seen of a restart, in a report's words; `None` leaves what was told before.
fn told(
    standing: Standing,
    restart: &Restart,
    before: OutcomeReport,
    situation: &Situation,
) -> Option<(OutcomeReport, Option<String>)> {
    let is_open = matches!(before, OutcomeReport::Unknown | OutcomeReport::Pending);
    match standing {
        Standing::Verified => Some((OutcomeReport::Verified, None)),
        Standing::Unseen | Standing::NoCheckpoint => Some((OutcomeReport::Unverified, None)),
        Standing::Failed(evidence) => Some((OutcomeReport::Failed, Some(evidence.words().to_owned()))),
        Standing::UnderWay | Standing::Late => Some((OutcomeReport::Pending, None)),
        // No news any more: what the job's status alone tells.
        Standing::Nothing => match situation.outcome(restart.generation) {
            Some(RestartOutcome::Stable) if is_open => Some((OutcomeReport::Unverified, None)),
            Some(RestartOutcome::Failed(evidence)) if is_open => {
                Some((OutcomeReport::Failed, Some(evidence.words().to_owned())))
            }
            None if is_open && situation.is_in_flight(restart.generation) => Some((OutcomeReport::Pending, None)),
            Some(_) | None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use checklist::{Evidence, FilledValue, LeftAlone, Quarantine, Target};
    use flink_api::FlinkDeployment;
    use serde_json::json;

    use super::*;

    const KEY: &str = "state.backend.incremental";

    fn at(minute: u8) -> Timestamp {
        format!("2026-01-02T03:{minute:02}:00Z").parse().unwrap()
    }

    /// Values with the change that wrote each, as the record has them and as they stand.
    fn holdings(change: &str, minute: u8, restart: Option<(&str, u8)>, values: &[(&str, &str)]) -> Holdings {
        let value = |change: &str| FilledValue { value: "1".into(), rule: "R".into(), change: change.into() };
        let values: BTreeMap<_, _> =
            values.iter().map(|(target, change)| (Target::option(target), value(change))).collect();
        let ours = values.keys().map(|target| (target.clone(), "1".to_owned())).collect();
        let mut filled = Filled::new(change.into(), at(minute), values);
        filled.restart = restart.map(|(change, minute)| Restart {
            change: change.into(),
            generation: 4,
            at: Some(at(minute)),
            withdrawal: false,
        });
        Holdings { filled: Some(filled), ours, ..Holdings::default() }
    }

    fn situation(lifecycle: &str, observed: i64) -> Situation {
        let job: FlinkDeployment = serde_json::from_value(json!({
            "metadata": {"name": "a", "generation": 4}, "spec": {"flinkVersion": "v1_20", "job": {}},
            "status": {"lifecycleState": lifecycle, "jobStatus": {"state": "RUNNING"}, "observedGeneration": observed},
        }))
        .unwrap();
        Situation::of(&job)
    }

    fn remembered(history: Vec<HistoryEntry>, holdings: &Holdings) -> Remembered {
        let values = holdings.filled.iter().flat_map(|filled| &filled.values);
        let written =
            values.map(|(target, value)| (target.to_string(), Written { change: value.change.clone(), at: None }));
        Remembered { history, written: written.collect() }
    }

    #[test]
    fn a_restart_is_pending_until_it_is_known_what_came_of_it() {
        let restarted = holdings("c1", 1, Some(("c1", 1)), &[(KEY, "c1")]);
        let pending = after(&restarted, &situation("UPGRADING", 3), Standing::Nothing, None);
        assert_eq!((pending.len(), pending[0].outcome, pending[0].cost), (1, OutcomeReport::Pending, Cost::Restart));
        assert_eq!(pending[0].filled, [format!("{KEY}=1")]);
        let before = remembered(pending, &restarted);
        let failed =
            after(&restarted, &situation("ROLLED_BACK", 4), Standing::Failed(Evidence::RolledBack), Some(&before));
        assert_eq!(failed[0].outcome, OutcomeReport::Failed);
        assert!(failed[0].reason.as_ref().is_some_and(|reason| reason.contains("rolled it back")));
        let stable =
            after(&restarted, &situation("STABLE", 4), Standing::Unseen, Some(&remembered(failed, &restarted)));
        assert_eq!((stable[0].outcome, &stable[0].reason), (OutcomeReport::Unverified, &None));
        // What is known stays known when the job no longer tells.
        let later = after(
            &restarted,
            &situation("UPGRADING", 5),
            Standing::Nothing,
            Some(&remembered(stable.clone(), &restarted)),
        );
        assert_eq!(later, stable);
    }

    #[test]
    fn what_is_in_quarantine_was_taken_back_or_has_failed() {
        let mut restarted = holdings("c1", 1, Some(("c1", 1)), &[(KEY, "c1")]);
        let pending = after(&restarted, &situation("UPGRADING", 3), Standing::UnderWay, None);
        let before = remembered(pending, &restarted);
        let verified = after(&restarted, &situation("STABLE", 4), Standing::Verified, Some(&before));
        assert_eq!(verified[0].outcome, OutcomeReport::Verified);
        for (left, outcome) in [(None, OutcomeReport::Withdrawn), (Some(LeftAlone::NoWayBack), OutcomeReport::Failed)] {
            restarted.filled.as_mut().unwrap().quarantine = Some(Quarantine {
                plan: "c1".into(),
                at: at(2),
                why: "the job has failed".into(),
                values: BTreeMap::new(),
                left,
                job: String::new(),
            });
            let told = after(&restarted, &situation("FAILED", 4), Standing::Nothing, Some(&before));
            assert_eq!((told[0].outcome, told[0].reason.as_deref()), (outcome, Some("the job has failed")));
        }
    }

    #[test]
    fn a_second_change_tells_what_it_filled_and_what_it_took_out() {
        let first = holdings("c1", 1, None, &[("a", "c1"), ("b", "c1")]);
        let history = after(&first, &situation("SUSPENDED", 4), Standing::Nothing, None);
        assert_eq!((history[0].outcome, history[0].filled.len()), (OutcomeReport::Done, 2));
        let before = remembered(history, &first);
        let second = holdings("c2", 2, None, &[("a", "c1"), ("c", "c2")]);
        let history = after(&second, &situation("SUSPENDED", 4), Standing::Nothing, Some(&before));
        let told = |entry: &HistoryEntry| (entry.change.clone(), entry.filled.clone(), entry.withdrawn.clone());
        assert_eq!(told(&history[0]), ("c2".into(), vec!["c=1".into()], vec!["b".into()]));
        assert_eq!(history[1], before.history[0]);
        assert_eq!(
            after(&second, &situation("SUSPENDED", 4), Standing::Nothing, Some(&remembered(history.clone(), &second))),
            history
        );
    }

    #[test]
    fn what_somebody_took_over_was_not_withdrawn() {
        let first = holdings("c1", 1, None, &[("a", "c1"), ("b", "c1")]);
        let before = remembered(after(&first, &situation("SUSPENDED", 4), Standing::Nothing, None), &first);
        let mut second = holdings("c2", 2, None, &[("a", "c1")]);
        second.shared.insert(Target::option("b"));
        assert!(after(&second, &situation("SUSPENDED", 4), Standing::Nothing, Some(&before))[0].withdrawn.is_empty());
    }

    #[test]
    fn a_lost_report_is_told_again_as_far_as_the_record_goes() {
        let both = holdings("c2", 2, Some(("c1", 1)), &[("a", "c1"), ("b", "c2")]);
        let history = after(&both, &situation("STABLE", 4), Standing::Nothing, None);
        let told: Vec<_> = history.iter().map(|entry| (entry.change.as_str(), entry.outcome)).collect();
        assert_eq!(told, [("c2", OutcomeReport::Done), ("c1", OutcomeReport::Unverified)]);
    }

    #[test]
    fn of_two_changes_within_a_second_the_newer_comes_first() {
        let first = holdings("c1", 1, None, &[("a", "c1")]);
        let before = remembered(after(&first, &situation("SUSPENDED", 4), Standing::Nothing, None), &first);
        let second = holdings("c2", 1, None, &[("a", "c1"), ("b", "c2")]);
        let history = after(&second, &situation("SUSPENDED", 4), Standing::Nothing, Some(&before));
        assert_eq!(history.iter().map(|entry| entry.change.as_str()).collect::<Vec<_>>(), ["c2", "c1"]);
        assert_eq!(
            after(&second, &situation("SUSPENDED", 4), Standing::Nothing, Some(&remembered(history.clone(), &second))),
            history
        );
    }

    #[test]
    fn the_last_ten_are_kept() {
        let mut before = None;
        for minute in 0..15 {
            let now = holdings(&format!("c{minute}"), minute, None, &[]);
            before =
                Some(remembered(after(&now, &situation("SUSPENDED", 4), Standing::Nothing, before.as_ref()), &now));
        }
        let history = before.unwrap().history;
        assert_eq!((history.len(), history[0].change.as_str(), history[9].change.as_str()), (CHANGES, "c14", "c5"));
    }
}
