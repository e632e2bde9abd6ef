//! When a fill may cost a restart: one at a time, at a safe moment, or not at all.
//!
//! There is no Flink operator here: the tests write the statuses, in the form in which it writes them (see
//! `fko`). What they prove is how ours reads them, not that Flink comes back.

use e2e::{AuditEntry, Operator, await_condition};
use serde_json::{Value, json};

use crate::fko::{Fko, stable, upgrading};
use crate::support::{PATIENCE, Scene, annotated, job, record, with_mode};

const APPLY: [&str; 2] = ["--mode", "Apply"];
const APPROVE: &str = "flink-remedy.dev/approve";
const OPT_OUT: &str = "flink-remedy.dev/opt-out";

fn keys(map: &Value) -> Vec<&str> {
    map.as_object().into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect()
}

/// That one patch closed exactly the gaps of these keys, and how it was made.
fn assert_gaps_only(patch: &AuditEntry, options: &[&str]) {
    let spec = &patch.request_object["spec"];
    assert_eq!(keys(spec), ["flinkConfiguration", "podTemplate"], "{spec:#}");
    assert_eq!(keys(&spec["flinkConfiguration"]), options);
    assert_eq!(keys(&spec["podTemplate"]["metadata"]["annotations"]), ["prometheus.io/port", "prometheus.io/scrape"]);
    let metadata = &patch.request_object["metadata"];
    assert!(metadata["uid"].is_string() && metadata["resourceVersion"].is_string(), "{metadata:#}");
    assert_eq!(patch.field_manager.as_deref(), Some("flink-remedy"));
    assert!(!patch.uri.contains("force=true"), "{}", patch.uri);
}

#[tokio::test]
async fn a_stable_savepoint_job_gets_its_gaps_and_no_more_in_one_patch() {
    let scene = Scene::new("savepoint").await;
    let mut job = job("j");
    job["spec"]["flinkVersion"] = json!("v1_20");
    scene.create_stable(Fko::V1_15, job).await;
    let operator = scene.start(&APPLY).await;
    let filled = scene.filled("j").await;
    assert_eq!(record(&filled)["restart"]["generation"], json!(filled.metadata.generation), "{filled:#?}");
    scene.note("j", "Remediated", "The running job restarts once for it").await;
    scene.now_stable(Fko::V1_15, "j").await;
    scene.settle(&operator, 1).await;
    let [patch] = &scene.patches()[..] else { panic!("{:#?}", scene.patches()) };
    // From 1.19 on exponential delay is the default: not worth a restart, and neither are log levels.
    let gaps =
        ["execution.checkpointing.incremental", "metrics.reporter.prom.factory.class", "metrics.reporter.prom.port"];
    assert_gaps_only(patch, &gaps);
}

/// A job in upgrade mode last-state that could not be restored.
fn without_high_availability(name: &str) -> Value {
    let mut job = with_mode(job(name), "last-state");
    job["spec"]["flinkConfiguration"]
        .as_object_mut()
        .expect("a map")
        .retain(|key, _| !key.starts_with("high-availability"));
    job
}

#[tokio::test]
async fn a_stable_last_state_job_with_high_availability_gets_its_gaps_in_one_patch() {
    let scene = Scene::new("laststate").await;
    scene.create_stable(Fko::V1_7, with_mode(job("j"), "last-state")).await;
    let operator = scene.start(&APPLY).await;
    scene.filled("j").await;
    scene.note("j", "Remediated", "The running job restarts once for it").await;
    scene.now_stable(Fko::V1_7, "j").await;
    scene.settle(&operator, 1).await;
    let [patch] = &scene.patches()[..] else { panic!("{:#?}", scene.patches()) };
    let gaps = [
        "metrics.reporter.prom.factory.class",
        "metrics.reporter.prom.port",
        "restart-strategy.exponential-delay.backoff-multiplier",
        "restart-strategy.exponential-delay.initial-backoff",
        "restart-strategy.exponential-delay.jitter-factor",
        "restart-strategy.exponential-delay.max-backoff",
        "restart-strategy.exponential-delay.reset-backoff-threshold",
        "restart-strategy.type",
        "state.backend.incremental",
    ];
    assert_gaps_only(patch, &gaps);
}

/// The names of the jobs that carry our record.
async fn restarted(scene: &Scene, jobs: &[&str]) -> Vec<String> {
    let mut restarted = Vec::new();
    for name in jobs {
        if !record(&scene.job(name).await).is_null() {
            restarted.push((*name).to_owned());
        }
    }
    restarted
}

