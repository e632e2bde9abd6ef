//! The rules that can be said in CEL: for which job, beside that each of its keys is free.
//!
//! Where CEL cannot tell, a condition is false: the job is then passed over, and never gets what the planner would not
//! give it.

use std::collections::BTreeSet;

use flink_conf::FlinkVersion;
use flink_conf::options::{
    CHECKPOINT_DIRECTORY, CHECKPOINT_INTERVAL, CHECKPOINT_STORAGE, DEFAULT_PARALLELISM, HIGH_AVAILABILITY,
    HIGH_AVAILABILITY_DIRECTORY, INCREMENTAL_CHECKPOINTS, MAX_PARALLELISM, METRICS_REPORTERS, RESTART_STRATEGY,
    RESTORE_PATH, RUNTIME_MODE, SAVEPOINT_DIRECTORY, STATE_BACKEND, VERTEX_PARALLELISM,
};
use serde_json::{Value, json};

use super::cel::{list, text, unset, value};
use super::derive::HIGHEST_PARALLELISM;
use crate::rules::{self, PORT_ANNOTATION, PORT_KEY, ROCKSDB_FACTORIES};
use crate::{Policy, Rule};

/// What a condition depends on besides the job.
pub(super) struct Given<'a> {
    /// What the platform wants.
    pub(super) policy: &'a Policy,
    /// Codes of the rules before that fill something, and whose fills make others applicable.
    pub(super) filled: BTreeSet<&'static str>,
}

impl Given<'_> {
    /// Whether the job gets what a rule before fills.
    fn is_filled(&self, rule: &Rule) -> String {
        if self.filled.contains(rule.code) { format!("variables.{}.size() > 0", rule.code) } else { "false".to_owned() }
    }
}

/// A rule that can be said.
pub(super) struct Expressed {
    /// The rule.
    pub(super) rule: &'static Rule,
    /// The spec of a job of some version and parallelism that lacks what the rule fills, and has what it asks for.
    pub(super) sample: fn(FlinkVersion, u32) -> Value,
    /// Whether what is filled depends on the parallelism.
    pub(super) by_parallelism: bool,
    /// What has to be true of a job, in CEL.
    pub(super) condition: fn(&Given<'_>) -> Vec<String>,
    /// The jobs that it passes over although the planner fills them.
    pub(super) passes_over: &'static str,
}

/// In an order in which a rule comes behind those whose fills make it applicable.
pub(super) static EXPRESSED: &[Expressed] = &[
    Expressed {
        rule: &rules::UNSUITABLE_STATE_BACKEND,
        sample: bare,
        by_parallelism: false,
        condition: |_| vec![streaming(), starts_empty(), unset(&STATE_BACKEND)],
        passes_over: "",
    },
    Expressed {
        rule: &rules::NO_DURABLE_CHECKPOINT_STORAGE,
        sample: bare,
        by_parallelism: false,
        condition: |_| vec![streaming(), on_files(), unset(&CHECKPOINT_DIRECTORY)],
        passes_over: "",
    },
    Expressed {
        rule: &rules::NO_CHECKPOINT_INTERVAL,
        sample: |version, parallelism| {
            with(version, parallelism, &[(CHECKPOINT_DIRECTORY.key(version).as_str(), "s3://bucket/checkpoints")])
        },
        by_parallelism: false,
        condition: no_interval,
        passes_over: "jobs whose checkpoint directory is on a volume of their pods or on the default file system",
    },
    Expressed {
        rule: &rules::ROCKSDB_FULL_CHECKPOINTS,
        sample: |version, parallelism| with(version, parallelism, &[(STATE_BACKEND.key(version).as_str(), "rocksdb")]),
        by_parallelism: false,
        condition: |given| vec![streaming(), rocksdb(given), unset(&INCREMENTAL_CHECKPOINTS)],
        passes_over: "",
    },
    Expressed {
        rule: &rules::CHECKPOINTS_NOT_RETAINED,
        sample: bare,
        by_parallelism: false,
        condition: |_| vec![streaming(), unset(&SAVEPOINT_DIRECTORY)],
        passes_over: "",
    },
    Expressed {
        rule: &rules::NO_JOB_MANAGER_HA,
        sample: bare,
        by_parallelism: false,
        condition: |_| {
            // The second is how Amazon EMR sets up high availability.
            let of_vendor = "!object.spec.?jobManager.?storageDir.hasValue()".to_owned();
            vec![unset(&HIGH_AVAILABILITY), unset(&HIGH_AVAILABILITY_DIRECTORY), of_vendor]
        },
        passes_over: "clusters that set only the services or only their directory",
    },
    Expressed {
        rule: &rules::NO_RESTART_BACKOFF,
        sample: |version, parallelism| {
            with(version, parallelism, &[(CHECKPOINT_INTERVAL.key(version).as_str(), "1 min")])
        },
        by_parallelism: false,
        condition: |given| vec![streaming(), unset(&RESTART_STRATEGY), checkpoints(given)],
        passes_over: "",
    },
    Expressed {
        rule: &rules::IMPLICIT_MAX_PARALLELISM,
        sample: bare,
        by_parallelism: true,
        condition: |_| vec![streaming(), starts_empty(), unset(&MAX_PARALLELISM), parallelism_is_declared()],
        passes_over: "jobs whose parallelism is not spec.job.parallelism: with taskManager.replicas, overrides of \
                      single vertices, or parallelism.default alone",
    },
    Expressed {
        rule: &rules::NO_METRICS_REPORTER,
        sample: bare,
        by_parallelism: false,
        condition: |_| vec![no_reporter()],
        passes_over: "clusters that have a port for Prometheus, or the annotation prometheus.io/port, but no reporter",
    },
];

/// Keys whose values conditions read; that an option is set at all is asked of any.
pub(super) fn read_values() -> BTreeSet<&'static str> {
    let options = [&STATE_BACKEND, &CHECKPOINT_STORAGE, &CHECKPOINT_DIRECTORY, &RUNTIME_MODE];
    options.iter().flat_map(|option| option.spellings()).collect()
}

