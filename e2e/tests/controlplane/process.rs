//! The process as Kubernetes runs it: it writes only while it surely leads, ends cleanly, and outlives faults.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::proxy::{hold_first, hook};
use e2e::{Operator, Proxy, RequestInfo, Verdict, apply, await_condition};
use futures::{StreamExt as _, stream};
use hyper::{Method, StatusCode};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::fko::Fko;
use crate::support::{PATIENCE, Scene, annotated, job, looks, operator_config, with_mode};

/// Of a lease, unless a test says otherwise: nobody else may lead earlier after its last renewal.
const LEASE: SignedDuration = SignedDuration::from_secs(15);

fn is_patch(request: &RequestInfo) -> bool {
    request.method == Method::PATCH && request.resource == "flinkdeployments"
}

async fn leads(operator: &Operator) {
    await_condition("the operator to lead", PATIENCE, async || {
        operator.metric("flink_remedy_leader").await.filter(|leader| *leader > 0.0)
    })
    .await;
}

async fn behind(scene: &Scene, proxy: &Proxy, args: &[&str]) -> Operator {
    let operator = Operator::start(&scene.options_via(&proxy.server(), args).await);
    operator.wait_ready().await;
    operator
}

/// That these jobs, and no others, were patched, each once.
fn assert_each_patched_once(scene: &Scene, jobs: &[&str]) {
    let mut patched: Vec<_> = scene.patches().into_iter().map(|patch| patch.name).collect();
    patched.sort();
    assert_eq!(patched, jobs);
}

/// Ends a process that may be the leader and has something in progress; its exit code.
async fn exit_code(operator: &Operator) -> Option<i32> {
    operator.wait_exit(PATIENCE).await.expect("it ends by itself").code()
}

async fn fleet(scene: &Scene) {
    let jobs = (0..100).map(|n| {
        let name = format!("job-{n:03}");
        match n % 5 {
            0 => (true, with_mode(job(&name), "stateless")),
            1 => (false, annotated(job(&name), "flink-remedy.dev/opt-out", "true")),
            _ => (false, job(&name)),
        }
    });
    stream::iter(jobs)
        .for_each_concurrent(16, |(running, job)| async move {
            if running {
                scene.create_stable(Fko::V1_15, job).await;
            } else {
                scene.create(job).await;
            }
        })
        .await;
}

#[tokio::test]
async fn a_settled_fleet_is_never_written_however_often_it_is_looked_at() {
    let scene = Scene::new("fleet").await;
    let config = scene.own_operator_config().await;
    fleet(&scene).await;
    let operator = scene.start(&["--operator-config", &config]).await;
    await_condition("every job to be told of", PATIENCE * 2, async || match scene.events().await.len() {
        100 => Ok(()),
        count => Err(count),
    })
    .await;
    scene.look_again(&operator, 100).await;
    let (mark, before) = (scene.plane.audit().mark(), looks(&operator).await);
    for round in 0..10 {
        let seen = looks(&operator).await;
        // A change of the platform's configuration that concerns no rule.
        apply(&scene.admin, operator_config(&scene.namespace, &format!("blob.server.port: \"{}\"", 7000 + round)))
            .await;
        await_condition("every job to be judged anew", PATIENCE, async || {
            let now = looks(&operator).await;
            if now >= seen + 100.0 { Ok(()) } else { Err(now - seen) }
        })
        .await;
        scene.look_again(&operator, 100).await;
    }
    assert!(looks(&operator).await >= before + 2000.0);
    assert_eq!(operator.terminate().await.code(), Some(0), "{}", operator.logs());
    let written: Vec<_> = scene.writes_since(mark).into_iter().map(|write| (write.verb, write.uri)).collect();
    assert!(written.is_empty(), "{written:#?}");
    assert_eq!(scene.patches().len(), 60);
}

/// When the server got the first change of the lease that this holder made, and the last.
fn lease_held(scene: &Scene, holder: &str) -> (Timestamp, Timestamp) {
    let changes = scene.audited().into_iter().filter(|entry| {
        entry.resource == "leases"
            && entry.is_write()
            && entry.code < 300
            && entry.request_object["spec"]["holderIdentity"].as_str().is_some_and(|id| id.starts_with(holder))
    });
    let times: Vec<Timestamp> = changes.map(|entry| entry.received.parse().expect("RFC 3339")).collect();
    (*times.first().expect("it led"), *times.last().expect("it led"))
}

