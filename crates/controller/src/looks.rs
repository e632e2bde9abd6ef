//! Which jobs are to be looked at, and when: at once, or at a time of their own. Never twice at a time at the same job.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::cache::JobKey;

/// Looks to come at the jobs of one watch. Closed until this process leads: whoever begins to lead looks at everything, and a
/// queue that nobody reads would grow for ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    /// To be looked at now, in this order.
    waiting: VecDeque<JobKey>,
    /// The same, each once.
    is_waiting: HashSet<JobKey>,
    /// Looked at right now, and by when somebody has asked for another look since it began.
    busy: HashMap<JobKey, Option<Instant>>,
    /// When each of the others is looked at again.
    due: HashMap<JobKey, Instant>,
    /// The same in the order of time; an entry that is not in `due` with its time does not count any more.
    by_time: BinaryHeap<Reverse<(Instant, JobKey)>>,
}

impl State {
    fn wait(&mut self, job: JobKey) {
        self.due.remove(&job);
        if self.is_waiting.insert(job.clone()) {
            self.waiting.push_back(job);
        }
    }

    /// The next job to look at now.
    fn take(&mut self, now: Instant) -> Option<JobKey> {
        while self.by_time.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((at, job))) = self.by_time.pop() else { break };
            if self.due.get(&job) == Some(&at) {
                self.wait(job);
            }
        }
        let job = self.waiting.pop_front()?;
        self.is_waiting.remove(&job);
        self.busy.insert(job.clone(), None);
        Some(job)
    }

    /// Has the job looked at by then at the latest, after the present look, if there is one.
    fn ask_by(&mut self, job: JobKey, at: Instant, now: Instant) {
        if let Some(asked) = self.busy.get_mut(&job) {
            *asked = Some(asked.map_or(at, |asked| asked.min(at)));
        } else if at <= now {
            self.wait(job);
        } else if !self.is_waiting.contains(&job) && self.due.get(&job).is_none_or(|due| at < *due) {
            self.put_off(job, at);
        }
    }

    fn put_off(&mut self, job: JobKey, until: Instant) {
        self.due.insert(job.clone(), until);
        self.by_time.push(Reverse((until, job)));
        // Jobs that were asked about in the meantime leave entries behind.
        if self.by_time.len() > 2 * self.due.len() + 64 {
            self.by_time = self.due.iter().map(|(job, at)| Reverse((*at, job.clone()))).collect();
        }
    }
}

impl Queue {
    /// Opens the queue; what is asked for from now on is looked at.
    pub(crate) fn open(&self) {
        self.lock().is_open = true;
    }

    /// Asks for a look as soon as there is room for it; after the present one, if there is one.
    pub(crate) fn ask(&self, job: JobKey) {
        self.ask_by(job, Instant::now());
    }

    /// Asks for a look by then at the latest: one that comes earlier anyway is enough.
    pub(crate) fn ask_by(&self, job: JobKey, at: Instant) {
        let mut state = self.lock();
        if !state.is_open {
            return;
        }
        state.ask_by(job, at, Instant::now());
        drop(state);
        self.0.changed.notify_one();
    }