/// Waits for the restart of one more job than `before` and returns its name.
async fn next_restart(scene: &Scene, jobs: &[&str], before: &[String]) -> String {
    await_condition("one more restart", PATIENCE, async || {
        let now = restarted(scene, jobs).await;
        now.iter().find(|name| !before.contains(name)).cloned().ok_or(now)
    })
    .await
}

/// Looks at every job while one restart is in flight, in each state that the status goes through before it is
/// stable again, and sees no further restart.
async fn nothing_more_until_stable(scene: &Scene, operator: &Operator, fko: Fko, jobs: &[&str], done: &[String]) {
    let count = u32::try_from(jobs.len()).expect("a few");
    let current = done.last().expect("one is in flight");
    // The status still says STABLE here, from before the change.
    scene.look_again(operator, count).await;
    assert_eq!(restarted(scene, jobs).await.len(), done.len());
    let live = scene.job(current).await;
    scene.status(current, upgrading(fko, &live)).await;
    scene.look_again(operator, count).await;
    let mut deployed = stable(fko, &live);
    deployed["lifecycleState"] = json!("DEPLOYED");
    deployed["jobStatus"]["state"] = json!("CREATED");
    // Not seen running yet, so what was stable stays as it was.
    deployed["reconciliationStatus"].as_object_mut().expect("an object").remove("lastStableSpec");
    scene.status(current, deployed).await;
    scene.look_again(operator, count).await;
    assert_eq!(restarted(scene, jobs).await.len(), done.len());
}

/// That between two restarts the first job's status was written STABLE for its new generation.
fn assert_one_at_a_time(scene: &Scene, jobs: usize) {
    let patches = scene.patches();
    assert_eq!(patches.len(), jobs, "{patches:#?}");
    let audited = scene.audited();
    let mut names: Vec<_> = patches.iter().map(|patch| patch.name.clone()).collect();
    for pair in patches.windows(2) {
        let [first, second] = pair else { unreachable!("windows of two") };
        assert!(first.received < second.received);
        let stable = audited.iter().find(|entry| {
            entry.subresource == "status"
                && entry.name == first.name
                && entry.request_object["status"]["lifecycleState"] == "STABLE"
                && entry.received > first.received
        });
        let stable = stable.unwrap_or_else(|| panic!("{} never got stable again", first.name));
        assert!(stable.received < second.received, "{} was patched before {} was stable", second.name, first.name);
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), jobs, "a job was patched twice: {patches:#?}");
}

async fn one_at_a_time(fko: Fko) {
    let scene = Scene::new("turns").await;
    let jobs = ["a", "b", "c"];
    for name in jobs {
        scene.create_stable(fko, job(name)).await;
    }
    let operator = scene.start(&APPLY).await;
    let mut done = Vec::new();
    for _ in jobs {
        let name = next_restart(&scene, &jobs, &done).await;
        done.push(name.clone());
        nothing_more_until_stable(&scene, &operator, fko, &jobs, &done).await;
        scene.now_stable(fko, &name).await;
    }
    scene.settle(&operator, 3).await;
    assert_one_at_a_time(&scene, jobs.len());
}

#[tokio::test]
async fn stable_jobs_restart_strictly_one_after_the_other() {
    one_at_a_time(Fko::V1_15).await;
}

#[tokio::test]
async fn stable_jobs_restart_strictly_one_after_the_other_without_observed_generation() {
    one_at_a_time(Fko::V1_7).await;
}

#[tokio::test]
async fn killed_with_a_restart_in_flight_it_still_waits_for_that_job() {
    let scene = Scene::new("inflight").await;
    let jobs = ["a", "b"];
    for name in jobs {
        scene.create_stable(Fko::V1_15, job(name)).await;
    }
    let args = ["--mode", "Apply"];
    let operator = scene.start(&args).await;
    let first = next_restart(&scene, &jobs, &[]).await;
    operator.kill9();
    scene.free_lease().await;
    let operator = scene.start(&args).await;
    await_condition("the second process to lead", PATIENCE, async || {
        operator.metric("flink_remedy_leader").await.filter(|leader| *leader > 0.0)
    })
    .await;
    let done = [first];
    nothing_more_until_stable(&scene, &operator, Fko::V1_15, &jobs, &done).await;
    scene.now_stable(Fko::V1_15, &done[0]).await;
    let second = next_restart(&scene, &jobs, &done).await;
    scene.now_stable(Fko::V1_15, &second).await;
    scene.settle(&operator, 2).await;
    assert_one_at_a_time(&scene, 2);
}

