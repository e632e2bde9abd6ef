//! The guardrail lets through whatever is planned, for every fixture declared for every Flink.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be read fails the test")]

mod fixture;

use std::collections::BTreeSet;

use checklist::export::Guardrail;
use checklist::{RULES, Writes};
use fixture::every_fixture;
use flink_conf::FlinkVersion;

#[test]
fn what_any_rule_fills_is_allowed() {
    let mut filled = BTreeSet::new();
    for version in FlinkVersion::known() {
        for fixture in every_fixture() {
            let fixture = fixture.with_version(version);
            let guardrail = Guardrail::new([&fixture.policy()]);
            for (target, fill) in fixture.plan(RULES).fills {
                assert!(guardrail.allows(&target), "{target} of {} on {version}", fixture.name());
                filled.insert((fill.rule, target));
            }
        }
    }
    // Every rule that writes is among them, in all of its places.
    for rule in RULES {
        let declared = |version| rule.writes.iter().filter_map(move |writes| writes.target(version));
        let declared: BTreeSet<_> = FlinkVersion::known().flat_map(declared).collect();
        let by_policy = rule.writes.iter().any(|writes| matches!(writes, Writes::Settings));
        assert!(!by_policy || filled.iter().any(|(code, _)| *code == rule.code), "{}", rule.code);
        for target in declared {
            assert!(filled.contains(&(rule.code, target.clone())), "nothing fills {target} of {}", rule.code);
        }
    }
}
