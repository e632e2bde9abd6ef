//! Bodies of answers, in the shape that Flink 1.17 to 2.1 give them and the Flink operator reads them.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{JobManager, JobState};

impl JobState {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Canceled | Self::Failed)
    }
}

const TASK_STATES: [&str; 10] = [
    "created",
    "scheduled",
    "deploying",
    "running",
    "finished",
    "canceling",
    "canceled",
    "failed",
    "reconciling",
    "initializing",
];

/// One entry of `/jobs/overview`.
pub(super) fn job(name: &str, job_manager: &JobManager) -> Value {
    let JobManager { state, started, incarnation, .. } = job_manager;
    let parallelism = parallelism(job_manager);
    let now = Timestamp::now().as_millisecond();
    let mut tasks: Map<String, Value> = TASK_STATES.iter().map(|state| ((*state).to_owned(), json!(0))).collect();
    tasks.insert("total".into(), json!(parallelism));
    tasks.insert(state.name().to_lowercase(), json!(parallelism));
    json!({
        "jid": incarnation.job_id, "name": format!("{name}-job"), "state": state.name(), "start-time": started,
        "end-time": if state.is_over() { now } else { -1 }, "duration": now - started, "last-modification": now,
        "tasks": tasks,
    })
}

fn parallelism(job_manager: &JobManager) -> u32 {
    let set = job_manager.incarnation.configuration.get("parallelism.default");
    set.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// `/config`
pub(super) fn dashboard() -> Value {
    json!({
        "refresh-interval": 3000, "timezone-name": "UTC", "timezone-offset": 0, "flink-version": "1.17.1",
        "flink-revision": "stand-in @ 2023-01-01",
        "features": { "web-submit": false, "web-cancel": false, "web-history": false },
    })
}

/// `/jobs/:id/checkpoints`, whole: newer Flink operators read no shorter one.
pub(super) fn checkpoints(job_manager: &JobManager) -> Value {
    let parallelism = parallelism(job_manager);
    let spread = json!({ "min": 0, "max": 0, "avg": 0, "p50": 0.0, "p90": 0.0, "p95": 0.0, "p99": 0.0, "p999": 0.0 });
    let measured = [
        "checkpointed_size",
        "state_size",
        "end_to_end_duration",
        "alignment_buffered",
        "processed_data",
        "persisted_data",
    ];
    let summary: Map<String, Value> = measured.map(|name| (name.to_owned(), spread.clone())).into_iter().collect();
    let completed = json!({
        "@class": "completed", "className": "completed", "id": 1, "status": "COMPLETED", "is_savepoint": false,
        "savepointFormat": null, "trigger_timestamp": job_manager.started,
        "latest_ack_timestamp": job_manager.started + 5, "checkpointed_size": 1, "state_size": 1,
        "end_to_end_duration": 5, "alignment_buffered": 0, "processed_data": 0, "persisted_data": 0,
        "num_subtasks": parallelism, "num_acknowledged_subtasks": parallelism, "checkpoint_type": "CHECKPOINT",
        "tasks": {}, "external_path": format!("file:///checkpoints/{}/chk-1", job_manager.incarnation.job_id),
        "discarded": false,
    });
    json!({
        "counts": { "restored": 0, "total": 1, "in_progress": 0, "completed": 1, "failed": 0 },
        "summary": summary,
        "latest": { "completed": completed, "savepoint": null, "failed": null, "restored": null },
        "history": [],
    })
}

/// `/jobs/:id/exceptions`
pub(super) fn exceptions() -> Value {
    json!({
        "root-exception": null, "timestamp": null, "all-exceptions": [], "truncated": false,
        "exceptionHistory": { "entries": [], "truncated": false },
    })
}

/// `/jobs/:id/execution-result`
pub(super) fn result(job_manager: &JobManager) -> Value {
    let status = if job_manager.state == JobState::Failed { "FAILED" } else { "SUCCEEDED" };
    json!({
        "status": { "id": "COMPLETED" },
        "job-execution-result": {
            "id": job_manager.incarnation.job_id, "application-status": status, "accumulator-results": {},
            "net-runtime": 1,
        },
    })
}
