use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::spec_json::is_within;
use crate::strict::Strict;
use crate::{
    FlinkDeployment, FlinkDeploymentSpec, FlinkDeploymentStatus, JobStatus, Kind, Parsed, ReconciledSpec,
    ReconciliationStatus,
};

/// FKO's `FlinkBlueGreenDeployment`: a template from which FKO makes one `FlinkDeployment` or, in a transition, two.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FlinkBlueGreenDeployment {
    /// Name, ownership, annotations.
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default = "empty")]
    spec: Value,
    #[serde(default)]
    status: Option<Parsed<BlueGreenStatus>>,
}

fn empty() -> Value {
    Value::Object(Map::new())
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
    /// `INITIALIZING_BLUE`, and `ACTIVE_`, `SAVEPOINTING_` or `TRANSITIONING_TO_` one of the two.
    blue_green_state: Option<String>,
    #[serde(default)]
    job_status: JobStatus,
    /// The whole spec as JSON, in an object `spec`; without a generation.
    last_reconciled_spec: Option<String>,
    error: Option<String>,
}

impl FlinkBlueGreenDeployment {
    /// The deployment that its template describes, under the parent's own metadata, with its status in the terms of a
    /// deployment's.
    pub fn into_deployment(self) -> FlinkDeployment {
        let status = self.status.map(|status| match status {
            Parsed::Ok(status) => Parsed::Ok(status.into_status(&self.spec, self.metadata.generation)),
            Parsed::Malformed(why) => Parsed::Malformed(why),
        });
        let spec = match BlueGreenSpec::deserialize(Strict(self.spec)) {
            Ok(spec) => Parsed::Ok(spec.template.spec),
            Err(error) => Parsed::Malformed(error.to_string()),
        };
        FlinkDeployment { kind: Kind::BlueGreenDeployment, metadata: self.metadata, spec, status }
    }
}

impl BlueGreenStatus {
    /// FKO tells no generation: it has acted on the present spec where the one it keeps says the same.
    fn into_status(self, spec: &Value, generation: Option<i64>) -> FlinkDeploymentStatus {
        let lifecycle_state = self.lifecycle_state();
        let kept = self.last_reconciled_spec.as_deref();
        let is_present = kept.and_then(|text| serde_json::from_str(text).ok()).is_some_and(|kept: Value| {
            kept.get("spec").is_some_and(|kept| is_within(spec, kept) && has_same_options(spec, kept))
        });
        FlinkDeploymentStatus {
            lifecycle_state,
            job_status: self.job_status,
            reconciliation_status: ReconciliationStatus {
                last_reconciled_spec: kept.map(ReconciledSpec::of),
                ..ReconciliationStatus::default()
            },
            error: self.error,
            observed_generation: generation.filter(|_| is_present),
            ..FlinkDeploymentStatus::default()
        }
    }

    /// FKO: the state handlers in `controller/bluegreen`. A state that we do not know stays what it is: nothing restarts
    /// under it.
    fn lifecycle_state(&self) -> Option<String> {
        let state = self.blue_green_state.as_deref()?;
        let lifecycle = match (state, self.job_status.state.as_deref()) {
            ("INITIALIZING_BLUE", _) if self.last_reconciled_spec.is_none() => "CREATED",
            ("INITIALIZING_BLUE", Some("FAILING")) => "FAILED",
            // The cluster that was there before goes on as it was, and the spec is not what it runs on.
            ("ACTIVE_BLUE" | "ACTIVE_GREEN", Some("FAILING")) => "ROLLED_BACK",
            ("ACTIVE_BLUE" | "ACTIVE_GREEN", Some("SUSPENDED")) => "SUSPENDED",
            ("ACTIVE_BLUE" | "ACTIVE_GREEN", Some(_)) => "STABLE",
            ("SAVEPOINTING_BLUE" | "SAVEPOINTING_GREEN" | "TRANSITIONING_TO_BLUE" | "TRANSITIONING_TO_GREEN", _) => {
                "UPGRADING"
            }
            (unknown, _) => unknown,
        };
        Some(lifecycle.to_owned())
    }
}

