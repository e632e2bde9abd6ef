//! Jobs that the admission webhook fills, beside the real Flink operator: no restart of their own.

use e2e::webhook::be_strict;
use e2e::{Crds, Operator};
use serde_json::{Value, json};

use crate::ground::{Ground, ground, job};
use crate::hooked::{ADDED, Hooked};
use crate::support::{Scene, annotated, record};

const FILLED: &str = "metrics.reporter.prom.port";
const MODE: &str = "flink-remedy.dev/mode";

/// A namespace in which jobs can run and go through the webhook of an operator in mode Apply, which restarts what it may.
async fn hooked(ground: &Ground, prefix: &str) -> (Hooked, Operator) {
    let hooked = Hooked::new(Crds::Typed, prefix).await;
    hooked.scene.plane.service_account(&hooked.scene.namespace, "flink").await;
    let under = ground.options(&hooked.scene).await;
    let args: Vec<&str> = under.args.iter().skip_while(|arg| *arg != "--operator-config").map(String::as_str).collect();
    let operator = hooked.start(&args).await;
    be_strict(&hooked.scene.admin, &hooked.scene.namespace).await;
    (hooked, operator)
}

/// Flink was started with every option of the job, each time the job was deployed.
fn assert_reached_flink(ground: &Ground, scene: &Scene, name: &str, deployments: usize, live: &Value) {
    let incarnations = ground.incarnations(scene, name);
    assert_eq!(incarnations.len(), deployments, "{name} was deployed {} times", incarnations.len());
    for (key, value) in live["spec"]["flinkConfiguration"].as_object().unwrap() {
        let reached = incarnations.last().unwrap().configuration.get(key).cloned().map(Value::from);
        assert_eq!(reached.as_ref(), Some(value), "{name}: {key}");
    }
}

/// So many new jobs are deployed once, with every fill, and never written by ours.
async fn are_deployed_once(ground: &Ground, hooked: &Hooked, operator: &Operator, jobs: usize) {
    let scene = &hooked.scene;
    let names: Vec<String> = (0..jobs).map(|number| format!("j{number}")).collect();
    for name in &names {
        ground.create(scene, job(name)).await;
    }
    for name in &names {
        ground.stable(scene, name).await;
    }
    scene.settle(operator, u32::try_from(jobs).unwrap()).await;
    for name in &names {
        let live = scene.job(name).await;
        assert_eq!(live.data["spec"]["flinkConfiguration"][FILLED], "9249");
        assert_reached_flink(ground, scene, name, 1, &live.data);
    }
    assert!(scene.patches().is_empty(), "{:#?}", scene.patches());
}

#[allow(clippy::print_stdout, reason = "a figure for people, beside that of the test without a webhook")]
#[tokio::test]
async fn new_jobs_through_the_webhook_are_deployed_once_with_every_fill() {
    const JOBS: usize = 50;
    let ground = ground().await;
    let (hooked, operator) = hooked(&ground, "admitted").await;
    are_deployed_once(&ground, &hooked, &operator, JOBS).await;
    println!("{JOBS} new jobs through the webhook beside a running Flink operator: none restarted");
}

#[tokio::test]
async fn the_same_behind_another_webhook() {
    let ground = ground().await;
    let (hooked, operator) = hooked(&ground, "chained").await;
    hooked.join_another().await;
    are_deployed_once(&ground, &hooked, &operator, 3).await;
    assert_eq!(hooked.scene.job("j0").await.data["spec"]["flinkConfiguration"][ADDED], "/tmp/up");
}

#[tokio::test]
async fn an_owners_change_and_the_fills_are_one_restart() {
    let ground = ground().await;
    let (hooked, operator) = hooked(&ground, "rides").await;
    let scene = &hooked.scene;
    ground.create_stable(scene, annotated(job("j"), MODE, "Off")).await;
    // What is pending waits for a free moment.
    scene.merge("j", json!({ "metadata": { "annotations": { MODE: "NextDeploy" } } })).await;
    scene.note("j", "RemediationHeld", "").await;
    scene.merge("j", json!({ "metadata": { "labels": { "team": "a" } } })).await;
    scene.merge("j", json!({ "spec": { "flinkConfiguration": { "job.autoscaler.enabled": "false" } } })).await;
    ground.stable(scene, "j").await;
    assert_eq!(ground.incarnations(scene, "j").len(), 1);

    scene.merge("j", json!({ "spec": { "image": "flink:1.17-scala" } })).await;
    let live = ground.stable(scene, "j").await;
    assert!(!record(&live).is_null(), "{live:#?}");
    scene.settle(&operator, 1).await;
    assert_reached_flink(&ground, scene, "j", 2, &live.data);
    assert!(ground.incarnations(scene, "j")[1].restored_from().is_some());
    assert!(scene.patches().is_empty(), "{:#?}", scene.patches());
}
