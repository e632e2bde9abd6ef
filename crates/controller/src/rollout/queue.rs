//! Which jobs wait for a restart, so that the one that has waited longest goes first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::uid::Uid;

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

/// The jobs that have asked in vain; clones share them. It only orders: every look puts its job in or takes it out, so that a
/// new leader has it again once it has looked at everything.
#[derive(Clone, Debug, Default)]
pub struct Queue(Arc<Mutex<HashMap<Uid, (Timestamp, Instant)>>>);

impl Queue {
    pub(super) fn enter(&self, waiting: Waiting<'_>) {
        self.lock().insert(waiting.uid.into(), (waiting.since, Instant::now()));
    }

    /// Takes out a job that waits no more, or is gone.
    pub fn leave(&self, uid: impl Into<Uid>) {
        self.lock().remove(&uid.into());
    }

    /// How many jobs have waited longer than this one, without those that are `busy` with a restart.
    pub(super) fn before(&self, waiting: Waiting<'_>, busy: impl Fn(&Uid) -> bool) -> usize {
        let now = Instant::now();
        let mut queue = self.lock();
        queue.retain(|_, (_, asked)| now.duration_since(*asked) < FORGOTTEN);
        let own = (waiting.since, waiting.uid.into());
        queue.iter().filter(|(uid, (since, _))| (*since, **uid) < own && !busy(uid)).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uid, (Timestamp, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UIDS: [&str; 4] = [
        "00000000-0000-4000-8000-00000000000a",
        "00000000-0000-4000-8000-00000000000b",
        "00000000-0000-4000-8000-00000000000c",
        "00000000-0000-4000-8000-00000000000d",
    ];

    fn waiting(uid: &str, minute: u8) -> Waiting<'_> {
        Waiting { uid, since: format!("2026-01-02T03:{minute:02}:00Z").parse().unwrap() }
    }

    #[test]
    fn who_has_waited_longer_goes_first_and_the_uid_decides_between_equals() {
        let (queue, [a, b, c, d]) = (Queue::default(), UIDS);
        for (uid, minute) in [(c, 1), (a, 3), (b, 2), (d, 2)] {
            queue.enter(waiting(uid, minute));
        }
        let before = |uid, minute| queue.before(waiting(uid, minute), |_| false);
        assert_eq!([before(a, 3), before(d, 2), before(b, 2), before(c, 1)], [3, 2, 1, 0]);
        assert_eq!(queue.before(waiting(a, 3), |uid| *uid == Uid::from(d)), 2, "who restarts waits no more");
        queue.leave(c);
        assert_eq!(before(b, 2), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_no_more_keeps_nobody_waiting() {
        let (queue, [a, b, ..]) = (Queue::default(), UIDS);
        queue.enter(waiting(a, 1));
        assert_eq!(queue.before(waiting(b, 3), |_| false), 1);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(queue.before(waiting(b, 3), |_| false), 0);
    }
}
