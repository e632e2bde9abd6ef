//! Whether a job has completed a checkpoint since its restart, from where that is to be seen.

use std::time::Duration;

use checklist::policy::Verification;
use flink_api::{FlinkDeployment, Kind, Parsed};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use kube::Client;
use kube::api::ListParams;
use serde_json::Value;
use tracing::debug;

use super::savepoint::snapshots;
use crate::troubles::Trouble;

/// Longest wait for one answer: a look at a job waits with it.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The largest answer that is read: statistics of a job with thousands of subtasks are smaller.
const LARGEST: usize = 8 << 20;

/// What was seen of the checkpoints of a job since its restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoints {
    /// Nowhere to look.
    Unseen,
    /// None was triggered and completed since.
    NoneYet,
    /// One was, at this time.
    Completed(Timestamp),
}

/// Looks for completed checkpoints.
#[derive(Clone)]
pub struct CheckpointWatch {
    client: Client,
    http: Http<HttpConnector, Empty<Bytes>>,
}

impl CheckpointWatch {
    /// Through this client, and directly at `JobManager`s.
    pub fn new(client: Client) -> Self {
        Self { client, http: Http::builder(TokioExecutor::new()).build_http() }
    }

    /// What is to be seen of this job's checkpoints since then: in FKO's `FlinkStateSnapshot`s, and at the `JobManager` if
    /// the policy lets us ask it.
    pub async fn since(&self, job: &FlinkDeployment, since: Timestamp, verification: &Verification) -> Checkpoints {
        // Which of its two clusters to ask does not stand on it.
        if job.kind == Kind::BlueGreenDeployment {
            return Checkpoints::Unseen;
        }
        let mut seen = self.snapshots(job, since).await;
        if verification.ask_job_manager && !matches!(seen, Checkpoints::Completed(_)) {
            seen = match self.job_manager(job, since, &verification.job_manager_address).await {
                Ok(seen) => seen,
                Err(why) => {
                    let trouble = Trouble::from(&why);
                    debug!(%trouble, namespace = job.namespace(), name = job.name(), %why, "no answer of the JobManager");
                    // It may answer the next time.
                    Checkpoints::NoneYet
                }
            };
        }
        seen
    }

    async fn snapshots(&self, job: &FlinkDeployment, since: Timestamp) -> Checkpoints {
        let api = snapshots(&self.client, job.namespace());
        match tokio::time::timeout(TIMEOUT, api.list(&ListParams::default())).await {
            Ok(Ok(snapshots)) => newest(snapshots.items.iter().map(|snapshot| &snapshot.data), job, since),
            // Without that CRD, or without the right to read it, there is nothing to be seen.
            Ok(Err(_)) | Err(_) => Checkpoints::Unseen,
        }
    }

    async fn job_manager(
        &self,
        job: &FlinkDeployment,
        since: Timestamp,
        address: &str,
    ) -> Result<Checkpoints, CheckpointError> {
        let Some(Parsed::Ok(status)) = &job.status else { return Ok(Checkpoints::NoneYet) };
        let Some(id) = &status.job_status.job_id else { return Ok(Checkpoints::NoneYet) };
        let cluster = job.session_cluster().unwrap_or(job.name());
        let base = address.replace("{namespace}", job.namespace()).replace("{name}", cluster);
        let request = Request::get(format!("{base}/jobs/{id}/checkpoints")).body(Empty::new())?;
        let body = async {
            let response = self.http.request(request).await?;
            if !response.status().is_success() {
                return Err(CheckpointError::Status(response.status().as_u16()));
            }
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            Ok(body.map_err(|error| CheckpointError::Body(error.to_string()))?.to_bytes())
        };
        let body = tokio::time::timeout(TIMEOUT, body).await.map_err(|_| CheckpointError::Timeout)??;
        let statistics: Value = serde_json::from_slice(&body)?;
        Ok(completed(&statistics, since))
    }
}

/// Why a `JobManager` has told nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("verification.jobManagerAddress makes no address: {0}")]
    Address(#[from] hyper::http::Error),
    #[error("not reached: {0}")]
    Unreachable(#[from] hyper_util::client::legacy::Error),
    #[error("no answer in time")]
    Timeout,
    #[error("answered with status {0}")]
    Status(u16),
    #[error("the answer broke off or is too large: {0}")]
    Body(String),
    #[error("the answer is no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// By Flink's `CheckpointingStatistics` (`GET /jobs/:jobid/checkpoints`).
fn completed(statistics: &Value, since: Timestamp) -> Checkpoints {
    let triggered = statistics.pointer("/latest/completed/trigger_timestamp").and_then(Value::as_i64);
    match triggered.and_then(|at| Timestamp::from_millisecond(at).ok()) {
        Some(at) if at >= since => Checkpoints::Completed(at),
        Some(_) | None => Checkpoints::NoneYet,
    }
}

/// By FKO's snapshots of type checkpoint of this job; a job that never had one shows nothing this way.
fn newest<'a>(snapshots: impl Iterator<Item = &'a Value>, job: &FlinkDeployment, since: Timestamp) -> Checkpoints {
    let mut seen = Checkpoints::Unseen;
    for snapshot in snapshots {
        let reference = &snapshot["spec"]["jobReference"];
        if reference["name"] != job.name()
            || reference["kind"] != job.kind.name()
            || !snapshot["spec"]["checkpoint"].is_object()
        {
            continue;
        }
        let status = &snapshot["status"];
        let triggered = status["triggerTimestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        match triggered {
            Some(at) if at >= since && status["state"] == "COMPLETED" => return Checkpoints::Completed(at),
            Some(_) | None => seen = Checkpoints::NoneYet,
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn since() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn only_a_checkpoint_that_was_triggered_since_counts() {
        let at = |seconds: i64| since().as_millisecond() + seconds * 1000;
        let statistics = |at: i64| json!({"latest": {"completed": {"id": 7, "trigger_timestamp": at}}});
        assert!(matches!(completed(&statistics(at(1)), since()), Checkpoints::Completed(_)));
        assert_eq!(completed(&statistics(at(-1)), since()), Checkpoints::NoneYet);
        assert_eq!(completed(&json!({"latest": {"completed": null}}), since()), Checkpoints::NoneYet);
        assert_eq!(completed(&json!([]), since()), Checkpoints::NoneYet);
    }

    #[test]
    fn a_snapshot_counts_that_is_a_completed_checkpoint_of_this_job() {
        let snapshot = |kind: &str, job: &str, state: &str, at: &str| {
            json!({"spec": {"jobReference": {"kind": "FlinkDeployment", "name": job}, kind: {}},
                   "status": {"state": state, "triggerTimestamp": format!("2026-01-02T03:{at}:00Z")}})
        };
        let job: FlinkDeployment = serde_json::from_value(json!({"metadata": {"name": "j"}})).unwrap();
        let seen = |snapshot: Value| newest([snapshot].iter(), &job, since());
        assert!(matches!(seen(snapshot("checkpoint", "j", "COMPLETED", "05")), Checkpoints::Completed(_)));
        assert_eq!(seen(snapshot("checkpoint", "j", "COMPLETED", "04")), Checkpoints::NoneYet);
        assert_eq!(seen(snapshot("checkpoint", "j", "IN_PROGRESS", "05")), Checkpoints::NoneYet);
        assert_eq!(seen(snapshot("savepoint", "j", "COMPLETED", "05")), Checkpoints::Unseen);
        assert_eq!(seen(snapshot("checkpoint", "other", "COMPLETED", "05")), Checkpoints::Unseen);
    }
}
