//! How far the operator goes by its flags, and what people read of it.

use std::process::Command;

use e2e::Crds;
use serde_json::json;

use crate::fko::Fko;
use crate::owner::{INCREMENTAL, option, settled, with};
use crate::support::{MANIFESTS, Scene, record};

#[tokio::test]
async fn a_dry_run_says_what_it_would_fill_and_writes_nothing_else() {
    let scene = Scene::new("dry").await;
    scene.create(scene.one_gap("job")).await;
    let operator = scene.start(&["--dry-run"]).await;
    let note = scene.note("job", "RemediationAdvised", &format!("{INCREMENTAL}=true (CKP003)")).await;
    assert!(note.starts_with("Dry run"), "{note}");
    scene.settle(&operator, 1).await;
    assert_eq!(option(&scene.job("job").await, INCREMENTAL), None);
    let written: Vec<_> = scene.writes().into_iter().map(|entry| (entry.verb, entry.resource, entry.code)).collect();
    assert_eq!(written, [("create".to_owned(), "events".to_owned(), 201)]);
}

#[tokio::test]
async fn mode_advise_says_what_it_would_fill_and_writes_nothing_else() {
    let scene = Scene::new("advise").await;
    scene.create(scene.one_gap("job")).await;
    let operator = scene.start(&["--mode", "Advise"]).await;
    let note = scene.note("job", "RemediationAdvised", "Would fill").await;
    assert!(note.contains(&format!("{INCREMENTAL}=true (CKP003)")) && note.contains("mode is Advise"), "{note}");
    scene.settle(&operator, 1).await;
    let written: Vec<_> = scene.writes().into_iter().map(|entry| (entry.verb, entry.resource, entry.code)).collect();
    assert_eq!(written, [("create".to_owned(), "events".to_owned(), 201)]);
}

#[tokio::test]
async fn mode_off_is_silent() {
    let scene = Scene::new("off").await;
    scene.create(scene.one_gap("gap")).await;
    scene.create(with(scene.one_gap("advice"), &json!({ INCREMENTAL: "false" }))).await;
    let operator = scene.start(&["--mode", "Off"]).await;
    scene.settle(&operator, 2).await;
    assert_eq!(scene.writes(), []);
}

#[tokio::test]
async fn describe_shows_what_was_filled_by_which_rule_at_what_cost_and_how_to_opt_out() {
    let scene = Scene::new("describe").await;
    scene.create(scene.one_gap("job")).await;
    let _operator = scene.start(&[]).await;
    let event = scene.event("job", "Remediated", "Filled").await;
    let expected = format!(
        "Filled {INCREMENTAL}=true (CKP003). It cost no restart. \
         Opt out: annotate flink-remedy.dev/opt-out with the rule's code or \"true\"."
    );
    assert_eq!(event.note.as_deref(), Some(expected.as_str()));
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    assert_eq!(event.reporting_controller.as_deref(), Some("flink-remedy"));
    assert!(event.reporting_instance.is_some_and(|instance| !instance.is_empty()));
    let job = scene.job("job").await;
    let regarding = event.regarding.expect("an object");
    assert_eq!((regarding.uid, regarding.kind.as_deref()), (job.metadata.uid, Some("FlinkDeployment")));

    let shown = scene.plane.run_kubectl(&["describe", "flinkdeployment", "job", "-n", &scene.namespace], "").await;
    let line = shown.stdout.lines().find(|line| line.contains("Remediated")).unwrap_or_default();
    for part in ["Normal", "flink-remedy", &expected] {
        assert!(line.contains(part), "no `{part}` in {}", shown.stdout);
    }
}

