//! `flink-remedy crd`: the definitions of our own kinds, and the page about them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};

/// Print the definitions of flink-remedy's own kinds, as YAML
///
/// `flink-remedy crd | kubectl apply -f -` installs them. They are part of `kubectl apply -k manifests` as well. Without
/// them everything works but what they are for: there are no reports.
#[derive(Args, Clone, Debug)]
pub(crate) struct CrdArgs {}

/// Every definition.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![flink_api::remediation_report_crd(), controller::remediation_policy_crd()]
}

/// A definition as a YAML document.
///
/// # Errors
/// It has no YAML form.
pub fn yaml(definition: &CustomResourceDefinition) -> io::Result<String> {
    let text = serde_yaml::to_string(definition).map_err(io::Error::other)?;
    // kubectl reads YAML 1.1, in which this word is a boolean.
    Ok(text.replace("- Off\n", "- \"Off\"\n"))
}

/// Prints the definitions.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn crd(_: &CrdArgs, out: &mut impl Write) -> io::Result<ExitCode> {
    for definition in definitions() {
        write!(out, "---\n{}", yaml(&definition)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The page with every field.
pub fn page() -> String {
    let mut page = "# Custom resources\n\nThe kinds that flink-remedy brings along. `flink-remedy crd` prints their \
                    definitions, `kubectl explain` shows the same fields.\n"
        .to_owned();
    for definition in definitions() {
        let spec = &definition.spec;
        let _ = writeln!(page, "\n## {}\n", spec.names.kind);
        for version in &spec.versions {
            let short = spec.names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let _ = writeln!(
                page,
                "`{}/{}`, {}; in short {}.\n",
                spec.group,
                version.name,
                spec.scope.to_lowercase(),
                short.join(", ")
            );
            let Some(schema) = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()) else {
                continue;
            };
            let _ = writeln!(page, "{}\n", one_line(schema.description.as_deref()));
            page.push_str("| Field | Type | Meaning |\n| --- | --- | --- |\n");
            rows("", schema, &mut page);
        }
    }
    page
}

fn rows(path: &str, schema: &JSONSchemaProps, page: &mut String) {
    for (name, field) in schema.properties.iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let item = match &field.items {
            Some(JSONSchemaPropsOrArray::Schema(item)) => Some(item.as_ref()),
            _ => None,
        };
        let (path, type_) = match item {
            Some(item) => (format!("{path}[]"), kind(item)),
            None => (path, kind(field)),
        };
        let _ = writeln!(page, "| `{path}` | {type_} | {} |", one_line(field.description.as_deref()));
        rows(&path, item.unwrap_or(field), page);
    }
}

fn kind(schema: &JSONSchemaProps) -> String {
    let values: Vec<&str> = schema.enum_.iter().flatten().filter_map(|value| value.0.as_str()).collect();
    if !values.is_empty() {
        return values.join(", ");
    }
    schema.format.clone().filter(|format| format == "date-time").or_else(|| schema.type_.clone()).unwrap_or_default()
}

fn one_line(text: Option<&str>) -> String {
    text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_a_document_that_reads_back() {
        let mut out = Vec::new();
        crd(&CrdArgs {}, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let read: Vec<CustomResourceDefinition> = serde_saphyr::from_multiple(&text).unwrap();
        assert_eq!(read, definitions());
    }
}
