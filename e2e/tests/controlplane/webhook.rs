//! Fills at admission: what is stored, and that no write of ours follows it.

use std::time::{Duration, Instant};

use e2e::{Crds, await_condition};
use flink_conf::{Key, flatten};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fko::Fko;
use crate::hooked::{ADDED, Hooked};
use crate::support::{PATIENCE, annotated, job, record};

const MODE: &str = "flink-remedy.dev/mode";
const PORT: &str = "metrics.reporter.prom.port";

fn options(job: &DynamicObject) -> &Value {
    &job.data["spec"]["flinkConfiguration"]
}

/// A job that runs, stable, without our values: it was filled by nobody so far.
async fn create_unfilled(hooked: &Hooked, fko: Fko, job: Value) -> DynamicObject {
    let name = job["metadata"]["name"].as_str().expect("a name").to_owned();
    hooked.scene.create_stable(fko, annotated(job, MODE, "Off")).await;
    let live = hooked.scene.merge(&name, json!({ "metadata": { "annotations": { MODE: null } } })).await;
    assert!(record(&live).is_null(), "{live:#?}");
    live
}

/// Returns when the loop has told of a change that was made at admission.
async fn told(hooked: &Hooked, name: &str, text: &str) {
    await_condition("the loop to tell of it", PATIENCE, async || {
        let notes = hooked.scene.notes(name, "Remediated").await;
        if notes.iter().any(|note| note.contains(text)) { Ok(()) } else { Err(notes) }
    })
    .await;
}

/// Whether the job is as it was sent, with nothing of ours.
fn is_as_sent(live: &DynamicObject, sent: &Value) -> bool {
    live.data["spec"] == sent["spec"] && record(live).is_null()
}

#[tokio::test]
async fn a_new_job_is_stored_with_its_fills_and_written_no_more() {
    for crds in [Crds::Typed, Crds::Untyped] {
        let hooked = Hooked::new(crds, "admit").await;
        let operator = hooked.start(&[]).await;
        let live = hooked.scene.create(job("j")).await;
        assert_eq!((live.metadata.generation, &options(&live)[PORT]), (Some(1), &json!("9249")));
        let recorded = record(&live);
        assert_eq!(recorded["values"][PORT]["rule"], "MET001", "{recorded:#}");
        told(&hooked, "j", PORT).await;
        let metrics = operator.metrics().await;
        assert!(metrics.contains("flink_remedy_admission_reviews_total{outcome=\"Filled\"}"), "{metrics}");
        let mut generated = job("x");
        generated["metadata"] = json!({ "generateName": "made-up-" });
        assert!(is_as_sent(&hooked.dry_run(generated.clone()).await, &generated));
        hooked.scene.settle(&operator, 1).await;
        assert!(hooked.scene.patches().is_empty(), "{:#?}", hooked.scene.patches());
        assert_eq!(hooked.scene.job("j").await.metadata.resource_version, live.metadata.resource_version);
    }
}

#[tokio::test]
async fn what_people_say_by_annotation_is_obeyed() {
    let hooked = Hooked::new(Crds::Typed, "admit-obeys").await;
    let _operator = hooked.start(&[]).await;
    for (key, value) in [("opt-out", "true"), ("mode", "Advise"), ("opt-out", "no-such-rule"), ("mode", "sideways")] {
        let job = annotated(job("j"), &format!("flink-remedy.dev/{key}"), value);
        assert!(is_as_sent(&hooked.dry_run(job.clone()).await, &job), "{key}: {value}");
    }
    let without_metrics = annotated(job("j"), "flink-remedy.dev/opt-out", "MET001");
    let stored = hooked.dry_run(without_metrics).await;
    assert!(!record(&stored).is_null() && options(&stored).get(PORT).is_none(), "{stored:#?}");
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": hooked.scene.namespace, "annotations": { "flink-remedy.dev/opt-out": "true" } } });
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(hooked.scene.admin.clone());
    let (params, name) = (PatchParams::default(), hooked.scene.namespace.as_str());
    namespaces.patch(name, &params, &Patch::Merge(namespace)).await.expect("an annotated namespace");
    await_condition("the namespace's opt-out to be known", PATIENCE, async || {
        let stored = hooked.dry_run(job("j")).await;
        if record(&stored).is_null() { Ok(()) } else { Err(stored) }
    })
    .await;
}

