use std::num::NonZeroU16;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// How a restart that we caused is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Verification {
    /// How long a job may take to be stable, with a completed checkpoint; at least three times the timeout of its
    /// checkpoints. Being late is told; nothing is taken back for it.
    pub deadline: Span,
    /// How long evidence of failure has to last without a break before anything is taken back. FKO's own passing errors
    /// are over in seconds.
    pub grace: Span,
    /// Whether the `JobManager`'s REST API is asked for completed checkpoints.
    pub ask_job_manager: bool,
    /// Where that API is, for `{namespace}` and `{name}` of a job.
    pub job_manager_address: String,
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            deadline: Span::known("10 min", 600_000),
            grace: Span::known("1 min", 60_000),
            ask_job_manager: false,
            job_manager_address: "http://{name}-rest.{namespace}:8081".to_owned(),
        }
    }
}

/// When failures end all restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Breaker {
    /// So many jobs that have not come back from their restart end all restarts.
    pub failures: NonZeroU16,
    /// How long such a job counts.
    pub window: Span,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: NonZeroU16::MIN.saturating_add(2), window: Span::known("6 h", 21_600_000) }
    }
}

impl Breaker {
    /// Until when failures at these times end all restarts; `None` when they do not.
    pub fn halted_until(&self, failures: impl Iterator<Item = Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let window = SignedDuration::from_millis(i64::try_from(self.window.milliseconds()).unwrap_or(i64::MAX));
        let mut counted: Vec<Timestamp> =
            failures.map(|at| at.checked_add(window).unwrap_or(Timestamp::MAX)).filter(|until| now < *until).collect();
        // Once the oldest of the newest that are enough no longer counts, it is over.
        counted.sort_unstable_by(|one, other| other.cmp(one));
        counted.get(usize::from(self.failures.get()) - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i8) -> Timestamp {
        jiff::civil::datetime(2026, 1, 2, hour, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
    }

    #[test]
    fn so_many_failures_within_the_window_halt_until_one_of_them_no_longer_counts() {
        let breaker = Breaker::default();
        let halted = |failures: &[i8], now: i8| breaker.halted_until(failures.iter().map(|hour| at(*hour)), at(now));
        assert_eq!(halted(&[1, 2], 3), None);
        assert_eq!(halted(&[1, 2, 3], 3), Some(at(7)));
        assert_eq!(halted(&[1, 2, 3, 4], 4), Some(at(8)));
        assert_eq!(halted(&[1, 2, 3], 7), None);
    }
}
