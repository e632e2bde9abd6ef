//! What a fill costs a job that the Flink operator runs.

use crate::support::{Scene, with_mode};
use serde_json::{Value, json};

use crate::ground::{ground, job};

/// The namespace of job `j` in this upgrade mode, and its two deployments: with its gaps, and after the one restart that
/// closed them.
async fn restarted_once(prefix: &str, upgrade_mode: &str) -> (Scene, [e2e::Incarnation; 2]) {
    let ground = ground().await;
    let scene = ground.scene(prefix).await;
    ground.create_stable(&scene, with_mode(job("j"), upgrade_mode)).await;
    let operator = ground.start(&scene).await;
    scene.filled("j").await;
    ground.stable(&scene, "j").await;
    scene.settle(&operator, 1).await;
    let deployments = ground.incarnations(&scene, "j").try_into().expect("not one restart");
    (scene, deployments)
}

/// That the job's second deployment has every value of our one patch, and the first had none of them.
fn assert_fills_reached_flink(scene: &Scene, [first, second]: [&e2e::Incarnation; 2]) {
    let [patch] = &scene.patches()[..] else { panic!("{:#?}", scene.patches()) };
    let filled = patch.request_object["spec"]["flinkConfiguration"].as_object().unwrap();
    assert!(filled.contains_key("metrics.reporter.prom.port"), "{filled:#?}");
    for (key, value) in filled {
        assert!(!first.configuration.contains_key(key), "{key} was there before");
        assert_eq!(second.configuration.get(key).map(|text| json!(text)).as_ref(), Some(value), "{key}");
    }
}

#[tokio::test]
async fn a_running_job_restarts_once_from_a_savepoint_with_every_fill() {
    let (scene, [first, second]) = restarted_once("savepoint", "savepoint").await;
    assert_eq!(first.restored_from(), None);
    assert!(second.restored_from().is_some_and(|path| path.starts_with("s3://flink/savepoints/")), "{second:#?}");
    assert_fills_reached_flink(&scene, [&first, &second]);
    assert_eq!(scene.notes("j", "SpecChanged").await.len(), 1, "{:#?}", scene.said().await);
}

#[tokio::test]
async fn a_running_job_in_mode_last_state_restarts_once_under_the_same_id() {
    let (scene, [first, second]) = restarted_once("last-state", "last-state").await;
    // By its id the job finds its latest checkpoint in the metadata of high availability.
    assert_eq!(first.job_id, second.job_id);
    assert_fills_reached_flink(&scene, [&first, &second]);
}

#[tokio::test]
async fn a_running_stateless_job_is_held_and_told_why() {
    let ground = ground().await;
    let scene = ground.scene("stateless").await;
    ground.create_stable(&scene, with_mode(job("j"), "stateless")).await;
    let operator = ground.start(&scene).await;
    scene.note("j", "RemediationHeld", "upgrade mode stateless would start the job empty").await;
    scene.settle(&operator, 1).await;
    assert!(scene.patches().is_empty(), "{:#?}", scene.patches());
    assert_eq!(ground.incarnations(&scene, "j").len(), 1);
}

#[tokio::test]
async fn a_suspended_job_is_filled_and_resumes_with_the_fills() {
    let ground = ground().await;
    let scene = ground.scene("suspended").await;
    ground.create_stable(&scene, job("j")).await;
    scene.merge("j", json!({ "spec": { "job": { "state": "suspended" } } })).await;
    ground.lifecycle(&scene, "j", "SUSPENDED").await;
    let operator = ground.start(&scene).await;
    scene.note("j", "Remediated", "It cost no restart").await;
    scene.merge("j", json!({ "spec": { "job": { "state": "running" } } })).await;
    ground.stable(&scene, "j").await;
    scene.settle(&operator, 1).await;

    let [first, second] = &ground.incarnations(&scene, "j")[..] else { panic!("not one restart") };
    assert!(second.restored_from().is_some(), "{second:#?}");
    assert_fills_reached_flink(&scene, [first, second]);
}

/// Without a webhook the Flink operator and ours see a new job at the same time, and either may be first. Then a job that
/// was deployed without the fills restarts once for them.
#[allow(clippy::print_stdout, reason = "a figure for people: it depends on which of two programs is faster")]
#[tokio::test]
async fn new_jobs_end_with_every_fill_after_one_restart_at_most() {
    const JOBS: usize = 10;
    let ground = ground().await;
    let scene = ground.scene("new").await;
    let operator = ground.start(&scene).await;
    let names: Vec<String> = (0..JOBS).map(|number| format!("j{number}")).collect();
    for name in &names {
        ground.create(&scene, job(name)).await;
    }
    let mut restarted = 0;
    for name in &names {
        scene.filled(name).await;
        ground.stable(&scene, name).await;
        let incarnations = ground.incarnations(&scene, name);
        assert!(incarnations.len() <= 2, "{name} was deployed {} times", incarnations.len());
        restarted += incarnations.len() - 1;
        let live = scene.job(name).await;
        let wanted = live.data["spec"]["flinkConfiguration"].as_object().unwrap();
        for (key, value) in wanted {
            let reached = incarnations.last().unwrap().configuration.get(key).cloned().map(Value::from);
            assert_eq!(reached.as_ref(), Some(value), "{name}: {key}");
        }
    }
    scene.settle(&operator, u32::try_from(JOBS).unwrap()).await;
    assert_eq!(scene.patches().len(), JOBS);
    println!("{JOBS} new jobs beside a running Flink operator: {restarted} restarted once, the others never");
}
