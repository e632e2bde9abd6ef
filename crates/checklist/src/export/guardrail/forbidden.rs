//! Options that nobody gets written by flink-remedy, whatever a platform lists: they run code, move a job, or belong to somebody
//! else. The same that no policy may list under `settings`.

use std::collections::BTreeSet;

use flink_conf::options::OPTIONS;
use flink_conf::{CREDENTIAL_PARTS, FlinkOption, REFERENCE_ENDINGS};

use super::super::cel::list;
use crate::policy::{SERVICE_ACCOUNT, forbidden_beginnings, why_denied};

/// Whether key `k` is one of them.
pub(super) fn is_forbidden() -> String {
    format!(
        "variables.forbidden.beginnings.exists(b, k.startsWith(b)) || k in variables.forbidden.names\n\
         || k.contains('{SERVICE_ACCOUNT}') || (variables.forbidden.credentials.exists(c, k.lowerAscii().contains(c))\n\
         && !variables.forbidden.references.exists(r, k.lowerAscii().endsWith(r)))"
    )
}

/// What tells them: beginnings of keys, whole keys, parts of keys that are credentials, and ends of keys that only say where one is.
pub(super) fn lists() -> String {
    let beginnings: Vec<&str> = forbidden_beginnings().collect();
    format!(
        "{{\n  'beginnings': {},\n  'names': {},\n  'credentials': {},\n  'references': {}}}",
        list(&beginnings),
        list(names()),
        list(CREDENTIAL_PARTS),
        list(REFERENCE_ENDINGS)
    )
}

/// Those that are told by their name alone: other names of what begins with one of the beginnings, and single options.
fn names() -> BTreeSet<&'static str> {
    let begins = |key: &str| forbidden_beginnings().any(|beginning| key.starts_with(beginning));
    let spellings = OPTIONS.iter().flat_map(FlinkOption::spellings);
    spellings.filter(|key| !begins(key) && !flink_conf::is_credential(key) && why_denied(key).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same in Rust as in the expression.
    fn is_told(key: &str) -> bool {
        forbidden_beginnings().any(|beginning| key.starts_with(beginning))
            || names().contains(key)
            || key.contains(SERVICE_ACCOUNT)
            || flink_conf::is_credential(key)
    }

    #[test]
    fn what_no_policy_may_list_is_forbidden_under_every_name() {
        for key in OPTIONS.iter().flat_map(FlinkOption::spellings) {
            assert_eq!(is_told(key), why_denied(key).is_some(), "{key}");
        }
        for key in ["execution.savepoint.path", "taskmanager.memory.process.size", "high-availability.cluster-id"] {
            assert!(is_told(key), "{key}");
        }
    }
}
