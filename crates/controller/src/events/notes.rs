//! From a plan to what people read in `kubectl describe`.

use std::collections::BTreeMap;

use checklist::policy::Chosen;
use checklist::{Disruption, Filled, Finding, Obedience, OptOut, Plan, Timing, Verdict, annotations};
use flink_api::{FlinkDeployment, ManagedByReport};
use jiff::{SignedDuration, Timestamp};

use super::restarts::{restarted, withdrawn};
use super::{LONGEST_NOTE, Notice, Reason};
use crate::reconcile::Look;
use crate::reconcile::verify::NEWS;

/// How long before its end, and after it, an opt-out is told of.
pub(crate) const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(24);
pub(super) const HOW_TO_OPT_OUT: &str = "Opt out: annotate flink-remedy.dev/opt-out with the rule's code or \"true\".";

/// Everything that is to be said of one job now.
pub(crate) fn notices(deployment: &FlinkDeployment, look: &Look, dry_run: bool, now: Timestamp) -> Vec<Notice> {
    let Look { plan, holdings, obedience, chosen, .. } = look;
    let mut notices = Vec::new();
    notices.extend(obedience.problems.iter().map(|problem| {
        let note = format!("{problem}. The whole job counts as opted out until it is corrected.");
        notice(Reason::InvalidAnnotation, note)
    }));
    if obedience.problems.is_empty() && obedience.opt_out == OptOut::All {
        notices.push(opted_out(deployment, plan));
    }
    notices.extend(denied(obedience, chosen));
    notices.extend(expiry(obedience, now));
    let place = || lasting_place(deployment);
    let changed = holdings.filled.as_ref().filter(|filled| is_news(filled, now));
    notices.extend(changed.map(|filled| remediated(filled, &place())));
    notices.extend(
        holdings.filled.as_ref().and_then(|filled| restarted(deployment, filled, look.verification.standing, now)),
    );
    notices.extend(pending(plan, place, dry_run));
    notices.extend(advised(plan, obedience));
    notices
}

/// Whether a change was made, and only now; a record may be there for what is to come alone.
fn is_news(filled: &Filled, now: Timestamp) -> bool {
    !filled.change.is_empty() && now.duration_since(filled.at) < NEWS
}

pub(crate) fn notice(reason: Reason, note: String) -> Notice {
    Notice::new(reason, note)
}

/// Where people have to write what shall last, if a tool would set it back elsewhere: a sentence with a space before it.
fn lasting_place(deployment: &FlinkDeployment) -> String {
    let managed = ManagedByReport::of(deployment).filter(|managed| !managed.name.is_empty());
    let place = managed.and_then(|managed| managed.lasting_place());
    place.map(|place| format!(" Lasting place: {place}.")).unwrap_or_default()
}

fn opted_out(deployment: &FlinkDeployment, plan: &Plan) -> Notice {
    let open = plan.findings.iter().filter(|finding| finding.judgement.verdict == Verdict::Gap).count();
    let why = deployment.annotation(annotations::OPT_OUT_REASON).map(|why| format!(" ({why})")).unwrap_or_default();
    let note = format!(
        "Opted out by annotation {} on the job or its namespace{why}; {open} gaps stay open.",
        annotations::OPT_OUT
    );
    notice(Reason::OptedOut, note)
}

fn denied(obedience: &Obedience, chosen: &Chosen) -> Option<Notice> {
    let codes: Vec<&str> = obedience.denied.iter().copied().collect();
    let note = || {
        format!(
            "Annotation {} does not count for {}: policy {} makes it mandatory. It is judged, and filled where the mode allows, as on \
             any other job; whoever keeps that policy can take it out of `mandatory`.",
            annotations::OPT_OUT,
            codes.join(", "),
            chosen.policy.name
        )
    };
    (!codes.is_empty()).then(|| notice(Reason::InvalidAnnotation, note()))
}

/// That an opt-out ends within a day, or has within one.
fn expiry(obedience: &Obedience, now: Timestamp) -> Option<Notice> {
    let (until, reason) = (annotations::OPT_OUT_UNTIL, annotations::OPT_OUT);
    if let Some(ends) = obedience.expires.filter(|ends| ends.duration_since(now) <= EXPIRES_SOON) {
        let note = format!(
            "The opt-out ends at {ends}. From then on what it left out is judged, and filled where the mode allows. To keep it, set \
             annotation {until} to a later time, with the reason."
        );
        return Some(notice(Reason::OptOutExpiring, note));
    }
    let ended = obedience.expired.filter(|ended| now.duration_since(*ended) <= EXPIRES_SOON)?;
    let note = format!(
        "The opt-out has ended at {ended}: what it left out is judged, and filled where the mode allows. Remove annotation {reason}, \
         or set {until} to a later time, with the reason."
    );
    Some(notice(Reason::OptOutExpired, note))
}

