//! The options that rules speak of: which key each Flink version reads, under which other names.

mod catalogue;

pub use catalogue::*;

use crate::{EffectiveConf, FlinkVersion, Key, Setting};

/// One Flink option through the versions of Flink.
#[derive(Debug)]
pub struct FlinkOption {
    /// Its eras in ascending order, without gaps; the first also stands for older versions, the last for newer ones.
    pub eras: &'static [Era],
}

/// A span of Flink versions in which an option has one primary key, one set of aliases and one default.
#[derive(Debug)]
pub struct Era {
    /// First Flink version of the era.
    pub from: FlinkVersion,
    /// The key to write.
    pub key: &'static str,
    /// Deprecated keys that are still read, in the order in which Flink tries them.
    pub aliases: &'static [&'static str],
    /// Flink's default in the notation of a configuration file, if it has one.
    pub default: Option<&'static str>,
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

impl FlinkOption {
    fn era(&self, version: FlinkVersion) -> Option<&'static Era> {
        self.eras.iter().rev().find(|era| era.from <= version).or(self.eras.first())
    }

    /// The key that a job of this version has to use.
    pub fn key(&self, version: FlinkVersion) -> Key {
        Key::from(self.era(version).map_or("", |era| era.key))
    }

    /// Flink's own default in this version.
    pub fn default(&self, version: FlinkVersion) -> Option<&'static str> {
        self.era(version).and_then(|era| era.default)
    }

    /// The spellings that this version reads, the one that wins first.
    pub fn read_as(&self, version: FlinkVersion) -> impl Iterator<Item = &'static str> + use<> {
        self.era(version).into_iter().flat_map(|era| std::iter::once(era.key).chain(era.aliases.iter().copied()))
    }

    /// Every spelling of any version, without repetition.
    pub fn spellings(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        for key in self.eras.iter().flat_map(|era| std::iter::once(&era.key).chain(era.aliases)) {
            if !all.contains(key) {
                all.push(*key);
            }
        }
        all
    }

    /// Whether `key` is one of this option's spellings.
    pub fn is_spelled(&self, key: &str) -> bool {
        self.eras.iter().any(|era| era.key == key || era.aliases.contains(&key))
    }

    /// What `conf` says of this option to a job of this version.
    pub fn find<'a>(&self, conf: &'a EffectiveConf, version: FlinkVersion) -> Lookup<'a> {
        let read = self.read_as(version).find_map(|key| Some((key, conf.get(key)?)));
        if let Some((key, setting)) = read {
            return Lookup::Set { key, setting };
        }
        self.spellings()
            .into_iter()
            .find_map(|key| Some(Lookup::Ignored { key, setting: conf.get(key)? }))
            .unwrap_or(Lookup::Unset)
    }
}

/// The option that `key` spells, among those of the catalogue.
pub fn spelled(key: &str) -> Option<&'static FlinkOption> {
    ALL.iter().copied().find(|option| option.is_spelled(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_16: FlinkVersion = FlinkVersion::new(1, 16);
    const V1_19: FlinkVersion = FlinkVersion::new(1, 19);
    const V1_20: FlinkVersion = FlinkVersion::new(1, 20);
    const V9_9: FlinkVersion = FlinkVersion::new(9, 9);

    fn conf(pairs: &[(&str, &str)]) -> EffectiveConf {
        EffectiveConf::of_resource(pairs.iter().map(|(key, value)| (Key::from(key), (*value).to_owned())).collect())
    }

    #[test]
    fn the_key_to_write_follows_the_version() {
        assert_eq!(INCREMENTAL_CHECKPOINTS.key(V1_19).as_str(), "state.backend.incremental");
        assert_eq!(INCREMENTAL_CHECKPOINTS.key(V1_20).as_str(), "execution.checkpointing.incremental");
        assert_eq!(RESTART_STRATEGY.key(V1_16).as_str(), "restart-strategy");
        assert_eq!(RESTART_STRATEGY.key(V9_9).as_str(), "restart-strategy.type");
        assert_eq!(STATE_BACKEND.key(FlinkVersion::new(1, 13)).as_str(), "state.backend");
    }

    #[test]
    fn the_primary_key_wins_over_an_alias() {
        let conf = conf(&[("state.backend", "hashmap"), ("state.backend.type", "rocksdb")]);
        assert_eq!(STATE_BACKEND.find(&conf, V1_20).value(), Some("rocksdb"));
        assert_eq!(STATE_BACKEND.find(&conf, V1_16).value(), Some("hashmap"));
    }

    #[test]
    fn a_newer_spelling_is_a_choice_without_effect() {
        let conf = conf(&[("execution.checkpointing.incremental", "true")]);
        assert!(matches!(INCREMENTAL_CHECKPOINTS.find(&conf, V1_19), Lookup::Ignored { .. }));
        assert_eq!(INCREMENTAL_CHECKPOINTS.find(&conf, V1_20).value(), Some("true"));
        assert_eq!(RESTART_STRATEGY.find(&conf, V1_20), Lookup::Unset);
    }

    #[test]
    fn eras_ascend_and_spellings_belong_to_one_option() {
        let mut seen = Vec::new();
        for option in ALL {
            assert!(option.eras.is_sorted_by_key(|era| era.from) && !option.eras.is_empty());
            for key in option.spellings() {
                assert!(!seen.contains(&key), "{key} spells two options");
                seen.push(key);
            }
        }
        assert_eq!(spelled("state.backend").map(FlinkOption::spellings), Some(STATE_BACKEND.spellings()));
        assert!(spelled("no.such.option").is_none());
    }
}