#[tokio::test]
async fn an_owners_own_restart_brings_the_fills_along_and_nothing_else_does() {
    let hooked = Hooked::new(Crds::Typed, "admit-change").await;
    let operator = hooked.start(&[]).await;
    for fko in [Fko::V1_7, Fko::V1_15] {
        let name = format!("{fko:?}").to_lowercase().replace('_', "-");
        let before = create_unfilled(&hooked, fko, job(&name)).await;
        for harmless in [
            json!({ "metadata": { "labels": { "team": "a" } } }),
            json!({ "spec": { "flinkConfiguration": { "job.autoscaler.enabled": "true" } } }),
            json!({ "spec": { "flinkConfiguration": { "kubernetes.operator.savepoint.history.max.count": "3" } } }),
            json!({ "spec": { "job": { "savepointTriggerNonce": 7 } } }),
        ] {
            let live = hooked.scene.merge(&name, harmless.clone()).await;
            assert!(record(&live).is_null(), "{harmless}: {live:#?}");
        }
        let by_fko = ["--as=system:serviceaccount:flink-operator:flink-operator", "--as-group=system:masters"];
        for (what, how) in [
            (&["scale", "--replicas=3"][..], &[][..]),
            (&["patch", "--type=merge", r#"-p={"spec": {"image": "flink:by-fko"}}"#], &by_fko),
        ] {
            let object = format!("flinkdeployment/{name}");
            let args = [what, &["-n", &hooked.scene.namespace, &object], how].concat();
            let output = hooked.scene.plane.run_kubectl(&args, "").await;
            assert!(output.status.success(), "{output:?}");
            assert!(record(&hooked.scene.job(&name).await).is_null(), "{what:?}");
        }
        let harmless = hooked.scene.job(&name).await;
        let live = hooked.scene.merge(&name, json!({ "spec": { "image": "flink:1.18-scala" } })).await;
        assert_eq!(live.metadata.generation.unwrap(), harmless.metadata.generation.unwrap() + 1, "{before:#?}");
        assert_eq!(options(&live)[PORT], "9249", "{live:#?}");
        assert_eq!(record(&live)["restart"], Value::Null);
        told(&hooked, &name, PORT).await;
    }
    hooked.scene.settle(&operator, 2).await;
    assert!(hooked.scene.patches().is_empty(), "{:#?}", hooked.scene.patches());
}

#[tokio::test]
async fn whoever_fights_a_fire_gets_exactly_what_was_sent() {
    let hooked = Hooked::new(Crds::Typed, "admit-fire").await;
    let _operator = hooked.start(&[]).await;
    create_unfilled(&hooked, Fko::V1_15, job("j")).await;
    let lifecycles =
        [("FAILED", "FAILED"), ("UPGRADING", "FINISHED"), ("ROLLED_BACK", "RUNNING"), ("DEPLOYED", "CREATED")];
    for (index, (lifecycle, state)) in lifecycles.into_iter().enumerate() {
        hooked.scene.status("j", json!({ "lifecycleState": lifecycle, "jobStatus": { "state": state } })).await;
        let mut sent = hooked.scene.job("j").await.data;
        sent["spec"]["image"] = json!(format!("flink:again-{index}"));
        let live = hooked.scene.merge("j", json!({ "spec": { "image": sent["spec"]["image"] } })).await;
        assert!(is_as_sent(&live, &sent), "{lifecycle}: {live:#?}");
    }
    hooked.scene.now_stable(Fko::V1_15, "j").await;
    hooked.scene.status("j", json!({ "lifecycleState": "STABLE", "jobStatus": { "state": "RUNNING" } })).await;
    let live = hooked.scene.merge("j", json!({ "spec": { "image": "flink:well" } })).await;
    assert!(!record(&live).is_null(), "{live:#?}");
}

/// Also where nothing may be added: two spellings of one option side by side are nobody's wish.
#[tokio::test]
async fn what_the_owner_sets_in_another_spelling_replaces_ours_in_the_same_request() {
    let hooked = Hooked::new(Crds::Untyped, "admit-spelling").await;
    let operator = hooked.start(&[]).await;
    let ours = "execution.checkpointing.incremental";
    for (name, opt_out) in [("filled", Value::Null), ("opted-out", json!("true"))] {
        let mut new = job(name);
        new["spec"]["flinkVersion"] = json!("v1_20");
        hooked.scene.create_stable(Fko::V1_15, new).await;
        assert_eq!(options(&hooked.scene.job(name).await)[ours], "true");
        hooked
            .scene
            .merge(name, json!({ "metadata": { "annotations": { "flink-remedy.dev/opt-out": opt_out } } }))
            .await;
        let nested = json!({ "spec": { "flinkConfiguration": { "state": { "backend": { "incremental": false } } } } });
        let live = hooked.scene.merge(name, nested).await;
        assert!(options(&live).get(ours).is_none(), "{live:#?}");
        assert_eq!(options(&live)["state"]["backend"]["incremental"], false);
        assert!(record(&live)["values"].get(ours).is_none() && record(&live)["values"].get(PORT).is_some());
    }
    hooked.scene.settle(&operator, 2).await;
    assert!(hooked.scene.patches().is_empty(), "{:#?}", hooked.scene.patches());
}

/// FKO dies of two keys of which one is a prefix of the other, once the job is stopped.
#[tokio::test]
async fn a_raised_flink_version_gets_our_fills_in_its_own_spelling() {
    for opted_out in [false, true] {
        let hooked = Hooked::new(Crds::Untyped, "admit-raise").await;
        let _operator = hooked.start(&[]).await;
        let mut new = job("j");
        let conf = new["spec"]["flinkConfiguration"].as_object_mut().unwrap();
        conf.remove("state.backend.type");
        conf.insert("state.backend".into(), json!("rocksdb"));
        let live = hooked.scene.create_stable(Fko::V1_15, new).await;
        assert_eq!(options(&live)["state.backend.incremental"], "true", "{live:#?}");
        if opted_out {
            hooked
                .scene
                .merge("j", json!({ "metadata": { "annotations": { "flink-remedy.dev/opt-out": "true" } } }))
                .await;
        }
        let raise = json!({ "spec": { "flinkVersion": "v2_0", "image": "flink:2.0" } });
        let live = hooked.scene.merge("j", raise).await;
        let keys: Vec<Key> = flatten(options(&live)).unwrap().into_keys().collect();
        for key in &keys {
            assert!(keys.iter().all(|other| !key.overlaps(other.as_str())), "{key} in {keys:?}");
        }
        assert_eq!(options(&live)["execution.checkpointing.incremental"], "true", "{live:#?}");
    }
}

#[tokio::test]
async fn fills_go_with_the_change_that_they_rode_along_with() {
    let hooked = Hooked::new(Crds::Typed, "admit-revert").await;
    let operator = hooked.start(&[]).await;
    let before = create_unfilled(&hooked, Fko::V1_15, job("j")).await;
    let live = hooked.scene.merge("j", json!({ "spec": { "image": "flink:mistake" } })).await;
    assert!(!record(&live).is_null());
    // The Flink operator has not acted on it: with the image alone taken back, our values would restart the job.
    let live = hooked.scene.merge("j", json!({ "spec": { "image": "flink:1.18" } })).await;
    assert_eq!(live.data["spec"]["flinkConfiguration"], before.data["spec"]["flinkConfiguration"], "{live:#?}");
    assert_eq!(live.data["spec"]["image"], before.data["spec"]["image"]);
    hooked.scene.settle(&operator, 1).await;
    assert!(hooked.scene.patches().is_empty(), "{:#?}", hooked.scene.patches());
}

#[tokio::test]
async fn what_was_filled_at_admission_can_be_taken_out_again() {
    let hooked = Hooked::new(Crds::Untyped, "admit-out").await;
    let operator = hooked.start(&[]).await;
    let mut new = job("j");
    new["spec"]["flinkVersion"] = json!("v1_20");
    hooked.scene.create_stable(Fko::V1_15, new).await;
    operator.kill9();
    let ours = "execution.checkpointing.incremental";
    hooked
        .scene
        .merge("j", json!({ "spec": { "flinkConfiguration": { "state.backend.incremental": "false" } } }))
        .await;
    hooked.scene.status("j", json!({ "lifecycleState": "SUSPENDED" })).await;
    hooked.scene.merge("j", json!({ "spec": { "job": { "state": "suspended" } } })).await;
    let before = hooked.scene.job("j").await;
    assert_eq!(options(&before)[ours], "true");
    let operator = hooked.scene.start(&[]).await;
    await_condition("ours to leave", PATIENCE, async || {
        let live = hooked.scene.job("j").await;
        if options(&live).get(ours).is_none() { Ok(()) } else { Err(live) }
    })
    .await;
    hooked.scene.settle(&operator, 1).await;
    let live = hooked.scene.job("j").await;
    assert_eq!(live.metadata.generation.unwrap(), before.metadata.generation.unwrap() + 1, "{live:#?}");
    assert_eq!(options(&live)[PORT], "9249");
}

/// How long a webhook may hold a request that says nothing of it. Ours says two seconds, which take longer on a busy machine.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn without_the_webhook_creates_go_through_and_the_loop_fills() {
    let hooked = Hooked::as_shipped(Crds::Typed, "admit-dead").await;
    hooked.start(&[]).await.kill9();
    let began = Instant::now();
    let live = hooked.scene.create(job("j")).await;
    assert!(began.elapsed() < DEFAULT_TIMEOUT, "{:?}", began.elapsed());
    assert!(record(&live).is_null());
    let _operator = hooked.scene.start(&[]).await;
    hooked.scene.filled("j").await;
}

/// Frozen, it takes connections and never answers.
#[tokio::test]
async fn a_webhook_that_hangs_costs_its_timeout_and_no_more() {
    let hooked = Hooked::as_shipped(Crds::Typed, "admit-hangs").await;
    let operator = hooked.start(&[]).await;
    operator.pause();
    let began = Instant::now();
    let live = hooked.scene.create(job("j")).await;
    assert!(began.elapsed() < DEFAULT_TIMEOUT && record(&live).is_null(), "{:?}", began.elapsed());
    operator.resume();
    hooked.scene.filled("j").await;
}

#[tokio::test]
async fn beside_another_webhook_the_answer_stays_the_same() {
    let hooked = Hooked::new(Crds::Typed, "admit-chain").await;
    let operator = hooked.start(&[]).await;
    hooked.join_another().await;
    let live = hooked.scene.create(job("j")).await;
    assert_eq!((&options(&live)[ADDED], &options(&live)[PORT]), (&json!("/tmp/up"), &json!("9249")));
    assert!(!record(&live).is_null());
    told(&hooked, "j", PORT).await;
    hooked.scene.settle(&operator, 1).await;
    assert!(hooked.scene.patches().is_empty(), "{:#?}", hooked.scene.patches());
    assert_eq!(hooked.scene.job("j").await.metadata.generation, Some(1));
}

/// A record that came along with a manifest speaks of another object.
#[tokio::test]
async fn a_copied_record_is_replaced() {
    let hooked = Hooked::new(Crds::Typed, "admit-copy").await;
    let _operator = hooked.start(&[]).await;
    let first = hooked.scene.create(job("first")).await;
    let mut copy = job("copy");
    copy["metadata"]["annotations"] = json!(first.metadata.annotations);
    let mut text: Value = record(&first);
    text["at"] = json!("2026-01-02T03:04:05Z");
    text["restart"] = json!({ "change": "c", "generation": 1, "at": "2026-01-02T03:04:05Z" });
    copy["metadata"]["annotations"]["flink-remedy.dev/filled"] = json!(text.to_string());
    let live = hooked.scene.create(copy).await;
    assert_eq!(record(&live)["restart"], Value::Null, "{live:#?}");
    assert_eq!(options(&live)[PORT], "9249");
}

#[tokio::test]
async fn what_is_no_review_is_answered_with_what_it_is() {
    let hooked = Hooked::new(Crds::Typed, "admit-nonsense").await;
    let operator = hooked.start(&[]).await;
    let mut config = kube::Config::new(format!("https://127.0.0.1:{}/", hooked.port).parse().unwrap());
    config.accept_invalid_certs = true;
    let client = kube::Client::try_from(config).unwrap();
    let ask = async |method: &str, path: &str, body: Vec<u8>| {
        let request = http::Request::builder().method(method).uri(path).body(kube::client::Body::from(body)).unwrap();
        let response = client.send(request).await.unwrap();
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    let (status, text) = ask("POST", "/admit", b"{".to_vec()).await;
    assert!(status == 400 && text.contains("no admission.k8s.io/v1 AdmissionReview"), "{status} {text}");
    let (status, text) = ask("POST", "/admit", br#"{"apiVersion": "v1", "kind": "Pod"}"#.to_vec()).await;
    assert!(status == 400 && text.contains("a Pod of v1"), "{status} {text}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes();
    assert_eq!(ask("POST", "/admit", deep).await.0, 400);
    assert_eq!(ask("POST", "/admit", vec![b' '; 8 << 20]).await.0, 413);
    assert_eq!(ask("GET", "/admit", Vec::new()).await.0, 405);
    assert_eq!(ask("POST", "/", Vec::new()).await.0, 404);
    hooked.serves(&operator).await;
}
