//! The Flink operator's part: statuses in the form in which it writes them (read off its versions 1.7 and 1.15).

use checklist::annotations::OPT_OUT;
use e2e::patch_status;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{Scene, annotated};

/// Whose habits a status follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fko {
    /// 1.7: the generation stands only inside the spec that it keeps.
    V1_7,
    /// 1.15: the generation stands in `observedGeneration` as well.
    V1_15,
}

/// The status of a job that runs, stable, under its present spec.
pub(crate) fn stable(fko: Fko, job: &DynamicObject) -> Value {
    let kept = kept(job);
    let mut status = json!({
        "clusterInfo": { "flink-version": "1.18.1", "flink-revision": "a8c8b1c", "total-cpu": "3.0", "total-memory": "6442450944" },
        "error": "",
        "jobManagerDeploymentStatus": "READY",
        "jobStatus": {
            "jobId": "5c1f27a3e7a9c8a2b7e6d5c4b3a29180", "jobName": "job", "state": "RUNNING",
            "startTime": "1763800000000", "updateTime": "1763800010000",
            "savepointInfo": { "lastPeriodicSavepointTimestamp": 0, "savepointHistory": [], "triggerId": "" },
        },
        "lifecycleState": "STABLE",
        "reconciliationStatus": {
            "lastReconciledSpec": kept, "lastStableSpec": kept, "reconciliationTimestamp": 1_763_800_000_000_i64,
            "state": "DEPLOYED",
        },
        "taskManager": { "labelSelector": "component=taskmanager,app=job", "replicas": 1 },
    });
    if job.data.pointer("/spec/job").is_none() {
        status["jobStatus"] = json!({});
    }
    if fko == Fko::V1_15 {
        status["observedGeneration"] = json!(job.metadata.generation);
    }
    status
}

/// While it replaces the job by one of the present spec: the spec kept is the new one, suspended, and what was
/// stable is still the old one.
pub(crate) fn upgrading(fko: Fko, job: &DynamicObject) -> Value {
    let mut suspended = job.clone();
    suspended.data["spec"]["job"]["state"] = json!("suspended");
    let mut status = json!({
        "jobManagerDeploymentStatus": "MISSING",
        "jobStatus": { "state": "FINISHED" },
        "lifecycleState": "UPGRADING",
        "reconciliationStatus": { "lastReconciledSpec": kept(&suspended), "state": "UPGRADING" },
        "taskManager": { "labelSelector": "", "replicas": 0 },
    });
    if fko == Fko::V1_15 {
        status["observedGeneration"] = json!(job.metadata.generation);
    }
    status
}

/// A spec as it is kept in the status: JSON in a string, with the generation beside it.
fn kept(job: &DynamicObject) -> String {
    json!({
        "spec": job.data["spec"],
        "resource_metadata": {
            "apiVersion": "flink.apache.org/v1beta1", "metadata": { "generation": job.metadata.generation },
            "firstDeployment": false,
        },
    })
    .to_string()
}

impl Scene {
    /// Creates a job and writes that it runs, stable.
    pub(crate) async fn create_stable(&self, fko: Fko, job: Value) -> DynamicObject {
        let live = self.create(job).await;
        let name = live.metadata.name.clone().expect("a name");
        self.status(&name, stable(fko, &live)).await
    }

    /// The same beside an operator that is looking already: were the job not opted out until it runs, the operator
    /// could come upon it in between, and fill what was never started.
    pub(crate) async fn create_stable_unseen(&self, fko: Fko, job: Value) -> DynamicObject {
        let live = self.create_stable(fko, annotated(job, OPT_OUT, "true")).await;
        let opted_in = Patch::Merge(json!({ "metadata": { "annotations": { OPT_OUT: null } } }));
        let name = live.metadata.name.expect("a name");
        self.jobs().patch(&name, &PatchParams::default(), &opted_in).await.expect("a patch")
    }

    /// Writes that the job runs, stable, under the spec that it has now.
    pub(crate) async fn now_stable(&self, fko: Fko, name: &str) -> DynamicObject {
        let live = self.job(name).await;
        self.status(name, stable(fko, &live)).await
    }

    /// Merges into a job's status, as the Flink operator.
    pub(crate) async fn status(&self, name: &str, status: Value) -> DynamicObject {
        patch_status(&self.jobs(), name, status).await
    }
}
