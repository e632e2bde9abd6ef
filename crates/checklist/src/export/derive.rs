//! What a rule fills, found by planning jobs that are made up for it: no value is written down a second time.

use std::collections::BTreeMap;

use flink_api::FlinkDeployment;
use flink_conf::FlinkVersion;
use serde_json::{Value, json};

use crate::{Holdings, Obedience, Plan, Platform, Policy, RULES, Rule, Situation, Subject, Target, evaluate, plan};

/// Stands for the job's namespace in what is derived. No namespace, name or template has such characters.
pub(super) const NAMESPACE: &str = "\u{1}space\u{1}";
/// Stands for the job's name.
pub(super) const NAME: &str = "\u{1}name\u{1}";

/// The highest parallelism and maximum parallelism of Flink (`KeyGroupRangeAssignment.UPPER_BOUND_MAX_PARALLELISM`).
pub(super) const HIGHEST_PARALLELISM: u32 = 1 << 15;
/// More values than these are not worth an expression.
const MOST_STEPS: usize = 16;

/// Values by target.
pub(super) type Fills = BTreeMap<Target, String>;

/// A made-up job that FKO has not deployed yet.
struct Job {
    deployment: FlinkDeployment,
    subject: Subject,
}

impl Job {
    fn new(spec: &Value, platform: &Platform) -> Option<Self> {
        let document = json!({"metadata": {"namespace": NAMESPACE, "name": NAME}, "spec": spec});
        let deployment: FlinkDeployment = serde_json::from_value(document).ok()?;
        let subject = Subject::new(&deployment, platform).ok()?;
        Some(Self { deployment, subject })
    }

    fn plan(&self, policy: &Policy) -> Plan {
        let situation = Situation::of(&self.deployment);
        plan(&self.subject, &situation, &Holdings::default(), &Obedience::default(), policy)
    }
}

/// What a rule fills in a new job of this spec.
pub(super) fn fills(rule: &Rule, spec: &Value, platform: &Platform, policy: &Policy) -> Fills {
    let planned = Job::new(spec, platform).map(|job| job.plan(policy).fills).unwrap_or_default();
    let of_rule = planned.into_iter().filter(|(_, fill)| fill.rule == rule.code);
    of_rule.map(|(target, fill)| (target, fill.value)).collect()
}

/// What a rule says of a new job of this spec.
pub(super) fn said(rule: &'static Rule, spec: &Value, platform: &Platform, policy: &Policy) -> Option<String> {
    let job = Job::new(spec, platform)?;
    evaluate(&[rule], &job.subject, policy).into_iter().next().map(|finding| finding.judgement.message)
}

/// What is filled at each parallelism: the highest parallelism of a step, and the fills there. `None` where that is not
/// a few steps.
pub(super) fn steps(of: impl Fn(u32) -> Fills) -> Option<Vec<(u32, Fills)>> {
    let mut steps: Vec<(u32, Fills)> = Vec::new();
    let mut from = 1;
    while from <= HIGHEST_PARALLELISM {
        let here = of(from);
        let (mut last, mut bound) = (from, HIGHEST_PARALLELISM);
        while last < bound {
            let middle = last + (bound - last).div_ceil(2);
            if of(middle) == here { last = middle } else { bound = middle - 1 }
        }
        steps.push((last, here));
        if steps.len() > MOST_STEPS {
            return None;
        }
        from = last + 1;
    }
    Some(steps)
}

/// Versions with the same thing together, in the order in which each thing first appears.
pub(super) fn grouped<T: PartialEq>(
    by_version: impl IntoIterator<Item = (FlinkVersion, T)>,
) -> Vec<(Vec<FlinkVersion>, T)> {
    let mut groups: Vec<(Vec<FlinkVersion>, T)> = Vec::new();
    for (version, thing) in by_version {
        match groups.iter_mut().find(|(_, other)| *other == thing) {
            Some((versions, _)) => versions.push(version),
            None => groups.push((vec![version], thing)),
        }
    }
    groups
}

/// The rules that may write something, in the order of every report.
pub(super) fn writing() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().filter(|rule| !rule.writes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_where_the_value_changes() {
        let of = |parallelism: u32| {
            let value = if parallelism <= 5 { "low" } else { "high" };
            Fills::from([(Target::option("a"), value.to_owned())])
        };
        let steps = steps(of).unwrap();
        assert_eq!(steps.iter().map(|(last, _)| *last).collect::<Vec<_>>(), [5, HIGHEST_PARALLELISM]);
        let every = |parallelism: u32| Fills::from([(Target::option("a"), parallelism.to_string())]);
        assert_eq!(super::steps(every), None);
    }
}
