use crate::rule::Check;
use crate::{Judgement, Kind, Policy, Rule, Scope, Subject};

/// A rule's judgement of one subject.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What it says.
    pub judgement: Judgement,
}

/// Lets every rule judge the subject, in the order given. A rule about keys says nothing where no key offends.
pub fn evaluate(rules: &[&'static Rule], subject: &Subject, policy: &Policy) -> Vec<Finding> {
    let judge = |&rule: &&'static Rule| {
        judge(rule, subject, policy).into_iter().map(move |judgement| Finding { rule, judgement })
    };
    rules.iter().flat_map(judge).collect()
}

fn judge(rule: &Rule, subject: &Subject, policy: &Policy) -> Vec<Judgement> {
    let mut judgements = match (rule.check, elsewhere(rule, subject)) {
        (Check::Item(_), Some(where_to)) => return vec![Judgement::not_applicable(where_to)],
        (Check::Item(check), None) => vec![check(subject, policy)],
        (Check::Keys(check), _) => check(subject, policy),
    };
    for judgement in &mut judgements {
        judgement.fills.retain(|fill| !subject.has(&fill.target));
        if !judgement.fills.is_empty() && !subject.passes_on_options() {
            let why = format!("{}; Flink {} reads it on the session cluster only", judgement.message, subject.version);
            *judgement = Judgement::advice(why);
        }
    }
    judgements
}

/// Where the rule looks instead, if not at this kind of object.
fn elsewhere(rule: &Rule, subject: &Subject) -> Option<&'static str> {
    match (rule.scope, subject.kind) {
        (Scope::Job, Kind::SessionCluster) => {
            Some("a session cluster has no job of its own; its session jobs carry this setting")
        }
        (Scope::Cluster, Kind::SessionJob) => {
            Some("a session job has no cluster of its own; its session cluster carries this setting")
        }
        (Scope::Job | Scope::Cluster, _) => None,
    }
}
