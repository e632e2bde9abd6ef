use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{AllowedPrefix, PathTemplate, TemplateError};

/// Durable directories. What is not given cannot be filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", try_from = "AnyStorage")]
#[schemars(!try_from, default)]
pub struct Storage {
    /// Of checkpoints.
    pub checkpoints: Option<PathTemplate>,
    /// Of savepoints.
    pub savepoints: Option<PathTemplate>,
    /// Of the high-availability metadata.
    pub high_availability: Option<PathTemplate>,
    /// Where the directories above have to be; anywhere if nothing is listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_prefixes: Vec<AllowedPrefix>,
}

/// The same, which may be somewhere else.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct AnyStorage {
    checkpoints: Option<PathTemplate>,
    savepoints: Option<PathTemplate>,
    high_availability: Option<PathTemplate>,
    allowed_prefixes: Vec<AllowedPrefix>,
}

impl TryFrom<AnyStorage> for Storage {
    type Error = TemplateError;

    fn try_from(any: AnyStorage) -> Result<Self, TemplateError> {
        let AnyStorage { checkpoints, savepoints, high_availability, allowed_prefixes } = any;
        let storage = Self { checkpoints, savepoints, high_availability, allowed_prefixes };
        storage.templates().try_for_each(|(_, template)| template.within(&storage.allowed_prefixes))?;
        Ok(storage)
    }
}

impl Storage {
    /// What is given, by its field.
    pub fn templates(&self) -> impl Iterator<Item = (&'static str, &PathTemplate)> {
        let fields = [
            ("checkpoints", &self.checkpoints),
            ("savepoints", &self.savepoints),
            ("highAvailability", &self.high_availability),
        ];
        fields.into_iter().filter_map(|(field, template)| Some((field, template.as_ref()?)))
    }
}

/// A name that stays one part of a path.
pub(super) fn cluster_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_outer = |c: char| c.is_ascii_alphanumeric();
    if name.len() <= 63 && name.chars().all(is_inner) && name.starts_with(is_outer) && name.ends_with(is_outer) {
        return Ok(Some(name));
    }
    let name = crate::storage::shown(&name);
    Err(D::Error::custom(format!(
        "`{name}` is no name of a cluster: write letters, digits, `.`, `_` and `-`, 63 at most"
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::Policy;

    fn policy(spec: &Value) -> Result<Policy, String> {
        serde_json::from_value(spec.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_outside_of_the_allowed_places_is_refused() {
        let storage = |root: &str| {
            json!({"storage": {"savepoints": format!("{root}{{namespace}}/{{name}}"),
                                                   "allowedPrefixes": ["s3://acme-state/"]}})
        };
        assert!(policy(&storage("s3://acme-state/")).is_ok());
        let error = policy(&storage("s3://elsewhere/")).unwrap_err();
        assert!(error.contains("is in none of the allowed places (s3://acme-state/)"), "{error}");
        for cluster in ["../eu", "eu/a", "", "-eu", "eu west"] {
            let error = policy(&json!({"cluster": cluster})).unwrap_err();
            assert!(error.contains("is no name of a cluster"), "{cluster}: {error}");
        }
        assert_eq!(policy(&json!({"cluster": "eu-west.1"})).unwrap().cluster.as_deref(), Some("eu-west.1"));
    }

    #[test]
    fn two_clusters_that_may_share_state_are_worth_a_warning() {
        let warnings = |spec: &Value| policy(spec).unwrap().warnings();
        let template = |text: &str| json!({"checkpoints": text});
        let apart = "s3://a/{cluster}/{namespace}/{name}";
        assert!(warnings(&json!({"storage": template(apart), "cluster": "eu"})).is_empty());
        let [nameless] = warnings(&json!({"storage": template(apart)})).try_into().unwrap();
        assert!(nameless.contains("gives no name"), "{nameless}");
        let [shared] =
            warnings(&json!({"storage": template("s3://a/{namespace}/{name}"), "cluster": "eu"})).try_into().unwrap();
        assert!(shared.contains("storage.checkpoints has no {cluster}"), "{shared}");
        assert_eq!(warnings(&json!({"mode": "Off", "ruleModes": {"CKP003": "Apply"}})).len(), 1);
    }
}
