//! Events: said once, said anew when the words change, kept within bounds, and silent about secrets.

use std::collections::BTreeSet;

use e2e::proxy::{KillSwitch, hook};
use e2e::{AuditEntry, Crds, Operator, Proxy, apply, await_condition};
use hyper::Method;
use serde_json::{Value, json};

use crate::fko::{Fko, stable, upgrading};
use crate::support::{PATIENCE, Scene, annotated, job, looks, operator_config, with_mode};

/// What the operator asked the server to create, with the answers.
fn posted(scene: &Scene) -> Vec<AuditEntry> {
    scene.writes().into_iter().filter(|write| write.resource == "events").collect()
}

fn created(scene: &Scene) -> usize {
    posted(scene).iter().filter(|post| post.code == 201).count()
}

#[tokio::test]
async fn what_is_said_is_not_said_again_until_the_words_change() {
    let scene = Scene::new("said").await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let operator = scene.start(&[]).await;
    scene.note("j", "RemediationHeld", "restarts nothing").await;
    for _ in 0..5 {
        scene.look_again(&operator, 1).await;
    }
    assert_eq!(posted(&scene).len(), 1);
    let live = scene.job("j").await;
    scene.status("j", upgrading(Fko::V1_15, &live)).await;
    scene.note("j", "RemediationHeld", "is upgrading it").await;
    scene.now_stable(Fko::V1_15, "j").await;
    // Back to the first words, which are said for this hour.
    scene.settle(&operator, 1).await;
    assert_eq!(posted(&scene).len(), 2);
    assert_eq!(scene.said().await.len(), 2);
}

#[tokio::test]
async fn a_restarted_operator_repeats_nothing_and_loses_nothing() {
    let scene = Scene::new("again").await;
    scene.create(job("filled")).await;
    scene.create_stable(Fko::V1_15, job("held")).await;
    let operator = scene.start(&[]).await;
    scene.note("filled", "Remediated", "It cost no restart").await;
    scene.note("held", "RemediationHeld", "restarts nothing").await;
    scene.settle(&operator, 2).await;
    let before = scene.said().await;
    assert_eq!((before.len(), created(&scene)), (2, 2));
    let operator = scene.start(&[]).await;
    await_condition("it to try again what it may have said", PATIENCE, async || {
        let refused = posted(&scene).iter().filter(|post| post.code == 409).count();
        if refused == 2 { Ok(()) } else { Err(refused) }
    })
    .await;
    scene.settle(&operator, 2).await;
    assert_eq!((scene.said().await, created(&scene)), (before, 2));
}

#[tokio::test]
async fn an_event_that_a_crash_kept_from_the_server_is_posted_by_the_next_process() {
    let scene = Scene::new("lost").await;
    let switch = KillSwitch::new();
    let is_event = |request: &e2e::RequestInfo| request.method == Method::POST && request.resource == "events";
    let proxy = Proxy::with_hook(
        scene.plane,
        hook({
            let switch = switch.clone();
            move |request| {
                let switch = switch.clone();
                async move {
                    if is_event(&request) {
                        switch.fire();
                        return e2e::Verdict::Drop;
                    }
                    e2e::Verdict::Forward
                }
            }
        }),
    );
    scene.create(job("j")).await;
    let options = scene.options_via(&proxy.server(), &[]).await;
    let operator = std::sync::Arc::new(Operator::start(&options));
    switch.arm(&operator);
    operator.wait_exit(PATIENCE).await.expect("killed at its first Event");
    assert!(scene.said().await.is_empty() && scene.patches().len() == 1);
    scene.free_lease().await;
    let operator = scene.start(&[]).await;
    scene.note("j", "Remediated", "state.backend.incremental=true").await;
    scene.settle(&operator, 1).await;
    assert_eq!((scene.patches().len(), created(&scene)), (1, 1));
}

#[tokio::test]
async fn a_storm_of_status_changes_on_one_job_is_no_storm_of_events() {
    let scene = Scene::new("storm").await;
    let live = scene.create_stable(Fko::V1_15, job("j")).await;
    let operator = scene.start(&[]).await;
    scene.note("j", "RemediationHeld", "restarts nothing").await;
    let before = looks(&operator).await;
    let mut flips = 0;
    while looks(&operator).await < before + 200.0 {
        assert!(flips < 2000, "{} looks after {flips} changes", looks(&operator).await - before);
        let status = if flips % 2 == 0 { upgrading(Fko::V1_15, &live) } else { stable(Fko::V1_15, &live) };
        scene.status("j", status).await;
        flips += 1;
    }
    scene.settle(&operator, 1).await;
    assert_eq!(posted(&scene).len(), 2, "two reasons, however often they alternate");
}

#[tokio::test]
async fn a_storm_of_new_words_about_one_job_is_bounded_and_other_jobs_are_still_heard() {
    let scene = Scene::new("words").await;
    scene.create(annotated(job("loud"), "flink-remedy.dev/opt-out", "true")).await;
    let operator = scene.start(&[]).await;
    scene.note("loud", "OptedOut", "").await;
    let before = looks(&operator).await;
    let mut changes = 0;
    while looks(&operator).await < before + 200.0 {
        assert!(changes < 2000, "{} looks after {changes} changes", looks(&operator).await - before);
        let reason = json!({ "flink-remedy.dev/opt-out-reason": format!("reason number {changes}") });
        scene.merge("loud", json!({ "metadata": { "annotations": reason } })).await;
        changes += 1;
    }
    scene.create(job("quiet")).await;
    scene.note("quiet", "Remediated", "").await;
    assert!(operator.metric("flink_remedy_events_dropped_total{reason=\"OptedOut\"}").await > Some(100.0));
    scene.settle(&operator, 2).await;
    let about_loud = posted(&scene).iter().filter(|post| post.request_object["regarding"]["name"] == "loud").count();
    assert!((2..=60).contains(&about_loud), "{about_loud}");
}

