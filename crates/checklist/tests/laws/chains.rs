//! Rules that make each other applicable, so that a plan needs several rounds.

use checklist::{
    Check, Disruption, Fill, Holdings, Judgement, Mode, Obedience, Plan, Platform, Policy, Rule, Scope, Situation,
    Subject, Target, Timing, Writes, declare_rule, plan_with,
};
use flink_api::FlinkDeployment;
use flink_conf::Key;
use serde_json::{Value, json};

use crate::cases::accepting;

/// Gap: `fills` is missing though `needs` is there.
fn link(subject: &Subject, needs: &str, fills: &str) -> Judgement {
    match (subject.conf.get(needs), subject.conf.get(fills)) {
        (None, _) => Judgement::not_applicable(format!("no {needs}")),
        (_, Some(_)) => Judgement::pass(format!("{fills} is there")),
        (Some(_), None) => Judgement::gap(format!("no {fills}"), vec![Fill::option(Key::from(fills), "1")]),
    }
}

fn implicitly(judgement: Judgement) -> Judgement {
    if judgement.fills.is_empty() { judgement } else { Judgement::implicit(judgement.message, judgement.fills) }
}

declare_rule! {
    /// # First link
    static FIRST = { code: "TST001", name: "first-link", scope: Scope::Cluster, writes: &[Writes::Key("chain.one")], check: Check::Item(|s, _| link(s, "base", "chain.one")) }
}
declare_rule! {
    /// # Second link
    static SECOND = { code: "TST002", name: "second-link", scope: Scope::Cluster, writes: &[Writes::Key("chain.two")], check: Check::Item(|s, _| link(s, "chain.one", "chain.two")) }
}
declare_rule! {
    /// # Third link
    static THIRD = { code: "TST003", name: "third-link", scope: Scope::Cluster, writes: &[Writes::Key("chain.three")], check: Check::Item(|s, _| link(s, "chain.two", "chain.three")) }
}
declare_rule! {
    /// # Second link, right by default
    static SECOND_IMPLICIT = { code: "TST004", name: "second-by-default", scope: Scope::Cluster, writes: &[Writes::Key("chain.two")], check: Check::Item(|s, _| implicitly(link(s, "chain.one", "chain.two"))) }
}
declare_rule! {
    /// # Back link
    static BACK = { code: "TST005", name: "back-link", scope: Scope::Cluster, writes: &[Writes::Key("chain.one")], check: Check::Item(|s, _| link(s, "chain.two", "chain.one")) }
}
declare_rule! {
    /// # A link whose second value overlaps
    static OVERLAPPING = { code: "TST006", name: "overlapping-link", scope: Scope::Cluster, writes: &[Writes::Key("fine"), Writes::Key("base.below")], check: Check::Item(|_, _| Judgement::gap("x", vec![
        Fill::option(Key::from("fine"), "1"), Fill::option(Key::from("base.below"), "1"),
    ])) }
}
declare_rule! {
    /// # What costs nothing
    static FREE_OF_CHARGE = { code: "TST007", name: "free-of-charge", scope: Scope::Cluster, writes: &[Writes::Key("kubernetes.operator.x")], check: Check::Item(|s, _| link(s, "base", "kubernetes.operator.x")) }
}

const RUNNING: &str = "STABLE";

fn deployment(version: &str, conf: &Value, lifecycle: Option<&str>) -> FlinkDeployment {
    let status = lifecycle.map(|lifecycle| {
        json!({"lifecycleState": lifecycle, "jobStatus": {"state": "RUNNING"}, "observedGeneration": 1,
               "reconciliationStatus": {"lastReconciledSpec": "{}"}})
    });
    let mut conf = conf.clone();
    conf["state.savepoints.dir"] = json!("s3://acme/savepoints");
    serde_json::from_value(json!({
        "metadata": {"name": "a", "generation": 1}, "status": status,
        "spec": {"flinkVersion": version, "flinkConfiguration": conf, "job": {"upgradeMode": "savepoint"}},
    }))
    .expect("well-formed")
}