/// The last change, told from the record on the object, so that a crash between change and Event loses nothing.
fn remediated(filled: &Filled, place: &str) -> Notice {
    let is_withdrawal =
        filled.restart.as_ref().is_some_and(|restart| restart.withdrawal && restart.change == filled.change);
    if let Some(quarantine) = filled.quarantine.as_ref().filter(|_| is_withdrawal) {
        return withdrawn(filled, quarantine);
    }
    let values = by_rule(filled.last_change().map(|(target, value)| (value.rule.as_str(), target.shown(&value.value))));
    let cost = match filled.cost() {
        Disruption::None => "It cost no restart.",
        Disruption::Restart | Disruption::StateUnsafe => "The running job restarts once for it.",
    };
    let note = if values.is_empty() {
        format!(
            "Withdrew filled values that their owner now sets in another spelling, or that a restart has failed with. {cost}"
        )
    } else {
        fitted("Filled ", &values, &format!(". {cost}{place} {HOW_TO_OPT_OUT}"))
    };
    Notice { salt: filled.at.to_string(), ..Notice::new(Reason::Remediated, note) }
}

fn pending(plan: &Plan, place: impl Fn() -> String, dry_run: bool) -> Option<Notice> {
    let fills = by_rule(plan.fills.iter().map(|(target, fill)| (fill.rule, target.shown(&fill.value))));
    let leaving = plan.leaving.iter().map(|target| format!("removal of {target}, which its owner took over"));
    let all: Vec<String> = fills.into_iter().chain(leaving).collect();
    let hash = &plan.hash;
    let would = if plan.fills.is_empty() { "Would write " } else { "Would fill " };
    match &plan.timing {
        Timing::Now if dry_run => Some(notice(Reason::RemediationAdvised, fitted("Dry run, would write ", &all, "."))),
        Timing::Nothing | Timing::Now => None,
        Timing::Held(reason @ checklist::HoldReason::Advise) => {
            Some(notice(Reason::RemediationAdvised, fitted(would, &all, &format!(": {reason}. {HOW_TO_OPT_OUT}"))))
        }
        Timing::Held(reason) => {
            let is_conflict = matches!(reason, checklist::HoldReason::TugOfWar(_));
            let place = if is_conflict { place() } else { String::new() };
            let rest = format!(". Held: {reason}. Plan {hash}.{place} {HOW_TO_OPT_OUT}");
            let told = if is_conflict { Reason::RemediationConflict } else { Reason::RemediationHeld };
            Some(notice(told, fitted(would, &all, &rest)))
        }
        // What is right by default only is written down in passing; nobody need wait for it.
        Timing::NextDeploy if !plan.is_pressing() => None,
        Timing::NextDeploy => {
            let rest = format!(
                ". Held: {}. Plan {hash}; approve it once by annotation flink-remedy.dev/approve. {HOW_TO_OPT_OUT}",
                checklist::HoldReason::NextDeploy
            );
            Some(notice(Reason::RemediationHeld, fitted(would, &all, &rest)))
        }
    }
}

/// `a=1, b=2 (RST001)`: one item for each rule, so that a shortened list loses whole rules from its end.
pub(super) fn by_rule<'a>(values: impl Iterator<Item = (&'a str, String)>) -> Vec<String> {
    let mut rules: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (rule, shown) in values {
        rules.entry(rule).or_default().push(shown);
    }
    rules.into_iter().map(|(rule, shown)| format!("{} ({rule})", shown.join(", "))).collect()
}

fn advised(plan: &Plan, obedience: &Obedience) -> Option<Notice> {
    let is_told = |finding: &Finding| match finding.judgement.verdict {
        Verdict::Advice => true,
        Verdict::Gap => plan.only_told.contains(finding.rule.code),
        Verdict::Pass | Verdict::NotApplicable | Verdict::Implicit => false,
    };
    let findings = plan
        .findings
        .iter()
        .filter(|finding| is_told(finding) && !obedience.is_opted_out(finding.rule))
        .map(|finding| format!("{} {}: {}", finding.rule.code, finding.rule.name, finding.judgement.message));
    let refused = plan.refused.iter().map(|(code, why)| format!("{code}: {why}"));
    let all: Vec<String> = findings.chain(refused).collect();
    if all.is_empty() {
        return None;
    }
    Some(notice(Reason::RemediationAdvised, fitted("A human must decide: ", &all, ".")))
}

/// A list between head and tail, shortened so that the tail, which says what to do, always fits.
pub(crate) fn fitted(head: &str, items: &[String], tail: &str) -> String {
    let mut text = head.to_owned();
    for (index, item) in items.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let more = format!(" and {} more", items.len() - index);
        if index > 0 && text.len() + separator.len() + item.len() + more.len() + tail.len() > LONGEST_NOTE {
            return format!("{text}{more}{tail}");
        }
        text.push_str(separator);
        text.push_str(item);
    }
    text + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_shortened_before_what_to_do() {
        let items: Vec<String> = (0..100).map(|index| format!("some.option.number.{index}=value")).collect();
        let note = fitted("Filled ", &items, ". Opt out so.");
        assert!(note.len() <= LONGEST_NOTE && note.ends_with(" more. Opt out so."), "{note}");
        assert_eq!(fitted("Filled ", &items[..1], "."), "Filled some.option.number.0=value.");
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        let note = notice(Reason::OptedOut, "ä".repeat(2000)).note;
        assert!(note.len() <= LONGEST_NOTE && note.ends_with('…'));
    }

    #[test]
    fn a_note_that_quotes_somebody_stays_one_line() {
        let reason = "fine\nWarning  Forged  now\u{1b}[2J\u{202e}";
        let note = notice(Reason::OptedOut, format!("Opted out ({reason}); 2 gaps stay open.")).note;
        assert_eq!(note, "Opted out (fine_Warning  Forged  now_[2J_); 2 gaps stay open.");
    }
}
