use std::cell::OnceCell;

use flink_conf::plain;

use crate::rule::Check;
use crate::{Judgement, Kind, OwnOption, Policy, Rule, Scope, Subject};

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
    let own = OnceCell::new();
    let own = || own.get_or_init(|| OwnOption::all_of(subject)).as_slice();
    let judge = |&rule: &&'static Rule| {
        judge(rule, subject, own, policy).into_iter().map(move |judgement| Finding { rule, judgement })
    };
    rules.iter().flat_map(judge).collect()
}

fn judge<'a>(rule: &Rule, subject: &Subject, own: impl Fn() -> &'a [OwnOption<'a>], policy: &Policy) -> Vec<Judgement> {
    let mut judgements = match (rule.check, elsewhere(rule, subject)) {
        (Check::Item(_), Some(where_to)) => return vec![Judgement::not_applicable(where_to)],
        (Check::Item(check), None) => vec![check(subject, policy)],
        (Check::Keys(check), _) => check(subject, own(), policy),
    };
    for judgement in &mut judgements {
        judgement.fills.retain(|fill| !subject.has(&fill.target));
        if !judgement.fills.is_empty() && !subject.passes_on_options() {
            let why = format!("{}; Flink {} reads it on the session cluster only", judgement.message, subject.version);
            *judgement = Judgement::advice(why);
        }
        // Rules keep what they quote short; this is for what no rule has thought of.
        judgement.message = cut(std::mem::take(&mut judgement.message), LONGEST_MESSAGE);
    }
    judgements
}

/// What a message may have, in bytes: several of them share a Kubernetes Event.
const LONGEST_MESSAGE: usize = 300;

/// The text with `longest` bytes at the most, as it may be printed ([`plain`]): its end gives way to a mark, between two
/// characters.
pub fn cut(text: String, longest: usize) -> String {
    const MARK: &str = "…";
    let mut text = plain(text);
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest.saturating_sub(MARK.len())));
        text.push_str(MARK);
    }
    text
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
        assert_eq!(cut("é".repeat(150), LONGEST_MESSAGE), "é".repeat(150));
        assert_eq!(cut(format!("x{}", "é".repeat(150)), LONGEST_MESSAGE), format!("x{}…", "é".repeat(148)));
    }
}
