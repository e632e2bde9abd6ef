//! Which jobs wait for a restart, so that the one that has waited longest goes first.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// How long a job counts that has not asked again: longer than it may be until its next look.
const FORGOTTEN: Duration = Duration::from_mins(15);

/// A job that asks for a restart, and since when it has one to come.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// Its uid.
    pub uid: &'a str,
    /// Since when, by what stands on the object.
    pub since: Timestamp,
}

/// The jobs that have asked in vain. It only orders: every look puts its job in or takes it out, so that a new leader has
/// it again once it has looked at everything.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<HashMap<String, (Timestamp, Instant)>>);

impl Queue {
    pub(super) fn enter(&self, waiting: Waiting<'_>) {
        self.lock().insert(waiting.uid.to_owned(), (waiting.since, Instant::now()));
    }

    pub(super) fn leave(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// The jobs that have waited longer than this one, the longest first; of those that are gone none.
    pub(super) fn before(&self, waiting: Waiting<'_>, present: &HashSet<String>) -> Vec<String> {
        let mut queue = self.lock();
        queue.retain(|uid, (_, asked)| asked.elapsed() < FORGOTTEN && present.contains(uid));
        let earlier = queue.iter().map(|(uid, (since, _))| (*since, uid.as_str()));
        let mut earlier: Vec<_> = earlier.filter(|entry| *entry < (waiting.since, waiting.uid)).collect();
        earlier.sort_unstable();
        earlier.into_iter().map(|(_, uid)| uid.to_owned()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(uid: &str, minute: u8) -> Waiting<'_> {
        Waiting { uid, since: format!("2026-01-02T03:{minute:02}:00Z").parse().unwrap() }
    }

    fn present(uids: &[&str]) -> HashSet<String> {
        uids.iter().map(|uid| (*uid).to_owned()).collect()
    }

    #[test]
    fn who_has_waited_longer_goes_first_and_the_name_decides_between_equals() {
        let queue = Queue::default();
        for (uid, minute) in [("c", 1), ("a", 3), ("b", 2), ("d", 2)] {
            queue.enter(waiting(uid, minute));
        }
        let all = present(&["a", "b", "c", "d"]);
        assert_eq!(queue.before(waiting("a", 3), &all), ["c", "b", "d"]);
        assert_eq!(queue.before(waiting("d", 2), &all), ["c", "b"]);
        queue.leave("c");
        assert_eq!(queue.before(waiting("b", 2), &all), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_or_asks_no_more_keeps_nobody_waiting() {
        let queue = Queue::default();
        queue.enter(waiting("a", 1));
        queue.enter(waiting("b", 2));
        assert_eq!(queue.before(waiting("c", 3), &present(&["b", "c"])), ["b"]);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(queue.before(waiting("c", 3), &present(&["b", "c"])), Vec::<String>::new());
    }
}