#[tokio::test]
async fn only_the_leader_writes_and_a_killed_one_is_replaced_within_the_lease() {
    let scene = Scene::new("leader").await;
    let (front, back) = (Proxy::start(scene.plane), Proxy::start(scene.plane));
    let first = behind(&scene, &front, &["--identity", "first"]).await;
    leads(&first).await;
    let second = behind(&scene, &back, &["--identity", "second"]).await;
    for name in ["a", "b"] {
        scene.create(job(name)).await;
    }
    for name in ["a", "b"] {
        scene.filled(name).await;
        scene.note(name, "Remediated", "").await;
    }
    assert_eq!(back.mutating(), 0, "a replica that does not lead wrote");
    assert_eq!(second.metric("flink_remedy_leader").await, Some(0.0));
    first.kill9();
    for name in ["c", "d"] {
        scene.create(job(name)).await;
    }
    for name in ["c", "d"] {
        scene.filled(name).await;
        scene.note(name, "Remediated", "").await;
    }
    let idle = lease_held(&scene, "second").0.duration_since(lease_held(&scene, "first").1);
    // Not before the lease has run out by the second's own clock, and soon after; it looks every two seconds or so.
    assert!(idle > LEASE && idle < LEASE * 2, "{idle}");
    scene.settle(&second, 4).await;
    assert_each_patched_once(&scene, &["a", "b", "c", "d"]);
    assert_eq!(scene.events().await.len(), 4);
}

#[tokio::test]
async fn asked_to_end_it_finishes_its_write_and_hands_the_lease_over_at_once() {
    let scene = Scene::new("sigterm").await;
    let (held, gate) = hold_first(is_patch);
    let proxy = Proxy::with_hook(scene.plane, held);
    // Another replica would wait for two minutes if the lease were only left to expire.
    let first = behind(&scene, &proxy, &["--lease-duration", "120"]).await;
    leads(&first).await;
    let second = scene.start(&["--lease-duration", "120"]).await;
    scene.create(job("j")).await;
    gate.reached().await;
    let start = Instant::now();
    let ended = async {
        let status = first.terminate().await;
        assert_eq!(status.code(), Some(0), "{}", first.logs());
    };
    let opened = async {
        await_condition("the signal to be taken", PATIENCE, async || {
            first.logs().contains("finishing what is in progress").then_some(())
        })
        .await;
        gate.open();
    };
    futures::join!(ended, opened);
    leads(&second).await;
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    scene.note("j", "Remediated", "").await;
    scene.settle(&second, 1).await;
    assert_each_patched_once(&scene, &["j"]);
}

#[tokio::test]
async fn with_the_api_frozen_past_the_deadline_it_ends_and_its_held_write_never_lands() {
    let scene = Scene::new("frozen").await;
    let (held, gate) = hold_first(is_patch);
    let proxy = Proxy::with_hook(scene.plane, held);
    let operator = behind(&scene, &proxy, &[]).await;
    scene.create(job("j")).await;
    gate.reached().await;
    proxy.freeze();
    let frozen = Instant::now();
    gate.open();
    assert_eq!(exit_code(&operator).await, Some(1), "{}", operator.logs());
    // Its deadline is 10 s after its last renewal.
    assert!(frozen.elapsed() < LEASE.unsigned_abs(), "it ended only after {:?}", frozen.elapsed());
    assert!(operator.logs().contains("could not be renewed before its deadline"), "{}", operator.logs());
    let last_renewal = lease_held(&scene, "flink-remedy").1;
    proxy.thaw();
    // By another way in, so that whatever the proxy still held would have come first.
    let next = scene.start(&[]).await;
    scene.filled("j").await;
    scene.note("j", "Remediated", "").await;
    scene.settle(&next, 1).await;
    assert_each_patched_once(&scene, &["j"]);
    let patch: Timestamp = scene.patches()[0].received.parse().expect("RFC 3339");
    assert!(patch.duration_since(last_renewal) > LEASE, "the write held by the first landed");
    assert_eq!(proxy.count(is_patch), 1);
}

