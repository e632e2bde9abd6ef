//! The jobs, and what is written down of them before anything runs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use fastrand::Rng;
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fko::{Fko, stable};
use crate::support::{annotated, job, with_mode};

const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/faults/expected.py");
const STOCK_LOG: &str = include_str!("../../../crates/checklist/data/stock-log4j-console.properties");

/// How much of everything a run has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Jobs that two installations of the same policy look after.
    pub(crate) fleet: usize,
    /// Namespaces that they are in.
    pub(crate) namespaces: usize,
    /// Jobs that two installations of different policies look after.
    pub(crate) contested: usize,
    /// Running jobs, of which [`per_hour`](Self::per_hour) may restart.
    pub(crate) budget: usize,
    /// Restarts that the policy of those allows within an hour.
    pub(crate) per_hour: usize,
    /// Namespaces that are deleted.
    pub(crate) doomed: usize,
    /// Jobs in each of them.
    pub(crate) in_doomed: usize,
    /// Jobs that are created after the kind was deleted with all jobs.
    pub(crate) reborn: usize,
}

/// Who looks after a job, and what happens to its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    Fleet,
    Contested,
    Budget,
    Doomed,
}

/// What the Flink operator says of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Not deployed yet.
    None,
    Suspended,
    Stable,
    Finished,
    Failed,
}

/// One job as its owner wants it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    pub(crate) group: Group,
    pub(crate) status: Status,
    /// How often its owner changes the spec while faults happen.
    pub(crate) owner_changes: i64,
    /// Whether it is created only while faults happen.
    pub(crate) arrives: bool,
    pub(crate) object: Value,
}

impl Input {
    pub(crate) fn namespace(&self) -> &str {
        self.object["metadata"]["namespace"].as_str().unwrap()
    }

    pub(crate) fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap()
    }

    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.namespace(), self.name())
    }

    /// The status of this job as the Flink operator would have written it.
    pub(crate) fn status_of(&self, live: &DynamicObject) -> Option<Value> {
        let mut status = stable(Fko::V1_15, live);
        let (lifecycle, state) = match self.status {
            Status::None => return None,
            Status::Stable => return Some(status),
            Status::Suspended => ("SUSPENDED", "FINISHED"),
            Status::Finished => ("STABLE", "FINISHED"),
            Status::Failed => ("FAILED", "FAILED"),
        };
        status["lifecycleState"] = json!(lifecycle);
        status["jobStatus"]["state"] = json!(state);
        Some(status)
    }
}

/// What the script expects of one job.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Expected {
    /// Kind of target and key -> values that are allowed.
    pub(crate) fills: BTreeMap<String, Vec<String>>,
    /// The least and the most restarts.
    pub(crate) restarts: (i64, i64),
    /// Whether it has to be gone.
    pub(crate) gone: bool,
}

/// What the script expects of all.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Expectations {
    pub(crate) jobs: BTreeMap<String, Expected>,
    /// How many of the jobs under the small budget restart.
    pub(crate) restarts_of_budget: i64,
}

/// The script's answer.
pub(crate) fn expectations(jobs: &[Input], per_hour: usize) -> Expectations {
    let fleet = json!({ "log4j": STOCK_LOG, "perHour": per_hour, "jobs": jobs });
    let mut script = Command::new(EXPECTED);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 runs");
    child.stdin.take().unwrap().write_all(fleet.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{EXPECTED} failed");
    serde_json::from_slice(&output.stdout).expect("the script writes JSON")
}

type Shape = (Status, fn(&str) -> Value);

/// What jobs there are, each as likely as the others.
const SHAPES: [Shape; 16] = [
    (Status::None, job),
    (Status::None, |name| on(job(name), "v1_16", &[("state.backend.type", None), ("state.backend", Some("rocksdb"))])),
    (Status::None, |name| on(job(name), "v1_20", &[])),
    (Status::None, |name| on(job(name), "v1_17", &[("state.backend.incremental", Some("false"))])),
    (Status::None, |name| annotated(job(name), "flink-remedy.dev/opt-out", "CKP003,LOG001")),
    (Status::None, |name| annotated(job(name), "flink-remedy.dev/opt-out", "true")),
    (Status::None, |name| annotated(job(name), "flink-remedy.dev/opt-out", "no-such-rule")),
    (Status::None, |name| annotated(job(name), "flink-remedy.dev/mode", "Advise")),
    (Status::None, complete),
    (Status::Suspended, |name| {
        let mut job = job(name);
        job["spec"]["job"]["state"] = json!("suspended");
        job
    }),
    (Status::Stable, job),
    (Status::Stable, |name| with_mode(job(name), "last-state")),
    (Status::Stable, |name| on(job(name), "v1_17", &[("metrics.reporter.own.factory.class", Some("a.B"))])),
    (Status::Stable, |name| with_mode(job(name), "stateless")),
    (Status::Finished, job),
    (Status::Failed, job),
];
/// Those of the first [`SHAPES`] that an owner may change without a restart, as they are not deployed.
const OWNED: usize = 4;

fn on(mut job: Value, version: &str, options: &[(&str, Option<&str>)]) -> Value {
    job["spec"]["flinkVersion"] = json!(version);
    let conf = job["spec"]["flinkConfiguration"].as_object_mut().unwrap();
    for (key, value) in options {
        match value {
            Some(value) => drop(conf.insert((*key).to_owned(), json!(value))),
            None => drop(conf.remove(*key)),
        }
    }
    job
}

/// One without any gap.
fn complete(name: &str) -> Value {
    let own = [
        ("state.backend.incremental", Some("true")),
        ("metrics.reporter.own.factory.class", Some("a.B")),
        ("restart-strategy.type", Some("fixed-delay")),
    ];
    let mut job = on(job(name), "v1_18", &own);
    job["spec"]["logConfiguration"] = json!({ "log4j-console.properties": "rootLogger.level = INFO\n" });
    job
}

/// All jobs of a run.
pub(crate) fn inputs(seed: u64, size: &Size) -> Vec<Input> {
    let mut rng = Rng::with_seed(seed);
    let mut jobs = Vec::new();
    let mut add = |group: Group, namespace: String, rng: &mut Rng, shape: usize| {
        let (status, make) = SHAPES[shape];
        let mut object = make(&format!("job-{}", jobs.len()));
        object["metadata"]["namespace"] = json!(namespace);
        let owner_changes = i64::from(group == Group::Fleet && shape < OWNED && rng.u8(..3) == 0);
        let arrives = group != Group::Budget && status == Status::None && rng.bool();
        jobs.push(Input { group, status, owner_changes, arrives, object });
    };
    let first_of = |status| SHAPES.iter().position(|(of, _)| *of == status).unwrap();
    for index in 0..size.fleet {
        let namespace = format!("fleet-{}", rng.usize(..size.namespaces));
        // Every shape is there, however few jobs there are.
        let shape = if index < SHAPES.len() { index } else { rng.usize(..SHAPES.len()) };
        add(Group::Fleet, namespace, &mut rng, shape);
    }
    for index in 0..size.contested {
        let status = if index % 2 == 0 { Status::None } else { Status::Stable };
        add(Group::Contested, "contested".to_owned(), &mut rng, first_of(status));
    }
    for _ in 0..size.budget {
        add(Group::Budget, "budget".to_owned(), &mut rng, first_of(Status::Stable));
    }
    for index in 0..size.doomed * size.in_doomed {
        let shape = rng.usize(..SHAPES.len());
        add(Group::Doomed, format!("doomed-{}", index % size.doomed), &mut rng, shape);
    }
    jobs
}
