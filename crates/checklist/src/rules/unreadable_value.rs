use flink_conf::options::Role;
use flink_conf::{ValueError, is_secret};

use crate::storage::shown;
use crate::{Check, Judgement, OwnOption, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # A value cannot be read
    ///
    /// ## What it checks
    /// Every option of `flinkConfiguration` that the job's Flink knows, and whether its value is one that this Flink
    /// parses: durations (`10 min`, `60s`; `PT10M` only from Flink 2.1 on), memory sizes (`2g`, not `2Gi`), booleans
    /// (only `true` and `false`), numbers, and the names that an option takes. Options of tables, connectors, file systems
    /// and metrics reporters are not looked at: who reads them decides what they may hold.
    ///
    /// ## Why it matters
    /// Flink refuses to start on such a value, or fails when it first needs it. As the Flink operator stops the old job
    /// first, a typing error takes a running job down.
    ///
    /// ## What is filled
    /// Nothing: only its owner knows what was meant.
    ///
    /// ## What it costs
    /// Nothing is filled. Putting it right restarts a running job.
    ///
    /// ## When to switch it off
    /// When the image runs a patched Flink that reads more than the released one.
    ///
    /// ## Source
    /// Flink's own parsers `TimeUtils`, `MemorySize` and `ConfigurationUtils`, run on the released jars of 1.15 to 2.3.
    pub static UNREADABLE_VALUE = {
        code: "CFG001",
        name: "unreadable-value",
        scope: Scope::Cluster,
        check: Check::Keys(check),
    }
}

/// A reporter's `port` is a number to one and a range to another.
const READ_BY_REPORTERS: &str = "metrics.reporter.";

fn check(subject: &Subject, own: &[OwnOption<'_>], _: &Policy) -> Vec<Judgement> {
    let unreadable = own.iter().filter_map(|&OwnOption { key, value, known }| {
        let option = known.filter(|option| option.role != Role::Unread)?;
        if key.as_str().starts_with(READ_BY_REPORTERS) {
            return None;
        }
        let error = option.era.value_type.check(value, subject.version).err()?;
        Some(Judgement::advice_about(key.clone(), message(key.as_str(), &error)))
    });
    unreadable.collect()
}

fn message(key: &str, error: &ValueError) -> String {
    let name = shown(key);
    if is_secret(key) {
        format!("{name} has a value that this Flink cannot read; it is not shown because it may be a secret")
    } else {
        format!("{name}: {error}")
    }
}

#[cfg(test)]
mod tests {
    use flink_conf::options::OPTIONS;

    use super::*;

    #[test]
    fn a_message_is_bounded_and_hides_secrets() {
        for era in OPTIONS.iter().flat_map(|option| option.eras) {
            let Err(error) = era.value_type.check(&"x\n".repeat(100), era.from) else { continue };
            let text = message(era.key, &error);
            assert!(text.len() <= 300 && !text.contains('\n'), "{} bytes: {text}", text.len());
        }
        let hidden = message("security.delegation.tokens.enabled", &ValueError::Bool("hunter2".to_owned()));
        assert!(!hidden.contains("hunter2"), "{hidden}");
    }
}
