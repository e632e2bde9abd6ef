//! What becomes of a change that a job has not come back with.

use std::collections::BTreeMap;

use checklist::annotations::{APPROVE, FILLED, OPT_OUT, QUARANTINED};
use checklist::{
    Evidence, Filled, FilledValue, Holdings, LeftAlone, Mode, Quarantine, Restart, Setback, Target, Timing,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::job::{plan_under, plan_where, running, set};
use crate::{INCREMENTAL, outcome};

/// Id of the change whose restart is in question.
const CHANGE: &str = "c2";
const OURS: [(&str, &str, &str); 3] = [
    (INCREMENTAL, "true", CHANGE),
    ("execution.checkpointing.dir", "s3://acme/checkpoints", CHANGE),
    ("metrics.reporter.prom.port", "9249", "c1"),
];

fn at() -> Timestamp {
    "2026-06-15T11:00:00Z".parse().unwrap()
}

/// A job that our change has restarted an hour ago, and what is in quarantine of it.
fn restarted(status: &Value, edit: impl FnOnce(&mut Filled)) -> Value {
    let mut object = running();
    set(&mut object, "/status", status.clone());
    set(&mut object, "/status/observedGeneration", json!(5));
    let mut owned = json!({});
    let mut values = BTreeMap::new();
    for (key, value, change) in OURS {
        object["spec"]["flinkConfiguration"][key] = json!(value);
        owned[format!("f:{key}")] = json!({});
        let value = FilledValue { value: value.into(), rule: "CKP003".into(), change: change.into() };
        values.insert(Target::option(key), value);
    }
    let mut filled = Filled::new(CHANGE.into(), at(), values);
    filled.restart = Some(Restart { change: CHANGE.into(), generation: 5, at: Some(at()), withdrawal: false });
    edit(&mut filled);
    object["metadata"]["annotations"][FILLED] = json!(filled.to_text());
    let annotations = json!({format!("f:{FILLED}"): {}});
    object["metadata"]["managedFields"] = json!([{"manager": "flink-remedy", "operation": "Apply", "fieldsV1":
        {"f:metadata": {"f:annotations": annotations}, "f:spec": {"f:flinkConfiguration": owned}}}]);
    object
}

/// The status of a job that failed after its upgrade, of which this savepoint is known.
fn failed(trigger: &str, savepoint_at: &str) -> Value {
    let at: Timestamp = savepoint_at.parse().unwrap();
    let savepoint = json!({"lastSavepoint": {"timeStamp": at.as_millisecond(), "triggerType": trigger}});
    json!({"lifecycleState": "FAILED", "jobStatus": {"state": "FAILED", "savepointInfo": savepoint},
           "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": "{}"}})
}

fn setback(object: &Value, evidence: Evidence) -> Option<Setback> {
    plan_where(object, Mode::Apply, |situation| situation.evidence = Some(evidence)).setback
}

fn takes_back(setback: Option<Setback>) -> (Vec<String>, Option<LeftAlone>) {
    let setback = setback.unwrap();
    (setback.takes_back.iter().map(ToString::to_string).collect(), setback.left)
}

const NEW: &str = "2026-06-15T11:00:05Z";
const OLD: &str = "2026-06-15T10:00:00Z";

#[test]
fn exactly_the_change_is_taken_back_but_for_what_state_is_found_by() {
    let job = restarted(&failed("UPGRADE", NEW), |_| {});
    let setback = setback(&job, Evidence::JobFailed).unwrap();
    assert_eq!(setback.takes_back.iter().map(ToString::to_string).collect::<Vec<_>>(), [INCREMENTAL]);
    assert_eq!((setback.left, setback.values.len(), setback.restart.change.as_str()), (None, 2, CHANGE));
}

