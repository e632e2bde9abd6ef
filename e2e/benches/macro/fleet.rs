//! What a large, settled fleet costs: memory, the time until we are ready, and a change of the policy that changes no job.
//!
//! The jobs are of a real size ([`e2e::fleet`]). Each is filled by us before its status says that it runs, as in a cluster
//! where the webhook has always been there.

use std::time::{Duration, Instant};
use std::{env, fs};

use e2e::fleet::Fleet;
use e2e::objects::apply_yaml;
use e2e::{AuditEntry, ControlPlane, Crds, Mark, Operator, OperatorOptions, await_condition};
use kube::Client;
use kube::core::ListMeta;
use serde::Deserialize;

use crate::copies::copy;
use crate::ground::install;
use crate::report::{Measured, Report, Row};

/// A few jobs, and as many as the targets are about. `FLINK_REMEDY_BENCH_FLEET=1000,10000,50000` measures more, where the API
/// server may take 20 GB.
const SIZES: [usize; 2] = [1_000, TARGETS];
/// What the targets are about.
const TARGETS: usize = 10_000;
/// Jobs that come as jobs do, are filled, and deployed; the others are copies of them that were filled a day ago.
const MADE: usize = 1_000;
const NAMESPACES: usize = 20;
const PATIENCE: Duration = Duration::from_mins(20);
/// In which nothing happens any more.
const SETTLED: Duration = Duration::from_secs(10);
const ROUNDS: u32 = 3;
/// Jobs in one answer, as ours asks for them.
const PAGE: u32 = 50;
const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/crd/remediationpolicies.yaml");

/// What one size came to.
struct Footprint {
    /// Resident memory once settled, in megabytes.
    resident: f64,
    /// Until the API server has sent the same jobs to somebody who throws them away, in seconds.
    sent: f64,
    /// Until ready, in seconds.
    ready: f64,
    /// Processor time of looking at every job once more, in seconds, in each round.
    looked: Vec<f64>,
}

pub(crate) async fn run(report: &mut Report) {
    let plane = ControlPlane::shared(Crds::Typed).await;
    install(plane).await;
    plane.install_crds(&fs::read_to_string(POLICIES).unwrap()).await;
    let (fleet, admin) = (Fleet::new(NAMESPACES), plane.admin().await);
    fleet.create_namespaces(&admin).await;
    apply_policy(plane, 6).await;
    let (mut there, mut footprints) = (0, Vec::new());
    for size in sizes() {
        let made = size.min(MADE);
        if there < made {
            fleet.create(&admin, there..made).await;
            settle(plane, made).await;
            fleet.deploy(&admin, there..made).await;
            settle(plane, made).await;
        }
        if made < size {
            copy(plane, &fleet, there.max(made)..size).await;
        }
        there = size;
        let footprint = footprint(plane, size).await;
        report.rows.extend(footprint.rows(size));
        report.write();
        footprints.push((size, footprint));
    }
    let (least, mean) = fleet.sizes(&admin).await;
    assert!(least >= 20_000, "a job has {least} bytes");
    for [(few_jobs, few), (many_jobs, many)] in footprints.array_windows() {
        println!(
            "each job has {mean} bytes as the API server sends it; from {few_jobs} to {many_jobs} jobs it takes {:.0} of ours",
            (many.resident - few.resident) * 1e6 / float(many_jobs - few_jobs)
        );
    }
}

/// Has everything written that is to be written now.
async fn settle(plane: &ControlPlane, size: usize) {
    let operator = start(plane).await;
    operator.wait_ready().await;
    settled(plane, &operator, size).await;
}

impl Footprint {
    fn rows(&self, jobs: usize) -> Vec<Row> {
        let measured = |name: &str, rounds: &[f64]| Measured { name: name.to_owned(), rounds: rounds.to_vec() };
        let row =
            |name: &str, unit, beside: Measured, ours: &[f64]| Row::told(name, unit, &beside, &measured("ours", ours));
        let share = float(jobs) / float(TARGETS);
        let in_memory = format!("{jobs} jobs of 20 kB and more in memory");
        let mut rows = vec![
            row(&in_memory, "MB", measured("the target", &[48.0 * share.max(1.0)]), &[self.resident]).at_most(1.0),
            row(
                &format!("ready with {jobs} jobs"),
                "s",
                measured("the same pages, unread", &[self.sent]),
                &[self.ready],
            ),
        ];
        // Of fewer a round takes less than the clock of processes shows.
        if jobs >= TARGETS {
            let looked = format!("each of {jobs} looked at again, processor time");
            rows.push(row(&looked, "s", measured("the target", &[share]), &self.looked).at_most(1.0));
        }
        rows
    }
}

fn sizes() -> Vec<usize> {
    let Ok(given) = env::var("FLINK_REMEDY_BENCH_FLEET") else { return SIZES.to_vec() };
    given.split(',').map(|size| size.parse().expect("sizes with commas between them")).collect()
}

async fn start(plane: &ControlPlane) -> Operator {
    let token = plane.token("flink-remedy", "flink-remedy").await;
    let args = ["--operator-config", "none", "--operator-version", "1.15", "--log-level", "warn"];
    let options = OperatorOptions::new(plane.kubeconfig_for(&token, plane.server())).policies_of_cluster();
    Operator::start(&options.args(args))
}

