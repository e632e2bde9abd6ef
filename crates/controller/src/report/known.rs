//! Which reports there are, as far as it decides what is news. The reports themselves are not kept: of a fleet they would
//! be most of the memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use checklist::HoldReason;
use flink_api::{HoldReport, RemediationReport, ReportContent, Standing};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::history::Remembered;
use super::inputs::Inputs;
use crate::packed::{Dictionary, NotKept, Packed};
use crate::troubles::Trouble;
use crate::uid::Uid;

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
#[derive(Clone, Debug)]
struct Known {
    /// The job that owns it.
    owner: Uid,
    /// Digest of all but the hold.
    digest: u64,
    hold: Option<KnownHold>,
    /// What it says of the past; `None` where that is nothing.
    remembered: Option<Result<Packed, NotKept>>,
    /// What was seen of the job when a look last came to just this report, and where the job stands by it.
    made_of: Option<(Inputs, Standing)>,
}

/// A hold, as far as it decides what is news.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownHold {
    digest: u64,
    /// Whether jobs take turns, and then whether it is the budget that they wait for.
    turn: Option<IsBudget>,
    next_retry: Option<Timestamp>,
}

type IsBudget = bool;

impl KnownHold {
    fn of(hold: &HoldReport) -> Self {
        let HoldReport { reason, message, next_retry } = hold;
        let mut hasher = DefaultHasher::new();
        (reason, message).hash(&mut hasher);
        let is_budget = *reason == HoldReason::HourlyBudget(Timestamp::MIN).label();
        let is_in_flight = *reason == HoldReason::InFlight(String::new()).label();
        let turn = (is_budget || is_in_flight).then_some(is_budget);
        Self { digest: hasher.finish(), turn, next_retry: *next_retry }
    }
}

impl Known {
    /// Without what it says of the past, which takes longest and is asked for only where it is kept.
    fn of(owner: &str, content: &ReportContent) -> Self {
        #[rustfmt::skip]
        let ReportContent {
            standing, message, mode, policy, findings, filled, pending, hold, opt_out, quarantine, managed_by, history,
        } = content;
        let mut hasher = DefaultHasher::new();
        (standing, mode, policy, findings, filled, pending).hash(&mut hasher);
        (opt_out, quarantine, managed_by, history).hash(&mut hasher);
        // The message of a job that is held tells of the hold.
        if hold.is_none() {
            message.hash(&mut hasher);
        }
        let hold = hold.as_ref().map(KnownHold::of);
        Self { owner: owner.into(), digest: hasher.finish(), hold, remembered: None, made_of: None }
    }

    fn with_past(self, content: &ReportContent, packed: &Dictionary) -> Self {
        let past = Some(Remembered::of(content)).filter(|past| *past != Remembered::default());
        Self { remembered: past.map(|past| packed.pack_json(&past)), ..self }
    }

    fn says(&self, other: &Self) -> bool {
        (self.owner, self.digest, &self.hold) == (other.owner, other.digest, &other.hold)
    }

    fn remembered(&self) -> Result<Remembered, NotKept> {
        match &self.remembered {
            None => Ok(Remembered::default()),
            Some(Ok(past)) => past.unpack_json(),
            Some(Err(error)) => Err(error.clone()),
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

/// What a new list of the watch does not have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Was there before.
    pub(crate) gone: Vec<Key>,
    /// Written and never shown, and when it counts as not written: it may have been written since, or be gone as well.
    pub(crate) unseen: Vec<(Key, Instant)>,
}

/// Every report, as far as it decides what is news; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    states: Arc<watch::Sender<BTreeMap<Scope, State>>>,
    seen: Arc<Mutex<Seen>>,
    past: Dictionary,
}

impl Reports {
    /// Of these namespaces; nothing is known yet.
    pub(crate) fn new(scopes: impl Iterator<Item = Scope>) -> Self {
        let states = scopes.map(|scope| (scope, State::Unknown)).collect();
        Self { states: Arc::new(watch::Sender::new(states)), seen: Arc::default(), past: Dictionary::default() }
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
        let known = Known::of(owner, &report.content).with_past(&report.content, &self.past);
        let mut seen = self.lock();
        if seen.wanted.get(&key).is_some_and(|(wanted, _)| wanted.says(&known)) {
            seen.wanted.remove(&key);
        }
        if seen.wanted.is_empty() {
            // Of a fleet that was met for the first time, megabytes.
            seen.wanted.shrink_to_fit();
        }
        seen.known.insert(key, known);
    }

    /// The watch shows that a report is gone.
    pub(crate) fn gone(&self, key: &Key) {
        let mut seen = self.lock();
        seen.known.remove(key);
        seen.wanted.remove(key);
    }

    /// The watch has listed exactly these in its scope; returns what it has not listed.
    pub(crate) fn listed(&self, scope: &Scope, listed: &HashSet<Key>) -> Missing {
        let mut seen = self.lock();
        let in_scope = |key: &Key| scope.as_ref().is_none_or(|namespace| key.0 == *namespace);
        let is_unlisted = |key: &Key| in_scope(key) && !listed.contains(key);
        let gone: Vec<Key> = seen.known.keys().filter(|key| is_unlisted(key)).cloned().collect();
        for key in &gone {
            seen.known.remove(key);
        }
        let wanted = seen.wanted.iter().filter(|(key, _)| is_unlisted(key));
        let unseen = wanted.map(|(key, (_, until))| (key.clone(), *until)).collect();
        Missing { gone, unseen }
    }

    /// What the last report of this job says of the past. One of an earlier job by the same name says nothing.
    ///
    /// # Errors
    /// There is one, and what it says of the past was not kept.
    pub(crate) fn remembered(&self, key: &Key, uid: &str, now: Instant) -> Result<Option<Remembered>, NotKept> {
        let seen = self.lock();
        latest(&seen, key, now).filter(|known| known.owner == uid.into()).map(Known::remembered).transpose()
    }

    /// Where the job stands by its report, if that is what these inputs come to: such a report need not be made once more.
    pub(crate) fn stands(&self, key: &Key, uid: &str, inputs: Inputs) -> Option<Standing> {
        let seen = self.lock();
        // What is on its way may be written or not.
        let known = seen.known.get(key).filter(|known| known.owner == uid.into() && !seen.wanted.contains_key(key));
        known?.made_of.filter(|(known, _)| *known == inputs).map(|(_, standing)| standing)
    }

    /// These inputs come to this content. Remembered with a report that says just this, for as long as it stands.
    pub(crate) fn made_of(&self, key: &Key, uid: &str, content: &ReportContent, inputs: Inputs) {
        let made = Known::of(uid, content);
        if let Some(known) = self.lock().known.get_mut(key).filter(|known| known.says(&made)) {
            known.made_of = Some((inputs, content.standing));
        }
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
            seen.wanted.insert(key.clone(), (next.with_past(content, &self.past), instant + UNSEEN));
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
fn is_new_hold(last: Option<&KnownHold>, next: Option<&KnownHold>, now: Timestamp) -> bool {
    let (Some(last), Some(next)) = (last, next) else { return last.is_some() != next.is_some() };
    let is_turn = last.turn == Some(true) && next.turn.is_some();
    let is_fresh = last.next_retry.is_some_and(|retry| now.duration_since(retry) < TURN);
    last != next && !(is_turn && is_fresh)
}

#[cfg(test)]
mod tests;