#[test]
fn without_a_way_back_nothing_is_taken_back() {
    let left = |status: &Value| takes_back(setback(&restarted(status, |_| {}), Evidence::JobFailed));
    let nothing = (Vec::new(), Some(LeftAlone::NoWayBack));
    assert_eq!(left(&failed("UPGRADE", OLD)), nothing, "an earlier savepoint");
    assert_eq!(left(&failed("MANUAL", NEW)), nothing, "another savepoint");
    let mut newer = failed("MANUAL", OLD);
    set(&mut newer, "/jobStatus/upgradeSavepointPath", json!("s3://acme/savepoints/1"));
    assert_eq!(left(&newer).1, None, "as newer FKO keep it");

    let in_mode = |mode: &str| {
        let mut job = restarted(&failed("UPGRADE", OLD), |_| {});
        job["spec"]["job"]["upgradeMode"] = json!(mode);
        job["spec"]["flinkConfiguration"]["high-availability.type"] = json!("kubernetes");
        takes_back(setback(&job, Evidence::JobFailed)).1
    };
    assert_eq!(in_mode("stateless"), Some(LeftAlone::NoWayBack));
    assert_eq!(in_mode("last-state"), None);
    assert_eq!(in_mode("savepoint"), None);
}

#[test]
fn what_fko_has_rolled_back_is_left_alone() {
    let mut status = failed("UPGRADE", NEW);
    set(&mut status, "/lifecycleState", json!("ROLLED_BACK"));
    let job = restarted(&status, |_| {});
    assert_eq!(takes_back(setback(&job, Evidence::RolledBack)), (Vec::new(), Some(LeftAlone::RolledBack)));
}

#[test]
fn a_failure_is_dealt_with_once_and_only_where_we_may_write() {
    let status = failed("UPGRADE", NEW);
    let quarantined = restarted(&status, |filled| filled.quarantine = Some(quarantine(&[])));
    assert_eq!(setback(&quarantined, Evidence::JobFailed), None);
    let withdrawal = restarted(&status, |filled| filled.restart.as_mut().unwrap().withdrawal = true);
    assert_eq!(setback(&withdrawal, Evidence::JobFailed), None);
    let mut opted_out = restarted(&status, |_| {});
    opted_out["metadata"]["annotations"][OPT_OUT] = json!("true");
    assert_eq!(setback(&opted_out, Evidence::JobFailed), None);
    let mut deleting = restarted(&status, |_| {});
    deleting["metadata"]["deletionTimestamp"] = json!("2026-06-15T11:59:00Z");
    assert_eq!(setback(&deleting, Evidence::JobFailed), None);
    let plan = |mode| {
        plan_where(&restarted(&status, |_| {}), mode, |situation| situation.evidence = Some(Evidence::JobFailed))
            .setback
    };
    assert_eq!(plan(Mode::Advise), None);
    assert!(plan(Mode::NextDeploy).is_some());
}

fn quarantine(values: &[(&str, &str)]) -> Quarantine {
    Quarantine {
        plan: CHANGE.into(),
        at: "2026-06-15T11:10:00Z".parse().unwrap(),
        why: "the job has failed".into(),
        values: values.iter().map(|(key, value)| (Target::option(key), (*value).to_owned())).collect(),
        left: None,
        job: String::new(),
    }
}

/// A stable job without incremental checkpoints, which have been taken back, as it was when they were but for `edit`.
fn taken_back(values: &[(&str, &str)], edit: impl FnOnce(&mut Value)) -> Value {
    let mut object = running();
    let mut put = |quarantine: Quarantine| {
        let mut filled = Filled::new("c3".into(), at(), BTreeMap::new());
        filled.quarantine = Some(quarantine);
        object["metadata"]["annotations"][FILLED] = json!(filled.to_text());
        object["metadata"]["annotations"][QUARANTINED] = json!(CHANGE);
        object["metadata"]["managedFields"] = json!([{"manager": "flink-remedy", "operation": "Apply", "fieldsV1":
            {"f:metadata": {"f:annotations": {format!("f:{FILLED}"): {}}}}}]);
        object.clone()
    };
    let digest = Holdings::of(&serde_json::from_value(put(quarantine(values))).unwrap()).job;
    put(Quarantine { job: digest, ..quarantine(values) });
    edit(&mut object);
    object
}

fn outcome_of(object: &Value) -> String {
    outcome(&plan_under(object, &json!({})))
}

