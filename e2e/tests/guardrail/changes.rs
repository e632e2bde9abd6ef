//! Changes that flink-remedy may make and may not, with what the guardrail says of them.

use serde_json::{Value, json};

use crate::support::job;

pub(crate) const INCREMENTAL: &str = "state.backend.incremental";
pub(crate) const PORT: &str = "metrics.reporter.prom.port";
pub(crate) const FILLED: &str = "flink-remedy.dev/filled";

/// A change, and what it is refused with; `None` where it is taken.
pub(crate) type Row = (Value, Option<&'static str>);

pub(crate) const CHANGED: Option<&str> = Some("set already");
pub(crate) const UNLISTED: Option<&str> = Some("filled by no rule");
pub(crate) const FORBIDDEN: Option<&str> = Some("never written by flink-remedy");
pub(crate) const CLAIMED: Option<&str> = Some("claimed by flink-remedy's record");
pub(crate) const UNRECORDED: Option<&str> = Some("not what flink-remedy filled by its record");
pub(crate) const NO_TEXT: Option<&str> = Some("writes text only");
pub(crate) const UNTOUCHED: Option<&str> = Some("nothing that flink-remedy may touch");

pub(crate) fn option(key: &str, value: Value) -> Value {
    options(json!({ key: value }))
}

pub(crate) fn options(options: Value) -> Value {
    json!({ "spec": { "flinkConfiguration": options } })
}

pub(crate) fn annotation(key: &str, value: &str) -> Value {
    json!({ "metadata": { "annotations": { key: value } } })
}

/// What flink-remedy says it has written.
pub(crate) fn record(values: Value) -> String {
    let entry = |(target, value): (&String, &Value)| {
        (target.clone(), json!({ "value": value, "rule": "CKP003", "change": "c" }))
    };
    let values: serde_json::Map<String, Value> = values.as_object().unwrap().iter().map(entry).collect();
    let filled: checklist::Filled = serde_json::from_value(json!({
        "version": 1, "change": "c", "at": "2026-01-02T03:04:05Z", "values": values,
    }))
    .unwrap();
    filled.to_text()
}

/// A job with values of flink-remedy's, and of its owner's beside them.
pub(crate) fn filled_job(name: &str) -> Value {
    let mut job = job(name);
    job["metadata"]["labels"] = json!({ "team": "shop" });
    job["metadata"]["annotations"] = json!({ "team": "shop", FILLED: record(json!({
        INCREMENTAL: "true",
        "restart-strategy.exponential-delay.jitter-factor": r#"a "quoted" \ value"#,
        "restart-strategy.type": "exponential-delay",
        "logConfiguration:log4j-console.properties": "sha256:00",
        "podTemplate.metadata.annotations:prometheus.io/port": "9249",
    })) });
    let spec = &mut job["spec"];
    spec["flinkConfiguration"][INCREMENTAL] = json!("true");
    spec["flinkConfiguration"]["restart-strategy.exponential-delay.jitter-factor"] = json!(r#"a "quoted" \ value"#);
    // Changed since.
    spec["flinkConfiguration"]["restart-strategy.type"] = json!("none");
    spec["flinkConfiguration"][PORT] = json!("9249");
    spec["logConfiguration"] =
        json!({ "log4j-console.properties": "rootLogger.level = INFO\n", "logback.xml": "<x/>" });
    spec["podTemplate"] = json!({ "metadata": { "annotations": { "prometheus.io/port": "9249", "team": "shop" } } });
    job
}

/// What flink-remedy does.
pub(crate) fn taken() -> Vec<Value> {
    vec![
        option("execution.checkpointing.incremental", json!("true")),
        options(json!({ "restart-strategy": "exponential-delay", "high-availability": "kubernetes" })),
        json!({ "spec": { "podTemplate": { "metadata": { "annotations": { "prometheus.io/scrape": "true" } } } } }),
        // Listed by the platform.
        option("rest.flamegraph.enabled", json!("true")),
        // Taken back.
        option(INCREMENTAL, Value::Null),
        option("restart-strategy.exponential-delay.jitter-factor", Value::Null),
        json!({ "spec": { "logConfiguration": { "log4j-console.properties": null } } }),
        json!({ "spec": { "podTemplate": { "metadata": { "annotations": { "prometheus.io/port": null } } } } }),
        // All at once, with the record.
        json!({ "metadata": { "annotations": { FILLED: "{}", "flink-remedy.dev/quarantined": "abc" } },
                "spec": { "flinkConfiguration": { INCREMENTAL: null, "execution.checkpointing.incremental": "true" } } }),
        json!({ "metadata": { "annotations": { FILLED: null } } }),
        annotation(FILLED, &record(json!({ INCREMENTAL: "true", "restart-strategy.type": "exponential-delay" }))),
    ]
}

/// What it must not do to any object with a spec.
pub(crate) fn rows() -> Vec<Row> {
    let pod = |metadata: Value| json!({ "spec": { "podTemplate": { "metadata": metadata } } });
    let mut rows: Vec<Row> = vec![
        // Existing values.
        (option(INCREMENTAL, json!("false")), CHANGED),
        (option("state.checkpoints.dir", json!("s3://evil/")), CHANGED),
        (option("state.backend.type", json!("hashmap")), CHANGED),
        (json!({ "spec": { "logConfiguration": { "log4j-console.properties": "x" } } }), CHANGED),
        (pod(json!({ "annotations": { "prometheus.io/port": "1" } })), CHANGED),
        // What no rule fills.
        (option("taskmanager.numberOfTaskSlots", json!("8")), UNLISTED),
        (option("logConfiguration:log4j-console.properties", json!("x")), UNLISTED),
        (json!({ "spec": { "logConfiguration": { "log4j.properties": "x" } } }), UNLISTED),
        (pod(json!({ "annotations": { "sidecar.istio.io/inject": "true" } })), UNLISTED),
        // What is not its own to take out.
        (option("pipeline.auto-generate-uids", Value::Null), UNRECORDED),
        (option(PORT, Value::Null), UNRECORDED),
        (option("restart-strategy.type", Value::Null), UNRECORDED),
        (options(Value::Null), UNRECORDED),
        (json!({ "spec": { "logConfiguration": { "logback.xml": null } } }), UNLISTED),
        (json!({ "spec": { "logConfiguration": null } }), UNLISTED),
        (pod(json!({ "annotations": { "team": null } })), UNLISTED),
        // Nor does it become that by a record written first.
        (annotation(FILLED, &record(json!({ PORT: "9249" }))), CLAIMED),
        (annotation(FILLED, &record(json!({ INCREMENTAL: "true", "restart-strategy.type": "none" }))), CLAIMED),
        // Everything else.
        (json!({ "spec": { "image": "evil" } }), UNTOUCHED),
        (json!({ "spec": { "job": { "parallelism": 3 } } }), UNTOUCHED),
        (json!({ "spec": { "job": { "state": "suspended" } } }), UNTOUCHED),
        (json!({ "spec": { "job": { "upgradeMode": "stateless" } } }), UNTOUCHED),
        (json!({ "spec": { "job": { "initialSavepointPath": "s3://evil" } } }), UNTOUCHED),
        (json!({ "spec": { "job": null } }), UNTOUCHED),
        (json!({ "spec": { "restartNonce": 1 } }), UNTOUCHED),
        (json!({ "spec": { "serviceAccount": "admin" } }), UNTOUCHED),
        (json!({ "spec": { "flinkVersion": "v1_20" } }), UNTOUCHED),
        (json!({ "spec": { "taskManager": { "resource": { "memory": "1m" } } } }), UNTOUCHED),
        (json!({ "spec": { "jobManager": { "podTemplate": { "spec": {} } } } }), UNTOUCHED),
        (pod(json!({ "labels": { "a": "b" } })), UNTOUCHED),
        (json!({ "spec": { "podTemplate": { "spec": { "serviceAccountName": "admin" } } } }), UNTOUCHED),
        (json!({ "metadata": { "labels": { "a": "b" } } }), UNTOUCHED),
        (json!({ "metadata": { "labels": { "team": null } } }), UNTOUCHED),
        (json!({ "metadata": { "labels": { "target.session": "j" } } }), UNTOUCHED),
        (json!({ "metadata": { "finalizers": ["e2e/never"] } }), UNTOUCHED),
        (
            json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x" }] } }),
            UNTOUCHED,
        ),
        (annotation("team", "other"), UNTOUCHED),
    ];
    // Whom flink-remedy obeys it does not steer.
    for key in ["opt-out", "opt-out-reason", "opt-out-until", "mode", "approve"] {
        rows.push((annotation(&format!("flink-remedy.dev/{key}"), "now"), UNTOUCHED));
    }
    rows.extend(FORBIDDEN_KEYS.iter().map(|key| (option(key, json!("x")), FORBIDDEN)));
    rows
}

/// Some of each kind; each of them is listed in the guardrail of this test all the same.
pub(crate) const FORBIDDEN_KEYS: &[&str] = &[
    "env.java.opts.all",
    "env.java.opts",
    "containerized.master.env.LD_PRELOAD",
    "classloader.resolve-order",
    "pipeline.jars",
    "pipeline.classpaths",
    "kubernetes.container.image",
    "kubernetes.container.image.ref",
    "kubernetes.pod-template-file.default",
    "kubernetes.jobmanager.service-account",
    "kubernetes.service-account",
    "acme.service-account",
    "kubernetes.cluster-id",
    "high-availability.cluster-id",
    "high-availability.zookeeper.path.namespace",
    "kubernetes.namespace",
    "kubernetes.secrets",
    "kubernetes.env.secretKeyRef",
    "$internal.pipeline.job-id",
    "execution.savepoint.path",
    "execution.state-recovery.path",
    "s3.secret-key",
    "S3.Secret-Key",
    "security.ssl.rest.key-password",
    "taskmanager.memory.process.size",
    "jobmanager.memory.process.size",
];
