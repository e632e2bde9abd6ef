//! What Flink says of itself.

use std::collections::BTreeMap;

use e2e::http;
use serde_json::Value;

/// Where a job stopped for its upgrade leaves its state.
pub(crate) const SAVEPOINTS: &str = "savepoints";

/// The REST API of a JobManager; an error is the state in words.
#[derive(Debug)]
pub(crate) struct Flink {
    address: String,
}

/// The state of `cluster/image/Counting.java`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// How far it has counted.
    pub(crate) counted: u64,
    /// Drawn when the count began: another one is another count.
    pub(crate) origin: u64,
}

impl Flink {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// What it answers to a GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        http::json(&format!("{}{path}", self.address)).await
    }

    /// The id of the one job.
    pub(crate) async fn job(&self) -> Result<String, String> {
        let jobs = self.get("/jobs").await?;
        jobs["jobs"][0]["id"].as_str().map(str::to_owned).ok_or_else(|| format!("no job in {jobs}"))
    }

    /// An answer about the one job: `path` follows its id.
    pub(crate) async fn of_job(&self, path: &str) -> Result<Value, String> {
        self.get(&format!("/jobs/{}{path}", self.job().await?)).await
    }

    /// What the cluster is configured with.
    pub(crate) async fn configuration(&self) -> Result<BTreeMap<String, String>, String> {
        let entries: Vec<BTreeMap<String, String>> =
            serde_json::from_value(self.get("/jobmanager/config").await?).map_err(|error| error.to_string())?;
        Ok(entries.into_iter().filter_map(|mut entry| Some((entry.remove("key")?, entry.remove("value")?))).collect())
    }

    /// Statistics of checkpoints, once one has been completed.
    pub(crate) async fn checkpointed(&self) -> Result<Value, String> {
        let checkpoints = self.of_job("/checkpoints").await?;
        let completed = checkpoints["counts"]["completed"].as_u64() > Some(0);
        if completed { Ok(checkpoints) } else { Err(checkpoints.to_string()) }
    }

    /// Once it has completed a checkpoint that was begun later than this, in milliseconds since 1970.
    pub(crate) async fn checkpointed_after(&self, time: i64) -> Result<(), String> {
        let latest = self.checkpointed().await?["latest"]["completed"].take();
        if latest["trigger_timestamp"].as_i64() > Some(time) { Ok(()) } else { Err(latest.to_string()) }
    }

    /// The state that the job shows, once it has counted.
    pub(crate) async fn count(&self) -> Result<Count, String> {
        let job = self.of_job("").await?;
        let mut vertices = job["vertices"].as_array().into_iter().flatten();
        let is_count = |vertex: &&Value| vertex["name"].as_str().is_some_and(|name| name.contains("count"));
        let vertex = vertices.find(is_count).and_then(|vertex| vertex["id"].as_str()).ok_or("no vertex that counts")?;
        let names = ["counted", "origin"].map(|name| format!("0.count.{name}"));
        let path = format!("/vertices/{vertex}/metrics?get={}", names.join(","));
        let metrics = self.of_job(&path).await?;
        let value = |name: &str| {
            let mut metrics = metrics.as_array().into_iter().flatten();
            let text = metrics.find(|metric| metric["id"] == name)?["value"].as_str()?;
            text.parse::<u64>().ok().filter(|value| *value > 0)
        };
        let count = names.each_ref().map(|name| value(name));
        let [Some(counted), Some(origin)] = count else { return Err(format!("{path}: {metrics}")) };
        Ok(Count { counted, origin })
    }

    /// Restored from a savepoint or a checkpoint in this folder, and counting where the count was left off.
    pub(crate) async fn goes_on(&self, before: Count, from: &str) -> Result<(), String> {
        let restored = self.of_job("/checkpoints").await?["latest"]["restored"].clone();
        let path = restored["external_path"].as_str().unwrap_or_default();
        if restored["is_savepoint"] != (from == SAVEPOINTS) || !path.starts_with(&format!("file:/flink-data/{from}/")) {
            return Err(format!("restored: {restored}"));
        }
        let count = self.count().await?;
        assert!(count.origin == before.origin && count.counted >= before.counted, "{count:?} after {before:?}");
        Ok(())
    }
}
