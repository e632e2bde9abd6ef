//! The rules, one file each.

mod checkpoints_not_retained;
mod log_level_not_info;
mod managed_memory_too_small;
mod no_checkpoint_interval;
mod no_durable_checkpoint_storage;
mod no_job_manager_ha;
mod no_metrics_reporter;
mod no_restart_backoff;
mod rocksdb_full_checkpoints;

pub use checkpoints_not_retained::CHECKPOINTS_NOT_RETAINED;
pub use log_level_not_info::LOG_LEVEL_NOT_INFO;
pub use managed_memory_too_small::MANAGED_MEMORY_TOO_SMALL;
pub use no_checkpoint_interval::NO_CHECKPOINT_INTERVAL;
pub use no_durable_checkpoint_storage::NO_DURABLE_CHECKPOINT_STORAGE;
pub use no_job_manager_ha::NO_JOB_MANAGER_HA;
pub use no_metrics_reporter::NO_METRICS_REPORTER;
pub use no_restart_backoff::NO_RESTART_BACKOFF;
pub use rocksdb_full_checkpoints::ROCKSDB_FULL_CHECKPOINTS;

use flink_conf::{FlinkVersion, Setting};

/// Advice on a choice that this Flink does not read.
fn ignored(key: &str, setting: &Setting, version: FlinkVersion, right: &str) -> String {
    format!("{key} (from {}) is not read by Flink {version}; write {right} instead", setting.origin)
}

/// Whether a state backend is RocksDB: by name, or by a factory of it in Flink 1.15 to 2.3.
fn is_rocksdb(backend: &str) -> bool {
    backend.eq_ignore_ascii_case("rocksdb") || ROCKSDB_FACTORIES.contains(&backend)
}

const ROCKSDB_FACTORIES: &[&str] = &[
    "org.apache.flink.contrib.streaming.state.EmbeddedRocksDBStateBackendFactory",
    "org.apache.flink.contrib.streaming.state.RocksDBStateBackendFactory",
    "org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackendFactory",
];
