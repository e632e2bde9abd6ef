use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::Clock;
use crate::pace::Pace;

/// This process may not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process does not lead (any more)")]
pub struct NotLeader;

/// Lets writes through only while the lease is surely ours. Every writer holds a clone.
#[derive(Clone, Debug)]
pub struct Fence {
    deadline: Arc<Mutex<Option<Instant>>>,
    pace: Pace,
    clock: Clock,
}

impl Fence {
    /// A closed one, for so many writes at a time about jobs.
    pub fn new(writes: u16) -> Self {
        Self { deadline: Arc::default(), pace: Pace::new(writes), clock: Clock::default() }
    }

    /// Whose turn it is to write about a job.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// What time it is for whoever leads: each renewal of the lease tells.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs a write and gives it up at the deadline.
    ///
    /// # Errors
    /// The fence is closed, or the deadline passed before the write was answered.
    pub async fn guard<T>(&self, write: impl Future<Output = T>) -> Result<T, NotLeader> {
        let deadline = self.deadline().ok_or(NotLeader)?;
        tokio::time::timeout_at(deadline, write).await.map_err(|_| NotLeader)
    }

    /// Until when writes are let through; `None` when they are not.
    pub fn deadline(&self) -> Option<Instant> {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.filter(|deadline| *deadline > Instant::now())
    }

    pub(crate) fn open_until(&self, deadline: Instant) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
    }

    pub(super) fn close(&self) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_write_passes_a_closed_or_expired_fence() {
        let fence = Fence::new(1);
        assert_eq!(fence.guard(async {}).await, Err(NotLeader));
        fence.open_until(Instant::now() + Duration::from_secs(10));
        assert_eq!(fence.guard(async { 1 }).await, Ok(1));
        assert_eq!(fence.guard(tokio::time::sleep(Duration::from_secs(11))).await, Err(NotLeader));
        assert_eq!(fence.guard(async { 1 }).await, Err(NotLeader));
    }
}