#[tokio::test]
async fn no_write_comes_later_than_the_renew_deadline_after_the_last_renewal() {
    let scene = Scene::new("deadline").await;
    let (passed, is_over) = <(Arc<Mutex<Vec<(String, Instant)>>>, Arc<AtomicBool>)>::default();
    // By the proxy's clock: how long a request lies at the server is not the operator's doing.
    let times = hook({
        let (passed, is_over) = (passed.clone(), is_over.clone());
        move |request: Arc<RequestInfo>| {
            let is_held = request.resource == "leases" && request.is_mutating() && is_over.load(Ordering::SeqCst);
            if request.is_mutating() && !is_held {
                passed.lock().expect("no test panics with it").push((request.resource.clone(), Instant::now()));
            }
            async move {
                if is_held {
                    std::future::pending::<()>().await;
                }
                Verdict::Forward
            }
        }
    });
    let proxy = Proxy::with_hook(scene.plane, times);
    let operator = behind(&scene, &proxy, &[]).await;
    // A server that has just started takes seconds to create the first object of a custom kind.
    scene.create(job("first")).await;
    scene.note("first", "Remediated", "").await;
    // From now on the lease is not renewed, while everything else works.
    is_over.store(true, Ordering::SeqCst);
    let (mut created, mut pace) = (0, tokio::time::interval(Duration::from_millis(50)));
    while operator.try_exit().is_none() {
        pace.tick().await;
        assert!(created < 1000, "it still runs: {}", operator.logs());
        scene.create(job(&format!("job-{created}"))).await;
        created += 1;
    }
    assert_eq!(exit_code(&operator).await, Some(1), "{}", operator.logs());
    let passed = passed.lock().expect("no test panics with it").clone();
    let last = |is_lease: bool| {
        let of = passed.iter().filter(|(resource, _)| (resource == "leases") == is_lease);
        of.map(|(_, at)| *at).max().expect("it led and wrote")
    };
    let last = last(false).duration_since(last(true));
    assert!(last > Duration::from_secs(5), "it stopped writing long before it had to: {last:?}");
    // The deadline is two thirds of the lease, 10 s; a request sent just before it may take a moment to arrive.
    assert!(last < Duration::from_secs(12), "a write {last:?} after the last renewal");
}

#[tokio::test]
async fn a_paused_leader_that_wakes_after_another_took_over_writes_nothing_more() {
    let scene = Scene::new("paused").await;
    let proxy = Proxy::start(scene.plane);
    let first = behind(&scene, &proxy, &[]).await;
    leads(&first).await;
    let second = scene.start(&[]).await;
    first.pause();
    leads(&second).await;
    let changes = || proxy.count(|request| request.is_mutating() && request.resource != "leases");
    let before = changes();
    // Work that the first will find in its watch when it wakes; the second does not get to it, so that
    // nothing but its own fence keeps the first from it.
    second.pause();
    for name in ["a", "b", "c"] {
        scene.create(job(name)).await;
    }
    first.resume();
    assert_eq!(exit_code(&first).await, Some(1), "{}", first.logs());
    assert_eq!(changes(), before, "{}", first.logs());
    assert!(scene.patches().is_empty());
}

