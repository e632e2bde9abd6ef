//! Which policy counts for a job, and how far it lets each rule go.

use flink_api::Kind;
use serde_json::{Value, json};

use super::*;
use crate::{HoldReason, Holdings, Labels, Obedience, OptOut, Platform, Situation, Subject, Timing, annotations, plan};

fn policy(spec: &Value) -> Result<Policy, String> {
    serde_json::from_value(spec.clone()).map_err(|error| error.to_string())
}

fn named(name: &str, selector: &Value) -> NamedPolicy {
    NamedPolicy { name: name.to_owned(), policy: policy(&json!({ "selector": selector })).unwrap(), problem: None }
}

fn labels(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The policy of a gold job of Flink 1.18 in a namespace of the shop, and what decided.
fn chosen(policies: &[(&str, Value)]) -> (String, &'static str) {
    let named = policies.iter().map(|(name, selector)| named(name, selector)).collect();
    let (of_job, of_namespace) = (labels(&[("tier", "gold")]), labels(&[("team", "shop")]));
    let version = Some("v1_18".parse().unwrap());
    let job = Candidate { kind: Kind::Deployment, labels: &of_job, namespace_labels: &of_namespace, version };
    let chosen = Policies::new(named, Policy::default()).choose(&job);
    (chosen.policy.name.clone(), chosen.decided_by)
}

fn gold() -> Value {
    json!({"jobs": {"matchLabels": {"tier": "gold"}}})
}

fn shop() -> Value {
    json!({"namespaces": {"matchLabels": {"team": "shop"}}})
}

#[test]
fn a_policy_selects_the_jobs_of_which_all_of_it_holds() {
    for (selector, selects) in [
        (json!({}), true),
        (gold(), true),
        (json!({"jobs": {"matchLabels": {"tier": "silver"}}}), false),
        (json!({"jobs": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold", "lead"]}]}}), true),
        (json!({"jobs": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["gold"]}]}}), false),
        (json!({"jobs": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["gold"]}]}}), true),
        (json!({"jobs": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}), false),
        (json!({"jobs": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}}), true),
        (shop(), true),
        (json!({"namespaces": {"matchLabels": {"tier": "gold"}}}), false),
        (json!({"flinkVersions": {"min": "v1_18", "max": "v1_18"}}), true),
        (json!({"flinkVersions": {"min": "v1_9"}}), true),
        (json!({"flinkVersions": {"min": "v2_0"}}), false),
        (json!({"flinkVersions": {"max": "v1_17"}}), false),
        (json!({"kinds": ["FlinkSessionJob", "FlinkDeployment"]}), true),
        (json!({"kinds": ["FlinkSessionJob"]}), false),
        (json!({"jobs": {"matchLabels": {"tier": "gold"}}, "kinds": ["FlinkSessionJob"]}), false),
    ] {
        let expected = if selects { "one" } else { BUILT_IN };
        assert_eq!(chosen(&[("one", selector.clone())]).0, expected, "{selector}");
    }
}

#[test]
fn a_version_that_is_not_known_is_in_no_range() {
    let policies = Policies::new(vec![named("old", &json!({"flinkVersions": {"max": "v2_9"}}))], Policy::default());
    let none = Labels::new();
    let job = Candidate { kind: Kind::Deployment, labels: &none, namespace_labels: &none, version: None };
    assert_eq!(policies.choose(&job).policy.name, BUILT_IN);
}

#[test]
fn the_most_specific_policy_counts_and_the_field_that_decided_is_told() {
    let all = || json!({});
    let versions = || json!({"flinkVersions": {"min": "v1_15"}});
    let kinds = || json!({"kinds": ["FlinkDeployment"]});
    let both = || json!({"jobs": {"matchLabels": {"tier": "gold"}}, "namespaces": {"matchLabels": {"team": "shop"}}});
    for (policies, expected) in [
        (vec![("a", all())], ("a", "selector")),
        (vec![("a", gold())], ("a", "selector.jobs")),
        (vec![("a", all()), ("b", kinds())], ("b", "selector.kinds")),
        (vec![("a", kinds()), ("b", versions())], ("b", "selector.flinkVersions")),
        (vec![("a", versions()), ("b", shop())], ("b", "selector.namespaces")),
        (vec![("a", shop()), ("b", gold())], ("b", "selector.jobs")),
        (vec![("a", gold()), ("b", both())], ("b", "selector.namespaces")),
        (vec![("b", gold()), ("a", gold()), ("c", all())], ("a", "metadata.name")),
        (vec![("a", json!({"jobs": {"matchLabels": {"tier": "silver"}}})), ("b", all())], ("b", "selector")),
        // Labels that are asked for with no label in it are asked of every job.
        (vec![("b", json!({"jobs": {}, "namespaces": {"matchLabels": {}}})), ("a", all())], ("a", "metadata.name")),
        (vec![], (BUILT_IN, "")),
    ] {
        let (name, decided_by) = chosen(&policies);
        assert_eq!((name.as_str(), decided_by), expected, "{policies:?}");
    }
}

