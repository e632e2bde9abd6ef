use flink_conf::options::{Role, known};
use flink_conf::{FlinkVersion, Key, Origin};

use crate::leaving::NESTED_YAML;
use crate::storage::shown;
use crate::{Check, Judgement, Kind, OwnOption, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # A key is the beginning of another
    ///
    /// ## What it checks
    /// On Flink 2 and newer, every key that is a dotted prefix of another key in effect, such as `state.backend` beside
    /// `state.backend.incremental`, where the resource has at least one of the two. Options of the Flink operator itself
    /// (`kubernetes.operator.`, `job.autoscaler.`) never reach Flink and are left out, and so are session jobs, whose
    /// options go over the REST API.
    ///
    /// ## Why it matters
    /// Flink 2 reads nested YAML, in which a key cannot have both a value and keys below it. The Flink operator from 1.12
    /// on refuses to write that, and it does so **after it has stopped the running job**.
    ///
    /// ## What is filled
    /// Nothing: the spelling is its owner's.
    ///
    /// ## What it costs
    /// Nothing is filled. The next upgrade of the job is one that works.
    ///
    /// ## When to switch it off
    /// Never on Flink 2.
    ///
    /// ## Source
    /// `FlinkConfMountDecorator.validateConfigKeysForV2` of the Flink operator (FLINK-37405).
    pub static PREFIX_OVERLAP = {
        code: "CFG004",
        name: "prefix-overlap",
        scope: Scope::Cluster,
        check: Check::Keys(check),
    }
}

/// What the Flink operator takes out before it writes Flink's configuration (`AbstractFlinkService`).
const NOT_WRITTEN: &[&str] = &["kubernetes.operator.", "job.autoscaler."];

fn check(subject: &Subject, own: &[OwnOption<'_>], _: &Policy) -> Vec<Judgement> {
    if subject.version < NESTED_YAML || subject.kind == Kind::SessionJob {
        return Vec::new();
    }
    // A key may have as many dots as a request has room for: longer beginnings are nobody's.
    let of_others = subject.conf.iter().filter(|(_, setting)| setting.origin != Origin::Resource);
    let longest = of_others.map(|(key, _)| key.as_str().len()).max().unwrap_or_default();
    let overlapping = own.iter().filter_map(|&OwnOption { key, .. }| {
        let other = overlapped(key, subject, longest)?;
        Some(Judgement::advice_about(key.clone(), message(key, &other, subject.version)))
    });
    overlapping.collect()
}

/// The key that `key` is reported with: of two keys of the resource, only the shorter is reported.
fn overlapped(key: &Key, subject: &Subject, longest: usize) -> Option<Key> {
    let is_written = |key: &str| !NOT_WRITTEN.iter().any(|prefix| key.starts_with(prefix));
    if !is_written(key.as_str()) {
        return None;
    }
    let below = format!("{key}.");
    if let Some((other, _)) = subject.conf.starting_with(&below).find(|(other, _)| is_written(other.as_str())) {
        return Some(other.clone());
    }
    let is_of_others = |prefix: &&str| subject.conf.get(prefix).is_some_and(|other| other.origin != Origin::Resource);
    let beginnings = key.as_str().match_indices('.').map(|(dot, _)| dot).take_while(|dot| *dot <= longest);
    beginnings.map(|dot| &key.as_str()[..dot]).find(is_of_others).map(Key::from)
}

fn message(key: &Key, other: &Key, version: FlinkVersion) -> String {
    let shorter = if key.as_str().len() < other.as_str().len() { key } else { other };
    let present = known(shorter.as_str(), version).filter(|option| option.role == Role::Alias);
    let remedy = match present.and_then(|option| option.present_key) {
        Some(present) => format!("write {present} instead of {}", shown(shorter.as_str())),
        None => format!("take {} away", shown(shorter.as_str())),
    };
    let (key, other) = (shown(key.as_str()), shown(other.as_str()));
    format!("{key} overlaps {other}, for which the Flink operator fails after it has stopped the job; {remedy}")
}
