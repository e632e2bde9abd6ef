//! Many jobs that need a restart: one at a time, whatever happens to our operator meanwhile.

use std::collections::BTreeMap;

use crate::support::{OPERATOR, Scene};
use e2e::{AuditEntry, Operator, await_condition};

use crate::ground::{Ground, PATIENCE, ground, ground_alone, job};

const JOBS: usize = 4;

fn names(jobs: usize) -> impl Iterator<Item = String> {
    (0..jobs).map(|number| format!("j{number}"))
}

async fn stable_jobs(ground: &Ground, prefix: &str, jobs: usize) -> Scene {
    let scene = ground.scene(prefix).await;
    for name in names(jobs) {
        ground.create(&scene, job(&name)).await;
    }
    for name in names(jobs) {
        ground.stable(&scene, &name).await;
    }
    scene
}

/// The most jobs that were at the same time between our patch and the Flink operator's word that they are stable again.
fn most_in_flight(mut entries: Vec<AuditEntry>) -> usize {
    // The log tells them as they end: what we write when we see a status may end before that does.
    entries.sort_by(|one, other| one.received.cmp(&other.received));
    // A job in flight, and whether the Flink operator has begun with it.
    let mut in_flight: BTreeMap<&str, bool> = BTreeMap::new();
    let mut most = 0;
    for entry in entries.iter().filter(|entry| entry.resource == "flinkdeployments" && entry.code < 300) {
        if entry.is_write() && entry.acting_user() == OPERATOR {
            in_flight.insert(&entry.name, false);
        } else if entry.is_write() && entry.subresource == "status" {
            let lifecycle = entry.request_object.pointer("/status/lifecycleState").and_then(|state| state.as_str());
            match (lifecycle, in_flight.get_mut(entry.name.as_str())) {
                (Some("STABLE"), Some(true)) => drop(in_flight.remove(entry.name.as_str())),
                (Some("UPGRADING"), Some(begun)) => *begun = true,
                _ => {}
            }
        }
        most = most.max(in_flight.len());
    }
    assert!(in_flight.is_empty(), "never seen to be stable again: {in_flight:?}");
    most
}

/// That every job has been restarted once, with so many in flight at the most, and that many at some time.
async fn assert_all_restarted_once(ground: &Ground, scene: &Scene, jobs: usize, in_flight: usize) {
    patched(scene, jobs).await;
    for name in names(jobs) {
        scene.filled(&name).await;
        ground.stable(scene, &name).await;
        assert_eq!(ground.incarnations(scene, &name).len(), 2, "{name}");
    }
    assert_eq!(scene.patches().len(), jobs, "{:#?}", scene.patches());
    assert_eq!(most_in_flight(scene.audited()), in_flight);
}

/// Returns when that many jobs have our values.
async fn patched(scene: &Scene, jobs: usize) {
    await_condition(&format!("{jobs} patched jobs"), PATIENCE * u32::try_from(jobs).unwrap(), async || {
        let patches = scene.patches().len();
        if patches >= jobs { Ok(()) } else { Err(patches) }
    })
    .await;
}

#[tokio::test]
async fn jobs_restart_one_at_a_time() {
    let ground = ground().await;
    let scene = stable_jobs(&ground, "rollout", JOBS).await;
    let _operator = ground.start(&scene).await;
    assert_all_restarted_once(&ground, &scene, JOBS, 1).await;
}

#[tokio::test]
async fn an_operator_killed_in_mid_flight_is_followed_by_one_that_continues() {
    let ground = ground().await;
    let scene = stable_jobs(&ground, "killed", JOBS).await;
    let mut operator = ground.start(&scene).await;
    for jobs in 1..JOBS {
        patched(&scene, jobs).await;
        operator.kill9();
        operator = ground.start(&scene).await;
    }
    assert_all_restarted_once(&ground, &scene, JOBS, 1).await;
}

#[tokio::test]
async fn a_second_replica_takes_over_in_mid_flight() {
    let ground = ground().await;
    let scene = stable_jobs(&ground, "replicas", JOBS).await;
    let options = ground.options(&scene).await;
    let (first, _second) = (Operator::start(&options), Operator::start(&options));
    patched(&scene, 1).await;
    first.kill9();
    assert_all_restarted_once(&ground, &scene, JOBS, 1).await;
}

/// The Flink operator says nothing while it is down: one job waits for it with its change, the others without.
#[tokio::test]
async fn a_flink_operator_that_was_down_meets_one_change_and_no_burst() {
    let ground = ground_alone().await;
    let scene = stable_jobs(&ground, "down", JOBS).await;
    ground.flink_operator.stop();
    let operator = ground.start(&scene).await;
    patched(&scene, 1).await;
    scene.look_again(&operator, u32::try_from(JOBS).unwrap()).await;
    let meanwhile = scene.patches().len();
    ground.flink_operator.start_again();
    assert_eq!(meanwhile, 1, "changes that waited for the Flink operator");
    assert_all_restarted_once(&ground, &scene, JOBS, 1).await;
}

/// `FLINK_REMEDY_FLEET=50` makes a fleet of that many jobs; it takes minutes.
#[tokio::test]
async fn a_fleet_restarts_as_many_at_a_time_as_the_policy_allows_through_a_crash() {
    let fleet = std::env::var("FLINK_REMEDY_FLEET").map_or(6, |jobs| jobs.parse().unwrap());
    let ground = ground().await;
    let scene = stable_jobs(&ground, "fleet", fleet).await;
    let options = ground.options_for(&scene, 2).await;
    let first = Operator::start(&options);
    patched(&scene, fleet / 2).await;
    first.kill9();
    let _second = Operator::start(&options);
    assert_all_restarted_once(&ground, &scene, fleet, 2).await;
}
