use std::fmt;

use flink_conf::options::{Role, every_spelling, known, spelled};
use flink_conf::{FlinkVersion, Key, ValueError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::Condition;
use super::denied::{why_denied, without_denied};
use crate::leaving::NESTED_YAML;
use crate::storage::{has_credentials, shown};
use crate::{RULES, Rule, Writes};

/// How many there may be: each is compared with every other, and looked at for every job.
const MOST: usize = 100;

/// The options that a platform gives to every job that says nothing of them, in the order of the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<PlatformSetting>")]
#[schemars(!try_from, extend("maxItems" = MOST))]
pub struct Settings(Vec<PlatformSetting>);

/// One option of a platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", try_from = "AnySetting")]
#[schemars(!try_from, transform = without_denied)]
pub struct PlatformSetting {
    /// The option, in a spelling of any Flink.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String", length(max = 200))]
    pub key: Key,
    /// Its value, as a configuration file has it.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
    /// The jobs that it is for, in CEL; all where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// The same, which may be out of the question.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnySetting {
    key: String,
    value: String,
    #[serde(default)]
    when: Option<Condition>,
}

/// A setting that no platform gives to its jobs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Not the key of an option.
    #[error("`{0}` is no key of an option; write a flat key such as taskmanager.network.memory.fraction")]
    Key(String),
    /// One that is refused for what it does.
    #[error("the setting {key} is refused: {why}")]
    Denied {
        /// The key.
        key: String,
        /// What it does.
        why: String,
    },
    /// One that a rule fills.
    #[error("the setting {key} is refused: rule {code} ({name}) fills that option; see flink-remedy explain {code}")]
    OfRule {
        /// The key.
        key: String,
        /// The rule's code.
        code: &'static str,
        /// The rule's name.
        name: &'static str,
    },
    /// One beside which a rule cannot fill its own.
    #[error(
        "the setting {key} is refused: beside {other} of rule {code}, of which one key begins with the other, no job of \
         Flink {version} starts"
    )]
    BesideRule {
        /// The key.
        key: String,
        /// What the rule writes.
        other: Key,
        /// The rule's code.
        code: &'static str,
        /// Where.
        version: FlinkVersion,
    },
    /// No Flink reads the value.
    #[error("the setting {key} is refused: {why}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than anybody reads.
    #[error("there are {0} settings, and {MOST} are the most")]
    TooMany(usize),
    /// The same option a second time.
    #[error("the settings {0} and {1} are one option; keep one of them")]
    Twice(String, String),
    /// Keys of which one begins with the other.
    #[error(
        "the settings {0} and {1} overlap: one key begins with the other, and no job of Flink {2} starts with both"
    )]
    Overlap(String, String, FlinkVersion),
}

impl Settings {
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, PlatformSetting> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Settings {
    type Item = &'a PlatformSetting;
    type IntoIter = std::slice::Iter<'a, PlatformSetting>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl TryFrom<Vec<PlatformSetting>> for Settings {
    type Error = SettingError;

    fn try_from(settings: Vec<PlatformSetting>) -> Result<Self, SettingError> {
        if settings.len() > MOST {
            return Err(SettingError::TooMany(settings.len()));
        }
        for (index, one) in settings.iter().enumerate() {
            for other in &settings[..index] {
                let (earlier, later) = (other.key.to_string(), one.key.to_string());
                if every_spelling(&earlier).iter().any(|spelling| every_spelling(&later).contains(spelling)) {
                    return Err(SettingError::Twice(earlier, later));
                }
                let overlap = |version: &FlinkVersion| one.written(*version).overlaps(other.written(*version).as_str());
                if let Some(version) = overlapping_refused().find(overlap) {
                    return Err(SettingError::Overlap(earlier, later, version));
                }
            }
        }
        Ok(Self(settings))
    }
}

impl TryFrom<AnySetting> for PlatformSetting {
    type Error = SettingError;

    fn try_from(any: AnySetting) -> Result<Self, SettingError> {
        let AnySetting { key, value, when } = any;
        if !is_key(&key) && !key.starts_with("$internal.") {
            return Err(SettingError::Key(shown(&key)));
        }
        if let Some(why) = why_denied(&key) {
            return Err(SettingError::Denied { key: shown(&key), why });
        }
        let setting = Self { key: Key::from(&key), value: value.trim().to_owned(), when };
        RULES.iter().try_for_each(|rule| setting.beside(rule))?;
        setting.readable().map_err(|why| SettingError::Value { key: shown(&key), why })?;
        Ok(setting)
    }
}

impl PlatformSetting {
    /// The key under which a job of this version gets it.
    pub fn written(&self, version: FlinkVersion) -> Key {
        spelled(self.key.as_str()).map_or_else(|| self.key.clone(), |option| option.key(version))
    }

