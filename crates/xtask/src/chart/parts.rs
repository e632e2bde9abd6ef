//! Parts of the chart that a value of their name switches on: whole folders of manifests, as their kustomizations put them
//! together.

use std::fmt::Write as _;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// A manifest that a part consists of, or the ConfigMap that a kustomization makes of files.
pub(super) struct Member {
    /// What it is made of, below `manifests/`, without the file's ending.
    pub(super) name: String,
    pub(super) text: String,
}

/// What the kustomization in a folder below `manifests/` puts together, by a reader of files below it.
pub(super) fn members(folder: &str, read: &impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<Vec<Member>> {
    let file = format!("{folder}/kustomization.yaml");
    let kustomization: Value = serde_saphyr::from_str(&read(&file)?).with_context(|| file.clone())?;
    let mut members = Vec::new();
    for (field, value) in kustomization.as_object().with_context(|| format!("{file} is no object"))? {
        match field.as_str() {
            // What it is about, and what is added to the members below.
            "apiVersion" | "kind" | "labels" => {}
            // Manifests name their namespace themselves.
            "namespace" => ensure!(value == "flink-remedy", "{file}: namespace {value}"),
            "resources" => {
                for resource in strings(value) {
                    let path = format!("{folder}/{resource}");
                    match path.strip_suffix(".yaml") {
                        Some(name) => members.push(Member { name: name.to_owned(), text: read(&path)? }),
                        None => members.extend(self::members(&path, read)?),
                    }
                }
            }
            "configMapGenerator" => {
                for generator in value.as_array().into_iter().flatten() {
                    members.push(config_map(folder, generator, read)?);
                }
            }
            other => bail!("{file}: the chart cannot follow `{other}`"),
        }
    }
    let labels = kustomization.pointer("/labels/0/pairs").and_then(Value::as_object);
    for member in &mut members {
        for (label, value) in labels.into_iter().flatten() {
            member.text = labelled(&member.text, label, value.as_str().unwrap_or_default());
        }
    }
    Ok(members)
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Gives each object of a stream of documents, which have none, a label.
fn labelled(text: &str, label: &str, value: &str) -> String {
    let metadata = |line: &str| {
        let is_name = line.starts_with("  name: ");
        if is_name { format!("{line}\n  labels:\n    {label}: {value}\n") } else { format!("{line}\n") }
    };
    let mut labelled = String::new();
    let mut is_metadata = false;
    for line in text.lines() {
        if is_metadata {
            labelled.push_str(&metadata(line));
        } else {
            labelled.push_str(line);
            labelled.push('\n');
        }
        is_metadata = line == "metadata:";
    }
    labelled
}

/// The ConfigMap of some files, each as a block of its lines.
fn config_map(
    folder: &str,
    generator: &Value,
    read: &impl Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<Member> {
    let name = generator["name"].as_str().with_context(|| format!("{folder}: a ConfigMap without a name"))?;
    let is_named_so = generator.pointer("/options/disableNameSuffixHash") == Some(&Value::Bool(true));
    ensure!(is_named_so, "{folder}: the name of ConfigMap {name} must not change with its content");
    let mut text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: flink-remedy\n");
    let labels = generator.pointer("/options/labels").and_then(Value::as_object).into_iter().flatten();
    for (number, (label, value)) in labels.enumerate() {
        text.push_str(if number == 0 { "  labels:\n" } else { "" });
        writeln!(text, "    {label}: {value}")?;
    }
    text += "data:\n";
    for file in strings(&generator["files"]) {
        let (key, path) = file.split_once('=').unwrap_or((file, file));
        let content = read(&format!("{folder}/{path}"))?;
        ensure!(
            content.ends_with('\n') && !content.ends_with("\n\n"),
            "{folder}/{path} does not end with one line's end"
        );
        writeln!(text, "  {key}: |")?;
        text.extend(content.lines().map(|line| format!("    {line}\n")));
    }
    Ok(Member { name: format!("{folder}/{name}"), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> anyhow::Result<String> {
        let text = match path {
            "part/kustomization.yaml" => {
                "kind: Kustomization\nresources: [a.yaml, below]\nlabels:\n- pairs: {app: x}\n"
            }
            "part/a.yaml" => "kind: A\nmetadata:\n  name: a\nspec:\n  name: b\n---\nkind: B\nmetadata:\n  name: b\n",
            "part/below/kustomization.yaml" => {
                "namespace: flink-remedy\nconfigMapGenerator:\n- name: files\n  files: [one.json, k=two.json]\n  \
                 options: {disableNameSuffixHash: true}\n"
            }
            "part/below/one.json" => "{\n  \"a\": \"{{x}}\"\n}\n",
            "part/below/two.json" => "{}\n",
            "patched/kustomization.yaml" => "resources: []\npatches: []\n",
            other => bail!("no {other}"),
        };
        Ok(text.to_owned())
    }

    #[test]
    fn a_part_is_its_manifests_and_the_files_of_its_config_maps() {
        let members = members("part", &read).unwrap();
        let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["part/a", "part/below/files"]);
        assert_eq!(
            members[0].text,
            "kind: A\nmetadata:\n  name: a\n  labels:\n    app: x\nspec:\n  name: b\n---\nkind: B\nmetadata:\n  name: b\n  labels:\n    app: x\n"
        );
        assert!(
            members[1].text.ends_with("data:\n  one.json: |\n    {\n      \"a\": \"{{x}}\"\n    }\n  k: |\n    {}\n")
        );
    }

    #[test]
    fn what_the_chart_cannot_follow_is_said() {
        let error = members("patched", &read).err().unwrap().to_string();
        assert_eq!(error, "patched/kustomization.yaml: the chart cannot follow `patches`");
    }
}
