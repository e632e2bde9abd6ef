//! Defaults of the Flink operator (FKO): the channel without drift.
//!
//! A default reaches every job, new or not, with state or without, streaming or batch. Only what no job loses anything by is
//! said here. A key of a job hides a default under the same key only: under the present name of an option a default would
//! win over a job's own value under an older one, so that it is written under the name that Flink tries last.

use std::collections::BTreeMap;

use flink_conf::options::{OPTIONS, STATE_BACKEND, every_spelling, spelled};
use flink_conf::{FlinkOption, FlinkVersion, Key};
use serde_json::{Value, json};

use super::derive::{fills, grouped, writing};
use super::{ExportError, LeftOut, fills_something};
use crate::leaving::NESTED_YAML;
use crate::policy::PlatformSetting;
use crate::{Platform, Policy, Rule, Target, rules};

/// Layer of a version, as every FKO knows it (`v1_18+` came with FKO 1.11, FLINK-36529).
const OF_VERSION: &str = "kubernetes.operator.default-configuration.flink-version.";

/// One default.
#[derive(Clone, Debug)]
pub struct Line {
    /// The rule that fills it.
    pub rule: &'static Rule,
    /// The key, with its layer.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Defaults with what they do not say.
#[derive(Clone, Debug)]
pub struct DefaultLayers {
    /// In the order of the rules.
    pub lines: Vec<Line>,
    /// What is not said, or not for all.
    pub left_out: Vec<LeftOut>,
}

/// What a rule asks of a job before it fills what makes no difference to any other.
struct Candidate<'a> {
    rule: &'static Rule,
    sample: fn(FlinkVersion) -> Value,
    setting: Option<&'a PlatformSetting>,
}

/// A default, or why there is none.
type Said = Result<BTreeMap<Key, String>, &'static str>;

impl DefaultLayers {
    /// What of a policy can be a default, upon those that are there already.
    ///
    /// # Errors
    /// The policy fills nothing, or nothing that can be said.
    pub fn new(policy: &Policy, platform: &Platform) -> Result<Self, ExportError> {
        fills_something(policy)?;
        let mut layers = Self { lines: Vec::new(), left_out: left_out(policy) };
        for candidate in candidates(policy) {
            layers.add(&candidate, policy, platform);
        }
        if layers.lines.is_empty() { Err(ExportError::Nothing) } else { Ok(layers) }
    }

    fn add(&mut self, candidate: &Candidate<'_>, policy: &Policy, platform: &Platform) {
        let said = |version| candidate.said(version, policy, platform);
        let rule = candidate.rule;
        let groups = grouped(FlinkVersion::known().map(|version| (version, said(version))));
        for (versions, said) in &groups {
            match said {
                Ok(defaults) => {
                    let is_all = versions.len() == FlinkVersion::known().count();
                    let prefixes =
                        if is_all { vec![String::new()] } else { versions.iter().copied().map(layer).collect() };
                    let lines = prefixes.iter().flat_map(|prefix| {
                        let line = move |(key, value): (&Key, &String)| Line {
                            rule,
                            key: format!("{prefix}{key}"),
                            value: value.clone(),
                        };
                        defaults.iter().map(line)
                    });
                    self.lines.extend(lines);
                }
                Err(why) => {
                    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
                    let key = candidate.setting.map(|setting| setting.key.clone());
                    self.left_out.push(LeftOut { rule, key, why: format!("not for {}: {why}", versions.join(", ")) });
                }
            }
        }
    }
}

impl Candidate<'_> {
    fn said(&self, version: FlinkVersion, policy: &Policy, platform: &Platform) -> Said {
        let filled = fills(self.rule, &(self.sample)(version), platform, policy);
        let is_own = |key: &Key| self.setting.is_none_or(|setting| setting.written(version) == *key);
        let options = filled.into_iter().filter_map(|(target, value)| match target {
            Target::Option(key) if is_own(&key) => Some((key, value)),
            Target::Option(_) | Target::LogFile(_) | Target::PodAnnotation(_) => None,
        });
        options.map(|(key, value)| default(&key, value, version, platform)).collect()
    }
}

