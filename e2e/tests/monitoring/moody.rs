//! A job that can be put into a bad mood, on a Flink of this machine.

use std::fs;
use std::time::Duration;

use checklist::Policy;
use e2e::await_condition;
use e2e::flink_dist::FlinkDist;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::filled::FilledJob;
use crate::http::rest;

/// Where the Prometheus reporter of each process answers. In Kubernetes each has a pod, and so the filled port, to itself.
pub(crate) const REPORTERS: [(&str, u16); 2] = [("jobmanager", 9249), ("taskmanager", 9250)];
/// A healthy start takes some 15 s; many processes at once make that several times as long.
const PATIENCE: Duration = Duration::from_mins(3);
/// The native metrics of RocksDB that an alert is about: off unless somebody wants them.
const OF_ROCKSDB: [&str; 2] = ["block-cache-capacity", "block-cache-pinned-usage"];

/// The job's processes; they end with this value.
pub(crate) struct Moody {
    cluster: Cluster,
    work: TempDir,
}

impl Moody {
    /// Starts the job of `flink/local/Moody.java`, filled by the planner, and returns when it has completed a checkpoint.
    pub(crate) async fn start(dist: &FlinkDist) -> Self {
        let work = tempfile::tempdir().expect("a temporary folder");
        let job = FilledJob::plan(&manifest(dist).to_string(), work.path(), &policy());
        assert!(job.rules.contains("MET001"), "no reporter was filled: {:?}", job.fills);
        fs::write(work.path().join("mood"), "well").expect("a writable folder");
        let mut cluster = Cluster::start(dist, &job, work.path(), REPORTERS[1].1);
        await_condition("a checkpoint", PATIENCE, async || {
            cluster.assert_runs();
            let jobs = rest("/jobs").await?;
            let id = jobs["jobs"][0]["id"].as_str().ok_or("no job yet")?.to_owned();
            let counts = rest(&format!("/jobs/{id}/checkpoints")).await?["counts"].clone();
            if counts["completed"].as_u64() > Some(0) { Ok(()) } else { Err(counts.to_string()) }
        })
        .await;
        Self { cluster, work }
    }

    /// Puts the job into this mood. `failing-checkpoints` is none of its own: then a file is where the folder of checkpoints
    /// was, so that their storage refuses whatever is written.
    pub(crate) fn set(&self, mood: &str) {
        let [storage, away] = ["checkpoints", "checkpoints.away"].map(|name| self.work.path().join(name));
        if mood == "failing-checkpoints" {
            fs::rename(&storage, &away).and_then(|()| fs::write(&storage, "")).expect("a writable folder");
        } else if away.exists() {
            fs::remove_file(&storage).and_then(|()| fs::rename(&away, &storage)).expect("a writable folder");
        }
        // Renamed into place: the job reads it at any time.
        let file = self.work.path().join("mood");
        let new = self.work.path().join("mood.new");
        fs::write(&new, mood).and_then(|()| fs::rename(&new, &file)).expect("a writable folder");
    }

    /// Ends the test when a process has ended.
    pub(crate) fn assert_runs(&mut self) {
        self.cluster.assert_runs();
    }
}

/// The reporter at its usual port, and restarts that do not wait long.
fn policy() -> Policy {
    let backoff = json!({"initial": "1 s", "max": "4 s"});
    let policy = json!({"mode": "Apply", "rules": {"no-restart-backoff": backoff}});
    serde_json::from_value(policy).expect("a policy")
}

fn manifest(dist: &FlinkDist) -> Value {
    let parts: Vec<&str> = dist.version.split('.').collect();
    let mut configuration = json!({
        "taskmanager.numberOfTaskSlots": "1",
        "state.backend.type": "rocksdb",
        "execution.checkpointing.interval": "2 s",
        // Failing ones are to be seen, not to end the job.
        "execution.checkpointing.tolerable-failed-checkpoints": "1000000",
    });
    let directory = if parts[0] == "1" { "state.checkpoints.dir" } else { "execution.checkpointing.dir" };
    configuration[directory] = json!("file:///flink-data/checkpoints");
    for metric in OF_ROCKSDB {
        configuration[format!("state.backend.rocksdb.metrics.{metric}")] = json!("true");
    }
    json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "metadata": {"namespace": "shop", "name": "orders"},
        "spec": {
            "image": "flink", "flinkVersion": format!("v{}_{}", parts[0], parts[1]), "serviceAccount": "flink",
            "flinkConfiguration": configuration,
            "jobManager": {"resource": {"cpu": 0.5, "memory": "768m"}},
            "taskManager": {"resource": {"cpu": 1, "memory": "1280m"}},
            "job": {
                "jarURI": "local:///opt/flink/usrlib/moody.jar", "entryClass": "Moody", "parallelism": 1,
                "upgradeMode": "stateless",
            },
        },
    })
}
