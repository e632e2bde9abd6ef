//! The rules, one file each.

mod ambiguous_spelling;
mod checkpoints_not_retained;
mod forbidden_key;
mod full_failover;
mod implicit_max_parallelism;
mod implicit_operator_uids;
mod key_ignored_by_version;
mod log_level_not_info;
mod managed_memory_too_small;
mod misspelled_key;
mod no_alerts;
mod no_checkpoint_interval;
mod no_durable_checkpoint_storage;
mod no_job_manager_ha;
mod no_metrics_reporter;
mod no_restart_backoff;
mod no_tls;
mod platform_setting_missing;
mod prefix_overlap;
mod rest_api_exposed;
mod rocksdb_full_checkpoints;
mod secret_in_plain_text;
mod unreadable_value;
mod unsuitable_state_backend;

pub use ambiguous_spelling::AMBIGUOUS_SPELLING;
pub use checkpoints_not_retained::CHECKPOINTS_NOT_RETAINED;
pub use forbidden_key::FORBIDDEN_KEY;
pub use full_failover::FULL_FAILOVER;
pub use implicit_max_parallelism::IMPLICIT_MAX_PARALLELISM;
pub use implicit_operator_uids::IMPLICIT_OPERATOR_UIDS;
pub use key_ignored_by_version::KEY_IGNORED_BY_VERSION;
pub use log_level_not_info::LOG_LEVEL_NOT_INFO;
pub use managed_memory_too_small::MANAGED_MEMORY_TOO_SMALL;
pub use misspelled_key::MISSPELLED_KEY;
pub use no_alerts::NO_ALERTS;
pub use no_checkpoint_interval::NO_CHECKPOINT_INTERVAL;
pub use no_durable_checkpoint_storage::NO_DURABLE_CHECKPOINT_STORAGE;
pub use no_job_manager_ha::NO_JOB_MANAGER_HA;
pub use no_metrics_reporter::NO_METRICS_REPORTER;
pub(crate) use no_metrics_reporter::{PORT_ANNOTATION, PORT_KEY};
pub use no_restart_backoff::NO_RESTART_BACKOFF;
pub use no_tls::NO_TLS;
pub use platform_setting_missing::PLATFORM_SETTING_MISSING;
pub use prefix_overlap::PREFIX_OVERLAP;
pub use rest_api_exposed::REST_API_EXPOSED;
pub use rocksdb_full_checkpoints::ROCKSDB_FULL_CHECKPOINTS;
pub use secret_in_plain_text::SECRET_IN_PLAIN_TEXT;
pub use unreadable_value::UNREADABLE_VALUE;
pub use unsuitable_state_backend::UNSUITABLE_STATE_BACKEND;

use flink_conf::{FlinkVersion, Setting};

use crate::storage::shown;

/// Advice on a choice that this Flink does not read.
fn ignored(key: &str, setting: &Setting, version: FlinkVersion, right: &str) -> String {
    format!("{key} (from {}) is not read by Flink {version}; write {right} instead", setting.origin)
}

/// What somebody chose, as a message begins with it.
fn chosen(key: &str, Setting { value, origin }: &Setting) -> String {
    format!("{key} is {} (from {origin})", shown(value))
}

/// Names of objects, cut where a message has no room for more.
fn named(names: &[String]) -> String {
    const ROOM: usize = 3;
    let first: Vec<String> = names.iter().take(ROOM).map(|name| shown(name)).collect();
    let more = names.len().saturating_sub(ROOM);
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

/// Whether a state backend is RocksDB: by name, or by a factory of it in Flink 1.15 to 2.3.
fn is_rocksdb(backend: &str) -> bool {
    backend.eq_ignore_ascii_case("rocksdb") || ROCKSDB_FACTORIES.contains(&backend)
}

pub(crate) const ROCKSDB_FACTORIES: &[&str] = &[
    "org.apache.flink.contrib.streaming.state.EmbeddedRocksDBStateBackendFactory",
    "org.apache.flink.contrib.streaming.state.RocksDBStateBackendFactory",
    "org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackendFactory",
];
