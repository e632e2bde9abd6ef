use checklist::Policy;
use flink_api::{Column, DateTime, Defaults, Definition, structural_schema};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use schemars::JsonSchema;

use super::PolicyStatus;
use super::object::{POLICY_KIND, POLICY_PLURAL};

/// The schema of `meta/v1.Condition`.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "a schema alone")]
pub(super) struct ConditionSchema {
    /// What it is about.
    #[serde(rename = "type")]
    type_: String,
    /// True, False or Unknown.
    status: String,
    /// Why, in a word.
    reason: String,
    /// Why, in a sentence.
    message: String,
    /// The generation of the policy that it is about.
    observed_generation: Option<i64>,
    /// Since when the status is what it is.
    #[schemars(with = "DateTime")]
    last_transition_time: (),
}

const COLUMNS: &[Column] = &[
    ("Mode", "string", ".spec.mode", 0),
    ("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status", 0),
    ("Selected", "integer", ".status.jobs.selected", 0),
    ("Compliant", "integer", ".status.jobs.compliant", 0),
    ("Remediated", "integer", ".status.jobs.remediated", 0),
    ("Pending", "integer", ".status.jobs.pending", 0),
    ("Held", "integer", ".status.jobs.held", 0),
    ("Opted-Out", "integer", ".status.jobs.optedOut", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Message", "string", ".status.conditions[?(@.type==\"Ready\")].message", 1),
];

/// The kind's definition, as it is installed.
pub fn remediation_policy_crd() -> CustomResourceDefinition {
    Definition {
        kind: POLICY_KIND,
        plural: POLICY_PLURAL,
        short: "rempol",
        scope: "Cluster",
        columns: COLUMNS,
        schema: schema(),
        has_status: true,
    }
    .into_crd()
}

fn schema() -> JSONSchemaProps {
    let parts = [
        ("spec".to_owned(), structural_schema::<Policy>(Defaults::OfValues)),
        ("status".to_owned(), structural_schema::<PolicyStatus>(Defaults::LeftOut)),
    ];
    JSONSchemaProps {
        type_: Some("object".to_owned()),
        description: Some(
            "What a platform wants of the Flink jobs that it selects. Of several policies that select a job the most specific one \
             counts, alone. Changing or deleting a policy takes nothing back."
                .to_owned(),
        ),
        properties: Some(parts.into_iter().collect()),
        ..JSONSchemaProps::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(schema: &JSONSchemaProps) -> Vec<(String, &JSONSchemaProps)> {
        let of = |(name, field): (&String, _)| (name.clone(), field);
        schema.properties.iter().flatten().map(of).collect()
    }

    #[test]
    fn every_field_is_described_and_single_values_have_their_default() {
        let schema = schema();
        let spec = &schema.properties.as_ref().unwrap()["spec"];
        assert!(properties(spec).iter().all(|(_, field)| field.description.is_some()));
        let rollout = &spec.properties.as_ref().unwrap()["rollout"];
        let default =
            |name: &str| rollout.properties.as_ref().unwrap()[name].default.as_ref().map(|json| json.0.clone());
        assert_eq!(default("quietPeriod"), Some("10 min".into()));
        assert_eq!((default("maxConcurrent"), default("notice")), (Some(1.into()), None));
        assert!(rollout.default.is_none() && rollout.additional_properties.is_none());
    }
}