#[tokio::test]
async fn by_default_a_running_job_is_held_until_it_is_suspended() {
    let scene = Scene::new("nextdeploy").await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let operator = scene.start(&[]).await;
    let note = scene.note("j", "RemediationHeld", "the mode is NextDeploy, which restarts nothing").await;
    assert!(note.contains("state.backend.incremental=true (CKP003)"), "{note}");
    // The owner has asked for it, but the Flink operator has not stopped the job yet.
    let live = scene.merge("j", json!({ "spec": { "job": { "state": "suspended" } } })).await;
    scene.note("j", "RemediationHeld", "has not yet acted on the present spec").await;
    scene.look_again(&operator, 1).await;
    assert!(scene.patches().is_empty(), "{:#?}", scene.patches());
    let mut suspended = stable(Fko::V1_15, &live);
    suspended["lifecycleState"] = json!("SUSPENDED");
    suspended["jobStatus"]["state"] = json!("FINISHED");
    suspended["jobManagerDeploymentStatus"] = json!("MISSING");
    scene.status("j", suspended).await;
    scene.note("j", "Remediated", "It cost no restart").await;
    scene.settle(&operator, 1).await;
    let [patch] = &scene.patches()[..] else { panic!("{:#?}", scene.patches()) };
    // At a free moment what is right by default only is written down as well.
    assert_eq!(keys(&patch.request_object["spec"]), ["flinkConfiguration", "logConfiguration", "podTemplate"]);
}

/// A running, stable job that a restart would hurt, and what its Event must say.
struct Held {
    name: &'static str,
    job: Value,
    status: fn(&mut Value),
    says: &'static str,
}

fn held(name: &'static str, says: &'static str, job: Value, status: fn(&mut Value)) -> Held {
    Held { name, job, status, says }
}

fn untouchable() -> Vec<Held> {
    let mut session = job("session");
    session["spec"].as_object_mut().expect("an object").remove("job");
    let mut nowhere = job("nowhere");
    nowhere["spec"]["flinkConfiguration"].as_object_mut().expect("an object").remove("state.savepoints.dir");
    let mut canary = job("canary");
    canary["metadata"]["labels"] = json!({ "flink.apache.org/canary": "true" });
    let mut green = job("green");
    green["metadata"]["ownerReferences"] = json!([{ "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkBlueGreenDeployment", "name": "parent", "uid": "0a1b2c3d-0000-4000-8000-000000000000" }]);
    vec![
        held("stateless", "stateless would start the job empty", with_mode(job("stateless"), "stateless"), |_| {}),
        held("session", "takes every session job down", session, |_| {}),
        held("nowhere", "has no savepoint directory", nowhere, |_| {}),
        held("no-ha", "last-state needs high availability", without_high_availability("no-ha"), |_| {}),
        held("canary", "it is the Flink operator's canary", canary, |_| {}),
        held("green", "a FlinkBlueGreenDeployment writes it", green, |_| {}),
    ]
}

fn unsettled() -> Vec<Held> {
    let states = [
        held("finished", "the job has ended (FINISHED)", Value::Null, |s| s["jobStatus"]["state"] = json!("FINISHED")),
        held("failed", "the job has failed", Value::Null, |s| {
            s["lifecycleState"] = json!("FAILED");
            s["jobStatus"]["state"] = json!("FAILED");
        }),
        held("failing", "the job is FAILING", Value::Null, |s| s["jobStatus"]["state"] = json!("FAILING")),
        held("upgrading", "is upgrading it", Value::Null, |s| {
            s["lifecycleState"] = json!("UPGRADING");
            s["jobStatus"]["state"] = json!("FINISHED");
        }),
        held("rolled-back", "has rolled it back", Value::Null, |s| s["lifecycleState"] = json!("ROLLED_BACK")),
        held("rolling-back", "rolled it back", Value::Null, |s| s["lifecycleState"] = json!("ROLLING_BACK")),
        held("error", "reports an error in status.error", Value::Null, |s| s["error"] = json!("out of slots")),
        held("unseen", "has not yet acted on the present spec", Value::Null, |s| {
            s["observedGeneration"] = json!(0);
        }),
        held("silent", "has not yet acted on the present spec", Value::Null, |s| {
            s["observedGeneration"] = Value::Null;
            s["reconciliationStatus"]["lastReconciledSpec"] = json!("{\"spec\":{}}");
        }),
        held("unknown", "its lifecycle state is unknown", Value::Null, |s| s["lifecycleState"] = Value::Null),
        held("deployed", "its lifecycle state is DEPLOYED", Value::Null, |s| s["lifecycleState"] = json!("DEPLOYED")),
        held("saving", "a savepoint is being written", Value::Null, |s| {
            s["jobStatus"]["savepointInfo"]["triggerId"] = json!("d3a0");
        }),
    ];
    states.into_iter().map(|held| Held { job: job(held.name), ..held }).collect()
}

