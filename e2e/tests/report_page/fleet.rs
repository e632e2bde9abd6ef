//! Five hundred jobs on a control plane, and the operator that reports of them.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use e2e::{Operator, OperatorOptions, apply, await_condition, binary, flink_deployments, patch_status};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::fko::{Fko, stable};
use crate::support::{Scene, annotated, job, with_mode};

/// How many jobs there are.
pub(crate) const JOBS: usize = 500;
const NAMESPACES: usize = 8;
/// A name that an owner gives as the reason of an opt-out.
pub(crate) const REASON: &str = "</script><img src=x onerror=alert(1)>&amp;";
const PATIENCE: Duration = Duration::from_mins(6);
const AT_A_TIME: usize = 16;

/// What is true of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lot {
    /// Never deployed: filled.
    New,
    /// It runs, and would start empty.
    Stateless,
    /// It runs, and is filled when it is next deployed.
    NextDeploy,
    /// Its owner wants it left alone.
    OptedOut,
    /// Of one rule.
    RuleOptedOut,
    /// It is new, and only looked at: the mode is Advise.
    Advised,
}

impl Lot {
    fn of(number: usize) -> Self {
        match number % 10 {
            0..=4 => Self::New,
            5 => Self::Stateless,
            6 => Self::NextDeploy,
            7 => Self::OptedOut,
            8 => Self::RuleOptedOut,
            _ => Self::Advised,
        }
    }

    /// How the operator calls that.
    fn standing(self) -> &'static str {
        match self {
            Self::New | Self::RuleOptedOut => "Remediated",
            Self::Stateless | Self::NextDeploy | Self::Advised => "Held",
            Self::OptedOut => "OptedOut",
        }
    }

    fn manifest(self, name: &str) -> Value {
        let opt_out = |job, rules| annotated(job, "flink-remedy.dev/opt-out", rules);
        match self {
            Self::New | Self::NextDeploy => job(name),
            Self::Stateless => with_mode(job(name), "stateless"),
            Self::OptedOut => annotated(opt_out(job(name), "true"), "flink-remedy.dev/opt-out-reason", REASON),
            Self::RuleOptedOut => opt_out(job(name), "CKP003"),
            Self::Advised => annotated(job(name), "flink-remedy.dev/mode", "Advise"),
        }
    }
}

/// A job that was created.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) lot: Lot,
}

/// All of them, with the operator that looks at them.
pub(crate) struct Fleet {
    scene: Scene,
    operator: Operator,
    pub(crate) namespaces: Vec<String>,
    pub(crate) jobs: Vec<Job>,
}

impl Fleet {
    /// Creates the jobs, starts the operator and waits until it has reported of each.
    pub(crate) async fn reported() -> Self {
        let scene = Scene::new("fleet").await;
        let mut namespaces = Vec::new();
        for team in ["payments", "shop", "fraud", "analytics", "search", "logistics", "warehouse", "features"] {
            namespaces.push(scene.plane.namespace(team).await);
        }
        assert_eq!(namespaces.len(), NAMESPACES);
        let purposes = ["orders", "alerts", "clickstream", "enrichment", "sessions"];
        let jobs: Vec<Job> = (0..JOBS)
            .map(|number| Job {
                namespace: namespaces[number % NAMESPACES].clone(),
                name: format!("{}-{number}", purposes[number % purposes.len()]),
                lot: Lot::of(number / NAMESPACES),
            })
            .collect();
        futures::stream::iter(&jobs).for_each_concurrent(AT_A_TIME, |job| create(&scene, job)).await;
        let token = scene.plane.token("flink-remedy", "flink-remedy").await;
        let kubeconfig = scene.plane.kubeconfig_for(&token, scene.plane.server());
        let operator =
            Operator::start(&OperatorOptions::new(kubeconfig).args(["--lease-namespace", scene.namespace.as_str()]));
        operator.wait_ready().await;
        let fleet = Self { scene, operator, namespaces, jobs };
        await_condition("a report of each job", PATIENCE, async || fleet.is_reported().await).await;
        fleet
    }

    async fn is_reported(&self) -> Result<(), String> {
        let report: Value = serde_json::from_str(&self.report(&["-o", "json"]).await).expect("JSON");
        let reported = report["jobs"].as_array().expect("jobs");
        let standing = |job: &Job| {
            let found = reported.iter().find(|found| found["namespace"] == job.namespace && found["name"] == job.name);
            found.map_or(Value::Null, |found| found["standing"].clone())
        };
        let missing = self.jobs.iter().find(|job| standing(job) != job.lot.standing());
        missing.map_or(Ok(()), |job| Err(format!("{job:?} is {}; {} reports", standing(job), reported.len())))
    }

    /// What `flink-remedy report` prints, run with the operator's own rights.
    pub(crate) async fn report(&self, args: &[&str]) -> String {
        let mut command = Command::new(binary());
        command.arg("report").args(args).env("KUBECONFIG", self.scene.options(&[]).await.kubeconfig);
        let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("a run").expect("it runs");
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("text")
    }

    /// The jobs that fulfil the condition, as the page names them.
    pub(crate) fn names(&self, is_wanted: impl Fn(&Job) -> bool) -> BTreeSet<String> {
        let wanted = self.jobs.iter().filter(|job| is_wanted(job));
        wanted.map(|job| format!("{}/{}", job.namespace, job.name)).collect()
    }

    /// Ends the operator.
    pub(crate) async fn end(self) {
        assert_eq!(self.operator.terminate().await.code(), Some(0), "{}", self.operator.logs());
    }
}

async fn create(scene: &Scene, job: &Job) {
    let mut manifest = job.lot.manifest(&job.name);
    manifest["metadata"]["namespace"] = json!(job.namespace);
    let live = apply(&scene.admin, manifest).await;
    if matches!(job.lot, Lot::Stateless | Lot::NextDeploy) {
        let jobs = flink_deployments(&scene.admin, &job.namespace);
        patch_status(&jobs, &job.name, stable(Fko::V1_15, &live)).await;
    }
}
