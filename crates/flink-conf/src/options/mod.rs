//! Flink's options: which key each version reads, under which other names, with which type and default.

mod catalogue;
mod closest;
#[rustfmt::skip]
mod generated;
mod known;
#[cfg(test)]
mod tests;

pub use catalogue::*;
pub use closest::closest;
pub use generated::OPTIONS;
pub use known::{OptionInfo, Role, known};

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::{EffectiveConf, FlinkVersion, Key, Setting};

/// One Flink option through the versions of Flink.
#[derive(Debug)]
pub struct FlinkOption {
    /// Its eras in ascending order. A version between two eras, or after the end of the last, has no such option.
    pub eras: &'static [Era],
}

/// A span of Flink versions in which an option has one primary key, one set of other names, one type and default.
#[derive(Debug)]
pub struct Era {
    /// First Flink version of the era. The oldest version of the catalogue also stands for older ones.
    pub from: FlinkVersion,
    /// Last Flink version of the era; `None` if it lasts to the newest known version, which stands for newer ones.
    pub until: Option<FlinkVersion>,
    /// The key to write.
    pub key: &'static str,
    /// Deprecated keys that are still read, in the order in which Flink tries them.
    pub aliases: &'static [&'static str],
    /// Keys of other options that give the value where this one is not set, tried after the aliases.
    pub fallbacks: &'static [&'static str],
    /// What a value has to be.
    pub value_type: ValueType,
    /// Flink's default in the notation of a configuration file, if it has one: durations and memory sizes in the
    /// largest unit that divides them (`10 min`, `64 mb`), lists with `;`, maps as `key:value,key:value`. What
    /// depends on the machine is the text of Flink's documentation.
    pub default: Option<&'static str>,
}

/// What Flink reads a value as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// `true` or `false`.
    Bool,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A number of single precision.
    Float,
    /// A number of double precision.
    Double,
    /// Any text.
    Text,
    /// A time span ([`crate::parse_duration_ms`]).
    Duration,
    /// A memory size ([`crate::parse_memory_bytes`]).
    Memory,
    /// Pairs `key:value` joined with `,`, or one key of its own below this one for each.
    Map,
    /// One of these ([`crate::parse_enum`]).
    Enum(&'static [&'static str]),
    /// Several of one type, joined with `;`.
    List(&'static ValueType),
}

/// What a configuration says of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// In no spelling of any version.
    Unset,
    /// In a spelling that this version reads.
    Set {
        /// The spelling in effect.
        key: &'static str,
        /// The value with its origin.
        setting: &'a Setting,
    },
    /// Only in a spelling that this version does not read: somebody made a choice that has no effect.
    Ignored {
        /// The spelling that is there.
        key: &'static str,
        /// The value without effect.
        setting: &'a Setting,
    },
}

impl<'a> Lookup<'a> {
    /// The value in effect.
    pub fn value(&self) -> Option<&'a str> {
        match self {
            Self::Set { setting, .. } => Some(&setting.value),
            Self::Unset | Self::Ignored { .. } => None,
        }
    }
}

impl Era {
    /// Whether `spelling` is its key or one of its aliases.
    fn reads(&self, spelling: &str) -> bool {
        self.key == spelling || self.aliases.contains(&spelling)
    }

    fn spellings(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.key).chain(self.aliases.iter().copied())
    }
}

impl FlinkOption {
    /// The era that a version falls into, if it has the option.
    fn era(&self, version: FlinkVersion) -> Option<&'static Era> {
        let version = version.max(generated::OLDEST);
        self.eras.iter().find(|era| era.from <= version && era.until.is_none_or(|until| version <= until))
    }

    fn newest_key(&self) -> &'static str {
        self.eras.last().map_or("", |era| era.key)
    }

    /// The key that a job of this version has to use; of an option that this version does not have, the one of
    /// the next version that has it, or of the last that had it.
    pub fn key(&self, version: FlinkVersion) -> Key {
        let next = || self.eras.iter().find(|era| era.from > version).or(self.eras.last());
        Key::from(self.era(version).or_else(next).map_or("", |era| era.key))
    }

    /// Flink's own default in this version.
    pub fn default(&self, version: FlinkVersion) -> Option<&'static str> {
        self.era(version).and_then(|era| era.default)
    }

    /// The spellings that this version reads, the one that wins first.
    pub fn read_as(&self, version: FlinkVersion) -> impl Iterator<Item = &'static str> + use<> {
        self.era(version).into_iter().flat_map(Era::spellings)
    }

    /// Every spelling of any version, without repetition.
    pub fn spellings(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        for key in self.every_spelling() {
            if !all.contains(&key) {
                all.push(key);
            }
        }
        all
    }

    /// The same, era by era.
    fn every_spelling(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.eras.iter().flat_map(Era::spellings)
    }

    /// Whether `key` is one of this option's spellings.
    pub fn is_spelled(&self, key: &str) -> bool {
        self.eras.iter().any(|era| era.reads(key))
    }

    /// What `conf` says of this option to a job of this version.
    pub fn find<'a>(&self, conf: &'a EffectiveConf, version: FlinkVersion) -> Lookup<'a> {
        let read = self.read_as(version).find_map(|key| Some((key, conf.get(key)?)));
        if let Some((key, setting)) = read {
            return Lookup::Set { key, setting };
        }
        self.every_spelling()
            .find_map(|key| Some(Lookup::Ignored { key, setting: conf.get(key)? }))
            .unwrap_or(Lookup::Unset)
    }
}

/// The option of which `key` is a spelling in some version; those that have a name here come first.
pub fn spelled(key: &str) -> Option<&'static FlinkOption> {
    NAMED.get(key).copied().or_else(|| known::of_catalogue(key))
}

/// The options that have a name here, by every spelling.
static NAMED: LazyLock<known::Table<&'static FlinkOption>> = LazyLock::new(|| {
    let spelled = |option: &'static FlinkOption| option.every_spelling().map(move |key| (key, option));
    // Of two, the first counts.
    ALL.iter().rev().copied().flat_map(spelled).collect()
});

/// Whether `conf` sets the option that `key` spells, under any key by which some Flink, or FKO, reads it.
pub fn is_set(conf: &EffectiveConf, key: &str) -> bool {
    match spelled(key) {
        Some(option) => option.every_spelling().any(|spelling| conf.get(spelling).is_some()),
        None => every_spelling(key).iter().any(|spelling| conf.get(spelling).is_some()),
    }
}

/// Prefix of the autoscaler's options, and the one that FKO still reads them under.
const AUTOSCALER: [&str; 2] = ["job.autoscaler.", "kubernetes.operator.job.autoscaler."];

/// Every key under which some Flink, or FKO, reads the option that `key` spells: `key` itself at least.
pub fn every_spelling(key: &str) -> Vec<Cow<'_, str>> {
    if let Some(option) = spelled(key) {
        return option.spellings().into_iter().map(Cow::Borrowed).collect();
    }
    for (prefix, other) in [(AUTOSCALER[0], AUTOSCALER[1]), (AUTOSCALER[1], AUTOSCALER[0])] {
        if let Some(rest) = key.strip_prefix(prefix) {
            return vec![Cow::Borrowed(key), Cow::Owned(format!("{other}{rest}"))];
        }
    }
    vec![Cow::Borrowed(key)]
}
