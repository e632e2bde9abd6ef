//! How many writes are under way, and whose turn it is: changes of jobs before what is told of them, and fewer of both while the
//! API server cannot take more.
//!
//! The number adapts as TCP's window does: half of it after a refusal, and by one more for each full round that is answered.
//! What API priority and fairness queues is slow, what it rejects is a 429 with the time to wait.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, warn};

use crate::troubles::Trouble;

/// What is told waits for changes of jobs no longer than this: a fleet that takes minutes to change is told of meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a refusal that names none; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause, whatever the server asks for: a process that is asked to end has no more time.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Gives out turns to write; clones share them.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
    most: f64,
}

#[derive(Debug)]
struct State {
    /// Writes that may be under way; between 1 and `most`, and in between while it grows.
    limit: f64,
    under_way: u32,
    /// Changes of jobs that are under way or wait for their turn.
    jobs: u32,
    paused_until: Option<Instant>,
    /// Refusals since the last answer.
    refusals: u32,
    /// Refusals of what was sent earlier say nothing new.
    slowed: Option<Instant>,
}

/// What a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Job,
    Telling,
}

impl Pace {
    /// With so many writes at a time at the most.
    pub fn new(most: u16) -> Self {
        let most = f64::from(most.max(1));
        let state = State { limit: most, under_way: 0, jobs: 0, paused_until: None, refusals: 0, slowed: None };
        Self(Arc::new(Inner { state: Mutex::new(state), changed: Notify::new(), most }))
    }

    /// A turn to change a job.
    pub async fn job(&self) -> Turn {
        let mut turn = Turn { pace: self.clone(), rank: Rank::Job, has_begun: false };
        self.lock().jobs += 1;
        turn.wait(None, |_| true).await;
        turn
    }

    /// A turn to tell something that waits since `asked`: when no job waits to be changed, or has waited for long, or when it
    /// `is_pressing`.
    pub async fn telling(&self, asked: Instant, is_pressing: impl Fn() -> bool) -> Turn {
        let mut turn = Turn { pace: self.clone(), rank: Rank::Telling, has_begun: false };
        turn.wait(Some(asked + PATIENCE), |state| state.jobs == 0 || asked.elapsed() >= PATIENCE || is_pressing())
            .await;
        turn
    }

    /// How many writes may be under way now.
    pub fn limit(&self) -> u32 {
        self.lock().limit()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fewer writes, and none for a while.
    fn slow_down(&self, sent: Instant, wanted: Duration) {
        let mut state = self.lock();
        if state.slowed.is_some_and(|slowed| sent < slowed) {
            return;
        }
        let now = Instant::now();
        let usual = FIRST_PAUSE.saturating_mul(1 << state.refusals.min(10));
        let pause = wanted.max(usual).min(LONGEST_PAUSE);
        state.limit = (state.limit / 2.0).max(1.0);
        state.refusals = state.refusals.saturating_add(1);
        (state.slowed, state.paused_until) = (Some(now), Some(now + pause));
        let at_a_time = state.limit();
        if state.refusals == 1 {
            warn!(trouble = %Trouble::ServerOverloaded, ?pause, at_a_time, "the API server cannot take what is written; going on more slowly");
        } else {
            debug!(?pause, at_a_time, "the API server still cannot take what is written");
        }
    }

    fn speed_up(&self) {
        let mut state = self.lock();
        state.limit = (state.limit + 1.0 / state.limit).min(self.0.most);
        state.refusals = 0;
    }
}

impl State {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 65535")]
    fn limit(&self) -> u32 {
        self.limit as u32
    }

    fn has_room(&self, now: Instant) -> bool {
        self.under_way < self.limit() && self.paused_until.is_none_or(|until| until <= now)
    }
}

/// A turn to send one write. It is over when it is dropped.
#[derive(Debug)]
pub struct Turn {
    pace: Pace,
    rank: Rank,
    has_begun: bool,
}

impl Turn {
    /// Waits until there is room and it `may`, which only a change or the time `again` alters.
    async fn wait(&mut self, again: Option<Instant>, may: impl Fn(&State) -> bool) {
        let pace = self.pace.clone();
        loop {
            let mut changed = pin!(pace.0.changed.notified());
            changed.as_mut().enable();
            let until = {
                let (mut state, now) = (pace.lock(), Instant::now());
                if state.has_room(now) && may(&state) {
                    state.under_way += 1;
                    self.has_begun = true;
                    return;
                }
                [state.paused_until, again].into_iter().flatten().filter(|time| *time > now).min()
            };
            match until {
                Some(until) => drop(timeout_at(until, changed).await),
                None => changed.await,
            }
        }
    }

