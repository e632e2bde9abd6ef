//! kubectl and Helm, and what the manifests expect of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use e2e::artifacts::crds_of_others;
use e2e::{ControlPlane, Crds, apply};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, OnceCell};

/// Where the manifests are.
pub(crate) const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");

/// Held by whoever writes what others would write too.
pub(crate) static TURN: Mutex<()> = Mutex::const_new(());

/// A control plane with the kinds of others that manifests may have objects of, and the namespace of the Flink operator.
pub(crate) async fn plane() -> &'static ControlPlane {
    static PREPARED: OnceCell<()> = OnceCell::const_new();
    let plane = ControlPlane::shared(Crds::Untyped).await;
    PREPARED
        .get_or_init(async || {
            for file in crds_of_others().unwrap() {
                plane.install_crds(&fs::read_to_string(file).unwrap()).await;
            }
            namespace(plane, "flink-operator").await;
        })
        .await;
    plane
}

/// Creates a namespace.
pub(crate) async fn namespace(plane: &ControlPlane, name: &str) {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    apply(&plane.admin().await, namespace).await;
}

/// What kubectl prints; it has to succeed without a warning of the API server.
pub(crate) async fn kubectl(plane: &ControlPlane, args: &[&str], stdin: &str) -> String {
    let strict = [&["--warnings-as-errors"], args].concat();
    let output = plane.run_kubectl(&strict, stdin).await;
    assert!(output.status.success(), "kubectl {}: {}{}", args.join(" "), output.stdout, output.stderr);
    output.stdout
}

/// What a kustomization is built to.
pub(crate) async fn kustomize(plane: &ControlPlane, folder: &Path) -> Vec<Value> {
    objects(&kubectl(plane, &["kustomize", folder.to_str().unwrap()], "").await)
}

/// The objects in a stream of documents.
pub(crate) fn objects(yaml: &str) -> Vec<Value> {
    let options = serde_saphyr::options! { budget: None };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(yaml, options).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// Objects by kind, namespace and name.
pub(crate) fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let text =
        |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = |object: &Value| {
        let parts = ["/apiVersion", "/kind", "/metadata/namespace", "/metadata/name"];
        parts.map(|pointer| text(object, pointer)).join(" ")
    };
    let count = objects.len();
    let named: BTreeMap<_, _> = objects.into_iter().map(|object| (name(&object), object)).collect();
    assert_eq!(named.len(), count, "an object stands twice");
    named
}

/// Where two values differ, by paths.
pub(crate) fn differences(left: &Value, right: &Value, at: &str) -> Vec<String> {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
            let of = |map: &Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or_default();
            keys.iter().flat_map(|key| differences(&of(left, key), &of(right, key), &format!("{at}/{key}"))).collect()
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right).enumerate();
            pairs.flat_map(|(index, (left, right))| differences(left, right, &format!("{at}/{index}"))).collect()
        }
        // kustomize writes 1 for 1.0.
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => Vec::new(),
        _ if left == right => Vec::new(),
        _ => vec![format!("{at}: {left} and {right}")],
    }
}

/// Every folder under the manifests with a kustomization that can be built by itself, in the order of their names.
pub(crate) fn kustomizations() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![fs::canonicalize(MANIFESTS).unwrap()];
    while let Some(folder) = folders.pop() {
        let file = folder.join("kustomization.yaml");
        // A Component is built as part of something else only.
        if file.is_file() && !fs::read_to_string(file).unwrap().contains("\nkind: Component\n") {
            found.push(folder.clone());
        }
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|path| path.is_dir()));
    }
    found.sort();
    found
}
