//! How many jobs are created in a second: without a webhook, through one that does nothing, through one that has our answer
//! ready, and through ours. What the API server does with an answer, and with an object that has grown by it, is the same
//! whoever gives it: the third is the most that ours can come to. In every namespace a replica of ours watches the jobs, so
//! that it is the webhook alone in which they differ.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::launch::free_port;
use e2e::objects::{apply, apply_yaml};
use e2e::webhook::{Webhook, configuration, write_certificate};
use e2e::{ControlPlane, Crds, Operator, OperatorOptions, await_condition, binary};
use futures::StreamExt as _;
use k8s_openapi::ByteString;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ground::{empty, grant_lease, install, job, jobs};
use crate::report::{Measured, Report, Row};

const JOBS: u32 = 1000;
const CLIENTS: usize = 16;
const ROUNDS: u32 = 5;
/// What only a filled job has.
const FILLED: &str = "metrics.reporter.prom.port";

/// One way for jobs to be created: a namespace with what is hooked to it.
struct Way {
    namespace: String,
    measured: Measured,
    /// Whether jobs come out filled.
    fills: bool,
    operator: Operator,
    /// Processor time of the API server and of our replica, in ticks of the kernel.
    spent: [f64; 2],
}

impl Way {
    fn processor_time(&self) -> [f64; 2] {
        [ticks_of("kube-apiserver"), ticks(&format!("/proc/{}/stat", self.operator.pid()))]
    }
}

/// Ticks a second (`USER_HZ` of Linux).
const TICKS: f64 = 100.0;

/// Of all processes by this name.
fn ticks_of(name: &str) -> f64 {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let named = processes.filter(|process| {
        fs::read_to_string(process.path().join("comm")).is_ok_and(|comm| comm.trim() == &name[..name.len().min(15)])
    });
    named.map(|process| ticks(process.path().join("stat").to_str().unwrap())).sum()
}

/// User and system time of a process (proc(5), fields 14 and 15; the name before may hold spaces).
fn ticks(stat: &str) -> f64 {
    let text = fs::read_to_string(stat).unwrap_or_default();
    let (_, fields) = text.rsplit_once(") ").unwrap_or_default();
    fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum()
}

pub(crate) async fn run(report: &mut Report) {
    let plane = ControlPlane::shared(Crds::Typed).await;
    install(plane).await;
    let folder = TempDir::new().unwrap();
    let ours_alone = ours(plane, &folder, "our webhook", false).await;
    let answer = answer_of(&ready(plane, &ours_alone).await);
    let mut ways = [
        way(plane, "no webhook", false, false, &[]).await,
        peer(plane, "one that does nothing", false, json!([])).await,
        peer(plane, "one with our answer ready", true, answer).await,
        ours_alone,
        ours(plane, &folder, "ours, and its loop", true).await,
        exported(plane, "the exported policy").await,
    ];
    for way in &ways {
        ready(plane, way).await;
    }
    for _ in 0..ROUNDS {
        for way in &mut ways {
            let before = way.processor_time();
            let created = create_all(plane, &way.namespace, way.fills).await;
            way.measured.rounds.push(created);
            let spent = way.processor_time();
            way.spent = [0, 1].map(|process| way.spent[process] + spent[process] - before[process]);
            empty(plane, &way.namespace).await;
        }
    }
    for way in &ways {
        let [server, ours] = way.spent.map(|ticks| ticks * 1000.0 / TICKS / f64::from(JOBS * ROUNDS));
        println!(
            "{}: processor time of each job created: API server {server:.2} ms, replica of ours {ours:.2} ms",
            way.measured.name
        );
    }
    let [none, nothing, answering, ours, with_loop, exported] = ways.map(|way| way.measured);
    let (name, unit) = ("1000 jobs created through our webhook", "jobs/s");
    let most = |beside: &Measured| answering.median() / beside.median();
    report.rows.extend([
        Row::told("the same through a webhook that does nothing", unit, &none, &nothing),
        Row::told("the same through one with our answer ready", unit, &none, &answering),
        Row::told(name, unit, &none, &ours).at_least(0.8, most(&none)),
        Row::told(name, unit, &nothing, &ours).at_least(0.9, most(&nothing)),
        Row::told("the same under the exported policy", unit, &none, &exported),
        Row::told("the same while the loop tells and reports each job", unit, &none, &with_loop),
    ]);
}

