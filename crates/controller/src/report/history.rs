//! The last changes of a job and what came of them: the record on the job, joined with what the last report told.

use std::collections::{BTreeMap, BTreeSet};

use checklist::{Filled, Holdings, Restart, RestartOutcome, Situation};
use flink_api::{Cost, HistoryEntry, OutcomeReport, ReportContent};
use jiff::Timestamp;

use super::content::shown;

/// Changes that are kept.
const CHANGES: usize = 10;
/// Values that are listed of one change.
const VALUES: usize = 30;

/// What of a report is needed to write the next one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Remembered {
    /// Its history, the newest first.
    pub(crate) history: Vec<HistoryEntry>,
    /// What was filled, by target, so that "when" outlives the history.
    pub(crate) written: BTreeMap<String, Written>,
}

/// A value's change and its time.
#[derive(Clone, Debug, PartialEq)]
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
pub(super) fn after(holdings: &Holdings, situation: &Situation, before: Option<&Remembered>) -> Vec<HistoryEntry> {
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
        judge(entry, filled, situation);
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
    history.push(HistoryEntry {
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
    });
}

fn is_of(restart: &Restart, change: &str, at: Option<Timestamp>) -> bool {
    restart.change == change && (restart.at.is_none() || restart.at == at)
}

/// Says what came of a change, as far as the job tells now; what was told before stays.
fn judge(entry: &mut HistoryEntry, filled: &Filled, situation: &Situation) {
    let restart = filled.restart.as_ref().filter(|restart| is_of(restart, &entry.change, entry.at));
    match (entry.cost, restart) {
        (Cost::None, _) => entry.outcome = OutcomeReport::Done,
        (Cost::Restart, Some(restart)) => match situation.outcome(restart.generation) {
            Some(outcome) => (entry.outcome, entry.reason) = told(outcome),
            None if entry.outcome == OutcomeReport::Unknown && situation.is_in_flight(restart.generation) => {
                entry.outcome = OutcomeReport::Pending;
            }
            None => {}
        },
        // Another restart has come since, and nobody saw the end of this one.
        (Cost::Restart, None) if entry.outcome == OutcomeReport::Pending => entry.outcome = OutcomeReport::Unknown,
        (Cost::Restart, None) => {}
    }
}

/// What the situation says of a restart, in a report's words.
fn told(outcome: RestartOutcome) -> (OutcomeReport, Option<String>) {
    match outcome {
        RestartOutcome::Stable => (OutcomeReport::Unverified, None),
        RestartOutcome::Failed(why) => (OutcomeReport::Failed, Some(why.to_owned())),
    }
}