/// An option that was taken out must not look as if nothing had happened.
fn has_same_options(spec: &Value, kept: &Value) -> bool {
    let options = |spec: &Value| spec.pointer("/template/spec/flinkConfiguration").cloned().unwrap_or_default();
    is_within(&options(kept), &options(spec))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> Value {
        json!({"configuration": {}, "template": {"spec": {
            "flinkVersion": "v1_20", "flinkConfiguration": {"a": 1, "b": {"c": "x"}},
            "taskManager": {"resource": {"cpu": 1}}, "job": {"upgradeMode": "savepoint"}}}})
    }

    fn deployment(status: &Value) -> FlinkDeployment {
        let parent: FlinkBlueGreenDeployment = serde_json::from_value(json!({
            "metadata": {"name": "pricing", "namespace": "shop", "generation": 3}, "spec": spec(), "status": status,
        }))
        .unwrap();
        parent.into_deployment()
    }

    fn status(status: &Value) -> FlinkDeploymentStatus {
        deployment(status).status.unwrap().as_result().unwrap().clone()
    }

    #[test]
    fn the_template_is_the_deployment() {
        let deployment = deployment(&Value::Null);
        assert_eq!((deployment.kind, deployment.name()), (Kind::BlueGreenDeployment, "pricing"));
        assert_eq!(deployment.spec.as_result().unwrap().flink_version.as_deref(), Some("v1_20"));
        assert!(deployment.status.is_none());
    }

    #[test]
    fn what_fko_deployed_is_known_from_the_spec_it_keeps() {
        let reconciled = |blue_green: Value| !status(&blue_green).is_before_first_deployment();
        assert!(reconciled(json!({"blueGreenState": "ACTIVE_BLUE", "lastReconciledSpec": "{}"})));
        assert!(!reconciled(json!({"blueGreenState": "INITIALIZING_BLUE"})));
    }

    #[test]
    fn its_states_are_told_in_the_terms_of_a_deployment() {
        let lifecycle = |state: &str, job: &str, kept: bool| {
            let kept = kept.then_some("{}");
            let told = json!({"blueGreenState": state, "jobStatus": {"state": job}, "lastReconciledSpec": kept});
            status(&told).lifecycle_state.unwrap()
        };
        for (state, job, kept, expected) in [
            ("INITIALIZING_BLUE", "", false, "CREATED"),
            ("INITIALIZING_BLUE", "FAILING", true, "FAILED"),
            ("INITIALIZING_BLUE", "RECONCILING", true, "INITIALIZING_BLUE"),
            ("ACTIVE_BLUE", "RUNNING", true, "STABLE"),
            ("ACTIVE_GREEN", "SUSPENDED", true, "SUSPENDED"),
            ("ACTIVE_GREEN", "FAILING", true, "ROLLED_BACK"),
            ("SAVEPOINTING_BLUE", "RUNNING", true, "UPGRADING"),
            ("TRANSITIONING_TO_GREEN", "RECONCILING", true, "UPGRADING"),
            ("ACTIVE_RED", "RUNNING", true, "ACTIVE_RED"),
        ] {
            assert_eq!(lifecycle(state, job, kept), expected, "{state} {job}");
        }
        assert_eq!(status(&json!({"lastReconciledSpec": "{}"})).lifecycle_state, None);
    }

    #[test]
    fn fko_has_acted_on_the_spec_that_it_keeps() {
        let acted = |edit: fn(&mut Value)| {
            let mut kept = spec();
            // As FKO writes it: defaults, numbers as Java has them.
            kept["template"]["spec"]["job"]["state"] = json!("running");
            kept["template"]["spec"]["taskManager"]["resource"]["cpu"] = json!(1.0);
            kept["template"]["spec"]["flinkConfiguration"]["a"] = json!("1");
            edit(&mut kept["template"]["spec"]);
            status(&json!({"lastReconciledSpec": json!({"spec": kept}).to_string()})).reconciled_generation()
        };
        assert_eq!(acted(|_| {}), Some(3));
        assert_eq!(acted(|kept| kept["flinkConfiguration"]["removed.since"] = json!("x")), None);
        assert_eq!(acted(|kept| drop(kept["flinkConfiguration"]["b"].take())), None);
        assert_eq!(acted(|kept| kept["job"]["upgradeMode"] = json!("stateless")), None);
        assert_eq!(acted(|kept| kept["image"] = json!("by default")), Some(3));
        assert_eq!(status(&json!({"lastReconciledSpec": "no json"})).reconciled_generation(), None);
    }
}
