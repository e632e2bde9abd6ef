//! When what a job's state shows is enough to call its restart failed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use checklist::{Evidence, Watched};
use tokio::time::Instant;

use crate::uid::Uid;

/// So many failures after one restart are a loop.
const LOOP: u32 = 3;

/// What a look at a watched restart comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    /// Nothing shows that it has failed.
    Quiet,
    /// Something does; it is evidence if it still does after this long.
    Suspicious(Duration),
    /// It has failed.
    Failed(Evidence),
}

/// What was seen of restarts that are watched. It only delays: who starts anew sees it again, and waits again.
#[derive(Debug, Default)]
pub struct Watchdog {
    seen: Mutex<HashMap<Uid, Seen>>,
}

/// What was seen of one restart.
#[derive(Debug)]
struct Seen {
    generation: i64,
    trouble: Option<(Evidence, Instant)>,
    failures: u32,
    was_restarting: bool,
}

impl Watchdog {
    /// Takes in what a job's state shows of the restart that gave it this generation. Trouble is evidence once it has
    /// lasted for `grace` without a break.
    pub fn look(&self, uid: &str, generation: i64, watched: Watched, grace: Duration) -> Watching {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Seen { generation, trouble: None, failures: 0, was_restarting: false };
        let of_job = seen.entry(uid.into()).or_insert_with(fresh);
        if of_job.generation != generation {
            *of_job = fresh();
        }
        of_job.failures += u32::from(watched.is_restarting && !of_job.was_restarting);
        of_job.was_restarting = watched.is_restarting;
        if of_job.failures >= LOOP {
            return Watching::Failed(Evidence::RestartLoop);
        }
        let Some(trouble) = watched.trouble else {
            of_job.trouble = None;
            return Watching::Quiet;
        };
        let since = match of_job.trouble {
            Some((before, since)) if before == trouble => since,
            Some(_) | None => now,
        };
        of_job.trouble = Some((trouble, since));
        let left = grace.saturating_sub(now.duration_since(since));
        // What FKO has rolled back is settled by its own deadline.
        if left.is_zero() || trouble == Evidence::RolledBack {
            Watching::Failed(trouble)
        } else {
            Watching::Suspicious(left)
        }
    }

    /// Forgets a job that is gone, or not watched any more.
    pub fn forget(&self, uid: impl Into<Uid>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_mins(1);

    fn watched(trouble: Option<Evidence>, is_restarting: bool) -> Watched {
        Watched { stable: false, trouble, is_restarting }
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_is_evidence_once_it_has_lasted() {
        let dog = Watchdog::default();
        let look = |trouble| dog.look("u", 2, watched(trouble, false), GRACE);
        assert_eq!(look(Some(Evidence::OperatorError)), Watching::Suspicious(GRACE));
        tokio::time::advance(GRACE / 2).await;
        assert_eq!(look(Some(Evidence::OperatorError)), Watching::Suspicious(GRACE / 2));
        assert_eq!(look(None), Watching::Quiet);
        tokio::time::advance(GRACE / 2).await;
        assert_eq!(look(Some(Evidence::OperatorError)), Watching::Suspicious(GRACE), "a break starts it anew");
        tokio::time::advance(GRACE).await;
        assert_eq!(look(Some(Evidence::OperatorError)), Watching::Failed(Evidence::OperatorError));
        assert_eq!(look(Some(Evidence::JobFailed)), Watching::Suspicious(GRACE));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_rolled_back_needs_no_grace() {
        let look = Watchdog::default().look("u", 2, watched(Some(Evidence::RolledBack), false), GRACE);
        assert_eq!(look, Watching::Failed(Evidence::RolledBack));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_fails_again_and_again_is_in_a_loop() {
        let dog = Watchdog::default();
        let look = |generation, is_restarting| dog.look("u", generation, watched(None, is_restarting), GRACE);
        for _ in 0..2 {
            assert_eq!(look(2, true), Watching::Quiet);
            assert_eq!(look(2, true), Watching::Quiet, "the same failure");
            assert_eq!(look(2, false), Watching::Quiet);
        }
        assert_eq!(look(3, true), Watching::Quiet, "of another restart");
        look(3, false);
        look(3, true);
        look(3, false);
        assert_eq!(look(3, true), Watching::Failed(Evidence::RestartLoop));
    }
}
