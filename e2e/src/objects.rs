//! Writing objects the way the API has it, without kubectl's bookkeeping.

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use serde_json::{Value, json};

/// The field manager of what the harness writes.
pub const MANAGER: &str = "e2e";

/// `FlinkDeployments` of a namespace, untyped.
pub fn flink_deployments(client: &Client, namespace: &str) -> Api<DynamicObject> {
    flink(client, namespace, "FlinkDeployment", "flinkdeployments")
}

/// `FlinkSessionJobs` of a namespace, untyped.
pub fn flink_session_jobs(client: &Client, namespace: &str) -> Api<DynamicObject> {
    flink(client, namespace, "FlinkSessionJob", "flinksessionjobs")
}

/// `FlinkBlueGreenDeployments` of a namespace, untyped.
pub fn flink_blue_green_deployments(client: &Client, namespace: &str) -> Api<DynamicObject> {
    flink(client, namespace, "FlinkBlueGreenDeployment", "flinkbluegreendeployments")
}

fn flink(client: &Client, namespace: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("flink.apache.org", "v1beta1", kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Creates every document of `yaml`, or replaces it when it exists. A namespaced document without a
/// namespace goes to `default`.
///
/// # Panics
/// When a document cannot be read or the API server refuses it.
pub async fn apply_yaml(client: &Client, yaml: &str) -> Vec<DynamicObject> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("unreadable YAML: {error}\n{yaml}"));
    let mut applied = Vec::new();
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        applied.push(apply(client, document).await);
    }
    applied
}

/// Creates one object of any kind, or replaces it when it exists.
///
/// # Panics
/// When the kind is unknown or the API server refuses the object.
pub async fn apply(client: &Client, object: Value) -> DynamicObject {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let (resource, capabilities) = pinned_kind(client, &GroupVersionKind::gvk(group, version, &kind))
        .await
        .unwrap_or_else(|error| panic!("the server does not know {api_version} {kind}: {error}"));
    let root = if group.is_empty() { "/api" } else { "/apis" };
    let namespace = match (capabilities.scope, text("/metadata/namespace")) {
        (Scope::Cluster, _) => String::new(),
        (Scope::Namespaced, name) if name.is_empty() => "/namespaces/default".to_owned(),
        (Scope::Namespaced, name) => format!("/namespaces/{name}"),
    };
    let collection = format!("{root}/{api_version}{namespace}/{}", resource.plural);
    serde_json::from_value(replace_at(client, &collection, object).await).expect("an object has metadata")
}

/// Creates an object in a collection, or replaces it when it exists.
pub(crate) async fn replace_at(client: &Client, collection: &str, mut object: Value) -> Value {
    let name = object["metadata"]["name"].as_str().expect("an object needs metadata.name").to_owned();
    let query = format!("fieldManager={MANAGER}");
    let mut tries = 0;
    loop {
        let error = match send(client, "POST", &format!("{collection}?{query}"), &object).await {
            Ok(created) => return created,
            Err(error) => error,
        };
        assert!(reason(&error) == "AlreadyExists", "cannot create {name} in {collection}: {error}");
        let one = format!("{collection}/{name}");
        let Ok(live) = send(client, "GET", &one, &Value::Null).await else { continue };
        object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        match send(client, "PUT", &format!("{one}?{query}"), &object).await {
            Ok(replaced) => return replaced,
            Err(error) if tries < 10 && matches!(reason(&error), "Conflict" | "NotFound") => tries += 1,
            Err(error) => panic!("cannot replace {one}: {error}"),
        }
        object["metadata"].as_object_mut().expect("an object").remove("resourceVersion");
    }
}

fn reason(error: &kube::Error) -> &str {
    if let kube::Error::Api(status) = error { &status.reason } else { "" }
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> kube::Result<Value> {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(bytes)
        .expect("a request from checked parts");
    client.request(request).await
}

/// Merges `status` into the object's status, as the Flink operator would.
///
/// # Panics
/// When the API server refuses it.
pub async fn patch_status(api: &Api<DynamicObject>, name: &str, status: Value) -> DynamicObject {
    let patch = json!({ "status": status });
    api.patch_status(
        name,
        &PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() },
        &Patch::Merge(&patch),
    )
    .await
    .unwrap_or_else(|error| panic!("cannot patch the status of {name}: {error}"))
}
