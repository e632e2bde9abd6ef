//! What is huge, deep or many takes time and memory in proportion, and no more.
//!
//! An object in etcd has 1.5 MB at the most, a review two of them. One test alone, since memory is counted for the process.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "test code: a broken assumption ends the test")]

use std::time::{Duration, Instant};

use flink_conf::options::OPTIONS;
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const HUGE: usize = 1_400_000;
/// Without optimisation on a busy machine; what is quadratic in these sizes takes minutes.
const LONGEST: Duration = Duration::from_secs(20);
/// For each byte of the object: as JSON, as what is read of it, as a patch, and as the answer, each in several forms.
const MOST: usize = 60;
/// What everything needs, such as the tables of rules.
const BASE: usize = 32 << 20;

#[allow(clippy::needless_pass_by_value, reason = "what is made for a job becomes part of it")]
fn job(conf: Value) -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "metadata": { "name": "j", "namespace": "n", "uid": "u", "annotations": {} },
        "spec": {
            "image": "flink", "flinkVersion": "v1_18", "flinkConfiguration": conf,
            "job": { "jarURI": "local:///a.jar", "parallelism": 2, "upgradeMode": "savepoint" },
        },
    })
}

fn many(name: impl Fn(usize) -> String, value: &str) -> Value {
    Value::Object((0..10_000).map(|number| (name(number), json!(value))).collect())
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!("x"), |inner, _| json!({ "a": inner }))
}

fn annotated(name: &str, value: String) -> Value {
    let mut job = job(json!({}));
    job["metadata"]["annotations"][format!("flink-remedy.dev/{name}")] = value.into();
    job
}

fn with(field: &str, value: Value) -> Value {
    let mut job = job(json!({ "state.backend.type": "rocksdb" }));
    job["spec"][field] = value;
    job
}

/// Keys that are almost those of options, each another.
fn misspelled(number: usize) -> String {
    let keys: Vec<&str> = OPTIONS.iter().flat_map(|option| option.eras).map(|era| era.key).collect();
    format!("{}{number}", keys[number % keys.len()])
}

fn huge_jobs() -> Vec<(&'static str, Value)> {
    let long = "x".repeat(HUGE);
    let managed: Vec<Value> = (0..10_000)
        .map(|n| {
            json!({ "manager": format!("m{n}"), "operation": "Apply", "time": "2026-01-02T03:04:05Z",
            "fieldsV1": { "f:spec": { "f:flinkConfiguration": { format!("f:key{n}"): {} } } } })
        })
        .collect();
    let mut owned = job(json!({}));
    owned["metadata"]["managedFields"] = managed.into();
    let values: serde_json::Map<String, Value> =
        (0..10_000).map(|n| (format!("key{n}"), json!({ "value": "v", "rule": "CKP003", "change": "c" }))).collect();
    let record = json!({ "version": 1, "change": "c", "at": "2026-01-02T03:04:05Z", "values": values });
    let containers: Vec<Value> =
        (0..10_000).map(|n| json!({ "name": format!("c{n}"), "env": [{ "name": "A", "value": "b" }] })).collect();
    let mut deployed = job(json!({ "state.backend.type": "rocksdb" }));
    let kept = json!({ "spec": { "flinkVersion": "v1_18", "flinkConfiguration": many(|n| format!("k{n}"), "v") } });
    deployed["status"] = json!({ "lifecycleState": "STABLE", "error": long, "jobStatus": { "state": "RUNNING" },
        "reconciliationStatus": { "lastReconciledSpec": kept.to_string() } });
    vec![
        ("10 000 keys that nobody knows", job(many(|n| format!("my.own.key.{n}"), "v"))),
        ("10 000 misspelled keys", job(many(misspelled, "v"))),
        ("10 000 keys of one reporter each", job(many(|n| format!("metrics.reporter.r{n}.factory.class"), "a.B"))),
        (
            "1 200 prefixes of each other",
            job(Value::Object((1..1200).map(|n| (vec!["a"; n].join("."), json!("v"))).collect())),
        ),
        ("10 000 secrets", job(many(|n| format!("s3.secret-key.{n}"), "hunter2"))),
        (
            "a value of 1.4 MB",
            job(json!({ "state.backend.type": long, "execution.checkpointing.interval": "9".repeat(HUGE / 2) })),
        ),
        ("a key of 1.4 MB", job(json!({ long.clone(): "v" }))),
        ("a key of 700 000 parts", job(json!({ "a.".repeat(HUGE / 2) + "a": "v" }))),
        ("a list of 1.4 MB", job(json!({ "metrics.reporters": "a,".repeat(HUGE / 2) }))),
        ("100 levels", job(nested(100))),
        ("hostile text of 1.4 MB", job(json!({ "state.checkpoints.dir": "\u{202e}\n\u{1b}[2J".repeat(HUGE / 8) }))),
        ("an opt-out of 1.4 MB", annotated("opt-out", "CKP003,no-such-rule,".repeat(HUGE / 20))),
        ("a reason of 1.4 MB", annotated("opt-out-reason", "ä\n".repeat(HUGE / 3))),
        ("a record of 10 000 values", annotated("filled", record.to_string())),
        ("10 000 field managers", owned),
        (
            "a log file of 1.4 MB",
            with(
                "logConfiguration",
                json!({ "log4j-console.properties": "logger.a.level = DEBUG\n".repeat(HUGE / 23) }),
            ),
        ),
        ("a pod template of 10 000 containers", with("podTemplate", json!({ "spec": { "containers": containers } }))),
        ("a memory size of 1.4 MB", with("taskManager", json!({ "resource": { "memory": "9".repeat(HUGE) } }))),
        ("a status of 1.4 MB and more", deployed),
    ]
}

