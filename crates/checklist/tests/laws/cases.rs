//! Deployments that nobody thought of: any version, any spelling, any shape, right and wrong values.

use std::collections::BTreeMap;
use std::sync::Mutex;

use checklist::policy::Rollout;
use checklist::{Holdings, Mode, Obedience, Plan, Platform, Policy, Rule, Situation, Subject, plan_with};
use flink_api::FlinkDeployment;
use flink_conf::{FlinkVersion, PlatformLayers};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::around::{job_managers, policies, volumes};
use crate::pool::{pool, strays};

/// In every case that has a secret; never to be seen in a message.
pub(crate) const SECRET: &str = "hunter2";
pub(crate) const NAMESPACE: &str = "payments";

/// A setting with the places at which a mixed document nests its key: bit n is the n-th dot.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    key: &'static str,
    value: &'static str,
    nested_at: u8,
}

/// How a document spells its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Flat,
    Nested,
    Mixed,
}

/// One deployment upon its platform.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) version: FlinkVersion,
    upgrade_mode: Option<&'static str>,
    memory: Option<&'static str>,
    entries: Vec<Entry>,
    layers: Vec<(&'static str, Entry)>,
    platform_log: Option<&'static str>,
    own_log: Option<(&'static str, &'static str)>,
    annotations: Vec<(&'static str, &'static str)>,
    status: Value,
    job_manager: Value,
    volumes: Value,
    policy: Value,
    pub(crate) opted_out: Vec<&'static str>,
}

fn entries(pool: Vec<(Vec<&'static str>, Vec<&'static str>)>) -> impl Strategy<Value = Vec<Entry>> {
    let rows: Vec<_> = pool
        .into_iter()
        .map(|(keys, values)| {
            let entry = (select(keys), select(values), any::<u8>());
            let entry = entry.prop_map(|(key, value, nested_at)| Entry { key, value, nested_at });
            let some = |count| prop::collection::vec(entry.clone(), count);
            prop_oneof![6 => some(0), 3 => some(1), 1 => some(2)]
        })
        .collect();
    rows.prop_map(|rows| rows.into_iter().flatten().collect())
}

fn versions() -> impl Strategy<Value = FlinkVersion> {
    let known = (13..=20).map(|minor| (1, minor)).chain((0..=4).map(|minor| (2, minor)));
    select(known.chain([(3, 1)]).map(|(major, minor)| FlinkVersion::new(major, minor)).collect::<Vec<_>>())
}

fn layers() -> impl Strategy<Value = Vec<(&'static str, Entry)>> {
    let prefixes = vec![
        "",
        "kubernetes.operator.default-configuration.namespace.payments.",
        "kubernetes.operator.default-configuration.namespace.elsewhere.",
        "kubernetes.operator.default-configuration.flink-version.v1_17+.",
        "kubernetes.operator.default-configuration.flink-version.v2_0+.",
    ];
    let some = entries(pool()).prop_flat_map(move |entries| {
        let prefixes = prop::collection::vec(select(prefixes.clone()), entries.len());
        prefixes.prop_map(move |prefixes| prefixes.into_iter().zip(entries.clone()).collect())
    });
    prop_oneof![2 => Just(Vec::new()), 1 => some]
}

fn logs() -> impl Strategy<Value = (Option<&'static str>, Option<(&'static str, &'static str)>)> {
    const STOCK: &str = include_str!("../../data/stock-log4j-console.properties");
    let platform = vec![
        None,
        Some(STOCK),
        Some("rootLogger.level = DEBUG\nlogger.kafka.name = org.apache.kafka"),
        Some("rootLogger = TRACE, C\nloggers = a\nlogger.akka.name = akka.remote\nlogger.a.name = org.apache\n"),
        Some(
            "rootLogger.level: INFO\nlogger.a.name: org.apache\nlogger.a.level: ERROR\nlogger.b.name: akka\nlogger.b.level: OFF",
        ),
    ];
    let own = vec![
        None,
        None,
        None,
        Some(("log4j-console.properties", "rootLogger.level = INFO")),
        Some(("log4j-console.properties", "rootLogger.level = DEBUG")),
        Some(("logback-console.xml", "<configuration/>")),
    ];
    (select(platform), select(own))
}