    /// Sends the write and learns from what comes back how many the server takes.
    ///
    /// # Errors
    /// No answer within `limit`.
    pub async fn send<T>(
        self,
        limit: Duration,
        write: impl Future<Output = kube::Result<T>>,
    ) -> Result<kube::Result<T>, Elapsed> {
        let sent = Instant::now();
        let answer = timeout(limit, write).await;
        match &answer {
            Ok(Err(error)) if let Some(wanted) = overload(error) => self.pace.slow_down(sent, wanted),
            Err(_) => self.pace.slow_down(sent, Duration::ZERO),
            Ok(_) => self.pace.speed_up(),
        }
        answer
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.pace.lock();
        state.under_way -= u32::from(self.has_begun);
        state.jobs -= u32::from(self.rank == Rank::Job);
        drop(state);
        self.pace.0.changed.notify_waiters();
    }
}

/// How long the server wants to be left alone (zero if it does not say) that had no room for a request or was not there;
/// `None` for every other error.
fn overload(error: &kube::Error) -> Option<Duration> {
    if let kube::Error::Api(status) = error {
        let wanted = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        return matches!(status.code, 429 | 503 | 504).then(|| Duration::from_secs(wanted.into()));
    }
    matches!(error, kube::Error::HyperError(_) | kube::Error::Service(_)).then_some(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::ready;

    use futures::FutureExt;
    use futures::future::join_all;
    use kube::core::Status;
    use kube::core::response::StatusDetails;
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    fn refusal(code: u16, retry_after_seconds: u32) -> kube::Error {
        let details: StatusDetails =
            serde_json::from_value(serde_json::json!({ "retryAfterSeconds": retry_after_seconds })).unwrap();
        kube::Error::Api(Box::new(Status { code, details: Some(details), ..Status::default() }))
    }

    async fn answered(pace: &Pace, answer: kube::Result<()>) {
        let _ = pace.job().await.send(LIMIT, ready(answer)).await.unwrap();
    }

    fn is_free(pace: &Pace) -> bool {
        pace.job().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_at_a_time_than_allowed() {
        let pace = Pace::new(2);
        let turns = join_all([pace.job(), pace.job()]).await;
        assert!(!is_free(&pace));
        drop(turns);
        assert!(is_free(&pace));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_waits_until_no_job_is_to_be_changed() {
        let (pace, order) = (Pace::new(1), RefCell::new(Vec::new()));
        let first = pace.job().await;
        let write = async |what: &'static str, turn: Turn| {
            let written = async {
                order.borrow_mut().push(what);
                sleep(Duration::from_secs(1)).await;
                Ok(())
            };
            turn.send(LIMIT, written).await.unwrap().unwrap();
        };
        let telling = async { write("telling", pace.telling(Instant::now(), || false).await).await };
        let jobs = (0..3).map(|_| async { write("job", pace.job().await).await }.boxed_local());
        let ending = async { drop(first) };
        join_all(std::iter::once(telling.boxed_local()).chain(jobs).chain([ending.boxed_local()])).await;
        assert_eq!(order.into_inner(), ["job", "job", "job", "telling"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_waits_neither_for_ever_nor_when_it_presses() {
        let pace = Pace::new(4);
        let _job = pace.job().await;
        let began = Instant::now();
        let turn = pace.telling(began, || false).await;
        assert_eq!(began.elapsed(), PATIENCE);
        drop(turn);
        assert!(pace.telling(Instant::now(), || true).now_or_never().is_some());
        assert!(pace.telling(Instant::now(), || false).now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_is_waited_for_no_more() {
        let pace = Pace::new(1);
        let first = pace.job().await;
        assert!(pace.job().now_or_never().is_none());
        drop(first);
        assert!(pace.telling(Instant::now(), || false).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_and_pauses_and_answers_bring_it_back() {
        let pace = Pace::new(16);
        for (code, wanted, limit, pause) in
            [(429, 0, 8, FIRST_PAUSE), (429, 3, 4, Duration::from_secs(3)), (503, 60, 2, LONGEST_PAUSE)]
        {
            answered(&pace, Err(refusal(code, wanted))).await;
            let refused = Instant::now();
            assert_eq!(pace.limit(), limit);
            drop(pace.job().await);
            assert_eq!(refused.elapsed(), pause, "{code} {wanted}");
        }
        for _ in 0..200 {
            answered(&pace, Ok(())).await;
        }
        assert_eq!(pace.limit(), 16);
        answered(&pace, Err(refusal(429, 0))).await;
        let refused = Instant::now();
        drop(pace.job().await);
        assert_eq!(refused.elapsed(), FIRST_PAUSE, "pauses grow with refusals in a row");
    }

    #[tokio::test(start_paused = true)]
    async fn many_refusals_at_once_count_once_and_one_write_always_goes() {
        let pace = Pace::new(16);
        let turns = join_all((0..16).map(|_| pace.job())).await;
        let answers = turns.into_iter().map(|turn| {
            turn.send(LIMIT, async {
                sleep(Duration::from_millis(1)).await;
                Err::<(), _>(refusal(429, 0))
            })
        });
        join_all(answers).await;
        assert_eq!(pace.limit(), 8);
        for _ in 0..10 {
            answered(&pace, Err(refusal(429, 0))).await;
        }
        assert_eq!(pace.limit(), 1);
        drop(pace.job().await);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_a_refusal_and_what_is_wrong_with_a_write_is_none() {
        let pace = Pace::new(16);
        for code in [400, 403, 404, 409, 422, 500] {
            answered(&pace, Err(refusal(code, 0))).await;
        }
        assert_eq!(pace.limit(), 16);
        let silence = pace.job().await.send(LIMIT, std::future::pending::<kube::Result<()>>());
        assert!(silence.await.is_err());
        assert_eq!(pace.limit(), 8);
    }
}
