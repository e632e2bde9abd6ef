//! Jobs, reviews and policies made of what such objects consist of, with anything in the place of anything.
#![allow(clippy::unwrap_used, reason = "test code: a broken assumption ends the test")]

use flink_conf::options::OPTIONS;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Words of values that mean something somewhere.
const VALUES: &[&str] = &[
    "rocksdb",
    "hashmap",
    "forst",
    "true",
    "FALSE",
    "1 min",
    "0",
    "-1",
    "1 s",
    "9999999999999999999999 d",
    "128mb",
    "1 tb",
    "s3://bucket/a",
    "file:///tmp/x",
    "s3://key:secret@bucket/a",
    "kubernetes",
    "zookeeper",
    "exponential-delay",
    "fixed-delay",
    "exactly_once",
    "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
    "9249",
    "9249-9260",
    "prom,own",
    "a;b",
    "",
    " ",
    "\u{0}",
    "a\nb: c",
    "\u{1b}[31m",
    "\u{202e}txt",
    "${ENV}",
    "{cluster}",
    "null",
    "[1, 2]",
    "{a: b}",
    "1e309",
    "NaN",
];
/// Names of fields where FKO or we read something.
const FIELDS: &[&str] = &[
    "flinkVersion",
    "flinkConfiguration",
    "image",
    "job",
    "jobManager",
    "taskManager",
    "podTemplate",
    "logConfiguration",
    "ingress",
    "mode",
    "serviceAccount",
    "deploymentName",
    "template",
    "resource",
    "memory",
    "cpu",
    "replicas",
    "upgradeMode",
    "state",
    "parallelism",
    "jarURI",
    "initialSavepointPath",
    "metadata",
    "spec",
    "status",
    "annotations",
    "labels",
    "containers",
    "lifecycleState",
    "jobStatus",
    "reconciliationStatus",
    "lastReconciledSpec",
    "observedGeneration",
    "error",
    "generation",
    "log4j-console.properties",
    "selector",
    "rules",
    "rollout",
    "windows",
    "settings",
    "storage",
    "verification",
    "breaker",
];
const VERSIONS: &[&str] =
    &["v1_13", "v1_15", "v1_17", "v1_18", "v1_19", "v1_20", "v2_0", "v2_3", "v9_9", "v1", "", "1.18"];
const STATES: &[&str] =
    &["STABLE", "DEPLOYED", "UPGRADING", "SUSPENDED", "FAILED", "RUNNING", "FINISHED", "ROLLED_BACK", "x"];
const ANNOTATIONS: &[&str] =
    &["opt-out", "opt-out-reason", "opt-out-until", "mode", "approve", "filled", "quarantined", "unheard-of"];
const LEAVES: &[&str] = &[
    "true",
    "false",
    "CKP003,MET001",
    "no-such-rule",
    "Advise",
    "Apply",
    "2026-01-01",
    "2026-13-45",
    "9999-12-31T23:59:59Z",
    "now",
    r#"{"version":1,"change":"c","at":"2026-01-02T03:04:05Z","values":{}}"#,
    r#"{"version":1,"change":"c","at":"2026-01-02T03:04:05Z","restart":{"change":"c","generation":-1},"values":{"a":{"value":"b","rule":"R","change":"c"}}}"#,
    r#"{"version":999}"#,
    "{",
    "",
    "\u{202e}",
    "a\nb",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(VALUES).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => "[ -~]{0,40}",
        1 => (select(VALUES), 1..400_usize).prop_map(|(value, times)| value.repeat(times)),
    ]
}

fn key() -> impl Strategy<Value = String> {
    let keys: Vec<&str> = OPTIONS.iter().flat_map(|option| option.eras).map(|era| era.key).collect();
    let aliases: Vec<&str> =
        OPTIONS.iter().flat_map(|option| option.eras).flat_map(|era| era.aliases).copied().collect();
    prop_oneof![
        6 => select(keys.clone()).prop_map(str::to_owned),
        2 => select(aliases).prop_map(str::to_owned),
        // One letter is missing.
        2 => (select(keys), any::<prop::sample::Index>()).prop_map(|(key, at)| {
            let mut key = key.to_owned();
            key.remove(at.index(key.len()));
            key
        }),
        1 => "metrics\\.reporter\\.[a-z]{1,6}\\.(factory\\.class|port|class|filter)",
        1 => text(),
    ]
}

