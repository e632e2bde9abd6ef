//! Every kustomization, strictly.

use std::path::Path;

use e2e::{ControlPlane, await_condition};
use serde_json::{Value, json};

use crate::programs::{MANIFESTS, TURN, kubectl, kustomizations, kustomize, namespace, objects, plane};
use crate::support::PATIENCE;

/// What is not to be found there would be created in vain.
async fn make_namespaces(plane: &ControlPlane, objects: &[Value]) {
    for object in objects {
        if let Some(name) = object.pointer("/metadata/namespace").and_then(Value::as_str) {
            let is_there =
                objects.iter().any(|other| other["kind"] == "Namespace" && other["metadata"]["name"] == name);
            if !is_there {
                namespace(plane, name).await;
            }
        }
    }
}

/// Applies it as the guide says, and as a GitOps tool would; then nothing is left to be changed.
async fn is_taken(plane: &ControlPlane, folder: &Path) {
    let folder = folder.to_str().unwrap();
    kubectl(plane, &["apply", "--validate=strict", "-k", folder], "").await;
    let difference = plane.run_kubectl(&["diff", "-k", folder], "").await;
    assert_eq!(difference.status.code(), Some(0), "{folder}: {}{}", difference.stdout, difference.stderr);
    let server_side = ["--server-side", "--force-conflicts", "-k", folder];
    kubectl(plane, &[&["apply", "--validate=strict"], &server_side[..]].concat(), "").await;
    // A controller may write a status between the two requests of a diff.
    await_condition(&format!("no difference of {folder}"), PATIENCE, async || {
        let difference = plane.run_kubectl(&[&["diff"], &server_side[..]].concat(), "").await;
        if difference.status.success() { Ok(()) } else { Err((difference.stdout, difference.stderr)) }
    })
    .await;
}

#[tokio::test]
async fn every_kustomization_is_taken_strictly_and_leaves_no_difference() {
    let (plane, _turn) = (plane().await, TURN.lock().await);
    // Objects of our own kinds stand among the manifests.
    is_taken(plane, &Path::new(MANIFESTS).join("crd")).await;
    let folders = kustomizations();
    assert!(folders.len() >= 9, "{folders:?}");
    for folder in folders {
        let objects = kustomize(plane, &folder).await;
        assert!(!objects.is_empty(), "{}", folder.display());
        make_namespaces(plane, &objects).await;
        is_taken(plane, &folder).await;
    }
    kubectl(plane, &["apply", "--validate=strict", "-f", &format!("{MANIFESTS}/examples/policy.yaml")], "").await;
}

/// Were it not strict, the test above would prove little.
#[tokio::test]
async fn a_misspelled_field_is_refused() {
    let plane = plane().await;
    let mut deployment = kustomize(plane, &Path::new(MANIFESTS).join("operator")).await;
    deployment.retain(|object| object["kind"] == "Deployment");
    deployment[0]["metadata"]["namespace"] = json!("default");
    deployment[0]["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = json!({});
    for way in [&[][..], &["--server-side"]] {
        let args = [&["apply", "--validate=strict", "--dry-run=server"], way, &["-f", "-"]].concat();
        let refused = plane.run_kubectl(&args, &deployment[0].to_string()).await;
        assert!(!refused.status.success() && refused.stderr.contains("readynessProbe"), "{}", refused.stderr);
    }
}

/// The Flink operator's Deployment as its chart makes it, as far as it matters for what joins it.
fn flink_operator() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "flink-kubernetes-operator", "namespace": "flink-operator" },
        "spec": {
            "selector": { "matchLabels": { "app.kubernetes.io/name": "flink-kubernetes-operator" } },
            "template": {
                "metadata": { "labels": { "app.kubernetes.io/name": "flink-kubernetes-operator" } },
                "spec": {
                    "containers": [{ "name": "flink-kubernetes-operator", "image": "flink-kubernetes-operator" }],
                    "serviceAccountName": "flink-operator",
                    "volumes": [{ "name": "flink-operator-config-volume", "configMap": { "name": "flink-operator-config" } }],
                },
            },
        },
    })
}

