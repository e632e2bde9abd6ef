//! Jobs that do not come back from the restart that a fill costs: what the Flink operator itself says of them decides.

use crate::support::{Scene, annotated, record, sum, with_mode};
use e2e::{Fault, Operator, await_condition};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::ground::{Ground, PATIENCE, ground, job};

const OPT_OUT: &str = "flink-remedy.dev/opt-out";
const QUARANTINED: &str = "flink-remedy.dev/quarantined";
/// One of the values that a job of these tests lacks.
const FILLED: &str = "metrics.reporter.prom.port";

/// A job that goes wrong in this way once it has our values.
fn job_that(name: &str, fault: &str) -> Value {
    let mut job = job(name);
    job["spec"]["flinkConfiguration"][Fault::KEY] = json!(fault);
    job["spec"]["flinkConfiguration"][Fault::WITH] = json!(FILLED);
    // What is late is told after three times this.
    job["spec"]["flinkConfiguration"]["execution.checkpointing.timeout"] = json!("2 s");
    job
}

/// Our operator, which watches restarts closely.
async fn start(ground: &Ground, scene: &Scene, failures: usize) -> Operator {
    start_with(ground, scene, failures, "5 min").await
}

/// The same, and tells of those that are later than this.
async fn start_with(ground: &Ground, scene: &Scene, failures: usize, deadline: &str) -> Operator {
    let options = ground.options_under(scene, 1, |spec| {
        // The grace is longer than the Flink operator takes to try again what Kubernetes has refused twice.
        spec["verification"] = json!({"deadline": deadline, "grace": "15 s", "askJobManager": true,
                                      "jobManagerAddress": ground.job_managers.rest_address()});
        spec["breaker"] = json!({"failures": failures});
    });
    let operator = Operator::start(&options.await);
    operator.wait_ready().await;
    operator
}

async fn has_value(scene: &Scene, name: &str, value: bool) {
    await_condition(&format!("{name} to have our value: {value}"), PATIENCE, async || {
        let job = scene.job(name).await;
        let is = job.data["spec"]["flinkConfiguration"].get(FILLED).is_some();
        if is == value { Ok(()) } else { Err(record(&job)) }
    })
    .await;
}

/// A job that fails with our values, from the beginning until it runs without them.
async fn taken_back(ground: &Ground, scene: &Scene, fault: &str) {
    has_value(scene, "j", true).await;
    has_value(scene, "j", false).await;
    ground.stable(scene, "j").await;
    let note = scene.note("j", "RemediationWithdrawn", "Took back").await;
    assert!(note.contains(FILLED) && note.contains("is not tried again"), "{fault}: {note}");
    scene.note("j", "RemediationVerified", "stable again without the values that were taken back").await;
}

#[tokio::test]
async fn what_a_job_fails_with_is_taken_back_and_not_tried_again() {
    for (prefix, fault) in [("fails", "fails"), ("loops", "crash-loop")] {
        let ground = ground().await;
        let scene = ground.scene(prefix).await;
        ground.create_stable(&scene, job_that("j", fault)).await;
        let operator = start(&ground, &scene, 3).await;
        taken_back(&ground, &scene, fault).await;
        let page = operator.metrics().await;
        assert!((sum(&page, "flink_remedy_withdrawals_total") - 1.0).abs() < 0.5, "{page}");
        scene.settle(&operator, 1).await;

        let [first, second, third] = &ground.incarnations(&scene, "j")[..] else { panic!("not two restarts") };
        assert!(!first.configuration.contains_key(FILLED) && second.configuration.contains_key(FILLED));
        assert!(!third.configuration.contains_key(FILLED));
        assert!(third.restored_from().is_some(), "{third:#?}");
        assert_eq!(scene.patches().len(), 2, "{:#?}", scene.patches());
        let live = scene.job("j").await;
        let plan = record(&live)["quarantine"]["plan"].clone();
        assert_eq!(json!(live.metadata.annotations.as_ref().unwrap()[QUARANTINED]), plan);
        scene.note("j", "RemediationHeld", "has not come back with these values before").await;
    }
}

/// The Flink operator has stopped the job with a savepoint, and its `JobManager` ends after it was ready and before it has
/// written metadata of high availability: then the Flink operator starts it no more, whoever changes the spec. The Event
/// says how it goes on, and that is what happens here.
#[tokio::test]
async fn what_the_flink_operator_does_not_start_again_is_restored_as_the_event_says() {
    let ground = ground().await;
    let scene = ground.scene("crashes").await;
    ground.create_stable(&scene, job_that("j", "crashes")).await;
    let operator = start(&ground, &scene, 3).await;
    scene.note("j", "RemediationWithdrawn", "Took back").await;
    let note = scene.note("j", "RemediationFailed", "though the values were taken back").await;
    let savepoint = note.split_once("newest savepoint is ").and_then(|(_, rest)| rest.split_once(". ")).unwrap().0;
    assert!(note.contains("spec.job.initialSavepointPath"), "{note}");
    assert!(note.contains("delete the FlinkDeployment and create it again"), "{note}");

    let job = await_condition("the Flink operator to say so", PATIENCE, async || {
        let job = scene.job("j").await;
        let error = job.data["status"]["error"].to_string();
        if error.contains("Manual restore required") { Ok(job) } else { Err(error) }
    })
    .await;
    let mut again = json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "metadata": { "name": "j", "annotations": { OPT_OUT: "true" } }, "spec": job.data["spec"],
    });
    again["spec"]["job"]["initialSavepointPath"] = json!(savepoint);
    scene.jobs().delete("j", &DeleteParams::default()).await.unwrap();
    await_condition("the job to be gone", PATIENCE, async || {
        let job = scene.jobs().get_opt("j").await.unwrap();
        job.map_or(Ok(()), |job| Err(format!("{:?}", job.data["status"]["lifecycleState"])))
    })
    .await;
    ground.create_stable(&scene, again).await;
    scene.settle(&operator, 1).await;
    has_value(&scene, "j", false).await;
    let incarnations = ground.incarnations(&scene, "j");
    let last = incarnations.last().unwrap();
    assert_eq!(last.restored_from(), Some(savepoint));
    assert!(!last.configuration.contains_key(FILLED));
}