/// Any JSON of known names and values.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![3 => select(FIELDS).prop_map(str::to_owned), 2 => key(), 1 => text()];
        prop_oneof![
            3 => prop::collection::vec((name, inner.clone()), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

/// What is usually there, or now and then anything.
fn usually(usual: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    prop_oneof![9 => usual.boxed(), 1 => anything().boxed()]
}

fn configuration() -> impl Strategy<Value = Value> {
    let flat = prop::collection::vec((key(), text()), 0..12)
        .prop_map(|options| Value::Object(options.into_iter().map(|(key, value)| (key, json!(value))).collect()));
    let nested = prop::collection::vec((key(), text()), 0..8).prop_map(|options| {
        let mut document = json!({});
        for (key, value) in options {
            let mut place = &mut document;
            for part in key.split('.') {
                if !place.is_object() {
                    *place = json!({});
                }
                place = &mut place[part];
            }
            *place = json!(value);
        }
        document
    });
    prop_oneof![3 => flat, 1 => nested]
}

fn annotations() -> impl Strategy<Value = Value> {
    let one = (select(ANNOTATIONS), prop_oneof![3 => select(LEAVES).prop_map(str::to_owned), 1 => text()]);
    let ours = prop::collection::vec(one, 0..4).prop_map(|annotations| {
        let named = annotations.into_iter().map(|(name, value)| (format!("flink-remedy.dev/{name}"), json!(value)));
        Value::Object(named.collect())
    });
    prop_oneof![1 => Just(json!({})), 3 => ours]
}

fn spec() -> impl Strategy<Value = Value> {
    let job = (any::<Option<i32>>(), select(&["savepoint", "last-state", "stateless", "x"][..]), prop::option::of(text()))
        .prop_map(|(parallelism, mode, savepoint)| {
            json!({ "jarURI": "local:///a.jar", "parallelism": parallelism, "upgradeMode": mode, "initialSavepointPath": savepoint })
        });
    let version = select(VERSIONS).prop_map(Value::from);
    let size = text().prop_map(|memory| json!({ "resource": { "memory": memory, "cpu": 1 }, "replicas": 2 }));
    (
        usually(version),
        usually(configuration()),
        prop::option::of(usually(job)),
        prop::option::of(usually(size)),
        prop::option::of((select(FIELDS), anything())),
    )
        .prop_map(|(version, conf, job, size, more)| {
            let mut spec = json!({ "image": "flink", "flinkVersion": version, "flinkConfiguration": conf });
            let mut set = |name: &str, value: Option<Value>| value.into_iter().for_each(|value| spec[name] = value);
            set("job", job);
            set("taskManager", size);
            if let Some((name, value)) = more {
                set(name, Some(value));
            }
            spec
        })
}

fn job() -> impl Strategy<Value = Value> {
    let status = (select(STATES), select(STATES), any::<Option<i8>>(), prop::option::of(text())).prop_map(
        |(lifecycle, state, observed, kept)| {
            json!({ "lifecycleState": lifecycle, "jobStatus": { "state": state }, "observedGeneration": observed,
                "reconciliationStatus": { "lastReconciledSpec": kept } })
        },
    );
    (usually(spec()), annotations(), prop::option::of(usually(status)), select(&["FlinkDeployment", "FlinkSessionJob", "FlinkBlueGreenDeployment"][..]))
        .prop_map(|(spec, annotations, status, kind)| {
            let managed = json!([{ "manager": "owner", "operation": "Update", "time": "2026-01-02T03:04:05Z", "fieldsV1": { "f:spec": {} } }]);
            let metadata = json!({ "name": "j", "namespace": "n", "uid": "u", "generation": 2, "annotations": annotations, "managedFields": managed });
            let mut job = json!({ "apiVersion": "flink.apache.org/v1beta1", "kind": kind, "metadata": metadata, "spec": spec });
            if let Some(status) = status {
                job["status"] = status;
            }
            job
        })
}

fn review() -> impl Strategy<Value = Value> {
    (job(), prop::option::of(job()), prop::option::of((select(FIELDS), anything()))).prop_map(|(object, old, more)| {
        let mut request = Map::new();
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        for (name, value) in [
            ("uid", json!("u")),
            ("kind", json!({ "kind": object["kind"] })),
            ("namespace", json!("n")),
            ("operation", json!(operation)),
            ("object", object),
            ("oldObject", old.unwrap_or_default()),
        ] {
            request.insert(name.to_owned(), value);
        }
        if let Some((name, value)) = more {
            request.insert(name.to_owned(), value);
        }
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_job_is_judged_whatever_it_says(job in job()) {
        fuzz::job(&job);
    }

    #[test]
    fn a_review_is_answered_whatever_it_asks(review in review()) {
        fuzz::review(review.to_string().as_bytes());
    }

    #[test]
    fn a_policy_is_taken_or_refused_whatever_it_wants(spec in anything()) {
        fuzz::policy(&spec);
    }
}

/// `PROPTEST_CASES` for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000)
}
