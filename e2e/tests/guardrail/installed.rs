//! What stands in `manifests/guardrail`.

use std::time::Duration;

use e2e::{Crds, apply, await_condition};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::Api;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{MANIFESTS, PATIENCE, plane};

/// The policy and the binding as kubectl builds them.
async fn built(directory: &str) -> [Value; 2] {
    let built = plane(Crds::Typed).await.run_kubectl(&["kustomize", directory], "").await;
    assert!(built.status.success(), "{}", built.stderr);
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&built.stdout).expect("YAML");
    objects.sort_by_key(|object| object["kind"].to_string());
    objects.try_into().expect("two objects")
}

#[tokio::test]
async fn the_manifests_are_taken_strictly_and_applied_twice_they_change_nothing() {
    let plane = plane(Crds::Typed).await;
    let folder = TempDir::new().expect("a folder");
    // Under other names and for others: the guardrail of these tests lists more.
    let [policy, binding] = built(&format!("{MANIFESTS}/guardrail")).await.map(|object| {
        let renamed = object.to_string().replace("\"flink-remedy-guardrail\"", "\"as-shipped\"");
        renamed.replace("endsWith(':flink-remedy')", "endsWith(':as-shipped')")
    });
    let file = folder.path().join("guardrail.yaml");
    std::fs::write(&file, format!("{policy}\n---\n{binding}\n")).expect("the folder is writable");
    let file = file.to_str().expect("text");
    let applied = plane.run_kubectl(&["apply", "--validate=strict", "-f", file], "").await;
    assert!(applied.status.success() && applied.stderr.is_empty(), "{}", applied.stderr);
    let difference = plane.run_kubectl(&["diff", "-f", file], "").await;
    assert_eq!((difference.status.code(), difference.stdout.as_str()), (Some(0), ""), "{}", difference.stderr);
    let deleted = plane.run_kubectl(&["delete", "-f", file], "").await;
    assert!(deleted.status.success(), "{}", deleted.stderr);
}

/// With wildcards the API server checks no types, so that they are checked here, against each kind.
#[tokio::test]
async fn its_expressions_raise_no_warning_for_any_kind() {
    let plane = plane(Crds::Typed).await;
    plane.install_crds(include_str!("../../testdata/flinkbluegreendeployments.yaml")).await;
    let [mut policy, _] = built(&format!("{MANIFESTS}/guardrail")).await;
    policy["metadata"]["name"] = json!("type-checked");
    let rule = &mut policy["spec"]["matchConstraints"]["resourceRules"][0];
    rule["resources"] =
        json!(["flinkdeployments", "flinksessionjobs", "flinkbluegreendeployments", "flinkstatesnapshots"]);
    rule["apiVersions"] = json!(["v1beta1"]);
    let admin = plane.admin().await;
    let warnings = async |policy: &Value| {
        let applied = apply(&admin, policy.clone()).await;
        let api: Api<ValidatingAdmissionPolicy> = Api::all(admin.clone());
        await_condition("the types to be checked", PATIENCE.max(Duration::from_mins(1)), async || {
            let live = api.get("type-checked").await.expect("the policy is there");
            let status = live.status.clone().unwrap_or_default();
            match status.type_checking {
                Some(checked) if status.observed_generation == applied.metadata.generation => {
                    Ok(checked.expression_warnings.unwrap_or_default())
                }
                _ => Err(live.status),
            }
        })
        .await
    };
    assert_eq!(warnings(&policy).await, vec![]);
    // What is checked at all.
    policy["spec"]["validations"][0]["expression"] = json!("object.spec.imagge == 'x'");
    assert_ne!(warnings(&policy).await, vec![]);
}

/// As docs/guardrail.md has it.
#[tokio::test]
async fn a_kustomization_lists_options_of_the_platform() {
    let guide = std::fs::read_to_string(format!("{MANIFESTS}/../docs/guardrail.md")).expect("the guide");
    let example = guide.split("```yaml\n").find(|part| part.contains("kind: Kustomization")).expect("an example");
    let example = example.split("```").next().unwrap_or_default();
    let folder = TempDir::new_in(MANIFESTS).expect("a folder");
    assert!(example.contains("  - guardrail\n"), "{example}");
    let kustomization = example.replace("  - guardrail\n", "  - ../guardrail\n");
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).expect("the folder is writable");
    let [policy, _] = built(folder.path().to_str().expect("text")).await;
    let variable = &policy["spec"]["variables"][0];
    assert_eq!(variable["name"], "settings");
    assert_eq!(variable["expression"], "['rest.flamegraph.enabled', 'acme.audit.level']");
}
