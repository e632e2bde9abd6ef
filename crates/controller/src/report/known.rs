//! Which reports there are, as far as it decides what is news. The reports themselves are not kept: of a fleet they would
//! be most of the memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use checklist::HoldReason;
use flink_api::{HoldReport, RemediationReport, ReportContent};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::history::Remembered;
use crate::troubles::Trouble;

/// Namespace and name of a job, and so of its report.
pub(crate) type Key = (String, String);
/// A watched namespace; `None` is all.
pub(crate) type Scope = Option<String>;

/// For how long a write counts that the watch does not show: far longer than a watch lags.
const UNSEEN: Duration = Duration::from_secs(30);
/// How long a hold stays as told while jobs take turns.
const TURN: SignedDuration = SignedDuration::from_hours(1);

/// Whether reports of some namespaces can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not known yet.
    Unknown,
    /// They cannot, and why.
    Off(String),
    /// They can.
    On,
}

/// What decides whether a report is news.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    /// Uid of the job that owns it.
    owner: String,
    /// Digest of all but the hold.
    digest: u64,
    hold: Option<HoldReport>,
    remembered: Remembered,
}

impl Known {
    fn of(owner: &str, content: &ReportContent) -> Self {
        let mut hasher = DefaultHasher::new();
        let rest = ReportContent { hold: None, message: String::new(), ..content.clone() };
        serde_json::to_vec(&rest).unwrap_or_default().hash(&mut hasher);
        // The message of a job that is held tells of the hold.
        if content.hold.is_none() {
            content.message.hash(&mut hasher);
        }
        Self {
            owner: owner.to_owned(),
            digest: hasher.finish(),
            hold: content.hold.clone(),
            remembered: Remembered::of(content),
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    /// By the watch.
    known: HashMap<Key, Known>,
    /// Queued or written, and not shown by the watch yet.
    wanted: HashMap<Key, (Known, Instant)>,
    /// What was last said of reports that cannot be written.
    said: Option<String>,
}

/// Every report, as far as it decides what is news; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    states: Arc<watch::Sender<BTreeMap<Scope, State>>>,
    seen: Arc<Mutex<Seen>>,
}

impl Reports {
    /// Of these namespaces; nothing is known yet.
    pub(crate) fn new(scopes: impl Iterator<Item = Scope>) -> Self {
        let states = scopes.map(|scope| (scope, State::Unknown)).collect();
        Self { states: Arc::new(watch::Sender::new(states)), seen: Arc::default() }
    }

    /// Waits until it is known everywhere whether reports can be written.
    pub(crate) async fn looked_for(&self) {
        let mut states = self.states.subscribe();
        let _ = states.wait_for(|states| states.values().all(|state| *state != State::Unknown)).await;
    }

    /// Whether reports of this namespace can be written.
    pub(crate) fn are_on(&self, namespace: &str) -> bool {
        let states = self.states.borrow();
        states.get(&None).or_else(|| states.get(&Some(namespace.to_owned()))) == Some(&State::On)
    }

    /// Reports of the scope can be written; true if they could not before.
    pub(crate) fn on(&self, scope: &Scope) -> bool {
        let were_off = self.set(scope, State::On);
        if were_off {
            info!(namespace = scope.as_deref(), "RemediationReports are written");
            self.lock().said = None;
        }
        were_off
    }

    /// Reports of the scope cannot be written. The same reason is told once.
    pub(crate) fn off(&self, scope: &Scope, why: &str) {
        self.set(scope, State::Off(why.to_owned()));
        let mut seen = self.lock();
        if seen.said.as_deref() != Some(why) {
            warn!(trouble = %Trouble::ReportsOff, "RemediationReports are off, all else goes on: {why}");
            seen.said = Some(why.to_owned());
        }
    }

    fn set(&self, scope: &Scope, state: State) -> bool {
        self.states.send_if_modified(|states| {
            let old = states.insert(scope.clone(), state.clone());
            old != Some(state)
        })
    }

    /// The watch shows a report.
    pub(crate) fn saw(&self, key: Key, report: &RemediationReport) {
        let owners = report.metadata.owner_references.iter().flatten();
        let owner = owners.map(|owner| owner.uid.as_str()).next().unwrap_or_default();
        let known = Known::of(owner, &report.content);
        let mut seen = self.lock();
        if seen.wanted.get(&key).is_some_and(|(wanted, _)| *wanted == known) {
            seen.wanted.remove(&key);
        }
        seen.known.insert(key, known);
    }

    /// The watch shows that a report is gone.
    pub(crate) fn gone(&self, key: &Key) {
        let mut seen = self.lock();
        seen.known.remove(key);
        seen.wanted.remove(key);
    }

    /// The watch has listed exactly these in its scope; returns those that are gone.
    pub(crate) fn listed(&self, scope: &Scope, listed: &HashSet<Key>) -> Vec<Key> {
        let mut seen = self.lock();
        let in_scope = |key: &Key| scope.as_ref().is_none_or(|namespace| key.0 == *namespace);
        let gone: Vec<Key> = seen.known.keys().filter(|key| in_scope(key) && !listed.contains(*key)).cloned().collect();
        for key in &gone {
            seen.known.remove(key);
        }
        gone
    }

    /// What the last report of this job says of the past. One of an earlier job by the same name says nothing.
    pub(crate) fn remembered(&self, key: &Key, uid: &str, now: Instant) -> Option<Remembered> {
        let seen = self.lock();
        latest(&seen, key, now).filter(|known| known.owner == uid).map(|known| known.remembered.clone())
    }

