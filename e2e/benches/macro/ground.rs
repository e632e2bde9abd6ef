//! What every part of the bench stands on: an installation without what runs, and jobs.

use std::fs;
use std::time::Duration;

use e2e::objects::{apply, apply_yaml, flink_deployments};
use e2e::{ControlPlane, await_condition};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::json;

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");

/// What an installation brings, but for what runs.
pub(crate) async fn install(plane: &ControlPlane) {
    let admin = plane.admin().await;
    let namespace = |name: &str| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    apply(&admin, namespace("flink-operator")).await;
    let applied = plane.run_kubectl(&["apply", "-k", &format!("{MANIFESTS}/rbac")], "").await;
    assert!(applied.status.success(), "{}", applied.stderr);
    plane.install_crds(&fs::read_to_string(format!("{MANIFESTS}/crd/remediationreports.yaml")).unwrap()).await;
}

/// Lets our operator elect a leader in a namespace, or never lead there.
pub(crate) async fn grant_lease(plane: &ControlPlane, namespace: &str, leads: bool) {
    let admin = plane.admin().await;
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": "lease", "namespace": namespace },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "flink-remedy", "namespace": "flink-remedy" }] });
    apply(&admin, role).await;
    if !leads {
        let lease = format!(
            "{{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {{name: flink-remedy, namespace: {namespace}}},
              spec: {{holderIdentity: somebody-else, leaseDurationSeconds: 86400}}}}"
        );
        apply_yaml(&admin, &lease).await;
    }
}

pub(crate) async fn jobs(plane: &ControlPlane, namespace: &str) -> Api<DynamicObject> {
    flink_deployments(&plane.admin().await, namespace)
}

/// One that our built-in policy has something to fill on.
pub(crate) fn job(name: &str) -> DynamicObject {
    let job = json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "metadata": { "name": name },
        "spec": {
            "image": "flink:1.18", "flinkVersion": "v1_18", "serviceAccount": "flink",
            "flinkConfiguration": {
                "state.backend.type": "rocksdb", "execution.checkpointing.interval": "1 min",
                "state.checkpoints.dir": "s3://flink/checkpoints", "state.savepoints.dir": "s3://flink/savepoints",
                "high-availability.type": "kubernetes", "high-availability.storageDir": "s3://flink/ha",
            },
            "jobManager": { "resource": { "memory": "2048m", "cpu": 1 } },
            "taskManager": { "resource": { "memory": "4096m", "cpu": 2 } },
            "job": { "jarURI": "local:///opt/flink/usrlib/job.jar", "parallelism": 2, "upgradeMode": "savepoint" },
        },
    });
    serde_json::from_value(job).unwrap()
}

pub(crate) async fn empty(plane: &ControlPlane, namespace: &str) {
    let api = jobs(plane, namespace).await;
    api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    await_condition("the jobs to be gone", Duration::from_mins(2), async || {
        let left = api.list_metadata(&ListParams::default().limit(1)).await.unwrap().items.len();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}
