use crate::{Rule, rules};

/// Every rule, in the order of the documentation and of every report.
pub static RULES: &[&Rule] = &[
    &rules::NO_CHECKPOINT_INTERVAL,
    &rules::NO_DURABLE_CHECKPOINT_STORAGE,
    &rules::ROCKSDB_FULL_CHECKPOINTS,
    &rules::CHECKPOINTS_NOT_RETAINED,
    &rules::NO_JOB_MANAGER_HA,
    &rules::NO_RESTART_BACKOFF,
    &rules::MANAGED_MEMORY_TOO_SMALL,
    &rules::NO_METRICS_REPORTER,
    &rules::LOG_LEVEL_NOT_INFO,
];

/// The rule with this code or name.
pub fn find(text: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.is_called(text))
}