/// By the values of the Flink operator's chart, and by the patch for charts that know no sidecars.
#[tokio::test]
async fn the_sidecar_joins_the_flink_operators_pod() {
    let (plane, _turn) = (plane().await, TURN.lock().await);
    let values = std::fs::read_to_string(format!("{MANIFESTS}/sidecar/values.yaml")).unwrap();
    let sidecars = objects(&values).remove(0)["operatorPod"]["sidecarContainers"].clone();
    let mut expected = flink_operator();
    let containers = expected.pointer_mut("/spec/template/spec/containers").unwrap().as_array_mut().unwrap();
    containers.extend(sidecars.as_array().unwrap().iter().cloned());
    let text = expected.to_string();
    let strict = ["apply", "--validate=strict", "--dry-run=server", "-o", "json", "-f", "-"];
    let by_values: Value = serde_json::from_str(&kubectl(plane, &strict, &text).await).unwrap();

    kubectl(plane, &["apply", "--validate=strict", "-f", "-"], &flink_operator().to_string()).await;
    let patch = format!("{MANIFESTS}/sidecar/patch.yaml");
    let name = "deployment/flink-kubernetes-operator";
    kubectl(plane, &["patch", "-n", "flink-operator", name, "--patch-file", &patch], "").await;
    let patched = kubectl(plane, &["get", "-n", "flink-operator", name, "-o", "json"], "").await;
    let by_patch: Value = serde_json::from_str(&patched).unwrap();
    let containers = |deployment: &Value| {
        let mut containers = deployment.pointer("/spec/template/spec/containers").unwrap().as_array().unwrap().clone();
        containers.sort_by_key(|container| container["name"].to_string());
        containers
    };
    assert_eq!(containers(&by_patch), containers(&by_values));
    assert_eq!(containers(&by_patch).len(), 2);
}

/// A pod as the template says, in the namespace that wants the restricted profile.
fn pod(template: &Value) -> Value {
    let metadata = json!({ "name": "probe", "namespace": "flink-remedy" });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}

#[tokio::test]
async fn every_pod_is_restricted_and_writes_nowhere() {
    let (plane, _turn) = (plane().await, TURN.lock().await);
    kubectl(plane, &["apply", "-k", &format!("{MANIFESTS}/rbac")], "").await;
    let create = ["create", "--dry-run=server", "-f", "-"];
    let mut seen = 0;
    for folder in ["operator", "tenant", "webhook-cert-manager"] {
        let objects = kustomize(plane, &Path::new(MANIFESTS).join(folder)).await;
        for deployment in objects.iter().filter(|object| object["kind"] == "Deployment") {
            let mut pod = pod(&deployment["spec"]["template"]);
            kubectl(plane, &create, &pod.to_string()).await;
            for container in pod["spec"]["containers"].as_array().unwrap() {
                assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{folder}");
            }
            pod["spec"]["securityContext"]["runAsNonRoot"] = json!(false);
            let refused = plane.run_kubectl(&create, &pod.to_string()).await;
            assert!(refused.stderr.contains("violates PodSecurity \"restricted"), "{}", refused.stderr);
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
    // In the Flink operator's pod, which sets nothing for all of its containers.
    let values = std::fs::read_to_string(format!("{MANIFESTS}/sidecar/values.yaml")).unwrap();
    let sidecars = objects(&values).remove(0)["operatorPod"]["sidecarContainers"].clone();
    let volume = json!([{ "name": "flink-operator-config-volume", "emptyDir": {} }]);
    let template =
        json!({ "spec": { "serviceAccountName": "flink-remedy", "containers": sidecars, "volumes": volume } });
    kubectl(plane, &create, &pod(&template).to_string()).await;
}
