//! How long it takes until each of 1000 jobs, none of which is deployed yet, has what is absent: by server-side applies of
//! the same values and nothing else, by ours, and by an operator written the usual way in Go.
//!
//! The API server's audit log tells when: from the start of the process to the end of the last answer to it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::artifacts::peer_program;
use e2e::{AuditEntry, ControlPlane, Crds, Operator, OperatorOptions, await_condition};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::ground::{empty, grant_lease, install, job, jobs};
use crate::report::{Measured, Report, Row};

const JOBS: usize = 1000;
const IN_FLIGHT: usize = 16;
const ROUNDS: u32 = 3;
const PATIENCE: Duration = Duration::from_mins(5);
const JOB: &str = "flinkdeployments";

/// Who fills, and how long it took in each round, in seconds.
struct Filler {
    by: By,
    /// The user by whom the audit log knows it.
    user: &'static str,
    /// Until the last job was filled.
    filled: Measured,
}

#[derive(Clone, Copy)]
enum By {
    Hand,
    Ours,
    Peer { workers: u32 },
}

impl Filler {
    fn new(by: By, user: &'static str, name: &str) -> Self {
        Self { by, user, filled: Measured::new(name) }
    }
}

pub(crate) async fn run(report: &mut Report) {
    let plane = ControlPlane::shared(Crds::Typed).await;
    install(plane).await;
    plane.service_account("flink-remedy", "peer").await;
    let ours = "system:serviceaccount:flink-remedy:flink-remedy";
    let peer = "system:serviceaccount:flink-remedy:peer";
    // Ours comes first: what it writes is what is applied by hand.
    let mut fillers = [
        Filler::new(By::Ours, ours, "ours"),
        Filler::new(By::Hand, "admin", "server-side applies, 16 in flight"),
        Filler::new(By::Peer { workers: 1 }, peer, "controller-runtime, as it comes"),
        Filler::new(By::Peer { workers: 16 }, peer, "controller-runtime, 16 workers"),
    ];
    let (mut told, mut values) = (Measured::new("ours, told and reported"), Value::Null);
    let mut from_first = Measured::new("ours, from its first patch");
    for _ in 0..ROUNDS {
        for filler in &mut fillers {
            let round = round(plane, filler, &values).await;
            filler.filled.rounds.push(round.filled);
            if matches!(filler.by, By::Ours) {
                told.rounds.push(round.told);
                from_first.rounds.push(round.from_first);
                values = round.values;
            }
        }
    }
    let [ours, floor, usual, sixteen] = fillers.map(|filler| filler.filled);
    report.rows.extend([
        Row::told("1000 jobs filled", "s", &floor, &ours).at_most(1.3),
        Row::told("the same from the first patch on", "s", &floor, &from_first),
        Row::told("the same, and every Event and report", "s", &floor, &told).at_most(3.0),
        Row::told("the same beside an operator written in Go", "s", &usual, &ours),
        Row::told("the same beside one with as many workers", "s", &sixteen, &ours),
    ]);
}

/// What the audit log tells of one round, in seconds.
struct Round {
    /// From the start to the last job filled.
    filled: f64,
    /// From the first request of a fill to the last job filled.
    from_first: f64,
    /// From the start to the last Event and report.
    told: f64,
    /// What was written into the last job's spec.
    values: Value,
}

async fn round(plane: &ControlPlane, filler: &Filler, values: &Value) -> Round {
    let namespace = plane.namespace("fill").await;
    grant_lease(plane, &namespace, true).await;
    create_all(plane, &namespace).await;
    let (mark, began) = (plane.audit().mark(), Timestamp::now());
    let mut log = Tail::new(plane, filler.user);
    match filler.by {
        By::Hand => apply_all(plane, &namespace, values).await,
        By::Ours => {
            let _running = ours(plane, &namespace).await;
            let wanted = [("patch", JOB), ("create", "events"), ("patch", "remediationreports")];
            log.counts(&wanted).await;
        }
        By::Peer { workers } => {
            let _running = Peer::start(plane, &namespace, workers).await;
            log.counts(&[("patch", JOB)]).await;
        }
    }
    let entries = plane.audit().query().since(mark).user(filler.user).namespace(&namespace).writes().entries();
    empty(plane, &namespace).await;
    account(&entries, began)
}

