//! What is sent.

use checklist::annotations::{FILLED, QUARANTINED};
use flink_api::{FlinkDeployment, GROUP, VERSION};
use serde_json::{Value, json};

use super::decide::Change;

impl Change {
    /// The body of the apply. With uid and resourceVersion it can neither create a deleted job anew nor overrun
    /// a change that the plan has not seen.
    pub fn body(&self, deployment: &FlinkDeployment) -> Value {
        let mut body = identity(deployment);
        if let Some(record) = &self.record {
            body["metadata"]["annotations"] = json!({FILLED: record.to_text()});
        }
        if let Some(plan) = &self.quarantined {
            body["metadata"]["annotations"][QUARANTINED] = json!(plan);
        }
        let mut spec = json!({});
        for (target, value) in &self.values {
            *target.place(&mut spec) = json!(value);
        }
        if spec.as_object().is_some_and(|spec| !spec.is_empty()) {
            *deployment.kind.spec().iter().fold(&mut body, |node, step| &mut node[*step]) = spec;
        }
        body
    }
}

fn identity(deployment: &FlinkDeployment) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": deployment.kind.name(),
        "metadata": {
            "name": deployment.name(),
            "namespace": deployment.namespace(),
            "uid": deployment.uid(),
            "resourceVersion": deployment.metadata.resource_version,
        },
    })
}

/// The merge patch that removes a foreign record and touches nothing else.
pub(super) fn drop_record_body(deployment: &FlinkDeployment) -> Value {
    let mut body = identity(deployment);
    body["metadata"]["annotations"] = json!({FILLED: null});
    body
}
