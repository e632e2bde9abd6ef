//! Flink itself runs what the checklist fills: one job of each major version as a local cluster.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod cluster;
mod filled;
mod http;
mod oracles;

use std::time::Duration;

use checklist::Policy;
use e2e::await_condition;
use e2e::flink_dist::FlinkDist;
use e2e::isolation::isolated;

use cluster::Cluster;
use filled::FilledJob;
use http::rest;

use oracles::Running;
use serde_json::json;

/// A healthy start takes some 15 s; many processes at once make that several times as long.
const PATIENCE: Duration = Duration::from_mins(2);

const JOB_MANAGER_REPORTER: u16 = 9300;
const TASK_MANAGER_REPORTER: u16 = 9301;

#[test]
fn flink_1_20_runs_what_is_filled() {
    isolated("flink_1_20_runs_what_is_filled", || {
        runs_what_is_filled("1.20", include_str!("../../flink/local/job-1.20.yaml"));
    });
}

#[test]
fn flink_2_3_runs_what_is_filled() {
    isolated("flink_2_3_runs_what_is_filled", || {
        runs_what_is_filled("2.3", include_str!("../../flink/local/job-2.3.yaml"));
    });
}

/// Values unlike Flink's defaults, so that only what was filled can be what is seen.
fn unlike_the_defaults() -> Policy {
    let policy = json!({
        "mode": "Apply",
        "rules": {
            "no-metrics-reporter": {"port": JOB_MANAGER_REPORTER},
            "no-restart-backoff": {
                "initial": "3 s", "max": "4 min", "multiplier": 2.5, "resetThreshold": "5 h", "jitter": 0.2,
            },
        },
    });
    serde_json::from_value(policy).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn runs_what_is_filled(minor: &str, manifest: &str) {
    let dist = FlinkDist::locate(minor).unwrap_or_else(|error| panic!("{error:#}"));
    let work = tempfile::tempdir().expect("a temporary folder");
    let job = FilledJob::plan(manifest, work.path(), &unlike_the_defaults());
    for rule in ["CKP003", "RST001", "MET001", "LOG001"] {
        assert!(job.rules.contains(rule), "the manifest of {minor} has no gap for {rule}: {:?}", job.fills);
    }
    let mut cluster = Cluster::start(&dist, &job, work.path(), TASK_MANAGER_REPORTER);
    let id = checkpointed_job(&mut cluster).await;
    let running = Running { dist: &dist, job: &job, cluster: &cluster, id, patience: PATIENCE };
    running.shows_every_filled_option().await;
    running.checkpoints_as_configured(work.path()).await;
    running.restarts_as_filled().await;
    running.answers_where_the_pods_say(TASK_MANAGER_REPORTER).await;
    running.logs_as_filled();
    cluster.assert_runs();
}

/// The id of the job, once it has completed a checkpoint.
async fn checkpointed_job(cluster: &mut Cluster) -> String {
    let id = await_condition("the job to run", PATIENCE, async || {
        cluster.assert_runs();
        let jobs = rest("/jobs/overview").await?;
        let job = jobs["jobs"].get(0).ok_or("no job yet")?;
        let is_running = job["tasks"]["running"] == job["tasks"]["total"] && job["state"] == "RUNNING";
        if is_running { Ok(job["jid"].as_str().expect("an id").to_owned()) } else { Err(job.to_string()) }
    })
    .await;
    await_condition("a checkpoint", PATIENCE, async || {
        cluster.assert_runs();
        let counts = rest(&format!("/jobs/{id}/checkpoints")).await?["counts"].clone();
        if counts["completed"].as_u64() > Some(0) { Ok(()) } else { Err(counts.to_string()) }
    })
    .await;
    id
}