#[tokio::test]
async fn a_failing_server_is_asked_again_and_each_job_is_patched_once() {
    let scene = Scene::new("failing").await;
    scene.create(job("j")).await;
    let failures =
        [(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"), (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")];
    let proxy = Proxy::start(scene.plane);
    let seen = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    // Each kind of request fails once in each way; leases do not, or the process would rightly end.
    proxy.set_hook(hook({
        let seen = seen.clone();
        move |request: Arc<RequestInfo>| {
            let kind = format!("{} {}", request.method, request.resource);
            let mut seen = seen.lock().expect("no test panics with it");
            let count = seen.entry(kind).or_default();
            let failure = if request.resource == "leases" { None } else { failures.get(*count) };
            *count += 1;
            let verdict = failure.map(|(status, reason)| Verdict::refuse(*status, reason, "made up by the test"));
            async move { verdict.unwrap_or(Verdict::Forward) }
        }
    }));
    let operator = behind(&scene, &proxy, &[]).await;
    scene.note("j", "Remediated", "").await;
    scene.settle(&operator, 1).await;
    assert_each_patched_once(&scene, &["j"]);
    assert_eq!(scene.events().await.len(), 1);
    let seen = seen.lock().expect("no test panics with it").clone();
    for kind in ["PATCH flinkdeployments", "GET flinkdeployments", "GET namespaces", "GET configmaps", "POST events"] {
        assert!(seen.get(kind).is_some_and(|count| *count > failures.len()), "{kind} did not fail: {seen:?}");
    }
}

/// Cuts all watches, acts while there is none of this resource, and lets it be taken up again: from where it
/// broke off, or, when the server `forgets` the place, with a new list.
async fn meanwhile(proxy: &Proxy, resource: &'static str, forgets: bool, act: impl Future) {
    let watches = move |request: &RequestInfo| request.is_watch() && request.resource == resource;
    let gone = json!({ "type": "ERROR", "object": { "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": "Expired", "code": 410, "message": "too old resource version" } });
    let answer = Arc::new(Mutex::new(forgets.then_some(gone)));
    let (hold, gate) = hold_first(watches);
    await_condition("a watch to cut", PATIENCE, async || (proxy.count(watches) > 0).then_some(())).await;
    proxy.set_hook(hook(move |request: Arc<RequestInfo>| {
        let (hold, answer) = (hold.clone(), answer.clone());
        async move {
            let verdict = hold(request.clone()).await;
            let gone = if watches(&request) { answer.lock().expect("no panic").take() } else { None };
            gone.map_or(verdict, |body| Verdict::Respond(StatusCode::OK, body))
        }
    }));
    proxy.cut();
    gate.reached().await;
    act.await;
    gate.open();
}

#[tokio::test]
async fn cut_watches_are_taken_up_again_with_nothing_lost_and_nothing_twice() {
    let scene = Scene::new("cut").await;
    let proxy = Proxy::start(scene.plane);
    let operator = behind(&scene, &proxy, &[]).await;
    scene.create(job("a")).await;
    scene.note("a", "Remediated", "").await;
    meanwhile(&proxy, "flinkdeployments", false, scene.create(job("b"))).await;
    scene.note("b", "Remediated", "").await;
    // As many as make a list long enough to be looked into before it is whole.
    let many: Vec<String> = (0..100).map(|n| format!("job-{n:03}")).collect();
    let created = stream::iter(&many).for_each_concurrent(16, |name| async { drop(scene.create(job(name)).await) });
    meanwhile(&proxy, "flinkdeployments", true, created).await;
    await_condition("every job to be told of", PATIENCE, async || match scene.events().await.len() {
        102 => Ok(()),
        count => Err(count),
    })
    .await;
    scene.settle(&operator, 102).await;
    let all: Vec<&str> = ["a", "b"].into_iter().chain(many.iter().map(String::as_str)).collect();
    assert_each_patched_once(&scene, &all);
    assert_eq!(scene.events().await.len(), 102);
}

#[tokio::test]
async fn an_opt_out_set_on_the_namespace_while_its_watch_was_cut_is_obeyed() {
    let scene = Scene::new("cutnamespace").await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let proxy = Proxy::start(scene.plane);
    let operator = behind(&scene, &proxy, &[]).await;
    scene.note("j", "RemediationHeld", "").await;
    let namespaces = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(scene.admin.clone());
    let opt_out = json!({ "metadata": { "annotations": { "flink-remedy.dev/opt-out": "true" } } });
    let (params, patch) = (kube::api::PatchParams::default(), kube::api::Patch::Merge(opt_out));
    meanwhile(&proxy, "namespaces", true, namespaces.patch(&scene.namespace, &params, &patch)).await;
    scene.note("j", "OptedOut", "").await;
    scene.settle(&operator, 1).await;
    assert!(scene.patches().is_empty());
}
