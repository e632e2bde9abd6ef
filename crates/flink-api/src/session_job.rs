use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use crate::{FlinkDeployment, FlinkDeploymentSpec, FlinkDeploymentStatus, JobSpec, Kind, Parsed};

/// FKO's `FlinkSessionJob`: a job on a session cluster that a `FlinkDeployment` of the same namespace describes.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FlinkSessionJob {
    /// Name, ownership, annotations.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What its owner wants.
    #[serde(default)]
    pub spec: Parsed<FlinkSessionJobSpec>,
    /// What FKO last said of it; the fields of a `FlinkDeployment`'s status that we read are the same.
    #[serde(default)]
    pub status: Option<Parsed<FlinkDeploymentStatus>>,
}

/// `FlinkSessionJob.spec`, as far as rules read it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlinkSessionJobSpec {
    /// Name of the session cluster, in the same namespace.
    pub deployment_name: Option<String>,
    /// The job.
    pub job: Option<JobSpec>,
    /// Options of this job; they reach Flink from 1.17 on only (FKO: `AbstractFlinkService.runJar`).
    #[serde(default)]
    pub flink_configuration: Value,
}

impl FlinkSessionJob {
    /// The same in the shape of a deployment: of its spec so much as a session job has.
    pub fn into_deployment(self) -> FlinkDeployment {
        let spec = match self.spec {
            Parsed::Ok(spec) => Parsed::Ok(FlinkDeploymentSpec {
                session_cluster: spec.deployment_name.filter(|name| !name.is_empty()),
                flink_configuration: spec.flink_configuration,
                // A session job is a job, whatever it leaves to defaults.
                job: Some(spec.job.unwrap_or_default()),
                ..FlinkDeploymentSpec::default()
            }),
            Parsed::Malformed(why) => Parsed::Malformed(why),
        };
        FlinkDeployment { kind: Kind::SessionJob, metadata: self.metadata, spec, status: self.status }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_job_is_read() {
        let job: FlinkSessionJob = serde_json::from_value(json!({
            "metadata": {"name": "top-sellers", "namespace": "shop"},
            "spec": {"deploymentName": "analytics", "job": {"parallelism": 4, "upgradeMode": "savepoint"},
                     "flinkConfiguration": {"a": 1}},
            "status": {"lifecycleState": "STABLE"},
        }))
        .unwrap();
        let job = job.into_deployment();
        let spec = job.spec.as_result().unwrap();
        assert_eq!((job.kind, job.namespace(), job.name()), (Kind::SessionJob, "shop", "top-sellers"));
        assert_eq!((job.session_cluster(), &spec.flink_configuration), (Some("analytics"), &json!({"a": 1})));
        assert_eq!(spec.job.as_ref().and_then(|job| job.parallelism), Some(4));
        assert!(job.status.unwrap().as_result().is_ok());
    }
}
