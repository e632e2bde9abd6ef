//! What a large, settled fleet costs: memory, the time until we are ready, and a change of the policy that changes no job.
//!
//! The jobs are of a real size ([`e2e::fleet`]). Each is filled by us before its status says that it runs, as in a cluster
//! where the webhook has always been there.

use std::time::{Duration, Instant};
use std::{env, fs};

use e2e::fleet::Fleet;
use e2e::objects::apply_yaml;
use e2e::{ControlPlane, Crds, Operator, OperatorOptions, await_condition};
use kube::core::ListMeta;
use serde::Deserialize;

use crate::ground::install;
use crate::report::{Measured, Report, Row};

/// A few jobs, and as many as the targets are about. `FLINK_REMEDY_BENCH_FLEET=1000,50000` measures other sizes.
const SIZES: [usize; 2] = [1_000, 10_000];
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
    let (few_jobs, many_jobs) = sizes();
    let mut there = 0;
    let mut footprints = Vec::new();
    for size in [few_jobs, many_jobs] {
        fleet.create(&admin, there..size).await;
        {
            let filling = start(plane).await;
            filling.wait_ready().await;
            settled(&filling, size).await;
        }
        fleet.deploy(&admin, there..size).await;
        there = size;
        footprints.push(footprint(plane, size).await);
    }
    let (least, mean) = fleet.sizes(&admin).await;
    assert!(least >= 20_000, "a job has {least} bytes");
    let [few, many] = &footprints[..] else { unreachable!("one for each size") };
    let jobs = float(many_jobs - few_jobs);
    println!(
        "each job has {mean} bytes as the API server sends it, and takes {:.0} bytes of ours",
        (many.resident - few.resident) * 1e6 / jobs
    );
    let measured = |name: &str, rounds: &[f64]| Measured { name: name.to_owned(), rounds: rounds.to_vec() };
    let row = |name: &str, unit, target: f64, ours: &[f64]| {
        Row::told(name, unit, &measured("the target", &[target]), &measured("ours", ours))
    };
    // Of what the targets are about.
    let share = float(many_jobs) / float(SIZES[1]);
    report.rows.extend([
        row(&format!("{many_jobs} jobs of 20 kB and more in memory"), "MB", 48.0 * share, &[many.resident])
            .at_most(1.0),
        row("each of them looked at again, processor time", "s", share, &many.looked).at_most(1.0),
    ]);
    report.rows.extend([(few_jobs, few), (many_jobs, many)].map(|(jobs, footprint)| {
        let sent = measured("the same pages, unread", &[footprint.sent]);
        Row::told(&format!("ready with {jobs} jobs"), "s", &sent, &measured("ours", &[footprint.ready]))
    }));
}

fn sizes() -> (usize, usize) {
    let Ok(given) = env::var("FLINK_REMEDY_BENCH_FLEET") else { return (SIZES[0], SIZES[1]) };
    let (few, many) = given.split_once(',').expect("two sizes with a comma between them");
    (few.parse().unwrap(), many.parse().unwrap())
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
    settled(&operator, size).await;
    let resident = resident(&operator);
    let mut looked = Vec::new();
    for round in 0..ROUNDS {
        looked.push(look_again(plane, &operator, size, 7 + round).await);
    }
    Footprint { resident, sent, ready, looked }
}

/// How long the API server takes to send every job, page by page, in seconds.
async fn sent(plane: &ControlPlane) -> f64 {
    #[derive(Deserialize)]
    struct Listed {
        metadata: ListMeta,
    }
    let (admin, began) = (plane.admin().await, Instant::now());
    let mut next = Some(String::new());
    while let Some(token) = next {
        let path = format!("/apis/flink.apache.org/v1beta1/flinkdeployments?limit={PAGE}&continue={token}");
        let request = hyper::Request::get(path).body(Vec::new()).unwrap();
        let listed: Listed = serde_json::from_str(&admin.request_text(request).await.unwrap()).unwrap();
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
    settled(operator, size).await;
    let writes = plane.audit().query().since(mark).user("system:serviceaccount:flink-remedy:flink-remedy").writes();
    let writes = writes.entries();
    let mut others = writes.iter().filter(|write| !matches!(write.resource.as_str(), "leases" | "remediationpolicies"));
    let written = others.next();
    assert!(written.is_none(), "a change of the policy that changes nothing has written {written:?}");
    spent
}

async fn looks(operator: &Operator) -> f64 {
    let page = operator.metrics().await;
    let counts =
        page.lines().filter_map(|line| line.strip_prefix("flink_remedy_reconciliations_total{")?.rsplit(' ').next());
    counts.filter_map(|count| count.parse::<f64>().ok()).sum()
}

/// Returns when every job was looked at and nothing more happens.
async fn settled(operator: &Operator, size: usize) {
    let state = async || (looks(operator).await, processor_time(operator));
    let (mut since, mut last) = (Instant::now(), state().await);
    // To ask costs what a scrape costs.
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    await_condition("the fleet to be settled", PATIENCE, async || {
        seconds.tick().await;
        let now = state().await;
        // A look counts, and so does what is still written of earlier ones; asking costs a little as well.
        if now.0 > last.0 || now.1 > last.1 + 0.5 {
            (since, last) = (Instant::now(), now);
        }
        if now.0 >= float(size) && since.elapsed() >= SETTLED { Ok(()) } else { Err(now) }
    })
    .await;
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
