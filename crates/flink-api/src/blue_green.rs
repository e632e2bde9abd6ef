use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use crate::{
    FlinkDeployment, FlinkDeploymentSpec, FlinkDeploymentStatus, Parsed, ReconciledSpec, ReconciliationStatus,
};

/// FKO's `FlinkBlueGreenDeployment`: a template from which FKO makes one `FlinkDeployment` or, in a transition, two.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FlinkBlueGreenDeployment {
    /// Name, ownership, annotations.
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default)]
    spec: Parsed<BlueGreenSpec>,
    #[serde(default)]
    status: Option<Parsed<BlueGreenStatus>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct BlueGreenSpec {
    #[serde(default)]
    template: Template,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct Template {
    #[serde(default)]
    spec: FlinkDeploymentSpec,
}

/// FKO: `FlinkBlueGreenDeploymentStatus.java`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlueGreenStatus {
    last_reconciled_spec: Option<ReconciledSpec>,
    error: Option<String>,
}

impl FlinkBlueGreenDeployment {
    /// The deployment that its template describes, under the parent's own metadata. Of the status only so much as
    /// tells whether FKO has deployed it.
    pub fn into_deployment(self) -> FlinkDeployment {
        let spec = match self.spec {
            Parsed::Ok(spec) => Parsed::Ok(spec.template.spec),
            Parsed::Malformed(why) => Parsed::Malformed(why),
        };
        let status = self.status.map(|status| match status {
            Parsed::Ok(status) => Parsed::Ok(FlinkDeploymentStatus {
                error: status.error,
                reconciliation_status: ReconciliationStatus {
                    last_reconciled_spec: status.last_reconciled_spec,
                    ..ReconciliationStatus::default()
                },
                ..FlinkDeploymentStatus::default()
            }),
            Parsed::Malformed(why) => Parsed::Malformed(why),
        });
        FlinkDeployment { metadata: self.metadata, spec, status }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(status: &Value) -> FlinkDeployment {
        let parent: FlinkBlueGreenDeployment = serde_json::from_value(json!({
            "metadata": {"name": "pricing", "namespace": "shop"},
            "spec": {"configuration": {}, "template": {"spec": {"flinkVersion": "v1_20", "job": {}}}},
            "status": status,
        }))
        .unwrap();
        parent.into_deployment()
    }

    #[test]
    fn the_template_is_the_deployment() {
        let deployment = deployment(&Value::Null);
        assert_eq!(deployment.name(), "pricing");
        assert_eq!(deployment.spec.as_result().unwrap().flink_version.as_deref(), Some("v1_20"));
        assert!(deployment.status.is_none());
    }

    #[test]
    fn what_fko_deployed_is_known_from_the_spec_it_keeps() {
        let reconciled = |status| {
            let status = deployment(&status).status.unwrap();
            !status.as_result().unwrap().is_before_first_deployment()
        };
        assert!(reconciled(json!({"blueGreenState": "ACTIVE_BLUE", "lastReconciledSpec": "{}"})));
        assert!(!reconciled(json!({"blueGreenState": "INITIALIZING_BLUE"})));
    }
}
