//! What Flink has to make of each rule's fills.

use std::collections::BTreeMap;

use flink_conf::options::{
    HIGH_AVAILABILITY_DIRECTORY, RESTART_BACKOFF_MULTIPLIER, RESTART_INITIAL_BACKOFF, RESTART_JITTER,
    RESTART_MAX_BACKOFF, RESTART_RESET_THRESHOLD,
};
use flink_conf::{EffectiveConf, FlinkOption, FlinkVersion, parse_duration_ms};

/// Reporters are no plain options: only Flink's own set-up tells how it reads them.
const REPORTER: &str = "metrics.reporter.";

/// The last version where an older name of a directory is filled, because older Flink operators know no other.
const OLD_DIRECTORIES: FlinkVersion = FlinkVersion::new(1, 20);

/// What one configuration is to Flink, by the driver's names.
pub(crate) struct Facts(BTreeMap<String, String>);

impl Facts {
    /// Reads a line of the driver's output.
    pub(crate) fn read(line: &str) -> Self {
        let pairs = line.split('\t').filter_map(|fact| fact.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("nothing", String::as_str)
    }
}

/// What comes of a comparison.
pub(crate) enum Answer {
    /// Flink reads it as it is meant.
    AsMeant,
    /// Flink refuses the owner's own configuration.
    NotToBeTold,
    /// It does not.
    Otherwise(String),
}

/// A rule's fills for one object.
pub(crate) struct Asked<'a> {
    pub(crate) rule: &'a str,
    pub(crate) fills: &'a BTreeMap<String, String>,
    pub(crate) version: FlinkVersion,
    /// The configuration with all fills.
    pub(crate) conf: &'a EffectiveConf,
}

/// The fact that tells of a rule's fills, and what it has to be.
pub(crate) type Expectation = (&'static str, fn(&Asked<'_>) -> Meant);

/// What a fact has to be.
pub(crate) enum Meant {
    Exactly(String),
    /// All of these are parts of it.
    Containing(Vec<String>),
}

/// What a rule's fills are for. `None` for a rule that writes no option of Flink.
pub(crate) fn expected(rule: &str) -> Option<Expectation> {
    Some(match rule {
        "JOB001" => ("generated-uids", |_| Meant::Exactly("false".to_owned())),
        "JOB002" => ("max-parallelism", |asked| Meant::Exactly(asked.only().to_owned())),
        "STA001" => ("backend", |asked| Meant::Containing(vec![class_of(asked.only()).to_owned()])),
        "CKP001" => ("interval", |asked| Meant::Exactly(asked.milliseconds(asked.only()))),
        "CKP002" => ("storage", |asked| Meant::Exactly(format!("FileSystemCheckpointStorage {}", asked.only()))),
        "CKP003" => ("incremental", |_| Meant::Exactly("true".to_owned())),
        "CKP004" => ("savepoints", |asked| Meant::Exactly(asked.only().to_owned())),
        "HA001" => ("ha", |asked| {
            let mode =
                if asked.version < FlinkVersion::new(1, 16) { "KubernetesHaServicesFactory" } else { "KUBERNETES" };
            Meant::Exactly(format!("{mode} {}/cluster", asked.value(&HIGH_AVAILABILITY_DIRECTORY)))
        }),
        "RST001" => ("restart", |asked| {
            let delay = |name: &str, option| format!("{name}={}", asked.milliseconds(asked.value(option)));
            Meant::Containing(vec![
                "ExponentialDelayRestartBackoffTimeStrategy".to_owned(),
                delay("initialBackoffMS", &RESTART_INITIAL_BACKOFF),
                delay("maxBackoffMS", &RESTART_MAX_BACKOFF),
                format!("backoffMultiplier={}", asked.value(&RESTART_BACKOFF_MULTIPLIER)),
                delay("resetBackoffThresholdMS", &RESTART_RESET_THRESHOLD),
                format!("jitterFactor={}", asked.value(&RESTART_JITTER)),
            ])
        }),
        "MET001" => ("reporters", |asked| {
            let port = asked.conf.get("metrics.reporter.prom.port").map_or("nothing", |setting| &setting.value);
            // A reporter that is given a range takes a port of it.
            let first = port.split('-').next().unwrap_or_default();
            Meant::Containing(vec![format!("prom PrometheusReporter:{first}")])
        }),
        _ => return None,
    })
}

fn class_of(backend: &str) -> &'static str {
    match backend {
        "hashmap" => ".HashMapStateBackend",
        "rocksdb" => ".EmbeddedRocksDBStateBackend",
        "forst" => ".ForStStateBackend",
        _ => "a backend that this test knows",
    }
}

impl Asked<'_> {
    fn only(&self) -> &str {
        self.fills.values().next().map_or("nothing filled", String::as_str)
    }

    /// The value in effect, which a rule that fills several options may find there.
    fn value(&self, option: &'static FlinkOption) -> &str {
        option.find(self.conf, self.version).value().unwrap_or("nothing")
    }

    fn milliseconds(&self, duration: &str) -> String {
        parse_duration_ms(duration, self.version).map_or_else(|error| error.to_string(), |time| time.to_string())
    }

    /// Compares what Flink makes of the configuration without and with the fills.
    pub(crate) fn of(&self, before: &Facts, after: &Facts) -> Answer {
        if let Some((key, role)) = self.fills.keys().find_map(|key| Some((key, self.misread(key, after)?))) {
            return Answer::Otherwise(format!("{key} is {role}"));
        }
        let Some((fact, meant)) = expected(self.rule) else {
            return Answer::Otherwise("there is no expectation for this rule".to_owned());
        };
        let (was, is) = (before.get(fact), after.get(fact));
        let is_as_meant = match meant(self) {
            Meant::Exactly(text) => is == text,
            Meant::Containing(parts) => parts.iter().all(|part| is.contains(part.as_str())),
        };
        if is_as_meant {
            Answer::AsMeant
        } else if is.starts_with("refused") && was.starts_with("refused") {
            Answer::NotToBeTold
        } else {
            Answer::Otherwise(format!("{fact} was {was} and is {is}"))
        }
    }

    /// What Flink takes a filled key for, unless that is the present name of an option whose value it can read.
    fn misread<'a>(&self, key: &str, facts: &'a Facts) -> Option<&'a str> {
        let role = facts.get(&format!("#{key}"));
        let is_directory = matches!(key, "state.checkpoints.dir" | "state.savepoints.dir");
        let is_right = match role {
            "primary" => true,
            "deprecated" => is_directory && self.version == OLD_DIRECTORIES,
            _ => key.starts_with(REPORTER),
        };
        (!is_right).then_some(role)
    }
}
