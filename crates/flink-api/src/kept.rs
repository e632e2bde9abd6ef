use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use crate::{FlinkDeployment, FlinkDeploymentSpec, FlinkDeploymentStatus, Kind, Parsed, ReconciledSpec};

/// As it is written: in one pass, with what has been read already as it was read.
#[derive(Serialize)]
struct Written<'a> {
    kind: Kind,
    metadata: &'a ObjectMeta,
    spec: Result<&'a FlinkDeploymentSpec, &'a str>,
    session_cluster: Option<&'a str>,
    status: Option<Result<&'a FlinkDeploymentStatus, &'a str>>,
    reconciled: Option<Digest>,
    stable: Option<Digest>,
}

/// The same, read.
#[derive(Deserialize)]
struct Read {
    kind: Kind,
    metadata: ObjectMeta,
    spec: Result<FlinkDeploymentSpec, String>,
    session_cluster: Option<String>,
    status: Option<Result<FlinkDeploymentStatus, String>>,
    reconciled: Option<Digest>,
    stable: Option<Digest>,
}

/// Generation and digest of a spec that FKO keeps.
#[derive(Serialize, Deserialize)]
struct Digest(Option<i64>, u64);

impl FlinkDeployment {
    /// The object as [`Self::from_kept`] reads it, whatever its kind: `MessagePack`, a fraction of what the API server sends of it.
    ///
    /// # Errors
    /// None that can be told; the types write themselves.
    pub fn to_kept(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        let status = self.status.as_ref().map(Parsed::as_result);
        let reconciliation = status.and_then(Result::ok).map(|status| &status.reconciliation_status);
        let digest = |spec: &ReconciledSpec| Digest(spec.generation, spec.digest);
        rmp_serde::to_vec_named(&Written {
            kind: self.kind,
            metadata: &self.metadata,
            spec: self.spec.as_result(),
            session_cluster: self.session_cluster(),
            status,
            reconciled: reconciliation.and_then(|kept| kept.last_reconciled_spec.as_ref()).map(digest),
            stable: reconciliation.and_then(|kept| kept.last_stable_spec.as_ref()).map(digest),
        })
    }

    /// Reads what [`Self::to_kept`] has written.
    ///
    /// # Errors
    /// It has not.
    pub fn from_kept(kept: &[u8]) -> Result<Self, rmp_serde::decode::Error> {
        let read: Read = rmp_serde::from_slice(kept)?;
        let mut spec = Parsed::from(read.spec);
        if let Parsed::Ok(spec) = &mut spec {
            spec.session_cluster = read.session_cluster;
        }
        let mut status = read.status.map(Parsed::from);
        if let Some(Parsed::Ok(status)) = &mut status {
            let spec = |digest: Digest| ReconciledSpec { generation: digest.0, digest: digest.1 };
            status.reconciliation_status.last_reconciled_spec = read.reconciled.map(spec);
            status.reconciliation_status.last_stable_spec = read.stable.map(spec);
        }
        Ok(Self { kind: read.kind, metadata: read.metadata, spec, status })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn again(kind: Kind, object: Value) {
        let read = FlinkDeployment::read(kind, object).unwrap();
        let kept = FlinkDeployment::from_kept(&read.to_kept().unwrap()).unwrap();
        assert_eq!((kept.kind, &kept.metadata), (kind, &read.metadata));
        assert_eq!((&kept.spec, &kept.status), (&read.spec, &read.status));
    }

    #[test]
    fn what_was_read_is_read_again() {
        let metadata = json!({"name": "a", "namespace": "n", "uid": "u", "generation": 3, "labels": {"l": "x"},
            "creationTimestamp": "2026-01-02T03:04:05Z", "managedFields": [{"manager": "m", "operation": "Apply",
                "time": "2026-01-02T03:04:05Z", "fieldsV1": {"f:spec": {"f:flinkConfiguration": {"f:a": {}}}}}]});
        let kept = json!({"resource_metadata": {"metadata": {"generation": 2}}}).to_string();
        let status = json!({"lifecycleState": "STABLE", "jobStatus": {"state": "RUNNING", "savepointInfo": {"lastSavepoint": {"timeStamp": 1}}},
            "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": kept, "lastStableSpec": "x"}, "observedGeneration": 2});
        let template = json!({"metadata": {"annotations": {"k": "v"}}, "spec": {
            "containers": [{"name": "flink-main-container", "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                "resources": {"limits": {"cpu": 1.5}}}], "volumes": [{"name": "v", "nfs": {"path": "/"}}]}});
        let job = json!({"state": "suspended", "upgradeMode": "last-state", "jarURI": "local:///a.jar", "args": ["x"], "parallelism": 2});
        let spec = json!({"flinkVersion": "v1_20", "image": "i", "mode": "standalone", "job": job, "podTemplate": template,
            "flinkConfiguration": {"a": {"b": 1.0, "c": null, "d": [true]}, "e": "f"}, "logConfiguration": {"l": "a\n\"b\""},
            "jobManager": {"replicas": 2, "resource": {"cpu": 0.5, "memory": "1g"}, "podTemplate": template},
            "taskManager": {"resources": {"requests": {"memory": "1Gi"}}}, "ingress": {"template": "t", "tls": [{"hosts": []}]}});
        again(Kind::Deployment, json!({"metadata": metadata, "spec": spec, "status": status}));
        let session = json!({"deploymentName": "c", "job": {}, "flinkConfiguration": {"a": "b"}});
        again(Kind::SessionJob, json!({"metadata": metadata, "spec": session, "status": status}));
        let status =
            json!({"blueGreenState": "ACTIVE_BLUE", "jobStatus": {"state": "RUNNING"}, "lastReconciledSpec": "{}"});
        again(
            Kind::BlueGreenDeployment,
            json!({"metadata": metadata, "spec": {"template": {"spec": spec}}, "status": status}),
        );
    }

    #[test]
    fn what_is_absent_or_malformed_stays_so() {
        again(Kind::Deployment, json!({"metadata": {"name": "a"}}));
        again(Kind::Deployment, json!({"metadata": {}, "spec": {"job": 7}, "status": {"lifecycleState": []}}));
        again(Kind::SessionJob, json!({"metadata": {}, "spec": {"job": "x"}}));
    }
}