#[test]
fn what_is_no_selector_and_no_rule_is_refused() {
    for (spec, named) in [
        (json!({"selector": {"job": {}}}), "unknown field `job`"),
        (json!({"selector": {"jobs": {"matchLabel": {}}}}), "unknown field `matchLabel`"),
        (json!({"selector": {"jobs": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}), "give `values`"),
        (
            json!({"selector": {"jobs": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}}),
            "takes no `values`",
        ),
        (json!({"selector": {"jobs": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}}), "unknown variant"),
        (json!({"selector": {"flinkVersions": {}}}), "needs `min` or `max`"),
        (json!({"selector": {"flinkVersions": {"min": "1.18"}}}), "of the form v1_20"),
        (json!({"selector": {"flinkVersions": {"min": "v2_0", "max": "v1_18"}}}), "no version of Flink is between"),
        (json!({"selector": {"kinds": ["Deployment"]}}), "unknown variant `Deployment`"),
        (json!({"ruleModes": {"CKP009": "Off"}}), "`CKP009` is no rule"),
        (json!({"ruleModes": {"CKP003": "off"}}), "unknown variant `off`"),
        (json!({"mandatory": ["everything"]}), "`everything` is no rule"),
    ] {
        let error = policy(&spec).unwrap_err();
        assert!(error.contains(named), "{spec}: {error}");
    }
}

#[test]
fn a_policy_that_is_written_reads_back_the_same() {
    let all = json!({
        "selector": {"jobs": {"matchLabels": {"tier": "gold"}}, "flinkVersions": {"min": "v1_18"}, "kinds": ["FlinkSessionJob"]},
        "mode": "Apply", "ruleModes": {"CKP003": "Advise"}, "mandatory": ["CKP002"], "cluster": "eu",
        "storage": {"checkpoints": "s3://a/{cluster}/{namespace}/{name}"},
        "settings": [{"key": "rest.flamegraph.enabled", "value": "true", "when": "kind == 'Application'"}],
        "rollout": {"windows": [{"schedule": "0 2 * * 1-5", "duration": "2 h", "timeZone": "Europe/Berlin"}],
                    "notice": "1 h", "operatorVersion": "1.15", "acceptedOperatorVersions": ["1.7", "unknown"]},
        "rules": {"unsuitable-state-backend": {"backend": "rocksdb"}, "no-checkpoint-interval": {"interval": "5 min"}},
    });
    for spec in [all, json!({})] {
        let read = policy(&spec).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(policy(&written).unwrap(), read, "{written}");
    }
}

/// The plan of a job on RocksDB, that runs or not, under a policy, and which rules fill.
fn planned(spec: &Value, annotated: &Value, runs: bool) -> (crate::Plan, Vec<&'static str>) {
    let status = json!({"lifecycleState": "STABLE", "jobStatus": {"state": "RUNNING"}, "observedGeneration": 4,
        "reconciliationStatus": {"lastReconciledSpec": "{}"}});
    let job = json!({
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 4, "annotations": annotated},
        "spec": {"flinkVersion": "v1_17", "job": {"upgradeMode": "savepoint"},
                 "flinkConfiguration": {"state.backend.type": "rocksdb", "state.savepoints.dir": "s3://a/b"}},
        "status": if runs { status } else { json!({}) },
    });
    let deployment: flink_api::FlinkDeployment = serde_json::from_value(job).unwrap();
    let subject = Subject::new(&deployment, &Platform::stock()).unwrap();
    let mut document = spec.clone();
    document["rollout"] = json!({"operatorVersion": "1.15"});
    let policy = policy(&document).unwrap();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let none = Labels::new();
    let obedience = Obedience::read(deployment.metadata.annotations.as_ref().unwrap_or(&none), &none, now)
        .without_leave_for(&policy.mandatory);
    let plan = plan(&subject, &Situation::of(&deployment), &Holdings::of(&deployment), &obedience, &policy);
    let rules: std::collections::BTreeSet<_> = plan.fills.values().map(|fill| fill.rule).collect();
    (plan, rules.into_iter().collect())
}

