//! A savepoint before the restart, through FKO's `FlinkStateSnapshot`, so that a person has something to go back to.

use std::time::Duration;

use checklist::HoldReason;
use flink_api::{FIELD_MANAGER, FlinkDeployment, GROUP, VERSION};
use jiff::{SignedDuration, Timestamp};
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::lease::Fence;

/// How long a savepoint is one before the restart.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// On our snapshots: hash of the plan that the savepoint comes before.
const PLAN: &str = "flink-remedy.dev/plan";

/// FKO's kind, in 1.10 and newer.
pub(super) fn snapshots(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "FlinkStateSnapshot".to_owned(),
        plural: "flinkstatesnapshots".to_owned(),
    };
    Api::namespaced_with(client.clone(), namespace, &kind)
}

/// Returns once a savepoint of this job is complete that was asked for before this plan; asks for it where there is none.
///
/// # Errors
/// Why the restart has to wait.
pub async fn before_restart(
    client: &Client,
    fence: &Fence,
    job: &FlinkDeployment,
    plan: &str,
    now: Timestamp,
) -> Result<(), HoldReason> {
    let api = snapshots(client, job.namespace());
    let list = ListParams::default().labels(&format!("{PLAN}={plan}"));
    let failed = |error: &dyn std::fmt::Display| HoldReason::SavepointFailed(error.to_string());
    let listed = tokio::time::timeout(TIMEOUT, api.list(&list)).await.map_err(|error| failed(&error))?;
    let snapshots = listed.map_err(|error| failed(&without(&error)))?;
    let of_job = snapshots.items.iter().filter(|snapshot| snapshot.data["spec"]["jobReference"]["name"] == job.name());
    let created = |snapshot: &&DynamicObject| snapshot.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let fresh = of_job.filter(|snapshot| created(snapshot).is_some_and(|at| now.duration_since(at) < FRESH));
    if let Some(newest) = fresh.max_by_key(created) {
        return stands(&newest.data["status"]);
    }
    let snapshot: DynamicObject = serde_json::from_value(wanted(job, plan, now)).map_err(|error| failed(&error))?;
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let turn = fence.pace().job().await;
    let created = fence.guard(turn.send(TIMEOUT, api.create(&params, &snapshot))).await;
    match created.map_err(|error| failed(&error))?.map_err(|error| failed(&error))? {
        Ok(_) => Err(HoldReason::SavepointFirst),
        // By another look, or by one whose answer was lost.
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Err(HoldReason::SavepointFirst),
        Err(error) => Err(failed(&without(&error))),
    }
}

/// By the status that FKO gives a snapshot.
fn stands(status: &Value) -> Result<(), HoldReason> {
    match status["state"].as_str() {
        Some("COMPLETED") => Ok(()),
        Some("FAILED" | "ABANDONED") => {
            Err(HoldReason::SavepointFailed(status["error"].as_str().unwrap_or("no reason is given").to_owned()))
        }
        Some(_) | None => Err(HoldReason::SavepointFirst),
    }
}

/// The name is the same for a minute, so that two looks never ask twice. The files outlive the object.
fn wanted(job: &FlinkDeployment, plan: &str, now: Timestamp) -> Value {
    let name: String = job.name().chars().take(200).collect();
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "FlinkStateSnapshot",
        "metadata": {
            "name": format!("{name}-{plan}-{}", now.as_second() / 60),
            "namespace": job.namespace(),
            "labels": {PLAN: plan},
            "ownerReferences": [{"apiVersion": format!("{GROUP}/{VERSION}"), "kind": job.kind.name(),
                                 "name": job.name(), "uid": job.uid()}],
        },
        "spec": {
            "jobReference": {"kind": job.kind.name(), "name": job.name()},
            "savepoint": {"disposeOnDelete": false},
        },
    })
}

/// What the API server lacks.
fn without(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return error.to_string() };
    match status.code {
        404 => "the cluster has no FlinkStateSnapshots, which the Flink operator brings from 1.10 on; switch rollout.savepointFirst off".to_owned(),
        403 => {
            format!("{}; grant list and create on flinkstatesnapshots.flink.apache.org (manifests/rbac)", status.message)
        }
        _ => status.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_waits_until_its_savepoint_is_complete() {
        let stands = |state: Value| stands(&json!({"state": state, "error": "no space"}));
        assert_eq!(stands(json!("COMPLETED")), Ok(()));
        assert_eq!(stands(json!("IN_PROGRESS")), Err(HoldReason::SavepointFirst));
        assert_eq!(stands(json!(null)), Err(HoldReason::SavepointFirst));
        assert_eq!(stands(json!("ABANDONED")), Err(HoldReason::SavepointFailed("no space".to_owned())));
    }
}