    /// Whether this content differs from what the job's report says; it then counts as written until the watch, the
    /// writer or time says otherwise.
    pub(crate) fn is_news(
        &self,
        key: &Key,
        uid: &str,
        content: &ReportContent,
        now: Timestamp,
        instant: Instant,
    ) -> bool {
        let next = Known::of(uid, content);
        let mut seen = self.lock();
        let is_news = latest(&seen, key, instant).is_none_or(|last| {
            last.owner != next.owner
                || last.digest != next.digest
                || is_new_hold(last.hold.as_ref(), next.hold.as_ref(), now)
        });
        if is_news {
            seen.wanted.insert(key.clone(), (next, instant + UNSEEN));
        }
        is_news
    }

    /// A report that was to be written was not.
    pub(crate) fn not_written(&self, key: &Key) {
        self.lock().wanted.remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn latest<'a>(seen: &'a Seen, key: &Key, now: Instant) -> Option<&'a Known> {
    let wanted = seen.wanted.get(key).filter(|(_, until)| now < *until).map(|(known, _)| known);
    wanted.or_else(|| seen.known.get(key))
}

/// Whether a hold is worth a write. While many jobs wait for their turn, each turn changes what all of them wait for:
/// that alone is told once an hour.
fn is_new_hold(last: Option<&HoldReport>, next: Option<&HoldReport>, now: Timestamp) -> bool {
    let (Some(last), Some(next)) = (last, next) else { return last.is_some() != next.is_some() };
    let budget = HoldReason::HourlyBudget(Timestamp::MIN).label();
    let in_flight = HoldReason::InFlight(String::new()).label();
    let is_turn = last.reason == budget && (next.reason == budget || next.reason == in_flight);
    let is_fresh = last.next_retry.is_some_and(|retry| now.duration_since(retry) < TURN);
    last != next && !(is_turn && is_fresh)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

    use super::*;

    fn key() -> Key {
        ("n".to_owned(), "a".to_owned())
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn content(mode: &str, hold: Option<(&str, i64)>) -> ReportContent {
        let hold = hold.map(|(reason, minutes)| HoldReport {
            reason: reason.to_owned(),
            message: format!("{reason} {minutes}"),
            next_retry: (reason == "HourlyBudget").then(|| now() + SignedDuration::from_mins(minutes)),
        });
        ReportContent { mode: mode.to_owned(), hold, ..ReportContent::default() }
    }

    fn shown(owner: &str, content: &ReportContent) -> RemediationReport {
        let owner = OwnerReference { uid: owner.to_owned(), ..OwnerReference::default() };
        let metadata = ObjectMeta { owner_references: Some(vec![owner]), ..ObjectMeta::default() };
        RemediationReport { metadata, content: content.clone() }
    }

    fn reports() -> Reports {
        Reports::new(std::iter::once(None))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_queued_is_no_news_until_the_watch_should_have_shown_it() {
        let (reports, told) = (reports(), content("Apply", None));
        let is_news = |content: &ReportContent| reports.is_news(&key(), "u", content, now(), Instant::now());
        assert!(is_news(&told) && !is_news(&told) && is_news(&content("Advise", None)));
        assert!(is_news(&told));
        tokio::time::advance(UNSEEN).await;
        assert!(is_news(&told));
        reports.not_written(&key());
        assert!(is_news(&told));
        reports.saw(key(), &shown("u", &told));
        tokio::time::advance(UNSEEN).await;
        assert!(!is_news(&told));
        reports.gone(&key());
        assert!(is_news(&told));
    }

    #[test]
    fn another_jobs_report_by_the_same_name_is_news_and_says_nothing() {
        let (reports, told, instant) = (reports(), content("Apply", None), Instant::now());
        reports.saw(key(), &shown("u", &told));
        assert!(reports.remembered(&key(), "u", instant).is_some());
        assert!(reports.remembered(&key(), "v", instant).is_none());
        assert!(!reports.is_news(&key(), "u", &told, now(), instant));
        assert!(reports.is_news(&key(), "v", &told, now(), instant));
    }

    #[test]
    fn whose_turn_it_is_is_told_once_an_hour() {
        let is_new = |last, next| is_new_hold(content("", last).hold.as_ref(), content("", next).hold.as_ref(), now());
        let budget = |minutes| Some(("HourlyBudget", minutes));
        let in_flight = Some(("InFlight", 0));
        assert!(!is_new(budget(5), budget(15)) && !is_new(budget(5), in_flight) && !is_new(budget(-59), in_flight));
        assert!(is_new(budget(-60), budget(10)) && is_new(in_flight, budget(5)) && is_new(None, in_flight));
        assert!(is_new(budget(5), None) && is_new(budget(5), Some(("Paused", 0))));
        assert!(!is_new(in_flight, in_flight) && !is_new(None, None));
    }

    #[test]
    fn a_new_list_says_which_reports_are_gone() {
        let reports = reports();
        reports.saw(key(), &shown("u", &content("", None)));
        reports.saw(("m".to_owned(), "b".to_owned()), &shown("w", &content("", None)));
        let gone = reports.listed(&Some("n".to_owned()), &HashSet::new());
        assert_eq!(gone, [key()]);
        assert!(reports.listed(&None, &HashSet::from([("m".to_owned(), "b".to_owned())])).is_empty());
    }

    #[test]
    fn reports_are_on_where_they_can_be_written() {
        let scopes = ["a", "b"].map(|name| Some(name.to_owned()));
        let reports = Reports::new(scopes.iter().cloned());
        assert!(reports.on(&scopes[0]) && !reports.on(&scopes[0]));
        reports.off(&scopes[1], "why");
        assert!(reports.are_on("a") && !reports.are_on("b") && !reports.are_on("c"));
        assert!(reports.on(&scopes[1]) && reports.are_on("b"));
    }
}
