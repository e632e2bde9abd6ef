use flink_api::Kind;
use flink_conf::FlinkVersion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::labels::{LabelSelector, Labels};

/// The jobs that a policy is for: those of which all of this holds, and every job where it says nothing.
///
/// Of several policies that select a job the most specific one counts, alone: one that asks for labels of the job before one
/// that does not, then for labels of its namespace, then for versions of Flink, then for kinds; of equals the first by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Selector {
    /// Labels of the job's own resource.
    #[serde(skip_serializing_if = "LabelSelector::is_empty")]
    pub jobs: LabelSelector,
    /// Labels of its namespace.
    #[serde(skip_serializing_if = "LabelSelector::is_empty")]
    pub namespaces: LabelSelector,
    /// Versions of Flink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_versions: Option<VersionRange>,
    /// Kinds of resources; all of them where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<KindName>")]
    pub kinds: Vec<Kind>,
}

/// A kind by its name in the API.
#[derive(JsonSchema)]
#[allow(dead_code, clippy::enum_variant_names, reason = "the schema of the kinds' names alone")]
enum KindName {
    /// An application, or a session cluster.
    FlinkDeployment,
    /// A job on a session cluster.
    FlinkSessionJob,
    /// An application in two colours.
    FlinkBlueGreenDeployment,
}

/// Versions of Flink, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "AnyRange")]
#[schemars(!try_from)]
pub struct VersionRange {
    /// The oldest, such as `v1_18`; any where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = r"^v[0-9]+_[0-9]+$"))]
    min: Option<FlinkVersion>,
    /// The newest, such as `v1_20`; any where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = r"^v[0-9]+_[0-9]+$"))]
    max: Option<FlinkVersion>,
}

/// The same, which may hold no version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyRange {
    #[serde(default)]
    min: Option<FlinkVersion>,
    #[serde(default)]
    max: Option<FlinkVersion>,
}

impl TryFrom<AnyRange> for VersionRange {
    type Error = String;

    fn try_from(AnyRange { min, max }: AnyRange) -> Result<Self, String> {
        match (min, max) {
            (None, None) => Err("a range of Flink versions needs `min` or `max`, such as v1_18".to_owned()),
            (Some(min), Some(max)) if max < min => {
                Err(format!("no version of Flink is between min ({min}) and max ({max})"))
            }
            _ => Ok(Self { min, max }),
        }
    }
}

impl VersionRange {
    fn holds(&self, version: FlinkVersion) -> bool {
        self.min.is_none_or(|min| min <= version) && self.max.is_none_or(|max| version <= max)
    }
}

/// What a selector sees of a job.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'a Labels,
    /// Those of its namespace.
    pub namespace_labels: &'a Labels,
    /// Its Flink; unknown of a resource that cannot be judged.
    pub version: Option<FlinkVersion>,
}

/// The fields of a selector, the most specific first.
pub(super) const FIELDS: [&str; 4] =
    ["selector.jobs", "selector.namespaces", "selector.flinkVersions", "selector.kinds"];

impl Selector {
    /// Whether this job is meant. Where the job's version is unknown, a range of versions holds no job.
    pub fn selects(&self, job: &Candidate) -> bool {
        self.jobs.selects(job.labels)
            && self.namespaces.selects(job.namespace_labels)
            && self.flink_versions.as_ref().is_none_or(|range| job.version.is_some_and(|version| range.holds(version)))
            && (self.kinds.is_empty() || self.kinds.contains(&job.kind))
    }

    /// Of each of [`FIELDS`] whether it is given; the greater, the more specific.
    pub(super) fn specificity(&self) -> [bool; FIELDS.len()] {
        [!self.jobs.is_empty(), !self.namespaces.is_empty(), self.flink_versions.is_some(), !self.kinds.is_empty()]
    }
}
