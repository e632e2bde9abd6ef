//! Another look at jobs of which an Event or a report was not written, since no other may come for half an hour.

use std::time::Instant;

use crate::cache::JobKey;
use crate::looks::Queue;
use crate::reconcile::Backoff;
use crate::uid::Uid;
use crate::watch::enqueue_by;

/// Asks for looks, at each job later every time: what is refused for good must not become a storm.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    backoff: Backoff,
    queues: Vec<Queue>,
}

impl Unwritten {
    /// Asks these queues.
    pub(crate) fn new(queues: Vec<Queue>) -> Self {
        Self { backoff: Backoff::default(), queues }
    }

    /// What is about this object was not written. The job that it is about may have one of these names.
    pub(crate) fn look_again(&self, uid: &str, jobs: impl Iterator<Item = JobKey>) {
        let wait = self.backoff.failed(uid, Instant::now());
        enqueue_by(jobs, &self.queues, tokio::time::Instant::now() + wait);
    }

    /// Something about this object was written.
    pub(crate) fn written(&self, uid: impl Into<Uid>) {
        self.backoff.forget(uid);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looks_come_later_each_time_until_something_is_written() {
        let queue = Queue::default();
        queue.open();
        let unwritten = Unwritten::new(vec![queue.clone()]);
        let mut last = Duration::ZERO;
        let wait = || {
            unwritten.look_again("u", std::iter::once(JobKey::new("n", "a")));
            let (job, at) = queue.due().pop().unwrap();
            assert_eq!(job, JobKey::new("n", "a"));
            // Takes the place of the one that was due, so that the next may be later.
            queue.ask(job);
            assert_eq!(queue.asked().len(), 1);
            at - tokio::time::Instant::now()
        };
        for _ in 0..8 {
            let next = wait();
            assert!(next > last, "{next:?} after {last:?}");
            last = next;
        }
        assert!(last > Duration::from_mins(9));
        unwritten.written("u");
        assert!(wait() < Duration::from_secs(7));
    }
}