async fn footprint(plane: &ControlPlane, size: usize) -> Footprint {
    let sent = sent(plane).await;
    let began = Instant::now();
    let operator = start(plane).await;
    await_condition("the operator to be ready", PATIENCE, async || match operator.get("/ready").await {
        Some((200, _)) => Ok(()),
        other => Err(other),
    })
    .await;
    let ready = began.elapsed().as_secs_f64();
    settled(plane, &operator, size).await;
    let resident = resident(&operator);
    let mut looked = Vec::new();
    for round in 0..ROUNDS {
        looked.push(look_again(plane, &operator, size, 7 + round).await);
    }
    Footprint { resident, sent, ready, looked }
}

#[derive(Deserialize)]
struct Listed {
    metadata: ListMeta,
}

/// One page of all jobs, after the one that this token came with.
async fn page(admin: &Client, token: &str) -> kube::Result<Listed> {
    let path = format!("/apis/flink.apache.org/v1beta1/flinkdeployments?limit={PAGE}&continue={token}");
    let request = hyper::Request::get(path).body(Vec::new()).unwrap();
    admin.request_text(request).await.map(|text| serde_json::from_str(&text).unwrap())
}

/// How long the API server takes to send every job, page by page, in seconds.
async fn sent(plane: &ControlPlane) -> f64 {
    let admin = plane.admin().await;
    // It takes in one by one what etcd tells it of; a first page it may still ask etcd for, another it has not before it has all.
    await_condition("the API server to have seen every job", PATIENCE, async || {
        let first = page(&admin, "").await?;
        page(&admin, &first.metadata.continue_.unwrap_or_default()).await.map(drop)
    })
    .await;
    let (began, mut next) = (Instant::now(), Some(String::new()));
    while let Some(token) = next {
        let listed = page(&admin, &token).await.unwrap();
        next = listed.metadata.continue_.filter(|token| !token.is_empty());
    }
    began.elapsed().as_secs_f64()
}

/// The policy of all jobs.
async fn apply_policy(plane: &ControlPlane, per_hour: u32) {
    let policy = format!(
        "{{apiVersion: flink-remedy.dev/v1alpha1, kind: RemediationPolicy, metadata: {{name: fleet}},
          spec: {{rollout: {{operatorVersion: '1.15', perHour: {per_hour}}}}}}}"
    );
    apply_yaml(&plane.admin().await, &policy).await;
}

/// The processor time that a change of the policy takes by which nothing changes for any job, in seconds.
async fn look_again(plane: &ControlPlane, operator: &Operator, size: usize, per_hour: u32) -> f64 {
    let (mark, before, looks) = (plane.audit().mark(), processor_time(operator), looks(operator).await);
    apply_policy(plane, per_hour).await;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    await_condition("every job to be looked at again", PATIENCE, async || {
        seconds.tick().await;
        let seen = self::looks(operator).await - looks;
        if seen >= float(size) { Ok(()) } else { Err(seen) }
    })
    .await;
    let spent = processor_time(operator) - before;
    // What is told of a look is written behind it.
    settled(plane, operator, size).await;
    let written = written(plane, mark);
    assert!(written.is_none(), "a change of the policy that changes nothing has written {written:?}");
    spent
}

async fn looks(operator: &Operator) -> f64 {
    let page = operator.metrics().await;
    let counts =
        page.lines().filter_map(|line| line.strip_prefix("flink_remedy_reconciliations_total{")?.rsplit(' ').next());
    counts.filter_map(|count| count.parse::<f64>().ok()).sum()
}

/// Returns when every job was looked at and nothing more is written: Events of many jobs take longer than the looks.
async fn settled(plane: &ControlPlane, operator: &Operator, size: usize) {
    let (mut since, mut mark) = (Instant::now(), plane.audit().mark());
    // To ask costs what a scrape costs.
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    await_condition("the fleet to be settled", PATIENCE, async || {
        seconds.tick().await;
        let (seen, before) = (looks(operator).await, mark);
        mark = plane.audit().mark();
        if seen < float(size) || written(plane, before).is_some() {
            since = Instant::now();
        }
        if since.elapsed() >= SETTLED { Ok(()) } else { Err(seen) }
    })
    .await;
}

/// Something that ours has written since, about jobs.
fn written(plane: &ControlPlane, since: Mark) -> Option<AuditEntry> {
    let writes = plane.audit().query().since(since).user("system:serviceaccount:flink-remedy:flink-remedy").writes();
    writes.entries().into_iter().find(|write| !matches!(write.resource.as_str(), "leases" | "remediationpolicies"))
}

fn float(jobs: usize) -> f64 {
    u32::try_from(jobs).map(f64::from).unwrap()
}

/// In megabytes (proc(5)).
fn resident(operator: &Operator) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", operator.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
}

/// User and system time in seconds (proc(5), fields 14 and 15; the name before may hold spaces).
fn processor_time(operator: &Operator) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", operator.pid())).unwrap_or_default();
    let (_, fields) = text.rsplit_once(") ").unwrap_or_default();
    let ticks: f64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}
