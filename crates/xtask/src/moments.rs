//! `docs/moments.md`: what becomes of a gap in every state of a job.

use std::fmt::Write as _;

use checklist::{HoldReason, Holdings, Mode, Obedience, Platform, Policy, Situation, Subject, Timing, plan};
use flink_api::FlinkDeployment;
use serde_json::{Value, json};

/// `ResourceLifecycleState` of the Flink operator.
const LIFECYCLES: [&str; 10] = [
    "CREATED",
    "SUSPENDED",
    "UPGRADING",
    "DEPLOYED",
    "STABLE",
    "ROLLING_BACK",
    "ROLLED_BACK",
    "FAILED",
    "DELETING",
    "DELETED",
];

/// `JobStatus` of Flink.
const JOB_STATES: [&str; 11] = [
    "INITIALIZING",
    "CREATED",
    "RECONCILING",
    "RUNNING",
    "RESTARTING",
    "FAILING",
    "FAILED",
    "CANCELLING",
    "CANCELED",
    "FINISHED",
    "SUSPENDED",
];

/// What is deployed: its upgrade mode, and whether a restart finds the state again.
const KINDS: [(&str, Option<&str>, bool); 6] = [
    ("savepoint, with a savepoint directory", Some("savepoint"), true),
    ("savepoint, without", Some("savepoint"), false),
    ("last-state, with high availability", Some("last-state"), true),
    ("last-state, without", Some("last-state"), false),
    ("stateless", Some("stateless"), false),
    ("session cluster", None, false),
];

const MODES: [Mode; 4] = [Mode::Off, Mode::Advise, Mode::NextDeploy, Mode::Apply];

/// The page.
pub(crate) fn markdown() -> anyhow::Result<String> {
    let mut page = "# What becomes of a gap, state by state\n\nOne gap, a metrics reporter, on a job that the Flink operator \
                    has deployed. `free`: filled at no cost. `restart`: the job restarts once for it. `held`: nothing is \
                    written, and Events and metrics give this reason. [When a running job restarts](rollout.md) tells what \
                    else has to be true.\n\n## By its state\n\nUpgrade mode savepoint, mode `Apply`: lifecycle states of the \
                    Flink operator down, states of the job across.\n\n"
        .to_owned();
    table(
        &mut page,
        &JOB_STATES,
        LIFECYCLES.map(|lifecycle| {
            let cells = JOB_STATES.map(|state| outcome(&job(lifecycle, state, Some("savepoint"), true), Mode::Apply));
            (lifecycle, Vec::from(cells))
        }),
    )?;
    page += "\n## By what is deployed\n\n`STABLE` and `RUNNING`, by mode.\n\n";
    table(
        &mut page,
        &MODES.map(<&str>::from),
        KINDS.map(|(name, upgrade_mode, keeps_state)| {
            let cells = MODES.map(|mode| outcome(&job("STABLE", "RUNNING", upgrade_mode, keeps_state), mode));
            (name, Vec::from(cells))
        }),
    )?;
    Ok(page)
}

fn table<const ROWS: usize>(
    page: &mut String,
    head: &[&str],
    rows: [(&str, Vec<anyhow::Result<String>>); ROWS],
) -> anyhow::Result<()> {
    writeln!(page, "| | {} |", head.join(" | "))?;
    writeln!(page, "|---|{}", "---|".repeat(head.len()))?;
    for (name, cells) in rows {
        let cells = cells.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        writeln!(page, "| {name} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// A job that lacks a metrics reporter.
fn job(lifecycle: &str, state: &str, upgrade_mode: Option<&str>, keeps_state: bool) -> Value {
    let mut conf = json!({});
    if keeps_state {
        conf["execution.checkpointing.savepoint-dir"] = json!("s3://acme/savepoints");
        conf["high-availability.type"] = json!("kubernetes");
        conf["high-availability.storageDir"] = json!("s3://acme/ha");
    }
    let job = upgrade_mode.map(|mode| json!({"upgradeMode": mode}));
    json!({
        "metadata": {"name": "job", "namespace": "jobs", "generation": 2},
        "spec": {"flinkVersion": "v1_20", "flinkConfiguration": conf, "job": job},
        "status": {
            "lifecycleState": lifecycle,
            "jobManagerDeploymentStatus": "READY",
            "jobStatus": {"state": state},
            "observedGeneration": 2,
            "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": "{}", "lastStableSpec": "{}"},
        },
    })
}

fn outcome(job: &Value, mode: Mode) -> anyhow::Result<String> {
    let deployment: FlinkDeployment = serde_json::from_value(job.clone())?;
    let mut policy = Policy { mode, ..Policy::default() };
    policy.rollout.operator_version = Some("1.15".parse()?);
    let subject = Subject::new(&deployment, &Platform::stock())?;
    let situation = Situation::of(&deployment);
    let plan = plan(&subject, &situation, &Holdings::default(), &Obedience::default(), &policy);
    Ok(match plan.timing {
        Timing::Now if plan.restarts => "restart".to_owned(),
        Timing::Now => "free".to_owned(),
        Timing::NextDeploy => format!("held: {}", HoldReason::NextDeploy.label()),
        Timing::Held(reason) => format!("held: {}", reason.label()),
        Timing::Nothing => "nothing".to_owned(),
    })
}