#[test]
fn what_a_job_has_not_come_back_with_is_not_tried_again_as_it_was() {
    let values = [(INCREMENTAL, "true")];
    let after = |edit: fn(&mut Value)| outcome_of(&taken_back(&values, edit));
    assert_eq!(after(|_| {}), "held: Quarantined");
    let suspended = |job: &mut Value| {
        job["spec"]["job"]["state"] = json!("suspended");
        job["status"]["lifecycleState"] = json!("SUSPENDED");
    };
    assert_eq!(outcome_of(&taken_back(&values, suspended)), "held: Quarantined", "though it would be free");
    let more = json!({"settings": [{"key": "heartbeat.timeout", "value": "1 min"}]});
    let plan = plan_under(&taken_back(&values, |_| {}), &more);
    assert_eq!((outcome(&plan).as_str(), plan.fills.len()), ("held: Quarantined", 2), "with more beside it");
    let costs_nothing = |job: &mut Value| {
        job["spec"]["flinkConfiguration"]["job.autoscaler.enabled"] = json!("true");
        job["spec"]["flinkConfiguration"]["pipeline.jobvertex-parallelism-overrides"] = json!("a:2");
    };
    assert_eq!(outcome_of(&taken_back(&values, costs_nothing)), "held: Quarantined");
}

#[test]
fn it_is_tried_again_when_plan_or_job_change_or_a_person_says_so() {
    const AGAIN: &str = "now, restarts";
    let values = [(INCREMENTAL, "true")];
    let after = |edit: fn(&mut Value)| outcome_of(&taken_back(&values, edit));
    assert_eq!(after(|job| job["spec"]["image"] = json!("orders:2")), AGAIN);
    assert_eq!(after(|job| job["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = json!("2")), AGAIN);
    assert_eq!(after(|job| drop(job["metadata"]["annotations"].as_object_mut().unwrap().remove(QUARANTINED))), AGAIN);
    assert_eq!(after(|job| job["metadata"]["annotations"][APPROVE] = json!("now")), "now, restarts, approved");
    assert_eq!(outcome_of(&taken_back(&[(INCREMENTAL, "false")], |_| {})), AGAIN, "another value");
    assert_eq!(outcome_of(&taken_back(&[(INCREMENTAL, "true"), ("a", "b")], |_| {})), AGAIN, "only a part of it");
}

#[test]
fn what_is_rolled_back_leaves_when_that_is_free_or_approved() {
    let rolled_back = |edit: fn(&mut Value)| {
        let status = json!({"lifecycleState": "ROLLED_BACK", "jobStatus": {"state": "RUNNING"},
                            "reconciliationStatus": {"state": "ROLLED_BACK", "lastReconciledSpec": "{}"}});
        let digest = Holdings::of(&serde_json::from_value(restarted(&status, |_| {})).unwrap()).job;
        let mut job = restarted(&status, |filled| {
            let values = [(INCREMENTAL, "true"), ("execution.checkpointing.dir", "s3://acme/checkpoints")];
            filled.quarantine = Some(Quarantine { job: digest, ..quarantine(&values) });
        });
        job["metadata"]["annotations"][QUARANTINED] = json!(CHANGE);
        edit(&mut job);
        plan_under(&job, &json!({}))
    };
    let waits = rolled_back(|_| {});
    assert!(matches!(&waits.timing, Timing::Held(reason) if reason.label() == "RolledBack"), "{:?}", waits.timing);
    let approved = rolled_back(|job| job["metadata"]["annotations"][APPROVE] = json!("now"));
    assert_eq!(outcome(&approved), "now, restarts, approved");
    let free = rolled_back(|job| {
        job["spec"]["job"]["state"] = json!("suspended");
        job["status"]["lifecycleState"] = json!("SUSPENDED");
    });
    assert_eq!(outcome(&free), "now");
    for plan in [approved, free] {
        assert_eq!(plan.leaving.iter().map(ToString::to_string).collect::<Vec<_>>(), [INCREMENTAL]);
        assert!(plan.fills.is_empty());
    }
}
