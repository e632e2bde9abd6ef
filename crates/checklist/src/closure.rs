//! Fills that bring other fills along.

use std::borrow::Cow;
use std::collections::BTreeMap;

use flink_conf::Key;

use crate::leaving::NESTED_YAML;
use crate::storage::shown;
use crate::{Disruption, Fill, Finding, Judgement, PlannedFill, Policy, Rule, Subject, Target, Verdict, evaluate};

/// The fills of a set of rules, merged to a fixpoint.
pub(crate) struct Closure<'a> {
    pub(crate) fills: BTreeMap<Target, PlannedFill>,
    /// By code and key: in which round a fill is refused depends on what else is filled, and must not show.
    pub(crate) refused: BTreeMap<(&'static str, Option<Key>), String>,
    /// With all fills so far.
    pub(crate) subject: Cow<'a, Subject>,
    /// Whether any of them closes a gap.
    pub(crate) closes_gap: bool,
}

/// What is closed, and what is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Open<'a> {
    pub(crate) subject: &'a Subject,
    /// Values that come first, whatever the rules say.
    pub(crate) respelled: &'a BTreeMap<Target, PlannedFill>,
    /// What all rules say of the subject as it is, where the respelled values do not change it.
    pub(crate) findings: Option<&'a [Finding]>,
    pub(crate) policy: &'a Policy,
}

impl<'a> Closure<'a> {
    pub(crate) fn of(rules: &[&'static Rule], open: Open<'a>, verdicts: &[Verdict]) -> Self {
        let Open { subject, respelled, findings, policy } = open;
        let (fills, subject) = (respelled.clone(), Cow::Borrowed(subject));
        let mut closure = Self { fills, refused: BTreeMap::new(), subject, closes_gap: false };
        for (target, fill) in respelled {
            closure.subject.to_mut().fill(&Fill { target: target.clone(), value: fill.value.clone() });
        }
        let is_asked = |rule: &'static Rule| rules.iter().any(|asked| std::ptr::eq(*asked, rule));
        let mut findings = findings.map(Cow::Borrowed);
        // Every round but the last adds the fills of a rule, or a setting, that had none before.
        for _ in 0..=rules.len() + policy.settings.len() {
            let before = closure.fills.len();
            let said = findings.take().unwrap_or_else(|| Cow::Owned(evaluate(rules, &closure.subject, policy)));
            for Finding { rule, judgement } in said.iter().filter(|finding| is_asked(finding.rule)) {
                if verdicts.contains(&judgement.verdict) {
                    closure.add(rule, judgement);
                }
            }
            if closure.fills.len() == before {
                break;
            }
        }
        closure
    }

    /// Takes a rule's fills whole or not at all.
    fn add(&mut self, rule: &'static Rule, Judgement { fills, about, verdict, .. }: &Judgement) {
        let absent: Vec<&Fill> = fills.iter().filter(|fill| !self.subject.has(&fill.target)).collect();
        if let Some(reason) = absent.iter().find_map(|fill| refusal(fill, &self.subject)) {
            self.refused.entry((rule.code, about.clone())).or_insert(reason);
            return;
        }
        self.closes_gap |= *verdict == Verdict::Gap && !absent.is_empty();
        for fill in absent {
            self.subject.to_mut().fill(fill);
            self.fills.insert(fill.target.clone(), PlannedFill { value: fill.value.clone(), rule: rule.code });
        }
    }
}

/// What would wipe out the owner's nested document, and what FKO would die of: on Flink 2 it writes nested
/// YAML and throws on a key that is a prefix of another, after it has stopped the job (FLINK-37405).
fn refusal(fill: &Fill, subject: &Subject) -> Option<String> {
    let Target::Option(key) = &fill.target else { return None };
    if fill.target.disruption() == Disruption::StateUnsafe && !subject.starts_empty {
        return Some(format!("filling {key} could lose the state of a job that has been deployed or restores some"));
    }
    if subject.containers.contains(key) {
        return Some(format!(
            "filling {key} would replace what the resource nests below it; write those options with flat keys first"
        ));
    }
    if subject.version < NESTED_YAML {
        return None;
    }
    let (other, _) = subject.conf.iter().find(|(other, _)| key.overlaps(other.as_str()))?;
    let other = shown(other.as_str());
    Some(format!(
        "filling {key} beside {other} would stop the job on Flink 2 (overlapping key prefixes); rename {other} to its present name first"
    ))
}