fn status(lifecycle: &str, job: &str) -> Value {
    json!({"lifecycleState": lifecycle, "jobManagerDeploymentStatus": "READY", "jobStatus": {"state": job},
           "observedGeneration": 7, "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": "{}"}})
}

fn statuses() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!({"lifecycleState": "CREATED"}),
        status("SUSPENDED", "FINISHED"),
        status("STABLE", "RUNNING"),
        status("STABLE", "RUNNING"),
        status("STABLE", "RESTARTING"),
        status("DEPLOYED", "RUNNING"),
        status("FAILED", "FAILED"),
        status("UPGRADING", "RUNNING"),
        status("HIBERNATING", "RUNNING"),
        json!({"lifecycleState": 7}),
    ])
}

/// Any deployment without strays.
pub(crate) fn tidy() -> impl Strategy<Value = Case> {
    tidy_on(versions())
}

/// Any deployment of Flink 1 without strays.
pub(crate) fn tidy_on_flink_1() -> impl Strategy<Value = Case> {
    tidy_on((13_u16..=20).prop_map(|minor| FlinkVersion::new(1, minor)))
}

prop_compose! {
    fn tidy_on(versions: impl Strategy<Value = FlinkVersion>)(
        version in versions,
        upgrade_mode in select(vec![None, Some("stateless"), Some("savepoint"), Some("last-state")]),
        memory in select(vec![None, Some("4096m"), Some("1Gi"), Some("plenty")]),
        entries in entries(pool()),
        layers in layers(),
        (platform_log, own_log) in logs(),
        annotations in prop::sample::subsequence(vec![
            ("prometheus.io/scrape", "false"), ("prometheus.io/port", "9999"), ("sidecar.istio.io/inject", "false"),
        ], 0..=3),
        (status, job_manager, volumes, policy) in (statuses(), job_managers(), volumes(), policies()),
        opted_out in prop::sample::subsequence(
            vec!["CKP003", "no-restart-backoff", "met001", "LOG001", "CKP002", "checkpoints-not-retained"], 0..=2,
        ),
    ) -> Case {
        Case {
            version, upgrade_mode, memory, entries, layers, platform_log, own_log, annotations, status, job_manager, volumes,
            policy, opted_out,
        }
    }
}

prop_compose! {
    /// Any deployment.
    pub(crate) fn any_case()(mut case in tidy(), strays in entries(strays())) -> Case {
        case.entries.extend(strays);
        case
    }
}

/// Puts a setting at its nested place, unless something else stands in the way.
fn nest(document: &mut Map<String, Value>, path: &[String], value: &Value) -> bool {
    match path {
        [] => false,
        [last] if document.contains_key(last) => false,
        [last] => document.insert(last.clone(), value.clone()).is_none(),
        [first, rest @ ..] => {
            let is_free = !document.contains_key(first);
            let below = document.entry(first.clone()).or_insert_with(|| json!({}));
            let placed = below.as_object_mut().is_some_and(|below| nest(below, rest, value));
            if is_free && !placed {
                document.remove(first);
            }
            placed
        }
    }
}

fn split(key: &str, nested_at: u8) -> Vec<String> {
    let mut path = vec![String::new()];
    for (dot, segment) in key.split('.').enumerate() {
        if dot > 0 && nested_at & (1 << ((dot - 1) % 8)) != 0 {
            path.push(String::new());
        } else if dot > 0 {
            path.last_mut().expect("a path has a first segment").push('.');
        }
        path.last_mut().expect("a path has a first segment").push_str(segment);
    }
    path
}

impl Case {
    /// The case's `flinkConfiguration` in this shape; nested documents have numbers and booleans.
    fn configuration(&self, shape: Shape) -> Value {
        let mut document = Map::new();
        // The last of two equal keys counts, as in any map.
        let last: BTreeMap<_, _> = self.entries.iter().map(|entry| (entry.key, entry)).collect();
        for entry in last.values() {
            let (mask, value) = match shape {
                Shape::Flat => (0, json!(entry.value)),
                Shape::Nested => (u8::MAX, typed(entry.value)),
                Shape::Mixed => (entry.nested_at, typed(entry.value)),
            };
            if !nest(&mut document, &split(entry.key, mask), &value) {
                document.insert(entry.key.to_owned(), value);
            }
        }
        Value::Object(document)
    }