/// Whether a condition asks of this key, other than for the keys that its own rule fills.
pub(super) fn is_read(key: &str) -> bool {
    let asked = [&METRICS_REPORTERS, &DEFAULT_PARALLELISM, &VERTEX_PARALLELISM, &RESTORE_PATH, &CHECKPOINT_INTERVAL];
    let others = asked.iter().any(|option| option.is_spelled(key));
    others
        || read_values().contains(key)
        || [METRICS, "fs.default-scheme"].iter().any(|prefix| key.starts_with(prefix))
        || VERTEX_PARALLELISM.spellings().iter().any(|spelling| key.starts_with(&format!("{spelling}.")))
}

const METRICS: &str = "metrics.reporter";

fn bare(version: FlinkVersion, parallelism: u32) -> Value {
    with(version, parallelism, &[])
}

/// A job that FKO takes, with these options.
fn with(version: FlinkVersion, parallelism: u32, options: &[(&str, &str)]) -> Value {
    let options: serde_json::Map<String, Value> =
        options.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({
        "flinkVersion": version.to_string(),
        "flinkConfiguration": options,
        "job": {"parallelism": parallelism, "upgradeMode": "savepoint"},
    })
}

fn streaming() -> String {
    "variables.application && !variables.batch".to_owned()
}

fn starts_empty() -> String {
    "variables.startsEmpty".to_owned()
}

/// Whether checkpoints go to files: a backend of old that is a storage too wins over everything
/// (`CheckpointStorageLoader.load`), then storage by name; unset, a directory makes it files.
fn on_files() -> String {
    format!(
        "(variables.version.startsWith('v2_') || variables.backend.lowerAscii() != 'jobmanager')\n\
         && ({} || variables.storage.lowerAscii() == 'filesystem')",
        unset(&CHECKPOINT_STORAGE)
    )
}

/// Whether the directory names the file system of other machines. A scheme ends at the first colon.
fn in_shared_directory() -> String {
    "variables.directory.matches('^[A-Za-z][A-Za-z0-9+.-]*:')\n&& !variables.directory.matches('^(?i:file):')"
        .to_owned()
}

fn no_interval(given: &Given<'_>) -> Vec<String> {
    let by_rule = given.is_filled(&rules::NO_DURABLE_CHECKPOINT_STORAGE);
    let durable = format!("({by_rule} || ({}\n&& {}))", on_files(), in_shared_directory());
    // FKO gives such a job an interval of its own (`FlinkConfigBuilder.applyJobConfig`).
    let of_operator = "variables.job.?upgradeMode.orValue('') != 'last-state'".to_owned();
    let mut all = vec![streaming(), unset(&CHECKPOINT_INTERVAL), of_operator, durable];
    if !given.policy.rules.no_checkpoint_interval.fill_running {
        all.push(starts_empty());
    }
    all
}

fn checkpoints(given: &Given<'_>) -> String {
    format!(
        "({}.hasValue() || variables.job.?upgradeMode.orValue('') == 'last-state' || {})",
        value(&CHECKPOINT_INTERVAL),
        given.is_filled(&rules::NO_CHECKPOINT_INTERVAL)
    )
}

fn rocksdb(given: &Given<'_>) -> String {
    let rule = &rules::UNSUITABLE_STATE_BACKEND;
    let backend = if given.filled.contains(rule.code) {
        format!("(variables.{0}.map(m, m.map(k, m[k])).flatten() + [variables.backend])[0]", rule.code)
    } else {
        "variables.backend".to_owned()
    };
    format!("({backend}.lowerAscii() == 'rocksdb' || {backend} in {})", list(ROCKSDB_FACTORIES))
}

fn parallelism_is_declared() -> String {
    let overridden = VERTEX_PARALLELISM.spellings();
    let below: Vec<String> =
        overridden.iter().map(|key| format!("k.startsWith({})", text(&format!("{key}.")))).collect();
    format!(
        "!object.spec.?taskManager.?replicas.hasValue()\n&& !variables.flat.exists(k, k in {} || {})\n\
         && (variables.parallelism > 0 || {})\n&& variables.parallelism <= {HIGHEST_PARALLELISM}",
        list(overridden),
        below.join(" || "),
        unset(&DEFAULT_PARALLELISM)
    )
}

/// A reporter has a factory, or up to Flink 1.16 a class; a list of reporters is its owner's. A reporter's name has no dot.
fn no_reporter() -> String {
    format!(
        "!variables.flat.exists(k, k in {} || k.matches('^metrics[.]reporter[.][^.]+[.](factory[.])?class$'))\n\
         && !({} in variables.podAnnotations)",
        list(METRICS_REPORTERS.spellings().into_iter().chain([PORT_KEY])),
        text(PORT_ANNOTATION)
    )
}
