//! Plan and present state -> what to write, as a value.

use std::collections::BTreeMap;

use checklist::annotations::FILLED;
use checklist::{Approval, Filled, FilledValue, Holdings, Obedience, Plan, Restart, Target, Timing};
use flink_api::{FlinkDeployment, GROUP, VERSION};
use jiff::{Timestamp, Unit};
use serde_json::{Value, json};

/// What a reconciliation writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Nothing.
    Nothing,
    /// Removes a record that came with a copied manifest: ours is written with the next look.
    DropForeignRecord,
    /// Our complete set of values.
    Patch(Change),
}

/// One server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Every value that our field manager holds after it.
    pub values: BTreeMap<Target, String>,
    /// The record that lands with them; absent when nothing is ours any more.
    pub record: Option<Filled>,
    /// Whether it restarts a running job.
    pub restarts: bool,
}

/// Turns a plan into what is to be written now.
pub fn decide(
    deployment: &FlinkDeployment,
    plan: &Plan,
    holdings: &Holdings,
    obedience: &Obedience,
    now: Timestamp,
) -> Intent {
    if plan.timing != Timing::Now {
        return release(holdings);
    }
    // Our apply would be refused: the record belongs to whoever copied it here.
    if holdings.foreign_record {
        return Intent::DropForeignRecord;
    }
    let mut values = held(holdings);
    values.retain(|target, _| !plan.leaving.contains(target));
    values.extend(plan.fills.iter().map(|(target, fill)| (target.clone(), fill.value.clone())));
    let record = record(deployment, plan, holdings, obedience, now);
    Intent::Patch(Change { values, record: Some(record), restarts: plan.restarts })
}

/// Values that another manager owns as well stay when we let go of them; letting go at once spares that
/// manager a conflict with us and costs nothing.
fn release(holdings: &Holdings) -> Intent {
    if holdings.shared.is_empty() || holdings.foreign_record {
        return Intent::Nothing;
    }
    let record = holdings.filled.clone().map(|mut filled| {
        filled.values.retain(|target, _| holdings.ours.contains_key(target));
        filled
    });
    let record = record.filter(|filled| !filled.values.is_empty());
    Intent::Patch(Change { values: held(holdings), record, restarts: false })
}

/// What our manager keeps in place: our own values, and those that a user has pinned, which an apply without
/// them would remove.
fn held(holdings: &Holdings) -> BTreeMap<Target, String> {
    holdings.ours.iter().chain(&holdings.pinned).map(|(target, value)| (target.clone(), value.clone())).collect()
}

fn record(
    deployment: &FlinkDeployment,
    plan: &Plan,
    holdings: &Holdings,
    obedience: &Obedience,
    now: Timestamp,
) -> Filled {
    let before = holdings.filled.as_ref();
    let mut values: BTreeMap<Target, FilledValue> = before.map(|filled| filled.values.clone()).unwrap_or_default();
    values.retain(|target, _| holdings.ours.contains_key(target) && !plan.leaving.contains(target));
    for (target, fill) in &plan.fills {
        let value = FilledValue {
            value: FilledValue::remembered(target, &fill.value),
            rule: fill.rule.to_owned(),
            change: plan.hash.clone(),
        };
        values.insert(target.clone(), value);
    }
    let now = now.round(Unit::Second).unwrap_or(now);
    let mut record = Filled::new(plan.hash.clone(), now, values);
    record.restart = before.and_then(|filled| filled.restart.clone());
    if plan.restarts {
        // Exactly one more than planned on: the resourceVersion in the patch rules out any other write between.
        let generation = deployment.metadata.generation.unwrap_or_default() + 1;
        record.restart = Some(Restart { change: plan.hash.clone(), generation });
    }
    record.approval_used = before.and_then(|filled| filled.approval_used.clone());
    if plan.approved {
        record.approval_used = obedience.approval.as_ref().map(|approval| match approval {
            Approval::Now => "now".to_owned(),
            Approval::Plan(hash) => hash.clone(),
        });
    }
    record
}

impl Change {
    /// The body of the apply. With uid and resourceVersion it can neither create a deleted job anew nor overrun
    /// a change that the plan has not seen.
    pub fn body(&self, deployment: &FlinkDeployment) -> Value {
        let mut body = identity(deployment);
        if let Some(record) = &self.record {
            body["metadata"]["annotations"] = json!({FILLED: record.to_text()});
        }
        let mut spec = json!({});
        for (target, value) in &self.values {
            match target {
                Target::Option(key) => spec["flinkConfiguration"][key.as_str()] = json!(value),
                Target::LogFile(name) => spec["logConfiguration"][name] = json!(value),
                Target::PodAnnotation(key) => spec["podTemplate"]["metadata"]["annotations"][key] = json!(value),
            }
        }
        if spec.as_object().is_some_and(|spec| !spec.is_empty()) {
            body["spec"] = spec;
        }
        body
    }
}

fn identity(deployment: &FlinkDeployment) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "FlinkDeployment",
        "metadata": {
            "name": deployment.name(),
            "namespace": deployment.namespace(),
            "uid": deployment.uid(),
            "resourceVersion": deployment.metadata.resource_version,
        },
    })
}

/// The merge patch that removes a foreign record and touches nothing else.
pub fn drop_record_body(deployment: &FlinkDeployment) -> Value {
    let mut body = identity(deployment);
    body["metadata"]["annotations"] = json!({FILLED: null});
    body
}