/// An option as a default for this version.
fn default(
    key: &Key,
    value: String,
    version: FlinkVersion,
    platform: &Platform,
) -> Result<(Key, String), &'static str> {
    let spellings = every_spelling(key.as_str());
    if platform.layers.is_set_for_a_namespace(|other| spellings.iter().any(|spelling| spelling == other)) {
        return Err("a default of a namespace says it, which one of a version would override");
    }
    if !is_plain(&value) {
        return Err("its value is no plain text of YAML");
    }
    let last = spelled(key.as_str()).and_then(|option| option.read_as(version).last());
    let last = last.map_or_else(|| key.clone(), Key::from);
    if version >= NESTED_YAML && (spellings.len() > 1 || is_beside_another(&last)) {
        return Err(
            "a job's own value under another name would be overridden, or stop it (overlapping key prefixes, FLINK-37405)",
        );
    }
    Ok((last, value))
}

/// Whether an option of any Flink begins with this key, or this key with it.
fn is_beside_another(key: &Key) -> bool {
    OPTIONS.iter().flat_map(FlinkOption::spellings).any(|other| key.overlaps(other))
}

/// Whether a value is the same text in `flink-conf.yaml` and in YAML, without quotes.
fn is_plain(value: &str) -> bool {
    let is_word = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let is_octal = value.len() > 1 && value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word && !is_octal && value != "null" && !value.contains(": ") && !value.contains('#') && !value.ends_with(':')
}

fn layer(version: FlinkVersion) -> String {
    format!("{OF_VERSION}{version}.")
}

fn bare(version: FlinkVersion) -> Value {
    super::fill::bare(version, false)
}

/// The rules that can be said, in the order of every report.
fn candidates(policy: &Policy) -> Vec<Candidate<'_>> {
    let on_rocksdb = |version: FlinkVersion| {
        json!({
            "flinkVersion": version.to_string(), "job": {},
            "flinkConfiguration": {STATE_BACKEND.key(version).as_str(): "rocksdb"},
        })
    };
    let of_rule = |rule, sample| Candidate { rule, sample, setting: None };
    let of_setting =
        |setting| Candidate { rule: &rules::PLATFORM_SETTING_MISSING, sample: bare, setting: Some(setting) };
    let rules = [
        // Read by RocksDB alone, so that it is no choice for other jobs.
        of_rule(&rules::ROCKSDB_FULL_CHECKPOINTS, on_rocksdb as fn(FlinkVersion) -> Value),
        of_rule(&rules::NO_METRICS_REPORTER, bare),
    ];
    let settings = policy.settings.iter().filter(|setting| setting.when.is_none()).map(of_setting);
    rules.into_iter().chain(settings).collect()
}

/// What cannot be said at all.
fn left_out(policy: &Policy) -> Vec<LeftOut> {
    let of_rules = writing().filter_map(|rule| Some(LeftOut { rule, key: None, why: why_left_out(rule)?.to_owned() }));
    let conditional = policy.settings.iter().filter(|setting| setting.when.is_some());
    let of_settings = conditional.map(|setting| LeftOut {
        rule: &rules::PLATFORM_SETTING_MISSING,
        key: Some(setting.key.clone()),
        why: "it is for the jobs of its `when` only".to_owned(),
    });
    of_rules.chain(of_settings).collect()
}