    /// Why a job of this version cannot read the value, if it knows the option at all.
    pub(crate) fn unreadable(&self, version: FlinkVersion) -> Option<ValueError> {
        let key = self.written(version);
        let option = known(key.as_str(), version).filter(|option| option.role != Role::Unread)?;
        option.era.value_type.check(&self.value, version).err()
    }

    /// Refuses an option that this rule fills, and one that its own cannot stand beside.
    fn beside(&self, rule: &'static Rule) -> Result<(), SettingError> {
        let Rule { code, name, .. } = *rule;
        let key = self.key.as_str();
        for writes in rule.writes {
            let is_filled = match writes {
                Writes::Option(option) | Writes::Directory(option) => option.is_spelled(key),
                Writes::Key(other) => *other == key,
                Writes::LogFile(_) | Writes::PodAnnotation(_) | Writes::Settings => false,
            };
            if is_filled {
                return Err(SettingError::OfRule { key: shown(key), code, name });
            }
            for version in overlapping_refused() {
                let Some(crate::Target::Option(other)) = writes.target(version) else { continue };
                if other.overlaps(self.written(version).as_str()) {
                    return Err(SettingError::BesideRule { key: shown(key), other, code, version });
                }
            }
        }
        Ok(())
    }

    fn readable(&self) -> Result<(), String> {
        if self.value.is_empty() {
            return Err("it has no value".to_owned());
        }
        if self.value.contains(|c: char| c.is_control() || c == '#') {
            return Err("a value is one line without `#`, where a comment begins in a configuration file".to_owned());
        }
        if has_credentials(&self.value) {
            return Err("its value holds a credential, which everybody could read; give it by a Secret".to_owned());
        }
        let read: Vec<FlinkVersion> =
            FlinkVersion::CATALOGUED.into_iter().filter(|version| self.is_read(*version)).collect();
        let errors: Vec<ValueError> = read.iter().filter_map(|version| self.unreadable(*version)).collect();
        match errors.into_iter().next_back() {
            Some(error) if read.iter().all(|version| self.unreadable(*version).is_some()) => Err(error.to_string()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the catalogue has the option in this version.
    pub(crate) fn is_read(&self, version: FlinkVersion) -> bool {
        known(self.written(version).as_str(), version).is_some_and(|option| option.role != Role::Unread)
    }
}

impl fmt::Display for PlatformSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, flink_conf::masked(self.key.as_str(), &self.value))
    }
}

fn as_text<S: Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// The versions of Flink whose jobs do not start with two keys of which one begins with the other.
fn overlapping_refused() -> impl Iterator<Item = FlinkVersion> {
    FlinkVersion::CATALOGUED.into_iter().filter(|version| *version >= NESTED_YAML)
}

fn is_key(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_/".contains(c));
    text.len() <= 200 && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(entries: &serde_json::Value) -> Result<Settings, String> {
        serde_json::from_value(entries.clone()).map_err(|error| error.to_string())
    }

    fn one(key: &str, value: &str) -> Result<Settings, String> {
        settings(&json!([{"key": key, "value": value}]))
    }

    #[test]
    fn a_setting_is_written_under_the_key_of_the_version() {
        let settings = one("execution.checkpointing.unaligned", "true").unwrap();
        let [setting] = settings.0.as_slice() else { panic!("{settings:?}") };
        assert_eq!(setting.written(FlinkVersion::new(1, 16)).as_str(), "execution.checkpointing.unaligned");
        assert_eq!(setting.written(FlinkVersion::new(2, 1)).as_str(), "execution.checkpointing.unaligned.enabled");
        for key in ["acme.audit.enabled", "kubernetes.operator.periodic.checkpoint.interval", "job.autoscaler.enabled"]
        {
            assert_eq!(one(key, "x").unwrap().0[0].written(FlinkVersion::new(2, 0)).as_str(), key);
        }
    }

    #[test]
    fn what_runs_code_or_moves_a_job_is_refused() {
        for (key, named) in [
            ("env.java.opts", "runs code"),
            ("env.java.opts.taskmanager", "runs code"),
            ("containerized.master.env.LD_PRELOAD", "runs code"),
            ("kubernetes.container.image", "runs code"),
            ("kubernetes.container.image.ref", "runs code"),
            ("kubernetes.pod-template-file.jobmanager", "runs code"),
            ("pipeline.jars", "runs code"),
            ("pipeline.classpaths", "runs code"),
            ("classloader.resolve-order", "runs code"),
            ("classloader.parent-first-patterns", "runs code"),
            ("kubernetes.service-account", "other rights"),
            ("kubernetes.jobmanager.service-account", "other rights"),
            ("kubernetes.cluster-id", "which job or cluster"),
            ("high-availability.zookeeper.path.namespace", "which job or cluster"),
            ("kubernetes.namespace", "which job or cluster"),
            ("kubernetes.config.file", "which job or cluster"),
            ("$internal.pipeline.job-id", "which job or cluster"),
            ("execution.savepoint.path", "start from one state"),
            ("s3.secret-key", "is a credential"),
            ("security.ssl.rest.key-password", "is a credential"),
            ("taskmanager.memory.process.size", "resource.memory"),
            ("state.checkpoint.dir", "did you mean"),
        ] {
            let error = one(key, "x").unwrap_err();
            assert!(error.contains(key) && error.contains(named), "{key}: {error}");
        }
    }

    #[test]
    fn what_a_rule_fills_is_its_own() {
        for (key, code) in [
            ("state.backend", "STA001"),
            ("state.checkpoints.dir", "CKP002"),
            ("high-availability", "HA001"),
            ("execution.checkpointing.interval", "CKP001"),
            ("metrics.reporter.prom.port", "MET001"),
        ] {
            let error = one(key, "1").unwrap_err();
            assert!(error.contains(&format!("flink-remedy explain {code}")), "{key}: {error}");
        }
        let error = one("restart-strategy.type.x", "1").unwrap_err();
        assert!(error.contains("restart-strategy.type of rule RST001"), "{error}");
    }

    #[test]
    fn a_value_is_one_that_some_flink_reads() {
        for (key, value, named) in [
            ("rest.flamegraph.enabled", "yes", "no boolean"),
            ("execution.checkpointing.timeout", "soon", "no duration"),
            ("taskmanager.load-balance.mode", "FAIR", "not one of"),
            ("acme.text", "", "no value"),
            ("acme.text", "a\nenv.java.opts: -Dx", "one line"),
            ("acme.text", "a # b", "one line"),
            ("acme.text", "https://u:hunter2@acme/x", "credential"),
            ("Acme Text", "x", "no key of an option"),
            ("acme..text", "x", "no key of an option"),
        ] {
            let error = one(key, value).unwrap_err();
            assert!(error.contains(named) && !error.contains("hunter2"), "{key}: {error}");
        }
        assert!(one("execution.checkpointing.timeout", "PT20M").is_ok(), "Flink 2.1 reads it");
    }

    #[test]
    fn no_option_is_there_twice_and_none_begins_with_another() {
        let two =
            |one: &str, other: &str| settings(&json!([{"key": one, "value": "true"}, {"key": other, "value": "true"}]));
        for (earlier, later, named) in [
            ("rest.flamegraph.enabled", "rest.flamegraph.enabled", "are one option"),
            ("execution.checkpointing.unaligned", "execution.checkpointing.unaligned.enabled", "are one option"),
            ("job.autoscaler.enabled", "kubernetes.operator.job.autoscaler.enabled", "are one option"),
            ("acme.audit", "acme.audit.enabled", "overlap"),
        ] {
            let error = two(earlier, later).unwrap_err();
            assert!(error.contains(named) && error.contains(later), "{error}");
        }
        assert_eq!(two("acme.audit", "acme.audits").unwrap().len(), 2);
    }

    #[test]
    fn there_are_a_hundred_at_the_most() {
        let many = |count: usize| {
            let entries: Vec<_> = (0..count).map(|n| json!({"key": format!("acme.k{n}"), "value": "v"})).collect();
            settings(&json!(entries))
        };
        assert_eq!(many(MOST).unwrap().len(), 100);
        assert_eq!(many(MOST + 1).unwrap_err(), "there are 101 settings, and 100 are the most");
    }

    #[test]
    fn an_entry_has_known_fields_and_a_condition_that_is_one() {
        for (entry, named) in [
            (json!({"key": "a.b", "value": "1", "if": "true"}), "unknown field `if`"),
            (json!({"key": "a.b"}), "missing field `value`"),
            (json!({"key": "a.b", "value": "1", "when": "kind = 'Application'"}), "no CEL expression"),
        ] {
            let error = settings(&json!([entry])).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
