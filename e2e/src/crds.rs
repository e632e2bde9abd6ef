//! The Flink Kubernetes Operator's CRDs: as published (1.10), and as later versions see one field.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::objects;
use crate::wait::await_condition;

/// Which form `flinkConfiguration` has in the installed CRDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Crds {
    /// A map of strings: the published CRDs up to operator 1.12.
    Typed,
    /// Anything (flat, nested, numbers, booleans): the form since operator 1.13.
    Untyped,
}

impl Crds {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Typed => "typed",
            Self::Untyped => "untyped",
        }
    }
}

/// Reads every CRD of `dir`, in the order of the file names, in the wanted form.
pub fn load(dir: &Path, crds: Crds) -> Result<Vec<Value>> {
    let mut files = fs::read_dir(dir)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("cannot list {}", dir.display()))?;
    files.sort_by_key(fs::DirEntry::file_name);
    ensure!(!files.is_empty(), "no CRD in {}", dir.display());
    files.iter().map(|file| read(&file.path(), crds)).collect()
}

fn read(file: &Path, crds: Crds) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    // The file is pinned by its checksum and larger than the budget for input from strangers.
    let options = serde_saphyr::options! { budget: None };
    let mut crd: Value = serde_saphyr::from_str_with_options(&text, options)
        .with_context(|| format!("cannot parse {}", file.display()))?;
    if crds == Crds::Untyped {
        untype(&mut crd);
    }
    Ok(crd)
}

const SPEC: &str = "/schema/openAPIV3Schema/properties/spec/properties";

/// Gives `spec.flinkConfiguration` the form it has since operator 1.13; nothing else changes but the
/// list of Flink versions: the published enum ends at `v1_20`, and the jobs for which the untyped
/// form matters most are those on Flink 2.
pub fn untype(crd: &mut Value) {
    let versions = crd.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten() {
        let Some(spec) = version.pointer_mut(SPEC) else { continue };
        if let Some(node) = spec.get_mut("flinkConfiguration") {
            *node = json!({ "x-kubernetes-preserve-unknown-fields": true });
        }
        if let Some(versions) = spec.pointer_mut("/flinkVersion/enum").and_then(Value::as_array_mut) {
            versions.extend(["v2_0", "v2_1", "v2_2", "v2_3", "v2_4"].map(Value::from));
        }
    }
}

/// Creates or replaces a CRD and returns when its resource is served and discoverable.
pub async fn install(client: &Client, crd: Value) {
    let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, group, plural) = (text("/metadata/name"), text("/spec/group"), text("/spec/names/plural"));
    let version = text("/spec/versions/0/name");
    objects::replace_at(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).await;

    // Established comes before the resource is in the discovery documents that kubectl and kube read.
    await_condition(&format!("CRD {name} to be served"), Duration::from_mins(2), async || {
        let established = get(client, &format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"))
            .await?["status"]["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|c| c["type"] == "Established" && c["status"] == "True"));
        let listed = get(client, &format!("/apis/{group}/{version}")).await?["resources"]
            .as_array()
            .is_some_and(|all| all.iter().any(|r| r["name"] == plural.as_str()));
        get(client, &format!("/apis/{group}/{version}/{plural}?limit=1")).await?;
        if established && listed { Ok(()) } else { Err(format!("established: {established}, listed: {listed}")) }
    })
    .await;
}

async fn get(client: &Client, path: &str) -> Result<Value, String> {
    let request = hyper::Request::get(path).body(Vec::new()).expect("a GET of a path");
    client.request(request).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::Artifacts;

    fn paths(value: &Value, at: &str, into: &mut Vec<(String, Value)>) {
        if let Some(map) = value.as_object().filter(|map| !map.is_empty()) {
            for (key, child) in map {
                paths(child, &format!("{at}/{key}"), into);
            }
        } else if let Some(list) = value.as_array().filter(|list| !list.is_empty()) {
            for (index, child) in list.iter().enumerate() {
                paths(child, &format!("{at}/{index}"), into);
            }
        } else {
            into.push((at.to_owned(), value.clone()));
        }
    }

    fn difference(a: &Value, b: &Value) -> Vec<(String, Value)> {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        paths(a, "", &mut left);
        paths(b, "", &mut right);
        left.into_iter().filter(|leaf| !right.contains(leaf)).collect()
    }

    #[test]
    fn untyped_differs_from_published_only_where_it_says() {
        let dir = Artifacts::locate().expect("artifacts").crds;
        let typed = load(&dir, Crds::Typed).expect("typed");
        let untyped = load(&dir, Crds::Untyped).expect("untyped");
        let mut seen = Vec::new();
        for (typed, untyped) in typed.iter().zip(&untyped) {
            let name = typed["metadata"]["name"].as_str().unwrap();
            let spec = format!("/spec/versions/0{SPEC}");
            let conf = format!("{spec}/flinkConfiguration");
            seen.push(name.split('.').next().unwrap());
            let (gone, new) = (difference(typed, untyped), difference(untyped, typed));
            if name.starts_with("flinkstatesnapshots") {
                assert!(gone.is_empty() && new.is_empty(), "{name}: {gone:?} {new:?}");
                continue;
            }
            let expected_gone = vec![
                (format!("{conf}/additionalProperties/type"), json!("string")),
                (format!("{conf}/type"), json!("object")),
            ];
            assert_eq!(gone, expected_gone, "{name}");
            let mut expected_new = vec![(format!("{conf}/x-kubernetes-preserve-unknown-fields"), json!(true))];
            if name.starts_with("flinkdeployments") {
                let added = (0..5).map(|n| (format!("{spec}/flinkVersion/enum/{}", n + 8), json!(format!("v2_{n}"))));
                expected_new.extend(added);
            }
            assert_eq!(new, expected_new, "{name}");
        }
        assert_eq!(seen, ["flinkdeployments", "flinksessionjobs", "flinkstatesnapshots"]);
    }
}
