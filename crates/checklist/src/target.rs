use std::fmt;
use std::str::FromStr;

use flink_api::Field;
use flink_conf::options::{
    CHECKPOINT_DIRECTORY, CHECKPOINT_STORAGE, MAX_PARALLELISM, SAVEPOINT_DIRECTORY, STATE_BACKEND,
};
use flink_conf::{FlinkOption, Key};
use serde_json::Value;

/// What a fill costs a running job, by FKO's diff of specs (`SpecDiff`, `AbstractFlinkSpec.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Disruption {
    /// FKO takes it in without touching the job.
    None,
    /// FKO replaces the job.
    Restart,
    /// FKO replaces the job, which may then not find its state.
    StateUnsafe,
}

/// Where a fill goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `spec.flinkConfiguration`, under a flat key.
    Option(Key),
    /// `spec.logConfiguration`, by file name.
    LogFile(String),
    /// `spec.podTemplate.metadata.annotations`.
    PodAnnotation(String),
}

const LOG_FILE: &str = "logConfiguration:";
const POD_ANNOTATION: &str = "podTemplate.metadata.annotations:";

/// Option keys whose change FKO ignores for a running job.
const FREE_PREFIXES: &[&str] = &["job.autoscaler", "parallelism.default", "kubernetes.operator"];

/// Options with which a job does not find its state again: only a canonical savepoint moves between backends, and a
/// maximum parallelism other than the one in the state is refused (`StateAssignmentOperation`).
const STATE_UNSAFE: &[&FlinkOption] = &[&STATE_BACKEND, &MAX_PARALLELISM];

/// Options by which a job that has run finds its state again.
const STATE_KEPT: &[&FlinkOption] =
    &[&STATE_BACKEND, &MAX_PARALLELISM, &CHECKPOINT_DIRECTORY, &SAVEPOINT_DIRECTORY, &CHECKPOINT_STORAGE];

/// All options of high availability.
const HIGH_AVAILABILITY_PREFIX: &str = "high-availability";

impl Target {
    /// An option by its key.
    pub fn option(key: impl AsRef<str>) -> Self {
        Self::Option(Key::from(key))
    }

    /// What a change of this target costs a running job.
    pub fn disruption(&self) -> Disruption {
        match self {
            Self::Option(key) if FREE_PREFIXES.iter().any(|prefix| key.as_str().starts_with(prefix)) => {
                Disruption::None
            }
            Self::Option(key) if STATE_UNSAFE.iter().any(|option| option.is_spelled(key.as_str())) => {
                Disruption::StateUnsafe
            }
            Self::Option(_) | Self::LogFile(_) | Self::PodAnnotation(_) => Disruption::Restart,
        }
    }

    /// Whether it is neither changed nor taken out once the job has run: its state may then not be found again.
    pub fn is_kept_once_run(&self) -> bool {
        let Self::Option(key) = self else { return false };
        key.as_str().starts_with(HIGH_AVAILABILITY_PREFIX)
            || STATE_KEPT.iter().any(|option| option.is_spelled(key.as_str()))
    }

    /// The steps to its place in a spec, an option under its flat key.
    fn path(&self) -> Vec<&str> {
        match self {
            Self::Option(key) => vec!["flinkConfiguration", key.as_str()],
            Self::LogFile(name) => vec!["logConfiguration", name],
            Self::PodAnnotation(key) => vec!["podTemplate", "metadata", "annotations", key],
        }
    }

