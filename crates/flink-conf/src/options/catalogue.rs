//! Option data: key, aliases and default by Flink version, read from the `ConfigOption` fields of Flink
//! 1.15.4, 1.16.3, 1.17.2, 1.18.1, 1.19.3, 1.20.5, 2.0.2, 2.1.3, 2.2.1 and 2.3.0.
//! Written by hand in the form that a generator over those jars can produce.

use super::{Era, FlinkOption};
use crate::FlinkVersion;

const fn era(
    major: u16,
    minor: u16,
    key: &'static str,
    aliases: &'static [&'static str],
    default: Option<&'static str>,
) -> Era {
    Era { from: FlinkVersion::new(major, minor), key, aliases, default }
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = [$($era:expr),+ $(,)?];)+) => {
        $($(#[$doc])* pub static $name: FlinkOption = FlinkOption { eras: &[$($era),+] };)+

        /// Every option of the catalogue.
        pub static ALL: &[&FlinkOption] = &[$(&$name),+];
    };
}

catalogue! {
    /// Interval of periodic checkpoints; unset means that configuration switches none on.
    CHECKPOINT_INTERVAL = [era(1, 15, "execution.checkpointing.interval", &[], None)];
    /// Whether checkpoints hold only what changed since the last one.
    INCREMENTAL_CHECKPOINTS = [
        era(1, 15, "state.backend.incremental", &[], Some("false")),
        era(1, 20, "execution.checkpointing.incremental", &["state.backend.incremental"], Some("false")),
    ];
    /// What becomes of checkpoints when a job is cancelled.
    CHECKPOINT_RETENTION = [
        era(1, 15, "execution.checkpointing.externalized-checkpoint-retention", &[], Some("NO_EXTERNALIZED_CHECKPOINTS")),
    ];
    /// Directory of savepoints.
    SAVEPOINT_DIRECTORY = [
        era(1, 15, "state.savepoints.dir", &["savepoints.state.backend.fs.dir"], None),
        era(1, 20, "execution.checkpointing.savepoint-dir", &["state.savepoints.dir", "savepoints.state.backend.fs.dir"], None),
    ];
    /// Where keyed state lives while a job runs.
    STATE_BACKEND = [
        era(1, 15, "state.backend", &[], None),
        era(1, 17, "state.backend.type", &["state.backend"], None),
        era(1, 19, "state.backend.type", &["state.backend"], Some("hashmap")),
    ];
    /// Streaming, batch or automatic.
    RUNTIME_MODE = [era(1, 15, "execution.runtime-mode", &[], Some("STREAMING"))];
    /// How a failed job is started again.
    RESTART_STRATEGY = [
        era(1, 15, "restart-strategy", &[], None),
        era(1, 17, "restart-strategy.type", &["restart-strategy"], None),
    ];
    /// Exponential delay: first wait.
    RESTART_INITIAL_BACKOFF = [era(1, 15, "restart-strategy.exponential-delay.initial-backoff", &[], Some("1 s"))];
    /// Exponential delay: longest wait.
    RESTART_MAX_BACKOFF = [
        era(1, 15, "restart-strategy.exponential-delay.max-backoff", &[], Some("5 min")),
        era(1, 19, "restart-strategy.exponential-delay.max-backoff", &[], Some("1 min")),
    ];
    /// Exponential delay: factor from one wait to the next.
    RESTART_BACKOFF_MULTIPLIER = [
        era(1, 15, "restart-strategy.exponential-delay.backoff-multiplier", &[], Some("2.0")),
        era(1, 19, "restart-strategy.exponential-delay.backoff-multiplier", &[], Some("1.5")),
    ];
    /// Exponential delay: time without failure after which the wait starts anew.
    RESTART_RESET_THRESHOLD = [era(1, 15, "restart-strategy.exponential-delay.reset-backoff-threshold", &[], Some("1 h"))];
    /// Exponential delay: share of the wait that is random.
    RESTART_JITTER = [era(1, 15, "restart-strategy.exponential-delay.jitter-factor", &[], Some("0.1"))];
    /// Names of the metrics reporters to start; unset means every configured one.
    METRICS_REPORTERS = [era(1, 15, "metrics.reporters", &[], None)];
    /// `JobManager` high availability.
    HIGH_AVAILABILITY = [
        era(1, 15, "high-availability", &["recovery.mode"], Some("NONE")),
        era(1, 17, "high-availability.type", &["recovery.mode", "high-availability"], Some("NONE")),
    ];
}