fn why_left_out(rule: &Rule) -> Option<&'static str> {
    const STATE: &str = "a default reaches jobs that have state, which would not be found again";
    const DIRECTORY: &str = "every job needs a directory of its own, and a default is the same for all";
    let reasons = [
        (&rules::IMPLICIT_OPERATOR_UIDS, "a running job that lacks a UID would not start again"),
        (&rules::IMPLICIT_MAX_PARALLELISM, STATE),
        (&rules::UNSUITABLE_STATE_BACKEND, STATE),
        (
            &rules::NO_CHECKPOINT_INTERVAL,
            "a default reaches jobs without durable storage, batch jobs, and jobs whose sinks would commit otherwise",
        ),
        (&rules::NO_DURABLE_CHECKPOINT_STORAGE, DIRECTORY),
        (&rules::CHECKPOINTS_NOT_RETAINED, DIRECTORY),
        (&rules::NO_JOB_MANAGER_HA, DIRECTORY),
        (
            &rules::NO_RESTART_BACKOFF,
            "only a job with checkpoints gets it: without them it would start again from empty, which ends at its first failure now",
        ),
        (
            &rules::NO_METRICS_REPORTER,
            "not the pod annotations prometheus.io/scrape and port, which are no options; and a job with a reporter of another \
             name gets this one beside it: two reporters on one port do not both start, so give such a job another port",
        ),
        (
            &rules::LOG_LEVEL_NOT_INFO,
            "the log file is no option; set the levels in defaultConfiguration.log4j-console.properties",
        ),
    ];
    reasons.iter().find(|(other, _)| other.code == rule.code).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use flink_conf::PlatformLayers;
    use flink_conf::options::INCREMENTAL_CHECKPOINTS;

    use super::*;
    use crate::Subject;

    /// Under the present name of an option a default would win over an older name of a job's own.
    #[test]
    fn a_job_s_own_value_wins_over_a_default_in_every_spelling() {
        let layers = DefaultLayers::new(&Policy::default(), &Platform::default()).unwrap();
        let defaults = layers.lines.into_iter().map(|line| (Key::from(line.key), line.value)).collect();
        let platform = Platform { layers: PlatformLayers::new(defaults), log_file: None };
        for version in FlinkVersion::known() {
            for own in INCREMENTAL_CHECKPOINTS.read_as(version) {
                let spec = json!({"flinkVersion": version.to_string(), "flinkConfiguration": {own: "false"}});
                let document = json!({"metadata": {"namespace": "a", "name": "b"}, "spec": spec});
                let subject = Subject::new(&serde_json::from_value(document).unwrap(), &platform).unwrap();
                let effective = INCREMENTAL_CHECKPOINTS.find(&subject.conf, version).value();
                assert_eq!(effective, Some("false"), "{own} on {version}");
            }
        }
    }

    /// FKO stops a job on Flink 2 before it refuses two keys of which one begins with the other (FLINK-37405).
    #[test]
    fn no_default_of_flink_2_is_beside_an_option() {
        let settings = json!([{"key": "state.backend.local-recovery", "value": "true"},
                              {"key": "execution.checkpointing.timeout", "value": "20 min"}]);
        let policy: Policy = serde_json::from_value(json!({"settings": settings})).unwrap();
        let layers = DefaultLayers::new(&policy, &Platform::default()).unwrap();
        let of_flink_2 = |line: &&Line| !line.key.contains("flink-version.v1_");
        for line in layers.lines.iter().filter(of_flink_2) {
            let key = line.key.rsplit_once("v2_").map_or(line.key.as_str(), |(_, key)| key.split_once('.').unwrap().1);
            assert!(!is_beside_another(&Key::from(key)), "{}", line.key);
        }
        assert!(layers.lines.iter().any(|line| line.key == "execution.checkpointing.timeout"), "{:?}", layers.lines);
        let refused =
            |line: &LeftOut| line.key.as_ref().is_some_and(|key| key.as_str() == "state.backend.local-recovery");
        assert!(layers.left_out.iter().any(refused), "{:?}", layers.left_out);
    }

    #[test]
    fn a_plain_value_is_the_same_in_both_files() {
        for plain in ["true", "1 min", "org.acme.Factory", "9249", "0", "0.5", "a:b,c:d", "/mnt/x"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["", "- a", "{a}", "a: b", "a:", "*x", "010", "null", "'a'", "a # b"] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
