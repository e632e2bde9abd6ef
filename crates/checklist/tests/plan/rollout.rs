//! What the policy says of restarts.

use checklist::Mode;
use checklist::annotations::APPROVE;
use serde_json::{Value, json};

use crate::job::{annotated, plan_of, plan_under, plan_unquiet, put, running, session};
use crate::outcome;

fn under(object: &Value, rollout: &Value) -> String {
    outcome(&plan_under(object, &json!({"rollout": rollout})))
}

#[test]
fn under_an_operator_that_may_lose_state_nothing_restarts_of_itself() {
    let unknown = json!({"acceptedOperatorVersions": []});
    let old = json!({"operatorVersion": "1.14"});
    for rollout in [&unknown, &old] {
        assert_eq!(under(&running(), rollout), "held: OperatorVersion");
        assert_eq!(under(&annotated(APPROVE, "now"), rollout), "now, restarts, approved");
        assert_eq!(under(&put("/status/lifecycleState", json!("SUSPENDED")), rollout), "now");
    }
    assert_eq!(under(&running(), &json!({"acceptedOperatorVersions": ["unknown"]})), "now, restarts");
    assert_eq!(
        under(&running(), &json!({"operatorVersion": "1.7", "acceptedOperatorVersions": ["1.7"]})),
        "now, restarts"
    );
}

#[test]
fn a_job_that_somebody_changed_only_now_is_left_alone_for_a_while() {
    assert_eq!(outcome(&plan_unquiet(&running())), "held: Quiet");
    assert_eq!(outcome(&plan_unquiet(&annotated(APPROVE, "now"))), "now, restarts, approved");
    assert_eq!(outcome(&plan_unquiet(&put("/status/lifecycleState", json!("SUSPENDED")))), "now");
    assert_eq!(outcome(&plan_of(&running(), Mode::Apply)), "now, restarts");
}

#[test]
fn a_pause_holds_every_restart_and_nothing_else() {
    let paused = json!({"paused": true});
    assert_eq!(under(&running(), &paused), "held: Paused");
    assert_eq!(under(&annotated(APPROVE, "now"), &paused), "held: Paused");
    assert_eq!(under(&put("/status/lifecycleState", json!("SUSPENDED")), &paused), "now");
}

#[test]
fn the_policy_may_allow_restarts_that_lose_more_than_time() {
    let stateless = put("/spec/job/upgradeMode", json!("stateless"));
    assert_eq!(under(&stateless, &json!({})), "held: Stateless");
    assert_eq!(under(&stateless, &json!({"stateless": true})), "now, restarts");
    assert_eq!(under(&stateless, &json!({"sessions": true})), "held: Stateless");
    assert_eq!(under(&session(), &json!({})), "held: SessionCluster");
    assert_eq!(under(&session(), &json!({"sessions": true})), "now, restarts");
    assert_eq!(under(&session(), &json!({"sessions": true, "paused": true})), "held: Paused");
}
