use flink_conf::options::closest;

use crate::storage::shown;
use crate::{Check, Judgement, OwnOption, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # A key is misspelled
    ///
    /// ## What it checks
    /// Keys of `flinkConfiguration` that no version of Flink knows and that come very close to one that the job's Flink
    /// reads: the same letters with other case or separators, or one part with a slip of the hand. Keys of tables,
    /// connectors, file systems, metrics reporters and the Flink operator are not looked at, nor is a Flink that is newer
    /// than 2.3.
    ///
    /// ## Why it matters
    /// Flink ignores an unknown key without a word. The job runs with the default.
    ///
    /// ## What is filled
    /// Nothing: only its owner knows what was meant.
    ///
    /// ## What it costs
    /// Nothing is filled. Putting it right restarts a running job, and makes the setting take effect.
    ///
    /// ## When to switch it off
    /// When a library of the job reads keys of its own that look like Flink's.
    ///
    /// ## Source
    /// The option catalogue, read from the released jars of Flink 1.15 to 2.3.
    pub static MISSPELLED_KEY = {
        code: "CFG006",
        name: "misspelled-key",
        scope: Scope::Cluster,
        check: Check::Keys(check),
    }
}

fn check(subject: &Subject, own: &[OwnOption<'_>], _: &Policy) -> Vec<Judgement> {
    let misspelled = own.iter().filter(|option| option.known.is_none()).filter_map(|&OwnOption { key, .. }| {
        let meant = closest(key.as_str(), subject.version)?;
        let why = format!("{} is no option of any Flink and has no effect; did you mean {meant}?", shown(key.as_str()));
        Some(Judgement::advice_about(key.clone(), why))
    });
    misspelled.collect()
}
