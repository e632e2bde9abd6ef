//! Somebody keeps taking away what was filled.

use std::collections::BTreeMap;

use checklist::annotations::{APPROVE, FILLED};
use checklist::{Filled, FilledValue, Target};
use serde_json::{Value, json};

use crate::job::{plan_under, put};
use crate::{INCREMENTAL, outcome};

const NOW: &str = "2026-06-15T12:00:00Z";

/// A suspended job from which argocd has taken our value away just now, and did before at these times.
fn taken_away(lost: &[&str], edit: impl FnOnce(&mut Filled)) -> Value {
    let mut object = put("/spec/job/state", json!("suspended"));
    object["status"]["lifecycleState"] = json!("SUSPENDED");
    let value = FilledValue { value: "true".into(), rule: "CKP003".into(), change: "c1".into() };
    let values = BTreeMap::from([(Target::option(INCREMENTAL), value)]);
    let mut filled = Filled::new("c1".into(), "2026-06-15T11:00:00Z".parse().unwrap(), values);
    filled.lost = lost.iter().map(|time| time.parse().unwrap()).collect();
    edit(&mut filled);
    object["metadata"]["annotations"][FILLED] = json!(filled.to_text());
    object["metadata"]["managedFields"] = json!([
        {"manager": "kubectl", "operation": "Update", "time": "2026-06-01T00:00:00Z"},
        {"manager": "argocd", "operation": "Update", "time": NOW},
        {"manager": "flink-remedy", "operation": "Apply",
         "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{FILLED}"): {}}}}},
    ]);
    object
}

fn outcome_of(object: &Value) -> String {
    outcome(&plan_under(object, &json!({})))
}

#[test]
fn what_is_taken_away_twice_within_an_hour_is_left_to_who_does() {
    assert_eq!(outcome_of(&taken_away(&[], |_| {})), "now", "once");
    assert_eq!(outcome_of(&taken_away(&["2026-06-15T10:59:00Z"], |_| {})), "now", "not within an hour");
    let again = taken_away(&["2026-06-15T11:30:00Z"], |_| {});
    assert_eq!(outcome_of(&again), "held: TugOfWar");
    let plan = plan_under(&again, &json!({}));
    assert!(matches!(&plan.timing, checklist::Timing::Held(reason) if reason.to_string().contains("argocd")));
}

#[test]
fn it_stays_left_until_a_person_approves() {
    let left = |approve: bool| {
        let mut object = taken_away(&[], |filled| filled.left_to = Some("argocd".into()));
        if approve {
            object["metadata"]["annotations"][APPROVE] = json!("now");
        }
        object
    };
    assert_eq!(outcome_of(&left(false)), "held: TugOfWar");
    assert_eq!(outcome_of(&left(true)), "now, restarts, approved");
}