#[tokio::test]
async fn an_operator_killed_after_the_failure_is_followed_by_one_that_takes_back() {
    let ground = ground().await;
    let scene = ground.scene("killed").await;
    ground.create_stable(&scene, job_that("j", "fails")).await;
    let first = start(&ground, &scene, 3).await;
    has_value(&scene, "j", true).await;
    first.kill9();
    ground.lifecycle(&scene, "j", "FAILED").await;
    let operator = start(&ground, &scene, 3).await;
    taken_back(&ground, &scene, "fails").await;
    scene.settle(&operator, 1).await;
    assert_eq!(ground.incarnations(&scene, "j").len(), 3);
}

#[tokio::test]
async fn slowness_alone_takes_nothing_back() {
    for (prefix, fault) in [("slow-pod", "never-ready"), ("slow-job", "not-running")] {
        let ground = ground().await;
        let scene = ground.scene(prefix).await;
        ground.create_stable(&scene, job_that("j", fault)).await;
        let operator = start_with(&ground, &scene, 3, "6 s").await;
        scene.note("j", "RemediationUnverified", "not stable yet, later than expected").await;
        scene.look_again(&operator, 1).await;
        assert_eq!(scene.patches().len(), 1, "{fault}: {:#?}", scene.patches());
        assert!(scene.notes("j", "RemediationWithdrawn").await.is_empty());
    }
}

#[tokio::test]
async fn what_the_flink_operator_rolls_back_stays_until_that_is_free() {
    let ground = ground().await;
    let scene = ground.scene("rollback").await;
    let mut job = with_mode(job_that("j", "not-running"), "savepoint");
    let conf = &mut job["spec"]["flinkConfiguration"];
    conf["kubernetes.operator.deployment.rollback.enabled"] = json!("true");
    conf["kubernetes.operator.deployment.readiness.timeout"] = json!("10 s");
    conf["high-availability"] = json!("kubernetes");
    conf["high-availability.storageDir"] = json!("s3://flink/ha");
    ground.create_stable(&scene, job).await;
    let options = ground.options_under(&scene, 1, |spec| spec["verification"] = json!({"grace": "10 min"}));
    let operator = Operator::start(&options.await);
    ground.lifecycle(&scene, "j", "ROLLED_BACK").await;
    scene.note("j", "RemediationFailed", "the Flink operator has rolled it back").await;
    scene.look_again(&operator, 1).await;
    let patches = scene.patches();
    assert_eq!(patches.len(), 2, "{patches:#?}");
    has_value(&scene, "j", true).await;
    assert!(scene.job("j").await.metadata.annotations.unwrap().contains_key(QUARANTINED));

    scene.merge("j", json!({ "spec": { "job": { "state": "suspended" } } })).await;
    has_value(&scene, "j", false).await;
}

/// One job after another fails, until none restarts any more; then people see to them.
#[tokio::test]
async fn failures_halt_all_restarts_until_a_person_has_seen_to_them() {
    let ground = ground().await;
    let scene = ground.scene("breaker").await;
    ground.create_stable(&scene, job_that("j", "fails")).await;
    ground.create_stable(&scene, annotated(job("k"), OPT_OUT, "true")).await;
    let operator = start(&ground, &scene, 1).await;
    taken_back(&ground, &scene, "fails").await;
    scene.merge("k", json!({ "metadata": { "annotations": { OPT_OUT: null } } })).await;
    scene.note("k", "RemediationHeld", "too many jobs have not come back from their restart").await;
    let halted = scene.events().await.into_iter().filter(|event| event.reason.as_deref() == Some("RolloutHalted"));
    let notes: Vec<String> = halted.filter_map(|event| event.note).collect();
    assert!(matches!(&notes[..], [note] if note.contains(&format!("{}/j", scene.namespace))), "{notes:#?}");
    assert!((sum(&operator.metrics().await, "flink_remedy_rollout_halted") - 1.0).abs() < 0.5);
    assert_eq!(ground.incarnations(&scene, "k").len(), 1);

    // The owner has found the cause, and says so.
    scene
        .merge(
            "j",
            json!({
                "metadata": { "annotations": { QUARANTINED: null } },
                "spec": { "flinkConfiguration": { Fault::WITH: "nothing" } },
            }),
        )
        .await;
    for name in ["j", "k"] {
        has_value(&scene, name, true).await;
        ground.stable(&scene, name).await;
    }
    scene.note("k", "RemediationVerified", "has completed a checkpoint since").await;
    assert!((sum(&operator.metrics().await, "flink_remedy_rollout_halted")).abs() < 0.5);
}