/// Values that must appear nowhere; each is unlike anything else.
const SECRETS: [&str; 7] =
    ["hunter2aaa", "hunter2bbb", "hunter2ccc", "hunter2ddd", "hunter2eee", "hunter2fff", "hunter2ggg"];

/// Secrets where people put them, and where they get by mistake.
fn leaky_jobs() -> Vec<(bool, Value)> {
    let secret = json!({ "s3.secret-key": SECRETS[0], "s3.access-key": SECRETS[1],
        "fs.azure.account.key.acc.blob.core.windows.net": SECRETS[2],
        "metrics.reporter.vendor.apikey": SECRETS[3], "security.ssl.rest.key-password": SECRETS[4] });
    let with = |name: &str, more: Value| {
        let mut job = job(name);
        let conf = job["spec"]["flinkConfiguration"].as_object_mut().expect("a map");
        conf.extend(secret.as_object().expect("a map").clone());
        conf.extend(more.as_object().expect("a map").clone());
        job
    };
    let mut scalar = job("scalar");
    scalar["spec"]["flinkConfiguration"] = json!(format!("s3.secret-key: {}", SECRETS[5]));
    let mut list = job("list");
    list["spec"]["flinkConfiguration"] = json!([format!("s3.secret-key: {}", SECRETS[5])]);
    vec![
        (false, with("fresh", json!({}))),
        (true, with_mode(with("held", json!({})), "stateless")),
        (true, with("nested", json!({ "s3": { "secret": { "key": SECRETS[6] } }, "state": { "backend": "rocksdb" } }))),
        (false, with("twice", json!({ "s3": { "secret-key": SECRETS[6] } }))),
        (false, annotated(with("refused", json!({})), "flink-remedy.dev/opt-out", "no-such-rule")),
        (false, scalar),
        (false, list),
    ]
}

/// Neither these values nor the operator's own token appear anywhere.
async fn assert_silent(scene: &Scene, operator: &Operator, token: &str) {
    let metrics = operator.metrics().await;
    scene.settle(operator, 7).await;
    let written: Vec<_> = scene.writes().into_iter().map(|write| write.request_object.to_string()).collect();
    let said = format!("{:?}", scene.said().await);
    for (place, text) in
        [("log", operator.logs()), ("metrics", metrics), ("Events", said), ("writes", written.concat())]
    {
        assert!(!text.is_empty(), "{place} is empty");
        for secret in SECRETS.into_iter().chain([token]) {
            let at = text.find(secret);
            let around = at.map(|at| &text[at.saturating_sub(300)..(at + 20).min(text.len())]);
            assert!(at.is_none(), "{secret} in {place}: {around:?}");
        }
    }
}

async fn secrets_stay_secret(prefix: &str, args: &[&str]) {
    let scene = Scene::on(Crds::Untyped, prefix).await;
    for (running, job) in leaky_jobs() {
        if running {
            scene.create_stable(Fko::V1_15, job).await;
        } else {
            scene.create(job).await;
        }
    }
    let token = scene.plane.token("flink-remedy", "flink-remedy").await;
    let operator = Operator::start(&scene.options_as(&token, scene.plane.server(), args));
    operator.wait_ready().await;
    let names: BTreeSet<&str> = ["fresh", "held", "nested", "twice", "refused", "scalar", "list"].into();
    await_condition("every job to be told of", PATIENCE, async || {
        let said: BTreeSet<String> = scene.said().await.into_iter().map(|said| said.0).collect();
        if names.iter().all(|name| said.contains(*name)) { Ok(()) } else { Err(said) }
    })
    .await;
    assert_silent(&scene, &operator, &token).await;
}

#[tokio::test]
async fn secrets_in_a_job_appear_in_no_event_log_metric_or_write() {
    secrets_stay_secret("secrets", &["--mode", "Apply", "--log-level", "debug"]).await;
}

#[tokio::test]
async fn secrets_in_a_job_stay_secret_when_it_only_advises() {
    secrets_stay_secret("advised", &["--mode", "Advise", "--log-level", "trace", "--log-format", "json"]).await;
}

#[tokio::test]
async fn secrets_in_a_broken_configuration_of_the_flink_operator_stay_secret() {
    let scene = Scene::new("config").await;
    let config = scene.own_operator_config().await;
    let lines = format!("s3.access-key: {}\ns3.secret-key {}\n", SECRETS[0], SECRETS[1]);
    apply(&scene.admin, operator_config(&scene.namespace, &lines)).await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let operator = scene.start(&["--mode", "Apply", "--operator-config", &config, "--log-level", "debug"]).await;
    let note = scene.note("j", "RemediationHeld", "line 2").await;
    assert!(note.contains("flink-conf.yaml") && note.contains("s3.secret-key"), "{note}");
    scene.settle(&operator, 1).await;
    assert!(scene.patches().is_empty());
    let said = format!("{:?}{}", scene.said().await, operator.logs());
    assert!(!said.contains("hunter2"), "{said}");
}