#[tokio::test]
async fn a_long_list_of_fills_is_told_within_what_an_event_may_hold() {
    let scene = Scene::on(Crds::Untyped, "long").await;
    let conf = json!({ "state.backend.type": "rocksdb", "execution.checkpointing.interval": "1 min" });
    scene.create(scene.manifest("job", "v1_17", &conf)).await;
    let _operator = scene.start(&[]).await;
    let note = scene.note("job", "Remediated", "state.backend.incremental=true (CKP003)").await;
    for part in ["(MET001)", "restart-strategy.type=exponential-delay", "(RST001)", "Opt out: annotate"] {
        assert!(note.contains(part), "no `{part}` in {note}");
    }
    assert!(note.len() <= 1024);
}

/// The examples as kustomize builds them, in the test's namespace.
async fn apply_examples(scene: &Scene) {
    let build = Command::new(scene.plane.kubectl()).args(["kustomize", &format!("{MANIFESTS}/examples")]).output();
    let text = String::from_utf8(build.expect("kubectl runs").stdout).expect("UTF-8");
    let jobs = text.split("---\n").filter(|document| document.contains("kind: FlinkDeployment"));
    let jobs: Vec<_> =
        jobs.map(|job| job.replace("namespace: flink-jobs", &format!("namespace: {}", scene.namespace))).collect();
    assert_eq!(jobs.len(), 7);
    let applied = scene.plane.run_kubectl(&["apply", "-f", "-"], &jobs.join("---\n")).await;
    assert!(applied.status.success(), "{}", applied.stderr);
}

#[tokio::test]
async fn the_shipped_examples_get_what_their_headers_promise() {
    let scene = Scene::on(Crds::Untyped, "examples").await;
    apply_examples(&scene).await;
    for name in ["inventory-savepoint", "alerts-stateless", "adhoc-session"] {
        scene.now_stable(Fko::V1_15, name).await;
    }
    let _operator = scene.start(&["--mode", "Apply"]).await;

    // "never been deployed: three gaps and one default are filled at no cost"
    let note = scene.note("orders-rocksdb", "Remediated", "It cost no restart").await;
    for rule in ["CKP003", "RST001", "MET001", "LOG001"] {
        assert!(note.contains(&format!("({rule})")), "{note}");
    }
    // "What is filled is written flat beside it"
    let nested = scene.has("payments-nested", INCREMENTAL, Some("true")).await;
    assert_eq!(nested.data["spec"]["flinkConfiguration"]["state"], json!({ "backend": { "type": "rocksdb" } }));
    // "exponential delay is the default there, so it is only written down"
    scene.has("clicks-v2", "restart-strategy.type", Some("exponential-delay")).await;
    // "nothing is filled, and the job says so"
    scene.note("legacy-opted-out", "OptedOut", "replaced by orders-rocksdb next quarter").await;
    // "a restart would start it empty, so it is held"
    scene.note("alerts-stateless", "RemediationHeld", "stateless would start the job empty").await;
    // "a restart would take every session job down, so it is held"
    scene.note("adhoc-session", "RemediationHeld", "takes every session job down").await;
    // "in mode Apply it is restarted once for its gaps"
    scene.note("inventory-savepoint", "Remediated", "The running job restarts once for it").await;
    assert_eq!(record(&scene.job("inventory-savepoint").await)["restart"]["generation"], 2);

    for (name, patches) in [
        ("orders-rocksdb", 1),
        ("payments-nested", 1),
        ("clicks-v2", 1),
        ("inventory-savepoint", 1),
        ("legacy-opted-out", 0),
        ("alerts-stateless", 0),
        ("adhoc-session", 0),
    ] {
        scene.settled_after(name, patches).await;
    }
}

#[tokio::test]
async fn no_value_is_filled_where_nothing_is_missing() {
    let scene = Scene::new("nothing").await;
    let complete = settled(&json!({ "state.backend.type": "rocksdb", INCREMENTAL: "true" }));
    scene.create(crate::owner::own_log(scene.manifest("job", "v1_20", &complete))).await;
    let _operator = scene.start(&[]).await;
    scene.settled_after("job", 0).await;
    assert_eq!(scene.reasons("job").await, Vec::<String>::new());
}
