use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use kube_core::schema::{OptionalEnum, StructuralSchemaRewriter};
use kube_core::{ObjectMeta, Resource};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{OWN_GROUP, OWN_VERSION, REPORT_KIND, REPORT_PLURAL, RemediationReport, ReportContent};

/// The schema of a time as the API server checks it.
pub struct DateTime;

impl JsonSchema for DateTime {
    fn schema_name() -> Cow<'static, str> {
        "DateTime".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

impl Resource for RemediationReport {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        REPORT_KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        OWN_GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        OWN_VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        REPORT_PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

const COLUMNS: &[Column] = &[
    ("Standing", "string", ".standing", 0),
    ("Gaps", "integer", ".findings.gaps", 0),
    ("Advice", "integer", ".findings.advice", 0),
    ("Held", "string", ".hold.reason", 0),
    ("Changed", "date", ".history[0].at", 0),
    ("Outcome", "string", ".history[0].outcome", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Mode", "string", ".mode", 1),
    ("Retry", "string", ".hold.nextRetry", 1),
    ("Manager", "string", ".managedBy.tool", 1),
    ("Message", "string", ".message", 1),
];

/// A column of `kubectl get`: heading, type, where it stands, and from which priority on.
pub type Column = (&'static str, &'static str, &'static str, i32);

/// What tells one of our kinds from another.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The kind.
    pub kind: &'static str,
    /// Its plural.
    pub plural: &'static str,
    /// Its short name.
    pub short: &'static str,
    /// `Namespaced` or `Cluster`.
    pub scope: &'static str,
    /// What `kubectl get` shows.
    pub columns: &'static [Column],
    /// Its schema.
    pub schema: JSONSchemaProps,
    /// Whether its status is written apart from the rest.
    pub has_status: bool,
}

/// The kind's definition, as it is installed.
pub fn remediation_report_crd() -> CustomResourceDefinition {
    Definition {
        kind: REPORT_KIND,
        plural: REPORT_PLURAL,
        short: "remrep",
        scope: "Namespaced",
        columns: COLUMNS,
        schema: schema(),
        has_status: false,
    }
    .into_crd()
}

impl Definition {
    /// The definition as the API server takes it.
    pub fn into_crd(self) -> CustomResourceDefinition {
        CustomResourceDefinition {
            metadata: ObjectMeta { name: Some(format!("{}.{OWN_GROUP}", self.plural)), ..ObjectMeta::default() },
            spec: CustomResourceDefinitionSpec {
                group: OWN_GROUP.to_owned(),
                names: CustomResourceDefinitionNames {
                    categories: Some(vec!["flink-remedy".to_owned()]),
                    kind: self.kind.to_owned(),
                    list_kind: Some(format!("{}List", self.kind)),
                    plural: self.plural.to_owned(),
                    short_names: Some(vec![self.short.to_owned()]),
                    singular: Some(self.kind.to_lowercase()),
                },
                scope: self.scope.to_owned(),
                versions: vec![self.version()],
                ..CustomResourceDefinitionSpec::default()
            },
            status: None,
        }
    }

    fn version(self) -> CustomResourceDefinitionVersion {
        let columns = self.columns.iter().map(|(name, type_, json_path, priority)| CustomResourceColumnDefinition {
            name: (*name).to_owned(),
            type_: (*type_).to_owned(),
            json_path: (*json_path).to_owned(),
            priority: (*priority > 0).then_some(*priority),
            ..CustomResourceColumnDefinition::default()
        });
        let status = CustomResourceSubresources {
            status: Some(CustomResourceSubresourceStatus(json!({}))),
            ..CustomResourceSubresources::default()
        };
        CustomResourceDefinitionVersion {
            name: OWN_VERSION.to_owned(),
            served: true,
            storage: true,
            additional_printer_columns: Some(columns.collect()),
            subresources: self.has_status.then_some(status),
            schema: Some(CustomResourceValidation { open_api_v3_schema: Some(self.schema) }),
            ..CustomResourceDefinitionVersion::default()
        }
    }
}

/// The content's schema. Its defaults would be written into every report.
fn schema() -> JSONSchemaProps {
    structural_schema::<ReportContent>(Defaults::LeftOut)
}

/// What becomes of the defaults that a type has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// The API server does not know them.
    LeftOut,
    /// It writes those of single values into each object whose part around them is there.
    OfValues,
}

/// The schema of a type in the structural form that the API server asks for.
pub fn structural_schema<T: JsonSchema>(defaults: Defaults) -> JSONSchemaProps {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let settings = settings
        .with_transform(RecursiveTransform(with_words))
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(RecursiveTransform(move |schema: &mut Schema| plain(schema, defaults)));
    let schema = settings.into_generator().into_root_schema_for::<T>();
    serde_json::from_value(schema.to_value()).unwrap_or_default()
}

/// Of a field with a closed set of words: what each of them means, which an `enum` has no place for.
fn with_words(schema: &mut Schema) {
    let meaning = |word: &Value| {
        // OpenAPI 3.0 has no `const`.
        let name = word.get("const").or_else(|| word.pointer("/enum/0"))?.as_str()?;
        Some(format!("{name}: {}", word.get("description")?.as_str()?))
    };
    let words = schema.get("oneOf").and_then(Value::as_array);
    let Some(words) = words.map(|words| words.iter().filter_map(meaning).collect::<Vec<_>>()) else { return };
    let head = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{head} {}", words.join(" "));
    schema.insert("description".to_owned(), Value::from(description.trim()));
}

/// Without what Rust knows and Kubernetes does not ask for.
fn plain(schema: &mut Schema, defaults: Defaults) {
    schema.remove("title");
    let is_value = !matches!(schema.get("type").and_then(Value::as_str), Some("object" | "array") | None);
    let is_null = schema.get("default").is_some_and(Value::is_null);
    if defaults == Defaults::LeftOut || !is_value || is_null {
        schema.remove("default");
    }
    // Unknown fields are dropped, or refused by a client that asks for that.
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.remove("additionalProperties");
    }
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrArray;

    use super::*;

    #[test]
    fn the_schema_is_whole_and_tells_what_each_word_means() {
        let schema = schema();
        let properties = schema.properties.unwrap();
        let standing = &properties["standing"];
        assert_eq!((standing.type_.as_deref(), standing.enum_.as_ref().unwrap().len()), (Some("string"), 9));
        let told = standing.description.as_deref().unwrap();
        assert!(told.contains("Where the job stands") && told.contains("OptedOut: The job is left alone"), "{told}");
        assert!(properties.values().all(|field| field.description.is_some() && field.default.is_none()));
        assert!(properties["hold"].properties.as_ref().unwrap().contains_key("nextRetry"));
    }

    #[test]
    fn every_column_shows_a_field() {
        let properties = schema().properties.unwrap();
        for (name, _, path, _) in COLUMNS {
            let mut steps = path.trim_start_matches('.').split('.').map(|step| step.trim_end_matches("[0]"));
            let first = steps.next().unwrap();
            if first == "metadata" {
                continue;
            }
            let field = &properties[first];
            let Some(second) = steps.next() else { continue };
            let item = match &field.items {
                Some(JSONSchemaPropsOrArray::Schema(item)) => item,
                _ => field,
            };
            assert!(item.properties.as_ref().unwrap().contains_key(second), "{name}: {path}");
        }
    }
}
