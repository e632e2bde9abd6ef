//! What stands around a configuration: policies, volumes, the `JobManager`.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// What the platform gives: nothing, templates of which one needs a volume, or a cluster without a name.
pub(crate) fn policies() -> impl Strategy<Value = Value> {
    let storage = |lead: &str| {
        let of = |what: &str| format!("{lead}/{{namespace}}/{{name}}/{what}");
        json!({"checkpoints": of("checkpoints"), "savepoints": of("savepoints"), "highAvailability": of("ha")})
    };
    let strict = |backend: &str| {
        json!({
            "implicit-operator-uids": {"fill": true}, "unsuitable-state-backend": {"backend": backend},
            "no-tls": {"required": true}, "implicit-max-parallelism": {"floor": 240},
        })
    };
    select(vec![
        json!({}),
        json!({"storage": storage("s3://acme-state")}),
        json!({"storage": storage("s3://acme-state"), "rules": {"no-checkpoint-interval": {"fillRunning": true}}}),
        json!({"storage": storage("s3://acme-state/{cluster}"), "cluster": "eu-1"}),
        json!({"storage": storage("s3://acme-state/{cluster}")}),
        json!({"storage": storage("file:///mnt/state")}),
        json!({"rules": strict("rocksdb")}),
        json!({"storage": storage("s3://acme-state"), "rules": strict("rocksdb")}),
        json!({"storage": storage("s3://acme-state"), "rules": strict("forst")}),
        json!({"storage": storage("s3://acme-state"), "rules": strict("hashmap")}),
        json!({"settings": settings()}),
        json!({"storage": storage("s3://acme-state"), "rules": strict("rocksdb"), "settings": settings()}),
    ])
}

/// Options of the platform's own: of all versions and of some, for all jobs and for some, one that another switches on,
/// and values that not every version reads.
fn settings() -> Value {
    json!([
        {"key": "execution.checkpointing.unaligned.enabled", "value": "true"},
        {"key": "execution.checkpointing.timeout", "value": "PT20M", "when": "job.upgradeMode == 'savepoint'"},
        {"key": "taskmanager.load-balance.mode", "value": "MIN_RESOURCES"},
        {"key": "taskmanager.network.memory.buffer-debloat.enabled", "value": "false"},
        {"key": "rest.flamegraph.enabled", "value": "true", "when": "conf['execution.checkpointing.unaligned.enabled'] == 'true'"},
        {"key": "state.backend.rocksdb.timer-service.factory", "value": "heap", "when": "!deployed"},
        {"key": "job.autoscaler.metrics.window", "value": "10 min"},
        {"key": "acme.audit.enabled", "value": "yes"},
    ])
}

/// Of all pods: nothing, or one volume that outlives them or does not.
pub(crate) fn volumes() -> impl Strategy<Value = Value> {
    let mounted = |source: &str| {
        // One that names no kind of volume, as a tool may render it, comes first.
        let mut volume = json!({"name": "state", "awsElasticBlockStore": null});
        volume[source] = json!({"readOnly": false});
        json!({"volumes": [volume, {"name": "logs", "emptyDir": {}}], "containers": [
            {"name": "log-shipper", "volumeMounts": [{"name": "logs", "mountPath": "/mnt/state/logs"}]},
            {"name": "flink-main-container", "resources": {"limits": {"memory": "1Gi"}},
             "volumeMounts": [{"name": "state", "mountPath": "/mnt/state"}]},
        ]})
    };
    select(vec![Value::Null, Value::Null, mounted("persistentVolumeClaim"), mounted("emptyDir")])
}

/// What `spec.jobManager` may say of high availability.
pub(crate) fn job_managers() -> impl Strategy<Value = Value> {
    select(vec![Value::Null, Value::Null, json!({"replicas": 2}), json!({"storageDir": "s3://AKIA:hunter2@acme/ha"})])
}
