use crate::{Rule, rules};

/// Every rule, in the order of the documentation and of every report.
pub static RULES: &[&Rule] = &[
    &rules::IMPLICIT_OPERATOR_UIDS,
    &rules::IMPLICIT_MAX_PARALLELISM,
    &rules::UNSUITABLE_STATE_BACKEND,
    &rules::NO_CHECKPOINT_INTERVAL,
    &rules::NO_DURABLE_CHECKPOINT_STORAGE,
    &rules::ROCKSDB_FULL_CHECKPOINTS,
    &rules::CHECKPOINTS_NOT_RETAINED,
    &rules::NO_JOB_MANAGER_HA,
    &rules::NO_RESTART_BACKOFF,
    &rules::FULL_FAILOVER,
    &rules::MANAGED_MEMORY_TOO_SMALL,
    &rules::NO_METRICS_REPORTER,
    &rules::NO_ALERTS,
    &rules::LOG_LEVEL_NOT_INFO,
    &rules::REST_API_EXPOSED,
    &rules::NO_TLS,
    &rules::PLATFORM_SETTING_MISSING,
    &rules::UNREADABLE_VALUE,
    &rules::KEY_IGNORED_BY_VERSION,
    &rules::AMBIGUOUS_SPELLING,
    &rules::PREFIX_OVERLAP,
    &rules::FORBIDDEN_KEY,
    &rules::MISSPELLED_KEY,
    &rules::SECRET_IN_PLAIN_TEXT,
];

/// Codes of the rules whose advice is worth a word to whoever applies a manifest, the worst first: without it state is lost, a
/// setting does not take effect, or a secret or the REST API lies open.
pub const URGENT: &[&str] =
    &["CKP002", "CKP001", "HA001", "CFG004", "CFG001", "CFG003", "CFG005", "CFG006", "CFG002", "CFG007", "SEC001"];

/// The rule with this code or name.
pub fn find(text: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.is_called(text))
}
