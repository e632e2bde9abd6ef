use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::Mode;
use crate::{RULES, Rule, find};

/// A rule by its code or its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleCode(&'static str);

/// A word that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rule; `flink-remedy rules` lists them")]
pub struct RuleCodeError(String);

impl TryFrom<String> for RuleCode {
    type Error = RuleCodeError;

    fn try_from(text: String) -> Result<Self, RuleCodeError> {
        find(&text).map(|rule| Self(rule.code)).ok_or(RuleCodeError(text))
    }
}

// By hand, since a derived one would ask for input that lives as long as the rules.
impl<'de> Deserialize<'de> for RuleCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for RuleCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl JsonSchema for RuleCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RuleCode".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": words() })
    }
}

/// Lets the API server refuse what is no rule.
fn of_rules(schema: &mut Schema) {
    let words: Vec<String> = words().into_iter().map(|word| format!("'{word}'")).collect();
    let rule = format!("self.all(rule, rule in [{}])", words.join(", "));
    let message = "a rule by its code or name, as `flink-remedy rules` lists them";
    schema.insert("maxProperties".to_owned(), json!(words.len()));
    schema.insert("x-kubernetes-validations".to_owned(), json!([{ "rule": rule, "message": message }]));
}

/// Every word for a rule.
fn words() -> Vec<&'static str> {
    RULES.iter().flat_map(|rule| [rule.code, rule.name]).collect()
}

/// Rules with a mode of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transform = of_rules)]
pub struct RuleModes(#[schemars(with = "BTreeMap<String, Mode>")] BTreeMap<RuleCode, Mode>);

impl RuleModes {
    /// Whether every rule has the policy's mode.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mode of this rule, if it has one of its own.
    pub fn of(&self, rule: &Rule) -> Option<Mode> {
        self.0.get(&RuleCode(rule.code)).copied()
    }

    /// The furthest that any of them goes.
    pub fn furthest(&self) -> Option<Mode> {
        self.0.values().copied().max()
    }
}

/// Rules that no job is excepted from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Mandatory(BTreeSet<RuleCode>);

impl Mandatory {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the rule is one of them.
    pub fn has(&self, rule: &Rule) -> bool {
        self.0.contains(&RuleCode(rule.code))
    }

    /// Their codes.
    pub fn codes(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|code| code.0)
    }
}