    /// The object as its owner wrote it.
    pub(crate) fn object(&self, shape: Shape) -> Value {
        let mut spec = json!({
            "flinkVersion": self.version.to_string(),
            "flinkConfiguration": self.configuration(shape),
        });
        if let Some(mode) = self.upgrade_mode {
            spec["job"] = json!({"jarURI": "local:///opt/flink/usrlib/app.jar", "upgradeMode": mode});
        }
        if let Some(memory) = self.memory {
            spec["taskManager"] = json!({"resource": {"memory": memory, "cpu": 1}});
        }
        if let Some((name, file)) = self.own_log {
            spec["logConfiguration"] = json!({name: file});
        }
        for (key, value) in &self.annotations {
            spec["podTemplate"]["metadata"]["annotations"][*key] = json!(value);
        }
        if !self.volumes.is_null() {
            spec["podTemplate"]["spec"] = self.volumes.clone();
        }
        if !self.job_manager.is_null() {
            spec["jobManager"] = self.job_manager.clone();
        }
        let mut object = json!({"metadata": {"name": "app", "namespace": NAMESPACE, "generation": 7}, "spec": spec});
        if !self.status.is_null() {
            object["status"] = self.status.clone();
        }
        object
    }

    /// The object while its job runs, stable and with its spec acted on.
    pub(crate) fn running(&self, shape: Shape) -> Value {
        let mut object = self.object(shape);
        object["status"] = status("STABLE", "RUNNING");
        object
    }

    /// The object before FKO first saw it.
    pub(crate) fn undeployed(&self, shape: Shape) -> Value {
        let mut object = self.object(shape);
        object["status"].take();
        object
    }

    pub(crate) fn platform(&self) -> Platform {
        let layers = self.layers.iter().map(|(prefix, entry)| (format!("{prefix}{}", entry.key), entry.value));
        Platform {
            layers: PlatformLayers::new(layers.map(|(key, value)| (key.into(), value.to_owned())).collect()),
            log_file: self.platform_log.map(|text| text.to_owned().into()),
        }
    }

    /// What the owner's annotations say.
    pub(crate) fn obedience(&self) -> Obedience {
        let mut annotations = BTreeMap::new();
        if !self.opted_out.is_empty() {
            annotations.insert(checklist::annotations::OPT_OUT.to_owned(), self.opted_out.join(", "));
        }
        let now = "2026-06-15T12:00:00Z".parse().expect("a time");
        Obedience::read(&annotations, &BTreeMap::new(), now)
    }

    pub(crate) fn subject(&self, object: &Value) -> Subject {
        Subject::new(&deployment(object), &self.platform()).expect("a generated deployment is well-formed")
    }

    pub(crate) fn policy(&self) -> Policy {
        // Conditions are compiled once.
        static READ: Mutex<BTreeMap<String, Policy>> = Mutex::new(BTreeMap::new());
        let read = || serde_json::from_value(self.policy.clone()).expect("a policy");
        let policy =
            READ.lock().expect("no test fails in it").entry(self.policy.to_string()).or_insert_with(read).clone();
        Policy { mode: Mode::Apply, rollout: accepting(), ..policy }
    }

    /// The plan for an object on this case's platform in mode Apply.
    pub(crate) fn plan(&self, rules: &[&'static Rule], object: &Value, obedience: &Obedience) -> Plan {
        let policy = self.policy();
        let deployment = deployment(object);
        let (situation, holdings) = (Situation::of(&deployment), Holdings::of(&deployment));
        plan_with(rules, &self.subject(object), &situation, &holdings, obedience, &policy)
    }
}

/// The value as YAML would read it unquoted, where that keeps its text.
fn typed(text: &str) -> Value {
    match text {
        "null" => Value::Null,
        "true" | "false" => json!(text == "true"),
        _ => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
    }
}

/// A rollout under an FKO that keeps the state of jobs.
pub(crate) fn accepting() -> Rollout {
    serde_json::from_value(json!({"operatorVersion": "1.15"})).expect("a rollout")
}

pub(crate) fn deployment(object: &Value) -> FlinkDeployment {
    serde_json::from_value(object.clone()).expect("a generated deployment is well-formed")
}

/// The object with the plan's fills, written as we write them: options flat and as text.
pub(crate) fn filled(object: &Value, plan: &Plan) -> Value {
    let mut object = object.clone();
    for (target, fill) in &plan.fills {
        *target.place(&mut object["spec"]) = json!(fill.value);
    }
    object
}
