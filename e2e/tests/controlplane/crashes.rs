//! A crash at any write costs nothing: the next process comes to the same end, and nothing is done twice.
//!
//! The operator is killed with SIGKILL at every mutating request of a run, both when the API server has not
//! seen it yet and when it has carried it out without the operator learning of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use e2e::proxy::{KillSwitch, Moment, kill_at};
use e2e::{Operator, Proxy, await_condition};
use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::fko::Fko;
use crate::support::{PATIENCE, Scene, annotated, job, record, with_mode};

const ARGS: [&str; 2] = ["--mode", "Apply"];
const JOBS: [&str; 5] = ["new", "newer", "running", "stateless", "left-alone"];
/// Which of them are filled, each in one patch.
const FILLED: [&str; 3] = ["new", "newer", "running"];
/// Crashes tried at the same time; each brings an operator and a proxy.
const AT_ONCE: usize = 4;

/// What a run leaves behind, without what differs from run to run.
#[derive(Debug, PartialEq)]
struct End {
    specs: BTreeMap<&'static str, Value>,
    records: BTreeMap<&'static str, Value>,
    said: Vec<(String, String, String)>,
}

/// Two jobs not deployed yet, one to restart, one that is held and one that is opted out.
async fn scenario(prefix: &str) -> Scene {
    let scene = Scene::new(prefix).await;
    scene.create(job("new")).await;
    scene.create(with_mode(job("newer"), "stateless")).await;
    scene.create_stable(Fko::V1_15, job("running")).await;
    scene.create_stable(Fko::V1_15, with_mode(job("stateless"), "stateless")).await;
    scene.create(annotated(job("left-alone"), "flink-remedy.dev/opt-out", "true")).await;
    scene
}

async fn end(scene: &Scene) -> End {
    let mut end = End { specs: BTreeMap::new(), records: BTreeMap::new(), said: scene.said().await };
    for name in JOBS {
        let job = scene.job(name).await;
        let mut filled = record(&job);
        if let Some(fields) = filled.as_object_mut() {
            assert!(fields.remove("at").is_some(), "{filled}");
            if let Some(restart) = fields.get_mut("restart").and_then(Value::as_object_mut) {
                assert!(restart.remove("at").is_some(), "{filled}");
            }
        }
        end.specs.insert(name, job.data["spec"].clone());
        end.records.insert(name, filled);
    }
    end
}

/// One Event for each job, once all is done.
fn is_complete(end: &End) -> bool {
    let said: Vec<_> = end.said.iter().map(|(name, reason, _)| (name.as_str(), reason.as_str())).collect();
    said == [
        ("left-alone", "OptedOut"),
        ("new", "Remediated"),
        ("newer", "Remediated"),
        ("running", "Remediated"),
        ("stateless", "RemediationHeld"),
    ]
}

/// Waits for the end of a run, ends the operator and returns what is left, after it was given every occasion
/// to do more.
async fn finish(scene: &Scene, operator: &Operator) -> End {
    await_condition("the end of the run", PATIENCE, async || {
        let end = end(scene).await;
        if is_complete(&end) { Ok(()) } else { Err(end.said) }
    })
    .await;
    scene.settle(operator, u32::try_from(JOBS.len()).expect("a few")).await;
    end(scene).await
}

/// That each job was patched once, and each Event created once.
fn assert_nothing_twice(scene: &Scene, what: &str) {
    let writes = scene.writes();
    let seen: Vec<_> = writes
        .iter()
        .map(|write| format!("{} {} {} {}", write.received, write.resource, write.name, write.code))
        .collect();
    let landed = |resource: &str| {
        let of = writes.iter().filter(|write| write.resource == resource && write.code < 300);
        let mut names: Vec<_> = of.map(|write| write.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(landed("flinkdeployments"), FILLED, "{what}: {seen:#?}");
    assert_eq!(landed("events").len(), JOBS.len(), "{what}: {seen:#?}");
}

async fn clean_run() -> (End, u64) {
    let scene = scenario("clean").await;
    let proxy = Proxy::start(scene.plane);
    let operator = Operator::start(&scene.options_via(&proxy.server(), &ARGS).await);
    operator.wait_ready().await;
    await_condition("the end of the clean run", PATIENCE, async || {
        let end = end(&scene).await;
        if is_complete(&end) { Ok(()) } else { Err(end.said) }
    })
    .await;
    let requests = proxy.mutating();
    let end = finish(&scene, &operator).await;
    assert_nothing_twice(&scene, "clean run");
    (end, requests)
}

async fn crashed_run(k: u64, moment: Moment, clean: &End) {
    let what = format!("killed at write {k}, {moment:?}");
    let scene = scenario("crash").await;
    let switch = KillSwitch::new();
    let proxy = Proxy::with_hook(scene.plane, kill_at(k, moment, &switch));
    let options = scene.options_via(&proxy.server(), &ARGS).await;
    let first = Arc::new(Operator::start(&options));
    switch.arm(&first);
    let status = first.wait_exit(PATIENCE).await.expect("a killed process ends");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{what}: {}", first.logs());
    // Lease renewals make the count go on, so that a number that is never reached cannot pass unseen.
    assert!(proxy.mutating() >= k, "{what}");
    scene.free_lease().await;
    let second = Operator::start(&options);
    second.wait_ready().await;
    let end = finish(&scene, &second).await;
    assert_eq!(end, *clean, "{what}");
    assert_nothing_twice(&scene, &what);
}

#[tokio::test]
async fn killed_at_any_write_the_next_process_comes_to_the_same_end() {
    let (clean, requests) = clean_run().await;
    // The lease, three patches, five Events.
    assert!(requests >= 9, "only {requests} writes");
    let points = (1..=requests).flat_map(|k| [(k, Moment::BeforeForward), (k, Moment::AfterForward)]);
    stream::iter(points)
        .for_each_concurrent(AT_ONCE, |(k, moment)| {
            let clean = &clean;
            async move { crashed_run(k, moment, clean).await }
        })
        .await;
}
