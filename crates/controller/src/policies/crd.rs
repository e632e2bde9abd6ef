use checklist::Policy;
use flink_api::{DateTime, Defaults, OWN_GROUP, OWN_VERSION, structural_schema};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde_json::json;

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

/// What `kubectl get` shows: heading, type, where it stands, and from which priority on.
const COLUMNS: &[(&str, &str, &str, i32)] = &[
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
    CustomResourceDefinition {
        metadata: ObjectMeta { name: Some(format!("{POLICY_PLURAL}.{OWN_GROUP}")), ..ObjectMeta::default() },
        spec: CustomResourceDefinitionSpec {
            group: OWN_GROUP.to_owned(),
            names: CustomResourceDefinitionNames {
                categories: Some(vec!["flink-remedy".to_owned()]),
                kind: POLICY_KIND.to_owned(),
                list_kind: Some(format!("{POLICY_KIND}List")),
                plural: POLICY_PLURAL.to_owned(),
                short_names: Some(vec!["rempol".to_owned()]),
                singular: Some(POLICY_KIND.to_lowercase()),
            },
            scope: "Cluster".to_owned(),
            versions: vec![version()],
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    }
}

fn version() -> CustomResourceDefinitionVersion {
    let columns = COLUMNS.iter().map(|(name, type_, json_path, priority)| CustomResourceColumnDefinition {
        name: (*name).to_owned(),
        type_: (*type_).to_owned(),
        json_path: (*json_path).to_owned(),
        priority: (*priority > 0).then_some(*priority),
        ..CustomResourceColumnDefinition::default()
    });
    CustomResourceDefinitionVersion {
        name: OWN_VERSION.to_owned(),
        served: true,
        storage: true,
        additional_printer_columns: Some(columns.collect()),
        subresources: Some(CustomResourceSubresources {
            status: Some(CustomResourceSubresourceStatus(json!({}))),
            ..CustomResourceSubresources::default()
        }),
        schema: Some(CustomResourceValidation { open_api_v3_schema: Some(schema()) }),
        ..CustomResourceDefinitionVersion::default()
    }
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
