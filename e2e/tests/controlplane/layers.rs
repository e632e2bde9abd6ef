//! The Flink operator's own configuration: a default that it gives is no gap, and while it cannot be read
//! nothing is filled.

use e2e::{Operator, apply, await_condition};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::owner::{INCREMENTAL, own_log};
use crate::support::{PATIENCE, Scene, looks, operator_config};

const RIGHTS: &str = "rbac/role-operator-config.yaml";
const NAME: &str = "flink-operator-config";

/// The flag that names this namespace's own ConfigMap.
fn flag(scene: &Scene) -> String {
    format!("--operator-config={}/{NAME}", scene.namespace)
}

/// Puts the namespace's own ConfigMap in place, with these lines in its flink-conf.yaml.
async fn configure(scene: &Scene, lines: &[&str]) {
    apply(&scene.admin, operator_config(&scene.namespace, &lines.join("\n"))).await;
}

/// Every job is looked at once more when the layers have changed.
async fn seen_again(operator: &Operator, before: f64) {
    await_condition("another look", PATIENCE, async || (looks(operator).await > before).then_some(())).await;
}

/// A job with the gaps CKP003, MET001 and RST001.
fn three_gaps(scene: &Scene) -> Value {
    let conf = json!({ "state.backend.type": "rocksdb", "execution.checkpointing.interval": "1 min" });
    own_log(scene.manifest("job", "v1_18", &conf))
}

#[tokio::test]
async fn a_default_in_any_layer_is_no_gap_until_it_is_taken_out() {
    let scene = Scene::new("layers").await;
    scene.grant(RIGHTS).await;
    let base = "metrics.reporter.jmx.factory.class: org.apache.flink.metrics.jmx.JMXReporterFactory";
    let version =
        "kubernetes.operator.default-configuration.flink-version.v1_17+.restart-strategy.type: exponential-delay";
    let namespace = format!(
        "kubernetes.operator.default-configuration.namespace.{}.state.backend.incremental: true",
        scene.namespace
    );
    configure(&scene, &[base, version, &namespace]).await;
    scene.create(three_gaps(&scene)).await;
    let _operator = scene.start(&[&flag(&scene)]).await;
    // A job that comes last and on which a human must decide: when that is said, the other has been looked at.
    let after_patches = async |patches| {
        let name = format!("last-{patches}");
        scene.create(own_log(scene.manifest(&name, "v1_16", &json!({ "restart-strategy": "none" })))).await;
        scene.note(&name, "RemediationAdvised", "restart-strategy is none").await;
        assert_eq!(scene.asked("job").len(), patches);
    };
    after_patches(0).await;
    configure(&scene, &[base, version]).await;
    scene.has("job", "state.backend.incremental", Some("true")).await;
    after_patches(1).await;
    configure(&scene, &[base]).await;
    scene.has("job", "restart-strategy.type", Some("exponential-delay")).await;
    after_patches(2).await;
    configure(&scene, &[]).await;
    scene.has("job", "metrics.reporter.prom.port", Some("9249")).await;
    after_patches(3).await;
}

#[tokio::test]
async fn a_layer_of_another_namespace_or_version_is_none_of_this_jobs() {
    let scene = Scene::new("others").await;
    scene.grant(RIGHTS).await;
    configure(
        &scene,
        &[
            "kubernetes.operator.default-configuration.namespace.elsewhere.state.backend.incremental: true",
            "kubernetes.operator.default-configuration.flink-version.v1_19+.restart-strategy.type: exponential-delay",
            "kubernetes.operator.default-configuration.flink-version.v1_17.restart-strategy.type: exponential-delay",
        ],
    )
    .await;
    scene.create(three_gaps(&scene)).await;
    let _operator = scene.start(&[&flag(&scene)]).await;
    let job = scene.has("job", "state.backend.incremental", Some("true")).await;
    assert_eq!(job.data["spec"]["flinkConfiguration"]["restart-strategy.type"], "exponential-delay");
}

