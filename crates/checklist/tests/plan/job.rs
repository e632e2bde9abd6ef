//! One job with one gap, and what may have become of it.

use std::collections::BTreeMap;

use checklist::annotations::FILLED;
use checklist::{
    Filled, FilledValue, Holdings, Mode, Obedience, Plan, Platform, Policy, Situation, Subject, Target, plan,
};
use flink_api::FlinkDeployment;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A running, stable job that lacks incremental checkpoints and nothing else.
pub(crate) fn running() -> Value {
    json!({
        "metadata": {"name": "orders", "namespace": "shop", "generation": 5, "annotations": {}},
        "spec": {
            "flinkVersion": "v1_20",
            "flinkConfiguration": {
                "state.backend.type": "rocksdb",
                "pipeline.max-parallelism": "128",
                "execution.checkpointing.savepoint-dir": "s3://acme/savepoints",
                "restart-strategy.type": "exponential-delay",
                "metrics.reporter.prom.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
            },
            "logConfiguration": {"log4j-console.properties": "rootLogger.level = INFO"},
            "job": {"jarURI": "local:///opt/flink/usrlib/orders.jar", "upgradeMode": "savepoint"},
        },
        "status": {
            "lifecycleState": "STABLE",
            "jobManagerDeploymentStatus": "READY",
            "jobStatus": {"state": "RUNNING"},
            "observedGeneration": 5,
            "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": "{}", "lastStableSpec": "{}"},
        },
    })
}

pub(crate) fn with(edit: impl FnOnce(&mut Value)) -> Value {
    let mut object = running();
    edit(&mut object);
    object
}

/// The running job with this put at the pointer's place.
pub(crate) fn put(pointer: &str, value: Value) -> Value {
    with(|object| set(object, pointer, value))
}

pub(crate) fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[field] = value;
}

pub(crate) fn annotated(key: &str, value: &str) -> Value {
    with(|object| object["metadata"]["annotations"][key] = json!(value))
}

pub(crate) fn session() -> Value {
    with(|object| {
        object["spec"].as_object_mut().unwrap().remove("job");
        object["spec"]["flinkConfiguration"] = json!({"taskmanager.numberOfTaskSlots": "4"});
        object["status"]["jobStatus"] = json!({});
    })
}

pub(crate) fn plan_of(object: &Value, mode: Mode) -> Plan {
    plan_where(object, mode, |_| {})
}

pub(crate) fn plan_where(object: &Value, mode: Mode, edit: impl FnOnce(&mut Situation)) -> Plan {
    plan_in(object, &Platform::stock(), &policy(mode, json!({})), edit)
}

/// The plan in mode Apply under a policy with this spec.
pub(crate) fn plan_under(object: &Value, spec: &Value) -> Plan {
    plan_upon(object, &Platform::stock(), spec)
}

/// The same upon a platform.
pub(crate) fn plan_upon(object: &Value, platform: &Platform, spec: &Value) -> Plan {
    plan_in(object, platform, &policy(Mode::Apply, spec.clone()), |_| {})
}

/// A policy with this spec, under an FKO that keeps the state of jobs unless the spec says otherwise.
fn policy(mode: Mode, mut spec: Value) -> Policy {
    if spec["rollout"]["operatorVersion"].is_null() && spec["rollout"]["acceptedOperatorVersions"].is_null() {
        spec["rollout"]["operatorVersion"] = json!("1.15");
    }
    Policy { mode, ..serde_json::from_value(spec).unwrap() }
}

/// The plan in mode Apply while the quiet period after somebody's change is not over.
pub(crate) fn plan_unquiet(object: &Value) -> Plan {
    plan_where(object, Mode::Apply, |situation| situation.quiet_until = Some(Timestamp::MAX))
}

/// The plan under a policy with this spec at this time, with the restart for a plan announced at another.
pub(crate) fn plan_at(object: &Value, spec: &Value, now: &str, announced: Option<(&str, &str)>) -> Plan {
    let mut object = object.clone();
    if let Some((plan, at)) = announced {
        hold(&mut object, &[], &[], None);
        let mut record: Value =
            serde_json::from_str(object["metadata"]["annotations"][FILLED].as_str().unwrap()).unwrap();
        record["announced"] = json!({"plan": plan, "at": at});
        object["metadata"]["annotations"][FILLED] = json!(record.to_string());
    }
    let now = now.parse().unwrap();
    plan_in(&object, &Platform::stock(), &policy(Mode::Apply, spec.clone()), |situation| situation.now = Some(now))
}

fn plan_in(object: &Value, platform: &Platform, policy: &Policy, edit: impl FnOnce(&mut Situation)) -> Plan {
    let deployment: FlinkDeployment = serde_json::from_value(object.clone()).unwrap();
    let subject = Subject::new(&deployment, platform).unwrap();
    let mut situation = Situation::of(&deployment);
    edit(&mut situation);
    let annotations = deployment.metadata.annotations.clone().unwrap_or_default();
    let now = "2026-06-15T12:00:00Z".parse().unwrap();
    let obedience = Obedience::read(&annotations, &BTreeMap::new(), now);
    plan(&subject, &situation, &Holdings::of(&deployment), &obedience, policy)
}

/// Records values as ours: as they stand, or taken away since.
pub(crate) fn hold(
    object: &mut Value,
    standing: &[(&str, &str)],
    taken_away: &[(&str, &str)],
    approval_used: Option<&str>,
) {
    let value = |value: &str| FilledValue { value: value.into(), rule: "CKP003".into(), change: "c1".into() };
    let values = standing.iter().chain(taken_away).map(|(key, text)| (Target::option(key), value(text))).collect();
    let mut filled = Filled::new("c1".into(), "2026-06-01T00:00:00Z".parse().unwrap(), values);
    filled.approval_used = approval_used.map(str::to_owned);
    object["metadata"]["annotations"][FILLED] = json!(filled.to_text());
    let mut owned = json!({"f:metadata": {"f:annotations": {format!("f:{FILLED}"): {}}}});
    for (key, text) in standing {
        object["spec"]["flinkConfiguration"][*key] = json!(text);
        owned["f:spec"]["f:flinkConfiguration"][format!("f:{key}")] = json!({});
    }
    object["metadata"]["managedFields"] = json!([{"manager": "flink-remedy", "operation": "Apply", "fieldsV1": owned}]);
}
