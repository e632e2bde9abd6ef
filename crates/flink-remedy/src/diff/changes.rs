use checklist::Target;
use serde_yaml::Value;

use crate::check::Plan;

/// A part of `spec` that fills touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Configuration,
    LogFiles,
    PodAnnotations,
}

impl Section {
    pub(super) const ALL: [Self; 3] = [Self::Configuration, Self::LogFiles, Self::PodAnnotations];

    /// Where it stands below the job's spec.
    pub(super) fn path(self) -> &'static [&'static str] {
        match self {
            Self::Configuration => &["flinkConfiguration"],
            Self::LogFiles => &["logConfiguration"],
            Self::PodAnnotations => &["podTemplate", "metadata", "annotations"],
        }
    }

    /// What a plan changes of it: key to value, or to nothing where the key leaves.
    pub(super) fn changes(self, plan: &Plan) -> Vec<(&str, Option<&str>)> {
        let fills = plan.fills.iter().map(|(target, value)| (target, Some(value.as_str())));
        let leaving = plan.leaving.iter().map(|target| (target, None));
        let mut changes: Vec<_> =
            leaving.chain(fills).filter_map(|(target, value)| Some((self.key(target)?, value))).collect();
        changes.sort_unstable();
        changes
    }

    fn key(self, target: &Target) -> Option<&str> {
        match (self, target) {
            (Self::Configuration, Target::Option(key)) => Some(key.as_str()),
            (Self::LogFiles, Target::LogFile(name)) => Some(name),
            (Self::PodAnnotations, Target::PodAnnotation(key)) => Some(key),
            _ => None,
        }
    }
}

/// The value below this path, wrapped in its keys.
pub(super) fn wrapped(path: &[&str], value: Value) -> Value {
    path.iter().rev().fold(value, |value, key| Value::Mapping([(Value::from(*key), value)].into_iter().collect()))
}
