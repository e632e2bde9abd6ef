//! `diff -o kustomize`: the real kubectl builds from it what the patches of `diff -o patch` make of the same manifests.

use std::path::Path;
use std::process::Command;

use e2e::{ControlPlane, Crds, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engines::command;
use crate::support::{job, plane};

/// Jobs of each kind, with and without namespaces, and with names that differ only in what a pattern would match.
fn manifests() -> Vec<(&'static str, Value)> {
    let named = |mut job: Value, name: &str, namespace: Option<&str>| {
        job["metadata"] = json!({ "name": name });
        if let Some(namespace) = namespace {
            job["metadata"]["namespace"] = json!(namespace);
        }
        job
    };
    let mut nested = named(job("x"), "nested", None);
    nested["spec"]["flinkConfiguration"] = json!({ "state": { "backend": { "type": "rocksdb" } } });
    nested["spec"]["podTemplate"] = json!({ "metadata": { "annotations": { "team": "shop" } } });
    let mut settled = named(job("x"), "ordersXv2", Some("shop"));
    settled["metadata"]["annotations"] = json!({ "flink-remedy.dev/opt-out": "true" });
    let mut blue_green = named(job("x"), "shadow", Some("shop"));
    blue_green["kind"] = json!("FlinkBlueGreenDeployment");
    blue_green["spec"] = json!({ "template": { "spec": blue_green["spec"] } });
    vec![
        ("orders.yaml", named(job("x"), "orders.v2", Some("shop"))),
        ("settled.yaml", settled),
        ("nested.yaml", nested),
        ("shadow.yaml", blue_green),
    ]
}

/// Runs a command line in this folder, as in a shell.
fn run(folder: &Path, line: &str) -> String {
    let binary = binary();
    let programs = binary.parent().expect("a folder").display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    let ran = command.args(["-c", line]).current_dir(folder).env("PATH", path).output().expect("a shell runs");
    assert_eq!((ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()), (Some(1), ""), "{line}");
    String::from_utf8(ran.stdout).expect("text")
}

async fn kubectl(plane: &ControlPlane, args: &[&str]) -> String {
    let output = plane.run_kubectl(args, "").await;
    assert!(output.status.success(), "{}", output.stderr);
    output.stdout
}

fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(|object| object["metadata"]["name"].to_string());
    objects
}

#[tokio::test]
async fn kubectl_builds_what_the_patches_make() {
    let plane = plane(Crds::Typed).await;
    let folder = TempDir::new().expect("a folder");
    let at = |file: &str| folder.path().join("flink").join(file).display().to_string();
    std::fs::create_dir(at("")).expect("a folder");
    for (file, manifest) in manifests() {
        std::fs::write(at(file), manifest.to_string()).expect("a file");
    }
    let line = command("flink-remedy diff").join(" ");
    let patches = run(folder.path(), "flink-remedy diff -o patch flink/");
    let patches: Vec<Value> = serde_saphyr::from_multiple(&patches).expect("YAML");
    let mut expected = Vec::new();
    for (file, manifest) in manifests() {
        let patch = patches.iter().find(|patch| patch["metadata"]["name"] == manifest["metadata"]["name"]);
        let Some(patch) = patch else {
            expected.push(manifest);
            continue;
        };
        let (file, patch) = (at(file), patch.to_string());
        let args = ["patch", "--local", "-f", &file, "--type", "merge", "-p", &patch, "-o", "json"];
        expected.push(serde_json::from_str(&kubectl(plane, &args).await).expect("JSON"));
    }
    assert_eq!(patches.len(), 3, "all but the job that is opted out");

    assert_eq!(line, "flink-remedy diff -o kustomize flink/ > kustomization.yaml");
    run(folder.path(), &line);
    let built = kubectl(plane, &["kustomize", &folder.path().display().to_string()]).await;
    let built: Vec<Value> = serde_saphyr::from_multiple(&built).expect("YAML");
    assert_eq!(sorted(built), sorted(expected));
}
