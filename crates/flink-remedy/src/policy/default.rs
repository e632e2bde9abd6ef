//! `flink-remedy policy default`: the built-in policy with every field, explained by the schema that the API server has.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use checklist::Policy;
use clap::Args;
use flink_api::{Defaults, structural_schema};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

/// Longest line of an explanation.
const LONGEST: usize = 100;

/// Print the policy that is in force where no other is, with every field explained
///
/// What is commented out has no value unless it is set. Take it as the beginning of a policy of your own.
#[derive(Args, Clone, Debug)]
pub(super) struct DefaultArgs {}

pub(super) fn default(_: &DefaultArgs, out: &mut impl Write) -> io::Result<ExitCode> {
    out.write_all(text()?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn text() -> io::Result<String> {
    let schema = structural_schema::<Policy>(Defaults::LeftOut);
    let policy = serde_json::to_value(Policy::default())?;
    let mut text =
        "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata:\n  name: default\nspec:\n"
            .to_owned();
    fields(&schema, &policy, 1, &mut text)?;
    Ok(text)
}

fn fields(schema: &JSONSchemaProps, value: &Value, depth: usize, text: &mut String) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    for (name, field) in schema.properties.iter().flatten() {
        explain(field.description.as_deref().unwrap_or_default(), &indent, text);
        match value.get(name).filter(|value| !value.is_null()) {
            Some(inner @ Value::Object(entries)) => {
                let is_empty = entries.values().all(Value::is_null);
                let _ = writeln!(text, "{indent}{name}:{}", if is_empty { " {}" } else { "" });
                fields(field, inner, depth + 1, text)?;
            }
            Some(value) => {
                let written = serde_yaml::to_string(value).map_err(io::Error::other)?;
                let _ = writeln!(text, "{indent}{name}: {}", written.trim_end());
            }
            None => {
                let _ = writeln!(text, "{indent}# {name}:");
            }
        }
    }
    Ok(())
}

/// The description as comments, in lines that fit a page.
fn explain(description: &str, indent: &str, text: &mut String) {
    let mut line = String::new();
    for word in description.split_whitespace() {
        if !line.is_empty() && indent.len() + line.len() + word.len() + 3 > LONGEST {
            let _ = writeln!(text, "{indent}# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(text, "{indent}# {line}");
    }
}

#[cfg(test)]
mod tests {
    use checklist::policy::PolicyDocument;

    use super::*;

    #[test]
    fn it_is_the_built_in_policy_and_every_field_of_it_is_explained() {
        let text = text().unwrap();
        let read: PolicyDocument = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read.spec, Policy::default());
        let lines: Vec<&str> = text.lines().skip_while(|line| *line != "spec:").skip(1).collect();
        for pair in lines.windows(2) {
            let is_field = |line: &str| !line.trim_start().starts_with('#');
            assert!(!is_field(pair[1]) || !is_field(pair[0]) || pair[0].trim_end().ends_with(':'), "{pair:?}");
        }
        assert!(lines.contains(&"  mode: NextDeploy") && lines.contains(&"    # notice:"), "{text}");
    }
}