#[tokio::test]
async fn what_a_restart_would_hurt_is_held_with_its_reason_and_not_written() {
    let scene = Scene::new("held").await;
    let cases: Vec<Held> = untouchable().into_iter().chain(unsettled()).collect();
    for case in &cases {
        let live = scene.create(case.job.clone()).await;
        let mut status = stable(Fko::V1_15, &live);
        (case.status)(&mut status);
        scene.status(case.name, status).await;
    }
    let operator = scene.start(&APPLY).await;
    for case in &cases {
        scene.note(case.name, "RemediationHeld", case.says).await;
    }
    scene.settle(&operator, u32::try_from(cases.len()).expect("a few")).await;
    assert!(scene.patches().is_empty(), "{:#?}", scene.patches());
    for write in scene.writes() {
        assert_eq!((write.resource.as_str(), write.verb.as_str()), ("events", "create"), "{write:#?}");
    }
    for case in &cases {
        assert_eq!(scene.notes(case.name, "RemediationHeld").await.len(), 1, "{}", case.name);
    }
}

#[tokio::test]
async fn a_job_that_is_being_deleted_is_not_written() {
    let scene = Scene::new("deleting").await;
    let mut leaving = job("leaving");
    leaving["metadata"]["finalizers"] = json!(["flinkdeployments.flink.apache.org/finalizer"]);
    scene.create_stable(Fko::V1_15, leaving).await;
    // Deleted before it was ever deployed: everything else would allow a fill.
    let mut fresh = job("fresh");
    fresh["metadata"]["finalizers"] = json!(["flinkdeployments.flink.apache.org/finalizer"]);
    scene.create(fresh).await;
    for name in ["leaving", "fresh"] {
        scene.jobs().delete(name, &kube::api::DeleteParams::default()).await.expect("a deletion");
    }
    let operator = scene.start(&APPLY).await;
    scene.settle(&operator, 2).await;
    assert!(scene.writes().is_empty(), "{:#?}", scene.writes());
    for name in ["leaving", "fresh"] {
        scene.merge(name, json!({ "metadata": { "finalizers": null } })).await;
    }
}

/// The hash in `Plan <hash>`.
fn plan_of(note: &str) -> &str {
    let hash = note.split("Plan ").nth(1).and_then(|rest| rest.split(['.', ';']).next()).unwrap_or_default();
    assert!(hash.len() == 12 && hash.chars().all(|c| c.is_ascii_hexdigit()), "no plan in: {note}");
    hash
}

/// An operator that holds a stable stateless job whose metrics reporter is opted out of, and the note of that.
async fn stateless_held(scene: &Scene, args: &[&str]) -> (Operator, String) {
    let job = annotated(with_mode(job("j"), "stateless"), OPT_OUT, "MET001");
    scene.create_stable(Fko::V1_15, job).await;
    let operator = scene.start(args).await;
    (operator, scene.note("j", "RemediationHeld", "stateless would start the job empty").await)
}

/// Opens a further gap after the approved restart, sees it held though the approval still stands, and counts.
async fn frees_nothing_more(scene: &Scene, operator: &Operator) {
    scene.now_stable(Fko::V1_15, "j").await;
    scene.merge("j", json!({ "metadata": { "annotations": { OPT_OUT: null } } })).await;
    scene.note("j", "RemediationHeld", "Would fill metrics.reporter.prom.factory.class").await;
    scene.settle(operator, 1).await;
    let [patch] = &scene.patches()[..] else { panic!("{:#?}", scene.patches()) };
    assert_eq!(patch.request_object["spec"]["flinkConfiguration"]["state.backend.incremental"], "true");
    assert_eq!(patch.request_object["spec"].get("podTemplate"), None, "opted out: {patch:#?}");
}

#[tokio::test]
async fn approval_of_now_frees_a_stateless_job_once() {
    let scene = Scene::new("approvenow").await;
    let operator = stateless_held(&scene, &APPLY).await.0;
    scene.merge("j", json!({ "metadata": { "annotations": { APPROVE: "now" } } })).await;
    scene.filled("j").await;
    frees_nothing_more(&scene, &operator).await;
}

#[tokio::test]
async fn approval_of_the_plan_in_the_event_frees_a_stateless_job_once_and_another_plan_does_not() {
    let scene = Scene::new("approveplan").await;
    let (operator, note) = stateless_held(&scene, &[]).await;
    scene.merge("j", json!({ "metadata": { "annotations": { APPROVE: "0123456789ab" } } })).await;
    scene.look_again(&operator, 1).await;
    assert!(scene.patches().is_empty(), "{:#?}", scene.patches());
    scene.merge("j", json!({ "metadata": { "annotations": { APPROVE: plan_of(&note) } } })).await;
    scene.filled("j").await;
    frees_nothing_more(&scene, &operator).await;
}
