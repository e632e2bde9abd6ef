use flink_conf::options::Role;
use flink_conf::{Key, Setting, masked};

use crate::storage::shown;
use crate::{Check, Judgement, OwnOption, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # One option is set in two spellings
    ///
    /// ## What it checks
    /// Options of `flinkConfiguration` under a deprecated key whose present key has another value, in the resource or
    /// in the Flink operator's own configuration; and keys that the document spells both flat (`a.b: 1`) and nested
    /// (`a: {b: 2}`).
    ///
    /// ## Why it matters
    /// Only one of the two takes effect, and not the one that was written last: Flink prefers the present key, whichever
    /// layer it comes from, and between flat and nested the order of keys decides.
    ///
    /// ## What is filled
    /// Nothing: only its owner knows which of the two was meant.
    ///
    /// ## What it costs
    /// Nothing is filled. Taking away the spelling without effect changes nothing for Flink, yet restarts a running job.
    ///
    /// ## When to switch it off
    /// Hardly ever. Leave it on.
    ///
    /// ## Source
    /// `Configuration.getOptional` of Flink (key, deprecated keys, fallback keys, in this order), and
    /// `ConfigObjectNode.asFlatMap` of the Flink operator.
    pub static AMBIGUOUS_SPELLING = {
        code: "CFG003",
        name: "ambiguous-spelling",
        scope: Scope::Cluster,
        check: Check::Keys(check),
    }
}

fn check(subject: &Subject, own: &[OwnOption<'_>], _: &Policy) -> Vec<Judgement> {
    let twice = subject.spelled_twice.iter().map(|key| {
        let why = format!("{} is there both flat and nested, and only one of them takes effect", shown(key.as_str()));
        Judgement::advice_about(key.clone(), why)
    });
    let beaten = own.iter().filter_map(|&OwnOption { key, value, known }| {
        let option = known.filter(|option| option.role == Role::Alias)?;
        let (winner, setting) = option.winner(&subject.conf)?;
        let is_beaten = winner != key.as_str() && setting.value != value;
        (is_beaten && !subject.spelled_twice.contains(key))
            .then(|| Judgement::advice_about(key.clone(), message(key, value, winner, setting)))
    });
    twice.chain(beaten).collect()
}

fn message(key: &Key, value: &str, winner: &str, setting: &Setting) -> String {
    let value_of = |key: &str, value: &str| shown(masked(key, value));
    format!(
        "{key} is {} but has no effect, because {winner} is {} (from {}) and Flink reads that first; keep one of them",
        value_of(key.as_str(), value),
        value_of(winner, &setting.value),
        setting.origin
    )
}