fn account(entries: &[AuditEntry], began: Timestamp) -> Round {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let since = |from: Timestamp, entry: &AuditEntry| time(&entry.completed).duration_since(from).as_secs_f64();
    let fills: Vec<_> = entries.iter().filter(|entry| entry.resource == JOB).collect();
    assert!(fills.iter().all(|fill| fill.code == 200), "a fill was refused");
    assert_eq!(fills.len(), JOBS, "each job is filled once");
    let first = fills.iter().map(|fill| time(&fill.received)).min().unwrap();
    let latest = |from| fills.iter().map(|fill| since(from, fill)).fold(0.0, f64::max);
    Round {
        filled: latest(began),
        from_first: latest(first),
        told: entries.iter().map(|entry| since(began, entry)).fold(0.0, f64::max),
        values: fills[0].request_object["spec"].clone(),
    }
}

async fn create_all(plane: &ControlPlane, namespace: &str) {
    let (api, params) = (&jobs(plane, namespace).await, &PostParams::default());
    let created = futures::stream::iter(0..JOBS).map(|number| async move {
        api.create(params, &job(&format!("job-{number}"))).await.unwrap();
    });
    created.buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
}

/// The floor: nothing is read, nothing is decided, nothing is told.
async fn apply_all(plane: &ControlPlane, namespace: &str, values: &Value) {
    let (api, params) = (&jobs(plane, namespace).await, &PatchParams::apply("floor"));
    let applied = futures::stream::iter(0..JOBS).map(|number| async move {
        let body = json!({ "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "spec": values });
        api.patch(&format!("job-{number}"), params, &Patch::Apply(&body)).await.unwrap();
    });
    applied.buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
}

async fn ours(plane: &ControlPlane, namespace: &str) -> Operator {
    let token = plane.token("flink-remedy", "flink-remedy").await;
    let args = ["--operator-config", "none", "--log-level", "warn", "--watch-namespaces", namespace];
    let options = OperatorOptions::new(plane.kubeconfig_for(&token, plane.server()));
    Operator::start(&options.args(args).args(["--lease-namespace", namespace]))
}

/// A running peer; dropped, it is killed.
struct Peer(Child);

impl Peer {
    async fn start(plane: &ControlPlane, namespace: &str, workers: u32) -> Self {
        let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": "peer", "namespace": namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "peer", "namespace": "flink-remedy" }] });
        e2e::objects::apply(&plane.admin().await, binding).await;
        let token = plane.token("flink-remedy", "peer").await;
        let mut command = Command::new(peer_program().unwrap());
        command.args(["-namespace", namespace, "-workers", &workers.to_string()]);
        command.env("KUBECONFIG", plane.kubeconfig_for(&token, plane.server()));
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Counts what one user writes while it is written, without reading an entry twice: to parse them all again and again would
/// take processor time from what is measured.
struct Tail {
    file: PathBuf,
    offset: u64,
    user: String,
    seen: Vec<(String, String)>,
}

impl Tail {
    fn new(plane: &ControlPlane, user: &str) -> Self {
        let file = plane.dir().join("audit.log");
        let offset = fs::metadata(&file).unwrap().len();
        Self { file, offset, user: format!("\"username\":\"{user}\""), seen: Vec::new() }
    }

    /// Returns when there are as many of each verb and resource as there are jobs.
    async fn counts(&mut self, wanted: &[(&str, &str)]) {
        await_condition("every job to be filled, told and reported", PATIENCE, async || {
            self.read();
            let count = |(verb, resource): &(&str, &str)| {
                self.seen.iter().filter(|seen| seen.0.contains(verb) && seen.1.contains(resource)).count()
            };
            let counts: Vec<_> = wanted.iter().map(count).collect();
            if counts.iter().all(|count| *count >= JOBS) { Ok(()) } else { Err(format!("{counts:?} of {wanted:?}")) }
        })
        .await;
    }

    fn read(&mut self) {
        let mut file = File::open(&self.file).unwrap();
        file.seek(SeekFrom::Start(self.offset)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        // The last line may still be on its way.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        self.offset += bytes.len() as u64;
        let lines = String::from_utf8(bytes).unwrap();
        let part = |line: &str, name: &str| {
            line.split_once(name).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value.to_owned())
        };
        let ours = lines.lines().filter(|line| line.contains(&self.user));
        let written = ours.filter_map(|line| {
            Some((part(line, "\"verb\":\"")?, part(line, "\"resource\":\"")?)).filter(|_| line.contains("\"code\":20"))
        });
        self.seen.extend(written.collect::<Vec<_>>());
    }
}