/// What makes of a job as it was sent the one that would be stored.
fn answer_of(stored: &DynamicObject) -> Value {
    let add = |path: String, value: &Value| json!({ "op": "add", "path": path, "value": value });
    let (sent, stored_spec) = (job("probe").data, &stored.data["spec"]);
    let options = stored_spec["flinkConfiguration"].as_object().unwrap().iter();
    let filled = options.filter(|(key, _)| sent["spec"]["flinkConfiguration"].get(key.as_str()).is_none());
    let mut answer: Vec<Value> =
        filled.map(|(key, value)| add(format!("/spec/flinkConfiguration/{key}"), value)).collect();
    let whole = ["logConfiguration", "podTemplate"].into_iter().filter(|field| !stored_spec[*field].is_null());
    answer.extend(whole.map(|field| add(format!("/spec/{field}"), &stored_spec[field])));
    answer.push(add("/metadata/annotations".to_owned(), &json!(stored.metadata.annotations)));
    json!(answer)
}

/// A namespace whose jobs a replica of ours watches, which leads or not.
async fn way(plane: &ControlPlane, name: &str, fills: bool, leads: bool, args: &[&str]) -> Way {
    let namespace = plane.namespace(&name.replace([' ', ','], "-")).await;
    grant_lease(plane, &namespace, leads).await;
    let token = plane.token("flink-remedy", "flink-remedy").await;
    let common = ["--operator-config", "none", "--log-level", "warn"];
    let scope = ["--watch-namespaces", &namespace, "--lease-namespace", &namespace];
    let options = OperatorOptions::new(plane.kubeconfig_for(&token, plane.server()));
    let operator = Operator::start(&options.args([&common[..], &scope, args].concat().into_iter().map(str::to_owned)));
    operator.wait_ready().await;
    Way { namespace, measured: Measured::new(name), fills, operator, spent: [0.0; 2] }
}

async fn peer(plane: &ControlPlane, name: &str, fills: bool, answer: Value) -> Way {
    let way = way(plane, name, fills, false, &[]).await;
    let webhook = Webhook::start(move |_| answer.clone()).await;
    hook(plane, &way.namespace, webhook.client_config()).await;
    way
}

/// `policy export`, in force in one namespace: the API server fills by itself.
async fn exported(plane: &ControlPlane, name: &str) -> Way {
    let way = way(plane, name, true, false, &[]).await;
    let printed =
        Command::new(binary()).args(["policy", "export", "--as", "mutating-admission-policy"]).output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let selector =
        format!("{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {}}}}}}}", way.namespace);
    let bound = text.replace(
        "\n  policyName: flink-remedy\n",
        &format!("\n  policyName: flink-remedy\n  matchResources: {selector}\n"),
    );
    apply_yaml(&plane.admin().await, &bound).await;
    way
}

/// Ours with a certificate of the bench's. Without its loop it is a replica that does not lead.
async fn ours(plane: &ControlPlane, folder: &TempDir, name: &str, leads: bool) -> Way {
    let files = folder.path().join(name);
    fs::create_dir_all(&files).unwrap();
    let authority = write_certificate(&files);
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let args = ["--webhook", &address, "--webhook-certificate", files.to_str().unwrap()];
    let way = way(plane, name, true, leads, &args).await;
    let url = format!("https://{address}/admit");
    let client_config = json!({ "url": url, "caBundle": ByteString(authority.into_bytes()) });
    hook(plane, &way.namespace, client_config).await;
    way
}

/// The manifests' configuration, for one namespace and an address.
async fn hook(plane: &ControlPlane, namespace: &str, client_config: Value) {
    apply(&plane.admin().await, configuration(namespace, &client_config)).await;
}

fn is_filled(job: &DynamicObject) -> bool {
    job.data["spec"]["flinkConfiguration"].get(FILLED).is_some()
}

/// Returns when the API server asks what is hooked, with what it would store.
async fn ready(plane: &ControlPlane, way: &Way) -> DynamicObject {
    let api = jobs(plane, &way.namespace).await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    await_condition(&format!("{} to be asked", way.measured.name), Duration::from_mins(1), async || {
        let stored = api.create(&dry_run, &job("probe")).await.map_err(|error| error.to_string())?;
        let is_filled = is_filled(&stored);
        if is_filled == way.fills { Ok(stored) } else { Err("not filled".to_owned()) }
    })
    .await
}

/// Creates all jobs and returns how many a second.
async fn create_all(plane: &ControlPlane, namespace: &str, fills: bool) -> f64 {
    let api = jobs(plane, namespace).await;
    let (api, params) = (&api, &PostParams::default());
    let began = Instant::now();
    let created = futures::stream::iter(0..JOBS).map(|number| async move {
        let stored = api.create(params, &job(&format!("job-{number}"))).await.unwrap();
        assert_eq!(is_filled(&stored), fills);
    });
    created.buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
    f64::from(JOBS) / began.elapsed().as_secs_f64()
}
