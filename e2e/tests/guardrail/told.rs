//! What the guardrail refuses is told on the job in the server's words, and is filled once it is listed.

use e2e::{Crds, Operator};
use serde_json::json;
use tempfile::TempDir;

use crate::refused::{guarded, list};
use crate::support::{Scene, job};

const KEY: &str = "acme.audit.level";

/// Starts an operator under a policy with a setting that nobody listed.
async fn start(scene: &Scene) -> (Operator, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.yaml");
    let policy = json!({ "apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy", "metadata": { "name": "p" },
        "spec": { "settings": [{ "key": KEY, "value": "full" }] } });
    std::fs::write(&file, policy.to_string()).expect("the folder is writable");
    (scene.start(&["--policy", file.to_str().expect("text")]).await, folder)
}

#[tokio::test]
async fn a_setting_that_is_not_listed_is_told_on_the_job_and_filled_once_it_is() {
    let scene = guarded(Crds::Typed, "told").await;
    scene.create(job("j")).await;
    let (_operator, _policy) = start(&scene).await;
    let note = scene.note("j", "RemediationFailed", KEY).await;
    for words in ["'flink-remedy-guardrail'", "has to be listed in the guardrail too", "policy export --as guardrail"] {
        assert!(note.contains(words), "{note}");
    }
    // Whole or not at all.
    let untouched = scene.job("j").await;
    assert!(untouched.data["spec"]["flinkConfiguration"].get("state.backend.incremental").is_none());
    list(&scene, &[KEY]).await;
    let filled = scene.filled("j").await;
    assert_eq!(filled.data["spec"]["flinkConfiguration"][KEY], "full");
    scene.note("j", "Remediated", KEY).await;
}
