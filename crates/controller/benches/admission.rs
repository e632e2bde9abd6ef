//! What it costs to answer a review of a job that is created, from the bytes of the call to those of the answer.
#![allow(missing_docs, clippy::unwrap_used, reason = "a broken example ends the bench")]

use std::fs;

use checklist::policy::Policies;
use checklist::{Platform, Policy};
use controller::OfflineWebhook;
use divan::{Bencher, black_box};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn review(example: &str) -> Vec<u8> {
    let folder = if example == "large" { "crates/checklist/benches" } else { "manifests/examples" };
    let path = format!("{}/../../{folder}/{example}.yaml", env!("CARGO_MANIFEST_DIR"));
    let mut object: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    object["metadata"]["namespace"] = json!("shop");
    // As its owner sends it: nothing is filled, nothing is deployed.
    for made_later in ["annotations", "managedFields"] {
        object["metadata"].as_object_mut().unwrap().remove(made_later);
    }
    object.as_object_mut().unwrap().remove("status");
    if let Some(conf) = object["spec"]["flinkConfiguration"].as_object_mut() {
        conf.retain(|key, _| !key.starts_with("metrics.") && key != "state.backend.incremental");
    }
    let kind = json!({"group": "flink.apache.org", "version": "v1beta1", "kind": "FlinkDeployment"});
    let request = json!({"uid": "u-1", "kind": kind, "namespace": "shop", "operation": "CREATE",
        "userInfo": {"username": "admin"}, "object": object, "oldObject": null, "dryRun": false,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "argocd-controller"}});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    review.to_string().into_bytes()
}

/// The floor: what no webhook can do without.
#[divan::bench(args = ["large"])]
fn parse_and_print(bencher: Bencher, example: &str) {
    let body = review(example);
    bencher.bench_local(|| serde_json::from_slice::<Value>(black_box(&body)).unwrap().to_string());
}

#[divan::bench(args = ["rocksdb-v1-17", "nested-v1-20", "streaming-v2-1", "large"])]
fn review_to_response(bencher: Bencher, example: &str) {
    let webhook = OfflineWebhook::new(Platform::stock(), Policies::new(Vec::new(), Policy::default()));
    let (body, now) = (review(example), "2026-06-15T12:00:00Z".parse().unwrap());
    let answer: Value = serde_json::from_slice(&webhook.review(&body, now).unwrap()).unwrap();
    assert!(answer["response"]["patch"].is_string(), "{example} has something to fill: {answer}");
    bencher.bench_local(|| webhook.review(black_box(&body), now));
}
