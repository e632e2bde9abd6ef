//! Every fixture's verdict is the one in its name, and the plan turns every unfixed one into the fixed one
//! beside it (see `fixtures/README.md`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be read fails the test")]

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use checklist::{Check, Fill, Finding, RULES, Subject, Verdict, evaluate};
use flink_conf::FlinkVersion;
use serde_json::Value;

use fixture::{
    Fixture, PLATFORMS, POLICIES, SESSION_CLUSTERS, canonical, every_fixture, fixtures_dir, fixtures_of, subsets,
};

/// Outcome and case of the files that a fill changes, with the fixed object beside each.
fn unfixed_and_fixed() -> Vec<(Fixture, Fixture)> {
    let mut fixed: BTreeMap<(&str, String), Fixture> = BTreeMap::new();
    let mut unfixed = Vec::new();
    for fixture in every_fixture() {
        match fixture.outcome.as_str() {
            "fixed" => drop(fixed.insert((fixture.rule.code, fixture.case.clone()), fixture)),
            "gap" | "implicit" if fixture.findings().iter().any(|finding| !finding.judgement.fills.is_empty()) => {
                unfixed.push(fixture);
            }
            _ => {}
        }
    }
    let pairs = unfixed
        .into_iter()
        .map(|fixture| {
            let twin = fixed.remove(&(fixture.rule.code, fixture.case.clone()));
            let twin =
                twin.unwrap_or_else(|| panic!("{} has no fixed.{}.yaml of its own", fixture.name(), fixture.case));
            assert_eq!(fixture.operator_config, twin.operator_config, "{}", fixture.name());
            assert_eq!(fixture.policy, twin.policy, "{}", fixture.name());
            (fixture, twin)
        })
        .collect();
    assert!(fixed.is_empty(), "fixed without unfixed: {:?}", fixed.keys());
    pairs
}

/// The canonical object with this rule's fills of the plan written into it.
fn filled(fixture: &Fixture) -> Value {
    fixture.filled(fixture.plan(RULES).fills.iter().filter(|(_, fill)| fill.rule == fixture.rule.code))
}

/// Right by default, with nothing to write down.
fn is_reported_only(finding: &Finding) -> bool {
    finding.judgement.verdict == Verdict::Implicit && finding.judgement.fills.is_empty()
}

#[test]
fn the_verdict_is_the_one_in_the_name() {
    for fixture in every_fixture() {
        let expected = match fixture.outcome.as_str() {
            // What is filled is settled; another half of the rule may be right by default only.
            "fixed" if matches!(fixture.findings().as_slice(), [finding] if is_reported_only(finding)) => {
                Verdict::Implicit
            }
            "pass" | "fixed" => Verdict::Pass,
            "gap" => Verdict::Gap,
            "implicit" => Verdict::Implicit,
            "advice" => Verdict::Advice,
            "not-applicable" => Verdict::NotApplicable,
            other => panic!("{}: there is no outcome {other}", fixture.name()),
        };
        let findings = fixture.findings();
        if matches!(fixture.rule.check, Check::Keys(_)) {
            assert_eq!(findings.is_empty(), expected == Verdict::Pass, "{}: {findings:?}", fixture.name());
        } else {
            assert_eq!(findings.len(), 1, "{}", fixture.name());
        }
        for Finding { judgement, .. } in findings {
            assert_eq!(judgement.verdict, expected, "{}: {}", fixture.name(), judgement.message);
            // What Flink or its operator set right by itself is reported, and nothing is written.
            let fills = expected == Verdict::Gap || (expected == Verdict::Implicit && !judgement.fills.is_empty());
            assert_eq!(!judgement.fills.is_empty(), fills, "{}", fixture.name());
        }
    }
}

#[test]
fn the_plan_makes_the_fixed_object_of_the_unfixed_one() {
    for (unfixed, fixed) in unfixed_and_fixed() {
        let (is, should) = (filled(&unfixed), canonical(&fixed.object));
        let pretty = |object| serde_json::to_string_pretty(object).unwrap();
        assert!(is == should, "{} becomes\n{}\nnot\n{}", unfixed.name(), pretty(&is), pretty(&should));
    }
}

#[test]
fn the_plan_has_nothing_left_for_the_rule_of_a_fixed_object() {
    for (_, fixed) in unfixed_and_fixed() {
        let left: Vec<_> =
            fixed.plan(RULES).fills.into_iter().filter(|(_, fill)| fill.rule == fixed.rule.code).collect();
        assert!(left.is_empty(), "{}: {left:?}", fixed.name());
    }
}

#[test]
fn every_rule_has_fixtures_of_the_outcomes_that_matter() {
    for rule in RULES {
        let outcomes: BTreeSet<String> = fixtures_of(rule).into_iter().map(|fixture| fixture.outcome).collect();
        let writes = if rule.writes.is_empty() { &["advice"][..] } else { &["gap", "implicit"] };
        for needed in [&["pass"][..], writes, &["advice"]] {
            assert!(needed.iter().any(|outcome| outcomes.contains(*outcome)), "{} lacks {needed:?}", rule.code);
        }
    }
}

#[test]
fn every_folder_is_a_rule_and_every_operator_config_is_used() {
    let folders = |dir: &Path| -> BTreeSet<String> {
        let dirs = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        dirs.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let shared = [PLATFORMS, POLICIES, SESSION_CLUSTERS];
    let expected: BTreeSet<String> = RULES.iter().map(|rule| rule.code).chain(shared).map(str::to_owned).collect();
    assert_eq!(folders(&fixtures_dir()), expected);
    let used: BTreeSet<String> = every_fixture().into_iter().filter_map(|fixture| fixture.operator_config).collect();
    assert!(folders(&fixtures_dir().join(PLATFORMS)).is_subset(&used), "an operator config that no fixture uses");
}

/// What the Flink operator of later versions refuses on Flink 2 is never our doing, whatever rules are switched on.
#[test]
fn no_subset_of_rules_overlaps_on_flink_2() {
    let overlap = [checklist::find("CFG004").unwrap()];
    let mut filled_something = 0;
    for version in [FlinkVersion::new(2, 0), FlinkVersion::new(2, 3)] {
        for (seed, fixture) in every_fixture().into_iter().map(|fixture| fixture.with_version(version)).enumerate() {
            let subject = fixture.subject();
            let overlaps = |subject: &Subject| -> BTreeSet<String> {
                let found = evaluate(&overlap, subject, &fixture.policy());
                found.into_iter().map(|finding| finding.judgement.message).collect()
            };
            let before = overlaps(&subject);
            for rules in subsets(seed) {
                let mut filled = subject.clone();
                for (target, fill) in fixture.plan(&rules).fills {
                    filled.fill(&Fill { target, value: fill.value });
                    filled_something += 1;
                }
                assert_eq!(overlaps(&filled), before, "{} on {version}", fixture.name());
            }
        }
    }
    assert!(filled_something > 2_000, "{filled_something}");
}

/// What people read: `INSTA_UPDATE=always` writes it anew, and the difference shows in review.
#[test]
fn the_messages_are_the_reviewed_ones() {
    let mut text = String::new();
    for fixture in every_fixture() {
        for finding in fixture.findings() {
            writeln!(text, "{}: {}", fixture.name(), finding.judgement.message).unwrap();
        }
    }
    insta::assert_snapshot!("messages", text);
}
