//! What the policy says of restarts.

use checklist::annotations::APPROVE;
use checklist::{Mode, Timing};
use serde_json::{Value, json};

use crate::job::{annotated, plan_at, plan_of, plan_under, plan_unquiet, put, running, session};
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

/// Every night from two to four.
fn nightly() -> Value {
    json!({"windows": [{"schedule": "0 2 * * *", "duration": "2 h", "timeZone": "UTC"}]})
}

fn noon(object: &Value, rollout: &Value, announced: Option<(&str, &str)>) -> String {
    outcome(&plan_at(object, &json!({"rollout": rollout}), "2026-06-15T12:00:00Z", announced))
}

#[test]
fn outside_the_windows_nothing_restarts_of_itself() {
    let in_window =
        |object: &Value| outcome(&plan_at(object, &json!({"rollout": nightly()}), "2026-06-15T02:00:00Z", None));
    assert_eq!(noon(&running(), &nightly(), None), "held: Window");
    assert_eq!(in_window(&running()), "now, restarts");
    assert_eq!(noon(&annotated(APPROVE, "now"), &nightly(), None), "now, restarts, approved");
    assert_eq!(noon(&put("/status/lifecycleState", json!("SUSPENDED")), &nightly(), None), "now");
    let plan = plan_at(&running(), &json!({"rollout": nightly()}), "2026-06-15T12:00:00Z", None);
    let Timing::Held(reason) = &plan.timing else { panic!("{:?}", plan.timing) };
    assert_eq!(reason.until().unwrap().to_string(), "2026-06-16T02:00:00Z");
    assert!(reason.to_string().contains("`0 2 * * *` UTC for 2 h, which opens at 2026-06-16T02:00:00Z"), "{reason}");
}

#[test]
fn a_restart_follows_its_announcement_by_the_notice() {
    let notice = json!({"notice": "30 min"});
    let hash = plan_of(&running(), Mode::Apply).hash;
    assert_eq!(noon(&running(), &notice, None), "held: Announced");
    assert_eq!(noon(&running(), &notice, Some((&hash, "2026-06-15T11:30:01Z"))), "held: Announced");
    assert_eq!(noon(&running(), &notice, Some((&hash, "2026-06-15T11:30:00Z"))), "now, restarts");
    assert_eq!(noon(&running(), &notice, Some(("another", "2026-06-15T11:30:00Z"))), "held: Announced");
    assert_eq!(noon(&annotated(APPROVE, "now"), &notice, None), "now, restarts, approved");
}

#[test]
fn what_is_announced_is_the_first_time_in_a_window_after_the_notice() {
    let mut rollout = nightly();
    rollout["notice"] = json!("30 min");
    let hash = plan_of(&running(), Mode::Apply).hash;
    for (now, announced, expected) in [
        ("2026-06-15T12:00:00Z", None, "held: Announced"),
        ("2026-06-15T12:00:01Z", Some("2026-06-15T12:00:00Z"), "held: Announced until 2026-06-16T02:00:00Z"),
        ("2026-06-15T13:00:00Z", Some("2026-06-15T12:00:00Z"), "held: Window until 2026-06-16T02:00:00Z"),
        ("2026-06-16T02:00:00Z", Some("2026-06-15T12:00:00Z"), "now, restarts"),
        ("2026-06-16T02:10:01Z", Some("2026-06-16T02:10:00Z"), "held: Announced until 2026-06-16T02:40:00Z"),
        // Too late for this night.
        ("2026-06-16T03:40:01Z", Some("2026-06-16T03:40:00Z"), "held: Announced until 2026-06-17T02:00:00Z"),
    ] {
        let announced = announced.map(|at| (hash.as_str(), at));
        let plan = plan_at(&running(), &json!({"rollout": rollout}), now, announced);
        let until = if let Timing::Held(reason) = &plan.timing { reason.until() } else { None };
        let until = until.map_or_else(String::new, |time| format!(" until {time}"));
        assert_eq!(outcome(&plan) + &until, expected, "{now}");
    }
}
