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
        judgement.message = bounded(std::mem::take(&mut judgement.message));
    }
    judgements
}

/// What a message may have, in bytes: several of them share a Kubernetes Event.
const LONGEST_MESSAGE: usize = 300;

/// The message as people get it. Rules keep what they quote short; this is for what no rule has thought of.
fn bounded(message: String) -> String {
    const MARK: &str = "…";
    if message.len() <= LONGEST_MESSAGE {
        return message;
    }
    format!("{}{MARK}", &message[..message.floor_char_boundary(LONGEST_MESSAGE - MARK.len())])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_within_its_bounds() {
        assert_eq!(bounded("é".repeat(150)), "é".repeat(150));
        assert_eq!(bounded(format!("x{}", "é".repeat(150))), format!("x{}…", "é".repeat(148)));
    }
}
