use crate::{Judgement, Policy, Rule, Scope, Subject};

/// A rule's judgement of one subject.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What it says.
    pub judgement: Judgement,
}

/// Lets every rule judge the subject, in the order given.
pub fn evaluate(rules: &[&'static Rule], subject: &Subject, policy: &Policy) -> Vec<Finding> {
    rules.iter().map(|&rule| Finding { rule, judgement: judge(rule, subject, policy) }).collect()
}

fn judge(rule: &Rule, subject: &Subject, policy: &Policy) -> Judgement {
    if rule.scope == Scope::Job && subject.is_session() {
        return Judgement::not_applicable(
            "a session cluster has no job of its own; its session jobs carry this setting",
        );
    }
    let mut judgement = (rule.check)(subject, policy);
    judgement.fills.retain(|fill| !subject.has(&fill.target));
    judgement
}
