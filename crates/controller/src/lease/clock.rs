//! What time it is by the API server, whose clock all replicas share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;
use tracing::info;

/// How far the wall clock may be from the server's: that is stamped in whole seconds, and its answers take their time.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// The wall clock while the API server's agrees with it, else the server's. What one leader writes on jobs the next one reads:
/// by a clock that is off, a change of just now is too old to be told, and a restart of just now is none of the last hour's.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<Option<Heard>>>);

/// A time that the server has told, and when. In between the monotonic clock counts, which does not jump.
#[derive(Clone, Copy, Debug)]
struct Heard {
    server: Timestamp,
    at: Instant,
    /// Whether the wall clock was far from it.
    is_apart: bool,
}

impl Heard {
    fn now(self) -> Timestamp {
        self.server.checked_add(self.at.elapsed()).unwrap_or(self.server)
    }

    /// The wall clock's time, or the server's where they are far apart.
    fn read(self, wall: Timestamp) -> Timestamp {
        let server = self.now();
        if wall.duration_since(server).abs() <= TOLERANCE { wall } else { server }
    }
}

impl Clock {
    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.read(Timestamp::now())
    }

    fn read(&self, wall: Timestamp) -> Timestamp {
        self.lock().map_or(wall, |heard| heard.read(wall))
    }

    /// Takes in when the server says that it has just stamped a write of ours. One that it has not stamped anew says nothing.
    pub(super) fn hear(&self, before: Option<Timestamp>, after: Option<Timestamp>) {
        let Some(server) = after.filter(|_| after != before) else { return };
        let wall = Timestamp::now();
        let mut heard = Heard { server, at: Instant::now(), is_apart: false };
        heard.is_apart = heard.read(wall) != wall;
        let was_apart = self.lock().replace(heard).is_some_and(|before| before.is_apart);
        if heard.is_apart && !was_apart {
            info!(%wall, %server, "the wall clock is far from the API server's, by which times are written and compared now");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the server last stamped a change of this object.
pub(super) fn stamp(metadata: &ObjectMeta) -> Option<Timestamp> {
    metadata.managed_fields.iter().flatten().filter_map(|entry| Some(entry.time.as_ref()?.0)).max()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_off_does_not_count_and_one_that_is_right_does() {
        let clock = Clock::default();
        let off = at("2025-01-02T00:04:05Z");
        assert_eq!(clock.read(off), off, "nothing is known of the server's yet");
        clock.hear(None, Some(at("2026-01-02T03:04:05Z")));
        tokio::time::advance(Duration::from_secs(7)).await;
        for off in ["2026-01-02T00:04:12Z", "2027-02-06T03:04:12Z", "2026-01-02T03:05:13Z"] {
            assert_eq!(clock.read(at(off)), at("2026-01-02T03:04:12Z"), "{off}");
        }
        for right in ["2026-01-02T03:04:12.9Z", "2026-01-02T03:03:12Z", "2026-01-02T03:05:12Z"] {
            assert_eq!(clock.read(at(right)), at(right));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_stamped_anew_tells_no_time() {
        let (clock, old, new) = (Clock::default(), at("2020-01-02T03:04:05Z"), at("2026-01-02T03:04:05Z"));
        for (before, after) in [(Some(old), Some(old)), (Some(old), None), (None, None)] {
            clock.hear(before, after);
            assert_eq!(clock.read(new), new);
        }
        clock.hear(Some(old), Some(new));
        assert_eq!(clock.read(old), new);
    }
}