    /// What stands at its place in a spec.
    pub fn find<'a>(&self, spec: &'a Value) -> Option<&'a Value> {
        self.path().into_iter().try_fold(spec, |node, step| node.get(step))
    }

    /// Its place in a spec that is written; what is not there yet is made.
    pub fn place<'a>(&self, spec: &'a mut Value) -> &'a mut Value {
        self.path().into_iter().fold(spec, |node, step| &mut node[step])
    }

    /// Takes it out of a spec, and with it the maps that it leaves empty: FKO takes an empty one
    /// of log files for the wish to have none. What is not there stays so.
    pub fn remove_from(&self, spec: &mut Value) {
        remove(spec, &self.path());
    }

    /// The field of the resource that holds it.
    pub fn field(&self) -> Field {
        match self {
            Self::Option(key) => Field::Option(key.to_string()),
            Self::LogFile(name) => Field::LogFile(name.clone()),
            Self::PodAnnotation(key) => Field::PodAnnotation(key.clone()),
        }
    }

    /// The target that a field is, if it is one.
    pub fn of_field(field: &Field) -> Option<Self> {
        match field {
            Field::Option(key) => Some(Self::option(key)),
            Field::LogFile(name) => Some(Self::LogFile(name.clone())),
            Field::PodAnnotation(key) => Some(Self::PodAnnotation(key.clone())),
            Field::Annotation(_) => None,
        }
    }

    /// `target=value` for people: secrets masked, a log file by name only.
    pub fn shown(&self, value: &str) -> String {
        match self {
            Self::Option(key) => format!("{key}={}", flink_conf::masked(key.as_str(), value)),
            Self::PodAnnotation(key) => format!("{key}={} (pod annotation)", flink_conf::masked(key, value)),
            Self::LogFile(name) => format!("{name} (log file derived from the Flink operator's, levels changed)"),
        }
    }
}

fn remove(node: &mut Value, path: &[&str]) {
    let (Some(map), [step, rest @ ..]) = (node.as_object_mut(), path) else { return };
    if let (Some(child), false) = (map.get_mut(*step), rest.is_empty()) {
        remove(child, rest);
        if child.as_object().is_none_or(|map| !map.is_empty()) {
            return;
        }
    }
    map.remove(*step);
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(key) => write!(f, "{key}"),
            Self::LogFile(name) => write!(f, "{LOG_FILE}{name}"),
            Self::PodAnnotation(key) => write!(f, "{POD_ANNOTATION}{key}"),
        }
    }
}

impl FromStr for Target {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if let Some(name) = text.strip_prefix(LOG_FILE) {
            Self::LogFile(name.to_owned())
        } else if let Some(key) = text.strip_prefix(POD_ANNOTATION) {
            Self::PodAnnotation(key.to_owned())
        } else {
            Self::option(text)
        })
    }
}

impl serde::Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Ok(target) = text.parse();
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_is_its_text() {
        for text in [
            "state.backend.type",
            "logConfiguration:log4j-console.properties",
            "podTemplate.metadata.annotations:prometheus.io/port",
        ] {
            let Ok(target) = text.parse::<Target>();
            assert_eq!(target.to_string(), text);
            assert_eq!(Target::of_field(&target.field()), Some(target));
        }
    }

    #[test]
    fn what_is_taken_out_leaves_no_empty_map_behind() {
        let spec = || {
            json!({"flinkConfiguration": {"a": {"b": 1}, "a.b": "2"}, "logConfiguration": {"x": "y"},
                   "podTemplate": {"metadata": {"annotations": {"k": "v"}}, "spec": {}}})
        };
        let without = |targets: &[Target]| {
            let mut spec = spec();
            for target in targets {
                target.remove_from(&mut spec);
            }
            spec
        };
        let (file, annotation) = (Target::LogFile("x".into()), Target::PodAnnotation("k".into()));
        assert_eq!(
            without(&[Target::option("a.b"), file, annotation]),
            json!({"flinkConfiguration": {"a": {"b": 1}}, "podTemplate": {"spec": {}}})
        );
        let absent = [Target::option("c"), Target::LogFile("z".into()), Target::PodAnnotation("z".into())];
        assert_eq!(without(&absent), spec());
        Target::option("a").remove_from(&mut json!("no map"));
    }

    #[test]
    fn disruption_follows_fkos_diff() {
        assert_eq!(Target::option("job.autoscaler.enabled").disruption(), Disruption::None);
        assert_eq!(Target::option("state.backend.incremental").disruption(), Disruption::Restart);
        assert_eq!(Target::option("state.backend").disruption(), Disruption::StateUnsafe);
        assert_eq!(Target::option("pipeline.max-parallelism").disruption(), Disruption::StateUnsafe);
        assert_eq!(Target::LogFile("x".into()).disruption(), Disruption::Restart);
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(Target::option("s3.secret-key").shown("abc"), "s3.secret-key=******");
    }
}