fn huge_policies() -> Vec<(&'static str, Value)> {
    let setting = |when: String| json!({ "settings": [{ "key": "execution.checkpointing.timeout", "value": "10 min", "when": when }] });
    vec![
        ("a condition of 1.4 MB", setting("true && ".repeat(HUGE / 8) + "true")),
        ("a condition of 10 000 parentheses", setting("(".repeat(10_000) + "true" + &")".repeat(10_000))),
        ("a condition of 100 000 negations", setting("!".repeat(100_000) + "true")),
        (
            "a schedule of 1.4 MB",
            json!({ "rollout": { "windows": [{ "schedule": "0,".repeat(HUGE / 2), "duration": "1 h", "timeZone": "UTC" }] } }),
        ),
        (
            "10 000 windows",
            json!({ "rollout": { "windows": vec![json!({ "schedule": "0 2 30 2 *", "duration": "1 h", "timeZone": "UTC" }); 10_000] } }),
        ),
        (
            "10 000 settings",
            json!({ "settings": (0..10_000).map(|n| json!({ "key": format!("k{n}"), "value": "v" })).collect::<Vec<_>>() }),
        ),
        (
            "a template of 1.4 MB",
            json!({ "cluster": "c", "storage": { "checkpoints": "s3://b/{namespace}/{name}/".to_owned() + &"{label:a}/".repeat(HUGE / 10) } }),
        ),
        ("100 levels", nested(100)),
    ]
}

/// The time it takes and the most memory at a time, in KiB.
fn measured(what: &str, size: usize, work: impl FnOnce()) {
    MEMORY.reset_peak_usage();
    let (before, started) = (MEMORY.current_usage(), Instant::now());
    work();
    let (took, peak) = (started.elapsed(), MEMORY.peak_usage() - before);
    println!("{what:<48} {:>8} KiB in, {:>8} KiB at the most, {:>7} ms", size >> 10, peak >> 10, took.as_millis());
    assert!(took < LONGEST, "{what}: {took:?}");
    assert!(peak < BASE + size * MOST, "{what}: {peak} bytes for {size}");
}

/// With the stack of a main thread (8 MiB), in which the command line reads files; a test has a quarter of it, as a thread of the
/// operator has.
fn as_main(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(8 << 20).spawn_scoped(scope, work).unwrap().join().unwrap();
    });
}

fn review(job: &Value) -> Vec<u8> {
    let mut old = job.clone();
    old["spec"]["image"] = json!("another");
    let request = json!({ "uid": "u", "kind": { "kind": "FlinkDeployment" }, "namespace": "n", "operation": "UPDATE",
        "object": job, "oldObject": old });
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request })
        .to_string()
        .into_bytes()
}

#[test]
fn time_and_memory_are_bounded_by_the_size_of_what_comes() {
    for (what, mut job) in huge_jobs() {
        // Before Flink 2 a configuration is flat, and other rules look at it.
        let mut older = job.clone();
        older["spec"]["flinkVersion"] = json!("v1_18");
        measured(&format!("job on Flink 1.18: {what}"), job.to_string().len(), || fuzz::job(&older));
        job["spec"]["flinkVersion"] = json!("v2_1");
        let text = job.to_string();
        assert!(text.len() < 3_000_000, "{what}: no API server takes {} bytes", text.len());
        measured(&format!("job: {what}"), text.len(), || fuzz::job(&job));
        let body = review(&job);
        measured(&format!("review: {what}"), body.len(), || fuzz::review(&body));
        let manifest = [b"\0", text.as_bytes()].concat();
        measured(&format!("check: {what}"), manifest.len(), || as_main(|| fuzz::documents(&manifest)));
    }
    for (what, policy) in huge_policies() {
        measured(&format!("policy: {what}"), policy.to_string().len(), || fuzz::policy(&policy));
    }
    // Deeper than any reader goes: refused, not followed.
    for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        measured("100 000 levels of JSON", deep.len(), || {
            fuzz::review(deep.as_bytes());
            fuzz::jobs(deep.as_bytes());
            as_main(|| fuzz::documents(&[b"\0", deep.as_bytes()].concat()));
        });
    }
}