    /// The next job to look at, when it is time for it; [`Self::done`] ends the look.
    async fn next(&self) -> JobKey {
        loop {
            let until = {
                let mut state = self.lock();
                if let Some(job) = state.take(Instant::now()) {
                    return job;
                }
                state.by_time.peek().map(|Reverse((at, _))| *at)
            };
            let time = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    /// A look is over, and the next is due after so long; earlier, if somebody has asked in the meantime.
    fn done(&self, job: JobKey, next: Option<Duration>) {
        let mut state = self.lock();
        let (asked, now) = (state.busy.remove(&job).flatten(), Instant::now());
        if let Some(at) = asked.into_iter().chain(next.map(|next| now + next)).min() {
            state.ask_by(job, at, now);
        }
        drop(state);
        self.0.changed.notify_one();
    }

    /// Looks at jobs, so many at a time, until `stop` ends; looks in progress are ended first. A look says when the next one is
    /// due; `None` is never, unless somebody asks.
    pub(crate) async fn look<L: Future<Output = Option<Duration>>>(
        &self,
        at_a_time: u16,
        stop: impl Future<Output = ()>,
        look: impl Fn(JobKey) -> L,
    ) {
        let jobs = stream::unfold((), |()| self.next().map(|job| Some((job, ()))));
        let looks = jobs.take_until(Box::pin(stop)).for_each_concurrent(Some(usize::from(at_a_time)), |job| {
            let looked = look(job.clone());
            async move {
                // Most looks wait for nothing, and there may be thousands of them.
                yield_now().await;
                self.done(job, looked.await);
            }
        });
        looks.await;
    }

    /// What waits to be looked at, which then waits no more.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> Vec<JobKey> {
        let mut state = self.lock();
        state.is_waiting.clear();
        state.waiting.drain(..).collect()
    }

    /// What is to be looked at later, and when.
    #[cfg(test)]
    pub(crate) fn due(&self) -> Vec<(JobKey, Instant)> {
        self.lock().due.iter().map(|(job, at)| (job.clone(), *at)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::panic::AssertUnwindSafe;

    use futures::future::{join, ready};
    use tokio::sync::oneshot;
    use tokio::time::sleep;

    use super::*;

    fn key(name: &str) -> JobKey {
        JobKey::new("n", name)
    }

    fn open() -> Queue {
        let queue = Queue::default();
        queue.open();
        queue
    }

    #[test]
    fn nothing_is_kept_before_somebody_looks() {
        let queue = Queue::default();
        queue.ask(key("a"));
        queue.open();
        assert!(queue.asked().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_looked_at_once_however_often_it_is_asked_about_and_again_at_its_time() {
        let (queue, began) = (open(), Instant::now());
        for name in ["a", "b", "a"] {
            queue.ask(key(name));
        }
        let looked = RefCell::new(Vec::new());
        let stop = sleep(Duration::from_secs(25));
        let look = |job: JobKey| {
            looked.borrow_mut().push((job.name().to_owned(), began.elapsed().as_secs()));
            ready((job.name() == "a").then_some(Duration::from_secs(10)))
        };
        queue.look(4, stop, look).await;
        let expected = [("a", 0), ("b", 0), ("a", 10), ("a", 20)].map(|(name, at)| (name.to_owned(), at));
        assert_eq!(looked.into_inner(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_during_a_look_gets_another_one_after_it() {
        let (queue, began) = (open(), Instant::now());
        queue.ask(key("a"));
        let looked = RefCell::new(Vec::new());
        let asking = async {
            for _ in 0..2 {
                sleep(Duration::from_secs(1)).await;
                queue.ask(key("a"));
            }
        };
        let looking = queue.look(4, sleep(Duration::from_mins(1)), |_| async {
            looked.borrow_mut().push(began.elapsed().as_secs());
            sleep(Duration::from_secs(5)).await;
            Some(Duration::from_secs(30))
        });
        join(looking, asking).await;
        assert_eq!(looked.into_inner(), [0, 5, 40]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_look_takes_the_place_of_the_one_that_was_due() {
        let (queue, began) = (open(), Instant::now());
        queue.ask(key("a"));
        let looked = RefCell::new(Vec::new());
        let asking = sleep(Duration::from_secs(9)).map(|()| queue.ask(key("a")));
        let looking = queue.look(4, sleep(Duration::from_secs(30)), |_| {
            looked.borrow_mut().push(began.elapsed().as_secs());
            ready(Some(Duration::from_secs(10)))
        });
        join(looking, asking).await;
        assert_eq!(looked.into_inner(), [0, 9, 19, 29]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_is_asked_for_by_a_time_comes_then_unless_one_comes_earlier() {
        let (queue, began) = (open(), Instant::now());
        let by = |seconds| began + Duration::from_secs(seconds);
        for (name, at) in [("a", 7), ("a", 9), ("b", 9), ("b", 7), ("c", 9), ("d", 0), ("d", 9)] {
            queue.ask_by(key(name), by(at));
        }
        queue.ask(key("c"));
        let looked = RefCell::new(Vec::new());
        let look = |job: JobKey| {
            let name = job.name().to_owned();
            looked.borrow_mut().push((name.clone(), began.elapsed().as_secs()));
            let queue = &queue;
            async move {
                sleep(Duration::from_secs(1)).await;
                if name == "c" && began.elapsed().as_secs() < 5 {
                    queue.ask_by(job, by(20));
                    queue.ask_by(key("c"), by(15));
                }
                (name == "c").then_some(Duration::from_mins(1))
            }
        };
        queue.look(4, sleep(Duration::from_secs(30)), look).await;
        let expected = [("c", 0), ("d", 0), ("a", 7), ("b", 7), ("c", 15)].map(|(name, at)| (name.to_owned(), at));
        let mut looked = looked.into_inner();
        looked.sort_by_key(|(name, at)| (*at, name.clone()));
        assert_eq!(looked, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_at_a_time_than_allowed_and_what_has_begun_is_ended() {
        let queue = open();
        for name in ["a", "b", "c"] {
            queue.ask(key(name));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let counts = RefCell::new((0, 0, 0));
        let looking = queue.look(2, stopped.map(drop), |_| async {
            counts.borrow_mut().0 += 1;
            let most = counts.borrow().1.max(counts.borrow().0 - counts.borrow().2);
            counts.borrow_mut().1 = most;
            sleep(Duration::from_secs(10)).await;
            counts.borrow_mut().2 += 1;
            None
        });
        let stopping = sleep(Duration::from_secs(5)).map(|()| drop(stop));
        join(looking, stopping).await;
        assert_eq!(counts.into_inner(), (2, 2, 2), "begun, at a time, ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_panics_ends_the_loop_and_is_not_swallowed() {
        let queue = open();
        queue.ask(key("a"));
        let looking = queue.look(4, sleep(Duration::from_mins(1)), |_| async { panic!("a look") });
        assert!(AssertUnwindSafe(looking).catch_unwind().await.is_err());
    }

    #[test]
    fn what_does_not_count_any_more_is_forgotten() {
        let queue = open();
        for round in 0_u64..1000 {
            queue.ask(key("a"));
            let job = queue.lock().take(Instant::now()).unwrap();
            queue.done(job, Some(Duration::from_secs(1000 + round)));
        }
        let state = queue.lock();
        assert!(state.by_time.len() < 100 && state.due.len() == 1 && state.busy.is_empty());
    }
}
