//! When a failed object may be tried again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::uid::Uid;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(10);
const SOON: Duration = Duration::from_millis(200);

/// Not-before times by uid. Any event of the object asks for a look at once, and would cut a longer wait short: `reconcile`
/// asks here first.
#[derive(Debug, Default)]
pub struct Backoff {
    waiting: Mutex<HashMap<Uid, Wait>>,
}

#[derive(Debug)]
struct Wait {
    failures: u32,
    not_before: Instant,
}

impl Backoff {
    /// How long the object still has to wait.
    pub fn remaining(&self, uid: &str, now: Instant) -> Option<Duration> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get(&uid.into())?.not_before.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Counts a failure and says how long to wait: 5 s doubling to 10 min, and up to a fifth more so that many
    /// objects do not come back at once.
    pub fn failed(&self, uid: &str, now: Instant) -> Duration {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut waiting, now);
        let wait = waiting.entry(uid.into()).or_insert(Wait { failures: 0, not_before: now });
        let base = FIRST.saturating_mul(1 << wait.failures.min(10)).min(LONGEST);
        wait.failures += 1;
        let delay = base + base.mul_f64(share(uid, wait.failures) / 5.0);
        wait.not_before = now + delay;
        delay
    }

    /// A short wait, since the object's new state is on the way; longer each time that it has not come: 0.2 s
    /// doubling to 12.8 s.
    pub fn soon(&self, uid: &str, now: Instant) -> Duration {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut waiting, now);
        let wait = waiting.entry(uid.into()).or_insert(Wait { failures: 0, not_before: now });
        let delay = SOON.saturating_mul(1 << wait.failures.min(6));
        wait.failures += 1;
        wait.not_before = now + delay;
        delay
    }

    /// Forgets an object that succeeded or is gone.
    pub fn forget(&self, uid: impl Into<Uid>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid.into());
    }
}

/// A look that fails just after its object was deleted would leave its wait behind.
fn forget_old(waiting: &mut HashMap<Uid, Wait>, now: Instant) {
    waiting.retain(|_, wait| now.saturating_duration_since(wait.not_before) < LONGEST * 2);
}

/// A share between 0 and 1 that differs from object to object and from time to time.
pub(crate) fn share(uid: &str, salt: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (uid, salt).hash(&mut hasher);
    f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_end_with_success() {
        let backoff = Backoff::default();
        let now = Instant::now();
        let waits: Vec<Duration> = (0..12).map(|_| backoff.failed("u", now)).collect();
        assert!(waits[0] >= FIRST && waits[0] <= FIRST.mul_f64(1.2));
        assert!(waits.windows(2).take(5).all(|pair| pair[1] > pair[0]));
        assert!(*waits.last().unwrap() <= LONGEST.mul_f64(1.2));
        assert!(backoff.remaining("u", now).is_some());
        assert!(backoff.remaining("u", now + LONGEST * 2).is_none());
        backoff.forget("u");
        assert!(backoff.remaining("u", now).is_none());
    }

    #[test]
    fn an_object_that_is_not_heard_of_again_is_forgotten() {
        let backoff = Backoff::default();
        let now = Instant::now();
        backoff.soon("gone", now);
        backoff.soon("other", now + LONGEST * 3);
        assert_eq!(backoff.waiting.lock().unwrap().len(), 1);
    }

    #[test]
    fn objects_do_not_come_back_together() {
        let backoff = Backoff::default();
        let now = Instant::now();
        assert_ne!(backoff.failed("a", now), backoff.failed("b", now));
    }
}
