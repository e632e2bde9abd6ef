//! What holds for every deployment, whatever it looks like.
#![allow(clippy::unwrap_used, reason = "a generated deployment that cannot be read fails the test")]

mod around;
mod cases;
mod chains;
mod ownership;
mod pool;
mod trimmed;

use std::collections::{BTreeMap, BTreeSet};

use checklist::export::Guardrail;
use checklist::{
    Check, Fill, Obedience, OptOut, Plan, RULES, Rule, Subject, Target, Timing, Verdict, Writes, evaluate,
};
use flink_conf::options::{HIGH_AVAILABILITY_DIRECTORY, spelled};
use flink_conf::{FlinkVersion, flatten};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cases::{Case, SECRET, Shape, any_case, filled, tidy_on_flink_1};

const FLINK_2: FlinkVersion = FlinkVersion::new(2, 0);

/// What one rule says, comparable.
type Said = (&'static str, Verdict, String, Vec<(String, String)>);

/// Value and rule by target.
type Fills = BTreeMap<Target, (String, &'static str)>;

fn said(plan: &Plan) -> Vec<Said> {
    let fills = |finding: &checklist::Finding| {
        finding.judgement.fills.iter().map(|fill| (fill.target.to_string(), fill.value.clone())).collect()
    };
    let says = |finding: &checklist::Finding| {
        (finding.rule.code, finding.judgement.verdict, finding.judgement.message.clone(), fills(finding))
    };
    plan.findings.iter().map(says).collect()
}

/// What a plan would write, comparable.
fn written(plan: &Plan) -> (Fills, String, BTreeSet<(&'static str, String)>) {
    let fills = plan.fills.iter().map(|(target, fill)| (target.clone(), (fill.value.clone(), fill.rule))).collect();
    (fills, plan.hash.clone(), plan.refused.iter().cloned().collect())
}

/// Pairs of keys in effect of which one is a prefix of the other.
fn overlaps(subject: &Subject) -> BTreeSet<(String, String)> {
    let keys: Vec<_> = subject.conf.iter().map(|(key, _)| key).collect();
    let below = |key: &&flink_conf::Key| {
        let key = key.as_str().to_owned();
        keys.iter()
            .filter(move |other| other.as_str().starts_with(&format!("{key}.")))
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    keys.iter().flat_map(|key| below(key).into_iter().map(|other| (key.to_string(), other))).collect()
}

fn configuration(object: &Value) -> BTreeMap<flink_conf::Key, String> {
    flatten(&object["spec"]["flinkConfiguration"]).unwrap()
}

/// The case's plan at a free moment for its object, and the object with that plan carried out.
fn fill_undeployed(case: &Case, obedience: &Obedience) -> (Value, Plan, Value) {
    let object = case.undeployed(Shape::Mixed);
    let plan = case.plan(RULES, &object, obedience);
    let fixed = filled(&object, &plan);
    (object, plan, fixed)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: 1 << 20, ..ProptestConfig::default() })]

    #[test]
    fn what_is_filled_passes(case in any_case()) {
        let obedience = case.obedience();
        let (_, plan, fixed) = fill_undeployed(&case, &obedience);
        let refused: Vec<&str> = plan.refused.iter().map(|(code, _)| *code).collect();
        for finding in evaluate(RULES, &case.subject(&fixed), &case.policy()) {
            // What is right by default and has nothing to write down is only reported.
            let reported = finding.judgement.verdict == Verdict::Implicit && finding.judgement.fills.is_empty();
            let unsettled = matches!(finding.judgement.verdict, Verdict::Gap | Verdict::Implicit) && !reported;
            let excused = obedience.is_opted_out(finding.rule) || refused.contains(&finding.rule.code);
            prop_assert!(!unsettled || excused, "{}: {}", finding.rule.code, finding.judgement.message);
        }
    }

    #[test]
    fn the_plan_of_what_is_filled_is_settled(case in any_case()) {
        let obedience = case.obedience();
        let (_, first, fixed) = fill_undeployed(&case, &obedience);
        let second = case.plan(RULES, &fixed, &obedience);
        prop_assert!(second.is_empty() && second.timing == Timing::Nothing, "{:?}", second.fills);
        prop_assert_eq!((second.hash, second.restarts, second.refused), (String::new(), false, first.refused));
    }

    #[test]
    fn the_order_of_rules_does_not_matter(
        case in any_case(), order in Just(RULES.to_vec()).prop_shuffle(),
    ) {
        let object = case.object(Shape::Mixed);
        let (as_listed, shuffled) = (
            case.plan(RULES, &object, &case.obedience()), case.plan(&order, &object, &case.obedience()),
        );
        prop_assert_eq!(written(&as_listed), written(&shuffled));
        prop_assert_eq!(as_listed.timing, shuffled.timing);
    }

    #[test]
    fn no_present_value_changes(case in any_case()) {
        let (object, plan, fixed) = fill_undeployed(&case, &Obedience::default());
        let (before, after) = (configuration(&object), configuration(&fixed));
        for (key, value) in &before {
            prop_assert_eq!(after.get(key), Some(value), "{}", key);
        }
        for pointer in ["/spec/logConfiguration", "/spec/podTemplate/metadata/annotations"] {
            for (key, value) in object.pointer(pointer).and_then(Value::as_object).into_iter().flatten() {
                prop_assert_eq!(&fixed.pointer(pointer).unwrap()[key], value, "{}", key);
            }
        }
        let subject = case.subject(&object);
        let offered = plan.findings.iter().flat_map(|finding| &finding.judgement.fills).map(|fill| &fill.target);
        for target in plan.fills.keys().chain(offered) {
            prop_assert!(!is_chosen(&subject, target), "{} is there already", target);
        }
        prop_assert!(object.get("status") == fixed.get("status") && object["metadata"] == fixed["metadata"]);
    }

    /// Findings do not depend on the document's shape, nor does the plan, with one exception: no value is
    /// written in place of a map (`restart-strategy` of Flink 1.16 where the owner nests the delays below it).
    #[test]
    fn flat_nested_and_mixed_are_judged_alike(case in any_case()) {
        let plan = |shape| case.plan(RULES, &case.object(shape), &case.obedience());
        let flat = plan(Shape::Flat);
        for shape in [Shape::Nested, Shape::Mixed] {
            let (other, nested) = (plan(shape), case.subject(&case.object(shape)).containers);
            prop_assert_eq!(said(&flat), said(&other));
            let in_the_way = |target: &Target| matches!(target, Target::Option(key) if nested.contains(key));
            if flat.fills.keys().any(in_the_way) {
                let refused: Vec<&str> = other.refused.iter().map(|(code, _)| *code).collect();
                // What is only a gap once the refused value is there is no gap here.
                let offered = |target: &Target| {
                    flat.findings.iter().flat_map(|finding| &finding.judgement.fills).any(|fill| fill.target == *target)
                };
                let missing = flat.fills.iter().filter(|(target, fill)| other.fills.get(target) != Some(fill));
                for (target, fill) in missing {
                    prop_assert!(refused.contains(&fill.rule) || !offered(target), "{} {}", fill.rule, target);
                }
                continue;
            }
            prop_assert_eq!(written(&flat), written(&other));
            prop_assert_eq!((&flat.timing, flat.restarts), (&other.timing, other.restarts));
        }
    }

    #[test]
    fn a_fill_makes_no_prefix_overlap_on_flink_2(case in any_case()) {
        let (object, _, fixed) = fill_undeployed(&case, &Obedience::default());
        if case.version >= FLINK_2 {
            prop_assert_eq!(overlaps(&case.subject(&object)), overlaps(&case.subject(&fixed)));
        }
    }

    /// Whatever we write is read by the job's Flink, under one spelling, and of the right type.
    #[test]
    fn a_fill_is_no_finding_about_a_key(case in any_case()) {
        let (object, _, fixed) = fill_undeployed(&case, &Obedience::default());
        let about_keys: Vec<&'static Rule> = RULES.iter().copied().filter(|rule| matches!(rule.check, Check::Keys(_))).collect();
        let found = |object: &Value| -> BTreeSet<(&str, String)> {
            let findings = evaluate(&about_keys, &case.subject(object), &case.policy());
            findings.iter().map(|finding| (finding.rule.code, finding.judgement.message.clone())).collect()
        };
        let (before, after) = (found(&object), found(&fixed));
        prop_assert!(after.is_subset(&before), "{:?}", after.difference(&before));
    }

    /// Where the webhook does not see it: from Flink 1.20 on what we filled stays acceptable when only
    /// `flinkVersion` is raised, but for an old name that FKO's own configuration gives to the new version.
    /// Before, three options have no name yet that Flink 2 accepts beside its relatives. What becomes of all of
    /// them where the webhook does see it says `ownership`.
    #[test]
    fn raising_the_version_makes_known_prefix_overlaps_only(case in tidy_on_flink_1(), minor in 0_u16..=4) {
        let (object, _, fixed) = fill_undeployed(&case, &Obedience::default());
        let raised = |object: &Value| {
            let mut object = object.clone();
            object["spec"]["flinkVersion"] = json!(FlinkVersion::new(2, minor).to_string());
            overlaps(&case.subject(&object))
        };
        prop_assume!(raised(&object).is_empty());
        let resource = configuration(&fixed);
        for (key, below) in raised(&fixed) {
            let by_platform = !resource.contains_key(key.as_str()) || !resource.contains_key(below.as_str());
            let by_strategy = case.version < FlinkVersion::new(1, 17)
                && key == "restart-strategy";
            let by_services = case.version < FlinkVersion::new(1, 17)
                && key == "high-availability" && HIGH_AVAILABILITY_DIRECTORY.is_spelled(&below);
            // Before 1.17 the backend itself has that name, later only the owner or a layer can have given it.
            let by_backend = key == "state.backend"
                && (case.version < FlinkVersion::new(1, 17)
                    || case.version < FlinkVersion::new(1, 20) && below == "state.backend.incremental");
            prop_assert!(by_platform || by_strategy || by_services || by_backend, "{key} and {below}");
        }
    }

    #[test]
    fn a_rule_writes_only_what_it_declares(case in any_case()) {
        let (_, plan, _) = fill_undeployed(&case, &Obedience::default());
        for (target, fill) in &plan.fills {
            let rule = checklist::find(fill.rule).unwrap();
            let of_policy = |target: &Target| case.policy().settings.iter().any(|setting| Target::Option(setting.written(case.version)) == *target);
            let is_declared = |writes: &Writes| writes.target(case.version).map_or_else(|| of_policy(target), |declared| declared == *target);
            prop_assert!(rule.writes.iter().any(is_declared), "{} {}", fill.rule, target);
        }
    }

    #[test]
    fn what_is_filled_passes_the_guardrail(case in any_case()) {
        let (_, plan, _) = fill_undeployed(&case, &Obedience::default());
        let guardrail = Guardrail::new([&case.policy()]);
        for target in plan.fills.keys() {
            prop_assert!(guardrail.allows(target), "{}", target);
        }
    }

    #[test]
    fn an_opted_out_rule_fills_nothing(case in any_case()) {
        let object = case.object(Shape::Flat);
        let obedience = case.obedience();
        prop_assert!(obedience.problems.is_empty());
        let plan = case.plan(RULES, &object, &obedience);
        let opted_out: Vec<&str> = RULES.iter().filter(|rule| obedience.is_opted_out(rule)).map(|rule| rule.code).collect();
        prop_assert_eq!(opted_out.len(), case.opted_out.len());
        prop_assert!(plan.fills.values().all(|fill| !opted_out.contains(&fill.rule)));
        let all = Obedience { opt_out: OptOut::All, ..Obedience::default() };
        let nothing = case.plan(RULES, &object, &all);
        prop_assert!(nothing.is_empty() && nothing.timing == Timing::Nothing && nothing.hash.is_empty());
        prop_assert!(!nothing.restarts && !nothing.is_pressing());
        prop_assert_eq!(said(&nothing), said(&plan), "an opt-out hides no finding");
    }

    #[test]
    fn what_is_right_by_default_restarts_nothing(case in any_case(), approved in any::<bool>()) {
        let mut obedience = case.obedience();
        obedience.approval = approved.then_some(checklist::Approval::Now);
        let plan = case.plan(RULES, &case.running(Shape::Nested), &obedience);
        if plan.timing == Timing::Now && plan.restarts {
            for code in plan.fills.values().map(|fill| fill.rule) {
                prop_assert!(is_gap_beside_the_others(&case, &plan, code), "{}", code);
            }
        }
        prop_assert!(!plan.approved || plan.restarts && plan.timing == Timing::Now);
    }

    #[test]
    fn a_plan_is_whole(case in any_case()) {
        let plan = case.plan(RULES, &case.object(Shape::Flat), &case.obedience());
        prop_assert_eq!(plan.is_empty(), plan.timing == Timing::Nothing);
        prop_assert_eq!(plan.is_empty(), plan.hash.is_empty());
        if let Timing::Held(reason) = &plan.timing {
            prop_assert!(!reason.to_string().trim().is_empty() && !reason.label().is_empty());
        }
    }

    #[test]
    fn findings_are_one_sentence_without_secrets(case in any_case()) {
        let plan = case.plan(RULES, &case.object(Shape::Mixed), &case.obedience());
        let found = |rule: &'static Rule| plan.findings.iter().filter(move |finding| finding.rule.code == rule.code);
        for rule in RULES {
            if matches!(rule.check, Check::Item(_)) {
                prop_assert_eq!(found(rule).count(), 1, "{}", rule.code);
                continue;
            }
            let keys: BTreeSet<_> = found(rule).filter_map(|finding| finding.judgement.about.clone()).collect();
            prop_assert_eq!(found(rule).count(), keys.len(), "{}: one finding per key", rule.code);
        }
        prop_assert!(plan.findings.is_sorted_by_key(|finding| RULES.iter().position(|rule| rule.code == finding.rule.code)));
        let messages = plan.findings.iter().map(|finding| &finding.judgement.message);
        for text in messages.chain(plan.refused.iter().map(|(_, reason)| reason)) {
            let is_one_sentence = !text.is_empty() && !text.contains(". ") && !text.contains('\n') && !text.ends_with('.');
            prop_assert!(is_one_sentence && text.len() <= 300, "{}", text);
            prop_assert!(!text.contains(SECRET), "{}", text);
        }
    }
}

/// Whether a rule sees a gap in the running job that has all other rules' fills of the plan: some are only there once
/// another is closed.
fn is_gap_beside_the_others(case: &Case, plan: &Plan, code: &str) -> bool {
    let mut subject = case.subject(&case.running(Shape::Nested));
    for (target, fill) in plan.fills.iter().filter(|(_, fill)| fill.rule != code) {
        subject.fill(&Fill { target: target.clone(), value: fill.value.clone() });
    }
    let findings = evaluate(RULES, &subject, &case.policy());
    findings.iter().any(|finding| finding.rule.code == code && finding.judgement.verdict == Verdict::Gap)
}

/// Whether the owner or the platform has chosen the target's value, in whatever spelling.
fn is_chosen(subject: &Subject, target: &Target) -> bool {
    match target {
        Target::Option(key) => {
            let is_set = |key: &str| subject.conf.get(key).is_some();
            is_set(key.as_str())
                || spelled(key.as_str()).is_some_and(|option| option.spellings().into_iter().any(is_set))
        }
        Target::LogFile(_) => subject.log_files.is_some(),
        Target::PodAnnotation(key) => subject.pod_annotations.contains_key(key),
    }
}