#[tokio::test]
async fn nothing_is_filled_while_the_config_map_is_missing() {
    let scene = Scene::new("missing").await;
    scene.grant(RIGHTS).await;
    scene.create(three_gaps(&scene)).await;
    let operator = scene.start(&[&flag(&scene)]).await;
    let missing = format!("ConfigMap {}/{NAME} does not exist", scene.namespace);
    scene.note("job", "RemediationHeld", &missing).await;
    assert_eq!(scene.asked("job"), []);
    configure(&scene, &[]).await;
    scene.note("job", "Remediated", "CKP003").await;

    // Gone again while it runs: what comes now waits.
    scene.look_again(&operator, 1).await;
    let before = looks(&operator).await;
    let api: Api<ConfigMap> = Api::namespaced(scene.admin.clone(), &scene.namespace);
    api.delete(NAME, &DeleteParams::default()).await.expect("a deletion");
    seen_again(&operator, before).await;
    scene.create(scene.one_gap("late")).await;
    scene.note("late", "RemediationHeld", &missing).await;
    assert_eq!(scene.asked("late"), []);
    assert_eq!(scene.asked("job").len(), 1);
}

#[tokio::test]
async fn nothing_is_filled_while_the_right_to_read_the_config_map_is_missing() {
    let scene = Scene::new("forbidden").await;
    configure(&scene, &[]).await;
    scene.create(three_gaps(&scene)).await;
    let _operator = scene.start(&[&flag(&scene)]).await;
    let note = scene.note("job", "RemediationHeld", "may not list and watch configmaps").await;
    assert!(note.contains("grant get, list and watch on ConfigMap flink-operator-config"), "{note}");
    assert_eq!(scene.asked("job"), []);
    scene.grant(RIGHTS).await;
    scene.has("job", "state.backend.incremental", Some("true")).await;
    scene.note("job", "Remediated", "CKP003").await;
    assert_eq!(scene.asked("job").len(), 1);
}

#[tokio::test]
async fn nothing_is_filled_while_the_config_map_says_nothing_readable() {
    let scene = Scene::new("broken").await;
    scene.grant(RIGHTS).await;
    configure(&scene, &["a: 1", "s3.secret-key hunter2"]).await;
    scene.create(three_gaps(&scene)).await;
    let _operator = scene.start(&[&flag(&scene)]).await;
    scene.note("job", "RemediationHeld", "line 2 is not of the form `key: value`: s3.secret-key").await;
    let other = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "other": "" },
        "metadata": { "namespace": scene.namespace, "name": NAME } });
    apply(&scene.admin, other).await;
    scene.note("job", "RemediationHeld", "neither flink-conf.yaml nor config.yaml").await;
    assert_eq!(scene.asked("job"), []);
    configure(&scene, &["a: 1", "s3.secret-key: hunter2"]).await;
    scene.has("job", "state.backend.incremental", Some("true")).await;
    let said = scene.said().await;
    assert!(!said.iter().any(|(_, _, note)| note.contains("hunter2")), "{said:?}");
}

#[tokio::test]
async fn without_layers_on_purpose_gaps_are_filled_and_logging_is_left_to_a_human() {
    let scene = Scene::new("none").await;
    scene.create(scene.manifest("job", "v1_20", &json!({ "state.backend.type": "rocksdb" }))).await;
    let _operator = scene.start(&["--operator-config=none"]).await;
    let job = scene.has("job", INCREMENTAL, Some("true")).await;
    assert!(job.data["spec"].get("logConfiguration").is_none(), "{job:#?}");
    scene.note("job", "RemediationAdvised", "LOG001").await;
    scene.settled_after("job", 1).await;
}

#[tokio::test]
async fn layers_in_a_mounted_directory_are_followed() {
    let scene = Scene::new("mounted").await;
    let folder = tempfile::tempdir().expect("a folder");
    let conf = folder.path().join("flink-conf.yaml");
    std::fs::write(&conf, "state.backend.incremental: true\n").expect("written");
    scene.create(three_gaps(&scene)).await;
    let operator = scene.start(&["--operator-config", folder.path().to_str().expect("UTF-8")]).await;
    scene.has("job", "metrics.reporter.prom.port", Some("9249")).await;
    scene.has("job", "state.backend.incremental", None).await;
    let before = looks(&operator).await;
    std::fs::write(&conf, "# nothing any more\n").expect("written");
    seen_again(&operator, before).await;
    scene.has("job", "state.backend.incremental", Some("true")).await;
    std::fs::remove_file(&conf).expect("removed");
    await_condition("blindness", PATIENCE, async || operator.logs().contains("cannot be read").then_some(())).await;
    scene.create(scene.manifest("late", "v1_18", &json!({ "state.backend.type": "rocksdb" }))).await;
    scene.note("late", "RemediationHeld", "neither flink-conf.yaml nor config.yaml").await;
}
