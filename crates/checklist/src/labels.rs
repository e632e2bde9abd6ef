//! Which labels are meant: Kubernetes' `LabelSelector`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// Labels that an object must have, as Kubernetes has them everywhere: all of it has to hold. An empty one selects every
/// object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: Labels,
    /// What else has to hold of labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// What has to hold of one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "AnyRequirement")]
#[schemars(!try_from)]
pub struct Requirement {
    /// The label's name.
    key: String,
    /// `In` or `NotIn` these values, `Exists`, or `DoesNotExist`.
    operator: Operator,
    /// For `In` and `NotIn`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    values: Vec<String>,
}

/// The same, which may contradict itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyRequirement {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl TryFrom<AnyRequirement> for Requirement {
    type Error = String;

    fn try_from(any: AnyRequirement) -> Result<Self, String> {
        let AnyRequirement { key, operator, values } = any;
        let takes_values = matches!(operator, Operator::In | Operator::NotIn);
        match (takes_values, values.is_empty()) {
            (true, true) => Err(format!("the label `{key}` is compared with no value: give `values`")),
            (false, false) => Err(format!("whether the label `{key}` is there takes no `values`")),
            (true, false) | (false, true) => Ok(Self { key, operator, values }),
        }
    }
}

impl LabelSelector {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether an object with these labels is meant.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(labels))
    }
}

impl Requirement {
    /// As Kubernetes has it: `NotIn` holds for a label that is not there.
    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let is_listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => is_listed,
            Operator::NotIn => !is_listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}
