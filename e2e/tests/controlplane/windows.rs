//! Restarts in maintenance windows, after notice, and in the order in which jobs have waited.

use std::io::Write as _;

use e2e::{Operator, await_condition};
use k8s_openapi::jiff::{SignedDuration, Timestamp, tz::TimeZone};
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::fko::Fko;
use crate::support::{PATIENCE, Scene, annotated, job, record};

/// An operator in mode Apply with this added to its rollout; the file has to outlive its start.
async fn operator(scene: &Scene, rollout: Value) -> (Operator, NamedTempFile) {
    let mut document = json!({"apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy",
        "metadata": {"name": "tests"}, "spec": {"mode": "Apply", "rollout": rollout}});
    document["spec"]["rollout"]["operatorVersion"] = json!("1.15");
    document["spec"]["rollout"]["quietPeriod"] = json!("1 ms");
    let mut policy = NamedTempFile::new().unwrap();
    write!(policy, "{document}").unwrap();
    (scene.start(&["--policy", policy.path().to_str().unwrap()]).await, policy)
}

/// A window of two hours that begins so many hours from now, on any day.
fn window(hours_from_now: i64) -> Value {
    let begin = (Timestamp::now() + SignedDuration::from_hours(hours_from_now)).to_zoned(TimeZone::UTC);
    json!([{"schedule": format!("0 {} * * *", begin.hour()), "duration": "2 h", "timeZone": "UTC"}])
}

/// The job once the restart is in its record.
async fn restarted(scene: &Scene, name: &str) -> DynamicObject {
    await_condition(&format!("the restart of {name}"), PATIENCE, async || {
        let job = scene.job(name).await;
        if record(&job)["restart"].is_null() { Err(scene.said().await) } else { Ok(job) }
    })
    .await
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn outside_the_windows_a_job_waits_and_an_approved_one_does_not() {
    let scene = Scene::new("closed").await;
    scene.create_stable(Fko::V1_15, job("waits")).await;
    scene.create_stable(Fko::V1_15, annotated(job("approved"), "flink-remedy.dev/approve", "now")).await;
    let (operator, _policy) = operator(&scene, json!({"windows": window(6)})).await;
    let note = scene.note("waits", "RemediationHeld", "outside the policy's maintenance windows").await;
    assert!(note.contains("* * *` UTC for 2 h, which opens at "), "{note}");
    restarted(&scene, "approved").await;
    scene.settle(&operator, 2).await;
    assert!(scene.patches().iter().all(|patch| patch.name == "approved"), "{:#?}", scene.patches());
}

#[tokio::test]
async fn in_an_open_window_a_job_restarts() {
    let scene = Scene::new("open").await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let (operator, _policy) = operator(&scene, json!({"windows": window(0)})).await;
    restarted(&scene, "j").await;
    scene.now_stable(Fko::V1_15, "j").await;
    scene.settle(&operator, 1).await;
    assert_eq!(scene.patches().len(), 1, "{:#?}", scene.patches());
}

#[tokio::test]
async fn a_restart_is_announced_and_follows_after_the_notice() {
    let scene = Scene::new("notice").await;
    let before = scene.create_stable(Fko::V1_15, job("j")).await;
    let (operator, _policy) = operator(&scene, json!({"notice": "20 s"})).await;
    let note = scene.note("j", "RemediationHeld", "it restarts at ").await;
    assert!(note.contains("flink-remedy.dev/approve") && note.contains("opt out"), "{note}");
    let announced = scene.job("j").await;
    assert_eq!(announced.metadata.generation, before.metadata.generation, "the announcement restarts nothing");
    let at = time(&record(&announced)["announced"]["at"]);
    assert!(note.contains(&(at + SignedDuration::from_secs(20)).to_string()), "{note}, announced at {at}");
    // Another replica goes on with what stands on the job.
    operator.kill9();
    let again = self::operator(&scene, json!({"notice": "20 s"})).await;
    let filled = restarted(&scene, "j").await;
    let restarted_at = time(&record(&filled)["restart"]["at"]);
    assert!(restarted_at.duration_since(at) >= SignedDuration::from_secs(20), "{at} {restarted_at}");
    assert!(record(&filled)["announced"].is_null(), "{}", record(&filled));
    scene.now_stable(Fko::V1_15, "j").await;
    scene.settle(&again.0, 1).await;
    assert_eq!(scene.patches().len(), 2, "{:#?}", scene.patches());
}

#[tokio::test]
async fn of_three_waiting_jobs_the_one_that_has_waited_longest_restarts_first() {
    let scene = Scene::new("order").await;
    scene.create_stable(Fko::V1_15, job("first")).await;
    let (operator, _policy) = operator(&scene, json!({"notice": "2 s"})).await;
    restarted(&scene, "first").await;
    // By name and by age they would come in another order.
    for name in ["c", "a", "b"] {
        scene.create_stable_unseen(Fko::V1_15, job(name)).await;
        let held = scene.note(name, "RemediationHeld", "rollout.maxConcurrent").await;
        assert!(!held.is_empty());
    }
    let mut order = Vec::new();
    let mut last = "first";
    for _ in 0..3 {
        scene.now_stable(Fko::V1_15, last).await;
        last = await_condition("the next restart", PATIENCE, async || {
            for name in ["a", "b", "c"] {
                if !order.contains(&name) && !record(&scene.job(name).await)["restart"].is_null() {
                    return Ok(name);
                }
            }
            Err(scene.said().await)
        })
        .await;
        order.push(last);
    }
    assert_eq!(order, ["c", "a", "b"]);
    scene.now_stable(Fko::V1_15, last).await;
    scene.settle(&operator, 4).await;
}
