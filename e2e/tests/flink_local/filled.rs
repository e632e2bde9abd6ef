//! A job as its owner wrote it, filled by the planner, and the files that FKO would give to its pods.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use checklist::{Fill, Holdings, Mode, Obedience, Platform, Policy, Situation, Subject, Target, Timing, plan};
use flink_api::FlinkDeployment;
use flink_conf::FlinkVersion;
use serde_json::{Map, Value};

/// The volume that the manifests name.
const VOLUME: &str = "/flink-data";
const LOG_FILE: &str = "log4j-console.properties";

/// A job with everything that the checklist fills.
pub(crate) struct FilledJob {
    pub(crate) version: FlinkVersion,
    /// What was filled.
    pub(crate) fills: BTreeMap<Target, String>,
    /// The codes of the rules that filled it.
    pub(crate) rules: BTreeSet<&'static str>,
    /// The class with the job's `main`.
    pub(crate) entry_class: String,
    /// Flink's configuration, flat.
    conf: BTreeMap<String, String>,
    log_file: String,
}

impl FilledJob {
    /// Plans a manifest whose volume is this folder as the job's first deployment.
    pub(crate) fn plan(manifest: &str, volume: &Path, policy: &Policy) -> Self {
        let volume = volume.to_str().expect("a path of letters");
        let object: Value = serde_saphyr::from_str(&manifest.replace(VOLUME, volume)).expect("a manifest is YAML");
        let deployment: FlinkDeployment = serde_json::from_value(object.clone()).expect("a FlinkDeployment");
        let platform = Platform::stock();
        let mut subject = Subject::new(&deployment, &platform).expect("a job that can be judged");
        let plan = plan(&subject, &Situation::of(&deployment), &Holdings::default(), &Obedience::default(), policy);
        assert_eq!(policy.mode, Mode::Apply, "what runs is what is applied");
        assert_eq!(plan.timing, Timing::Now, "a job that was never deployed can be filled");
        assert_eq!(plan.refused, []);
        let rules = plan.fills.values().map(|fill| fill.rule).collect();
        let fills: BTreeMap<Target, String> =
            plan.fills.into_iter().map(|(target, fill)| (target, fill.value)).collect();
        for (target, value) in &fills {
            subject.fill(&Fill { target: target.clone(), value: value.clone() });
        }
        let log_file = subject.log_files.as_ref().and_then(|files| files.get(LOG_FILE)).cloned();
        Self {
            version: subject.version,
            fills,
            rules,
            entry_class: object["spec"]["job"]["entryClass"].as_str().expect("an entry class").to_owned(),
            conf: of_fko(&subject, &object["spec"]),
            log_file: log_file
                .or_else(|| platform.log_file.map(|file| file.to_string()))
                .expect("the stock platform has a log file"),
        }
    }

    /// Writes the configuration with these settings upon it as FKO mounts it into a pod: one flat file for
    /// Flink 1, a nested one for Flink 2 (`FlinkConfMountDecorator`).
    pub(crate) fn write(&self, folder: &Path, local: &[(&str, &str)]) {
        let mut conf = self.conf.clone();
        conf.extend(local.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let (name, text) = if self.version < FlinkVersion::new(2, 0) {
            let lines: Vec<String> = conf.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
            ("flink-conf.yaml", lines.concat())
        } else {
            ("config.yaml", serde_yaml::to_string(&nested(&conf)).expect("a map of texts"))
        };
        fs::write(folder.join(name), text).expect("a writable folder");
        fs::write(folder.join(LOG_FILE), &self.log_file).expect("a writable folder");
    }
}

/// The configuration in effect with what FKO derives from the rest of the spec (`FlinkConfigBuilder`).
fn of_fko(subject: &Subject, spec: &Value) -> BTreeMap<String, String> {
    let mut conf: BTreeMap<String, String> =
        subject.conf.iter().map(|(key, setting)| (key.to_string(), setting.value.clone())).collect();
    let memory = |of: &str| spec[of]["resource"]["memory"].as_str().expect("a memory size").to_owned();
    conf.insert("jobmanager.memory.process.size".into(), memory("jobManager"));
    conf.insert("taskmanager.memory.process.size".into(), memory("taskManager"));
    conf.insert("parallelism.default".into(), spec["job"]["parallelism"].to_string());
    conf.insert("web.cancel.enable".into(), "false".into());
    conf.insert("execution.shutdown-on-application-finish".into(), "false".into());
    conf
}

/// Refuses, as FKO does, a key that is the start of another.
fn nested(conf: &BTreeMap<String, String>) -> Value {
    let mut document = Map::new();
    for (key, value) in conf {
        let mut level = &mut document;
        let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let next = level.entry(part).or_insert_with(|| Value::Object(Map::new()));
            level = next.as_object_mut().unwrap_or_else(|| panic!("the start of {key} is an option as well"));
        }
        let before = level.insert(name.to_owned(), Value::String(value.clone()));
        assert_eq!(before, None, "{key} is the start of another option");
    }
    Value::Object(document)
}