fn plan_on(version: &str, rules: &[&'static Rule], conf: &Value, lifecycle: Option<&str>) -> Plan {
    let deployment = deployment(version, conf, lifecycle);
    let subject = Subject::new(&deployment, &Platform::default()).expect("well-formed");
    let policy = Policy { mode: Mode::Apply, rollout: accepting(), ..Policy::default() };
    plan_with(rules, &subject, &Situation::of(&deployment), &Holdings::default(), &Obedience::default(), &policy)
}

fn plan(rules: &[&'static Rule], conf: &Value, lifecycle: Option<&str>) -> Plan {
    plan_on("v1_20", rules, conf, lifecycle)
}

fn keys(plan: &Plan) -> Vec<String> {
    plan.fills.keys().map(Target::to_string).collect()
}

#[test]
fn a_rule_that_another_makes_applicable_comes_along_in_any_order() {
    let conf = json!({"base": "1"});
    let (one, other) = (plan(&[&FIRST, &SECOND], &conf, None), plan(&[&SECOND, &FIRST], &conf, None));
    assert_eq!(keys(&one), ["chain.one", "chain.two"]);
    assert_eq!((&one.fills, &one.hash), (&other.fills, &other.hash));
    assert_eq!(
        (one.fills[&Target::option("chain.one")].rule, one.fills[&Target::option("chain.two")].rule),
        ("TST001", "TST002")
    );
}

#[test]
fn a_chain_of_three_is_one_change_and_one_restart_in_any_order() {
    let (a, b, c) = (&FIRST, &SECOND, &THIRD);
    for order in [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
        for lifecycle in [None, Some(RUNNING)] {
            let plan = plan(&order, &json!({"base": "1"}), lifecycle);
            assert_eq!(keys(&plan), ["chain.one", "chain.three", "chain.two"]);
            assert_eq!((plan.timing, plan.restarts), (Timing::Now, lifecycle.is_some()));
        }
    }
}

#[test]
fn rules_in_a_circle_fill_from_where_the_owner_began() {
    let rules: &[&'static Rule] = &[&BACK, &SECOND];
    assert!(plan(rules, &json!({"base": "1"}), None).is_empty());
    assert_eq!(keys(&plan(rules, &json!({"chain.one": "1"}), None)), ["chain.two"]);
    assert_eq!(keys(&plan(rules, &json!({"chain.two": "1"}), None)), ["chain.one"]);
    assert!(plan(rules, &json!({"chain.one": "1", "chain.two": "2"}), None).is_empty());
}

#[test]
fn what_is_right_by_default_joins_at_a_free_moment_only() {
    let rules: &[&'static Rule] = &[&THIRD, &SECOND_IMPLICIT, &FIRST];
    let conf = json!({"base": "1"});
    assert_eq!(keys(&plan(rules, &conf, None)), ["chain.one", "chain.three", "chain.two"]);
    let running = plan(rules, &conf, Some(RUNNING));
    assert_eq!((keys(&running), running.timing), (vec!["chain.one".to_owned()], Timing::Now));
    // Once the gap is closed, the rest waits.
    let later = plan(rules, &json!({"base": "1", "chain.one": "1"}), Some(RUNNING));
    assert_eq!((keys(&later), later.timing), (vec!["chain.two".to_owned()], Timing::NextDeploy));
}

#[test]
fn a_rules_fills_are_taken_whole_or_not_at_all() {
    let refused = plan_on("v2_0", &[&OVERLAPPING], &json!({"base": "1"}), None);
    assert!(refused.is_empty() && refused.refused[0].0 == "TST006");
    assert_eq!(keys(&plan(&[&OVERLAPPING], &json!({"base": "1"}), None)), ["base.below", "fine"]);
}

#[test]
fn what_fko_takes_in_without_a_restart_is_written_to_a_running_job() {
    let free = plan(&[&FREE_OF_CHARGE], &json!({"base": "1"}), Some(RUNNING));
    assert_eq!((free.timing.clone(), free.restarts), (Timing::Now, false));
    assert_eq!(free.findings[0].judgement.disruption(), Disruption::None);
    let both = plan(&[&FREE_OF_CHARGE, &FIRST], &json!({"base": "1"}), Some(RUNNING));
    assert_eq!((both.timing, both.restarts, both.fills.len()), (Timing::Now, true, 2));
}