#[test]
fn a_rule_goes_as_far_as_its_own_mode() {
    let (plan, rules) = planned(&json!({"mode": "Apply"}), &json!({}), true);
    assert!(plan.timing == Timing::Now && rules.contains(&"CKP003") && rules.contains(&"MET001"), "{plan:?}");
    // One rule less fills, and its gap is told.
    let (plan, rules) = planned(&json!({"mode": "Apply", "ruleModes": {"CKP003": "Advise"}}), &json!({}), true);
    assert!(plan.timing == Timing::Now && !rules.contains(&"CKP003") && rules.contains(&"MET001"), "{plan:?}");
    assert!(plan.only_told.contains("CKP003") && plan.findings.iter().any(|finding| finding.rule.code == "CKP003"));
    // One that is off says nothing at all.
    let (plan, rules) = planned(&json!({"mode": "Apply", "ruleModes": {"CKP003": "Off"}}), &json!({}), true);
    assert!(!rules.contains(&"CKP003") && plan.findings.iter().all(|finding| finding.rule.code != "CKP003"));
    // The restart of one brings the others along that would wait for the next deployment.
    let (plan, rules) = planned(&json!({"mode": "NextDeploy", "ruleModes": {"CKP003": "Apply"}}), &json!({}), true);
    assert!(plan.timing == Timing::Now && rules.contains(&"MET001"), "{plan:?}");
    let (plan, _) = planned(&json!({"mode": "NextDeploy"}), &json!({}), true);
    assert_eq!(plan.timing, Timing::NextDeploy);
    // Under a policy that only tells, one rule may act, and alone.
    let (plan, rules) = planned(&json!({"mode": "Advise", "ruleModes": {"CKP003": "Apply"}}), &json!({}), true);
    assert_eq!((plan.timing, rules), (Timing::Now, vec!["CKP003"]));
    let (plan, rules) = planned(&json!({"mode": "Advise"}), &json!({}), true);
    assert!(plan.timing == Timing::Held(HoldReason::Advise) && rules.len() == 2, "{rules:?}");
    // A job's own annotation stays the limit, and a policy that is off means all of it.
    let annotated = json!({annotations::MODE: "Advise"});
    let (plan, _) = planned(&json!({"mode": "NextDeploy", "ruleModes": {"CKP003": "Apply"}}), &annotated, true);
    assert_eq!(plan.timing, Timing::Held(HoldReason::Advise));
    let (plan, _) = planned(&json!({"mode": "Off", "ruleModes": {"CKP003": "Apply"}}), &json!({}), false);
    assert_eq!(plan.timing, Timing::Nothing);
}

#[test]
fn a_mandatory_rule_takes_no_opt_out_and_it_is_told() {
    let spec = json!({"mode": "Apply", "mandatory": ["CKP003"]});
    for (opt_out, denied, left_out) in [
        ("CKP003", true, "none"),
        ("true", true, "MET001"),
        ("MET001", false, "MET001"),
        ("CKP003,MET001", true, "MET001"),
    ] {
        let annotated = json!({ annotations::OPT_OUT: opt_out });
        let (_, rules) = planned(&spec, &annotated, false);
        assert!(rules.contains(&"CKP003") && !rules.contains(&left_out), "{opt_out}: {rules:?}");
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let read = Obedience::read(&labels(&[(annotations::OPT_OUT, opt_out)]), &Labels::new(), now);
        let bound = read.without_leave_for(&policy(&spec).unwrap().mandatory);
        assert_eq!(bound.denied.contains("CKP003"), denied, "{opt_out}: {bound:?}");
        assert!(bound.opt_out != OptOut::All);
    }
    // What cannot be read is left alone whatever is mandatory.
    let (plan, _) = planned(&spec, &json!({annotations::OPT_OUT: "CKP0003"}), false);
    assert_eq!(plan.timing, Timing::Nothing);
}

#[test]
fn of_an_opt_out_that_has_ended_it_is_known_when() {
    let now = "2026-06-15T12:00:00Z".parse().unwrap();
    let read = |until: &str, opt_out: &str| {
        let written = labels(&[(annotations::OPT_OUT, opt_out), (annotations::OPT_OUT_UNTIL, until)]);
        Obedience::read(&written, &Labels::new(), now).expired.map(|time| time.to_string())
    };
    assert_eq!(read("2026-06-15T11:00:00Z", "CKP003").as_deref(), Some("2026-06-15T11:00:00Z"));
    assert_eq!((read("2026-06-15T13:00:00Z", "CKP003"), read("2026-06-15T11:00:00Z", "false")), (None, None));
}
