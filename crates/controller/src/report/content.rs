//! A look -> what the job's report says. Pure: the same look gives the same report.

use checklist::{
    HoldReason, Holdings, Mode, Obedience, OptOut, Plan, Situation, Target, Timing, Verdict, annotations, find,
};
use flink_api::{
    FilledValueReport, FindingReport, FindingsReport, FlinkDeployment, HistoryEntry, HoldReport, OptOutReport,
    PendingReport, QuarantineReport, ReportContent, Standing,
};
use jiff::Timestamp;

use super::history::{self, Remembered};

/// Longest text in a report, in bytes.
const LONGEST: usize = 1024;
/// Most findings and values that are listed.
const MOST: usize = 50;

/// Everything that a report is made of.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) deployment: &'a FlinkDeployment,
    pub(crate) plan: &'a Plan,
    pub(crate) holdings: &'a Holdings,
    pub(crate) obedience: &'a Obedience,
    /// The mode in force.
    pub(crate) mode: Mode,
    /// When the quiet period is over, if it is not.
    pub(crate) quiet_until: Option<Timestamp>,
    /// Whether nothing is written to jobs.
    pub(crate) dry_run: bool,
    /// What the last report says of the past.
    pub(crate) before: Option<&'a Remembered>,
}

/// What the job's report says after this look.
pub(crate) fn content(seen: Seen<'_>) -> ReportContent {
    let Seen { deployment, plan, holdings, obedience, .. } = seen;
    let situation = Situation::of(deployment);
    let history = history::after(holdings, &situation, seen.before);
    let mut content = ReportContent {
        mode: seen.mode.to_string(),
        findings: findings(plan, obedience),
        filled: filled(holdings, &history, seen.before),
        pending: pending(plan),
        hold: hold(plan, seen.quiet_until),
        opt_out: opt_out(deployment, obedience),
        quarantine: quarantine(deployment),
        history,
        ..ReportContent::default()
    };
    content.standing = standing(seen, &content);
    content.message = bounded(message(seen, &content));
    content
}

/// The report of a resource that cannot be judged: what is known of the past stays.
pub(crate) fn invalid(why: &str, before: Option<&Remembered>) -> ReportContent {
    ReportContent {
        standing: Standing::Invalid,
        message: bounded(format!("Not judged: {why}.")),
        history: before.map(|before| before.history.clone()).unwrap_or_default(),
        ..ReportContent::default()
    }
}

fn standing(seen: Seen<'_>, content: &ReportContent) -> Standing {
    let Seen { plan, obedience, .. } = seen;
    if seen.mode == Mode::Off {
        return Standing::Off;
    }
    if obedience.opt_out == OptOut::All {
        return Standing::OptedOut;
    }
    if content.quarantine.is_some() {
        return Standing::Quarantined;
    }
    match &plan.timing {
        Timing::Held(_) => Standing::Held,
        Timing::NextDeploy if plan.is_pressing() => Standing::Held,
        Timing::Now | Timing::NextDeploy => Standing::Pending,
        Timing::Nothing if content.findings.gaps > 0 => Standing::Open,
        Timing::Nothing if content.filled.is_empty() => Standing::Compliant,
        Timing::Nothing => Standing::Remediated,
    }
}

fn message(seen: Seen<'_>, content: &ReportContent) -> String {
    let problems: Vec<String> = seen.obedience.problems.iter().map(ToString::to_string).collect();
    match content.standing {
        Standing::Off => "The mode is Off: nothing is filled and nothing is said.".to_owned(),
        Standing::OptedOut if !problems.is_empty() => {
            format!("{}. The whole job counts as opted out until it is corrected.", problems.join("; "))
        }
        Standing::OptedOut => format!("Left alone by annotation {}.", annotations::OPT_OUT),
        Standing::Quarantined => {
            "A change failed on this job and is not made again; see the quarantine and the history.".to_owned()
        }
        Standing::Held => content.hold.as_ref().map(|hold| format!("Held: {}.", hold.message)).unwrap_or_default(),
        Standing::Pending if seen.dry_run => "A dry run: it would be written now.".to_owned(),
        Standing::Pending if seen.plan.timing == Timing::Now => "It is written at the next look.".to_owned(),
        Standing::Pending => {
            "Right by default already, so it is not worth a restart; it is written down at the next deployment."
                .to_owned()
        }
        Standing::Open => {
            let refused: Vec<String> = seen.plan.refused.iter().map(|(code, why)| format!("{code}: {why}")).collect();
            if refused.is_empty() {
                "There are gaps that are not filled; see the findings.".to_owned()
            } else {
                format!("There are gaps that cannot be filled: {}.", refused.join("; "))
            }
        }
        Standing::Compliant => advised("Nothing to fill", content),
        Standing::Remediated => advised("Nothing left to fill", content),
        Standing::Invalid | Standing::Unknown => String::new(),
    }
}

fn advised(head: &str, content: &ReportContent) -> String {
    match content.findings.advice {
        0 => format!("{head}."),
        1 => format!("{head}; one finding is for a human."),
        advice => format!("{head}; {advice} findings are for a human."),
    }
}

fn findings(plan: &Plan, obedience: &Obedience) -> FindingsReport {
    // Of a job that is opted out whole everything is told; a rule that is opted out finds nothing.
    let is_silent = |rule| obedience.opt_out != OptOut::All && obedience.is_opted_out(rule);
    let told: Vec<_> = plan.findings.iter().filter(|finding| !is_silent(finding.rule)).collect();
    let count = |verdict| {
        let found = told.iter().filter(|finding| finding.judgement.verdict == verdict);
        u32::try_from(found.count()).unwrap_or(u32::MAX)
    };
    let items = told.iter().filter(|finding| match finding.judgement.verdict {
        Verdict::Gap | Verdict::Advice | Verdict::Implicit => true,
        Verdict::Pass | Verdict::NotApplicable => false,
    });
    let items = items.take(MOST).map(|finding| FindingReport {
        rule: finding.rule.code.to_owned(),
        name: finding.rule.name.to_owned(),
        verdict: <&str>::from(finding.judgement.verdict).to_owned(),
        message: bounded(finding.judgement.message.clone()),
        key: finding.judgement.about.as_ref().map(|key| bounded(key.to_string())),
    });
    FindingsReport {
        gaps: count(Verdict::Gap),
        advice: count(Verdict::Advice),
        implicit: count(Verdict::Implicit),
        items: items.collect(),
    }
}

fn filled(holdings: &Holdings, history: &[HistoryEntry], before: Option<&Remembered>) -> Vec<FilledValueReport> {
    let listed = holdings.filled.iter().flat_map(|filled| &filled.values);
    let ours = listed.filter(|(target, _)| holdings.ours.contains_key(*target));
    let values = ours.take(MOST).map(|(target, value)| {
        let told = before.and_then(|before| before.written.get(&target.to_string()));
        let told = told.filter(|told| told.change == value.change).and_then(|told| told.at);
        let written = history.iter().find(|entry| entry.change == value.change).and_then(|entry| entry.at);
        FilledValueReport {
            target: bounded(target.to_string()),
            shown: shown(target, &value.value),
            rule: value.rule.clone(),
            why: find(&value.rule).map(|rule| rule.summary().to_owned()).unwrap_or_default(),
            change: value.change.clone(),
            at: written.or(told),
        }
    });
    values.collect()
}

fn pending(plan: &Plan) -> Option<PendingReport> {
    if plan.is_empty() || plan.timing == Timing::Nothing {
        return None;
    }
    Some(PendingReport {
        plan: plan.hash.clone(),
        fills: plan.fills.iter().take(MOST).map(|(target, fill)| shown(target, &fill.value)).collect(),
        leaving: plan.leaving.iter().take(MOST).map(|target| bounded(target.to_string())).collect(),
        restarts: plan.restarts,
    })
}

fn hold(plan: &Plan, quiet_until: Option<Timestamp>) -> Option<HoldReport> {
    let reason = match &plan.timing {
        Timing::Held(reason) => reason,
        Timing::NextDeploy if plan.is_pressing() => &HoldReason::NextDeploy,
        Timing::NextDeploy | Timing::Now | Timing::Nothing => return None,
    };
    let next_retry = match reason {
        HoldReason::HourlyBudget(free_at) => Some(*free_at),
        HoldReason::Quiet => quiet_until,
        _ => None,
    };
    Some(HoldReport { reason: reason.label().to_owned(), message: bounded(reason.to_string()), next_retry })
}

fn opt_out(deployment: &FlinkDeployment, obedience: &Obedience) -> Option<OptOutReport> {
    let rules = match &obedience.opt_out {
        OptOut::None => return None,
        OptOut::Rules(codes) => codes.iter().map(|code| (*code).to_owned()).collect(),
        OptOut::All => Vec::new(),
    };
    let reason = deployment.annotation(annotations::OPT_OUT_REASON).map(|reason| bounded(reason.to_owned()));
    Some(OptOutReport { rules, reason, until: obedience.expires })
}

/// What the job itself says of it: that, and not this report, is what counts.
fn quarantine(deployment: &FlinkDeployment) -> Option<QuarantineReport> {
    let plan = deployment.annotation(QUARANTINED)?;
    Some(QuarantineReport { plan: bounded(plan.to_owned()), at: None, why: None })
}

const QUARANTINED: &str = "flink-remedy.dev/quarantined";

/// `key=value` for people: secrets masked, and no longer than it has to be.
pub(super) fn shown(target: &Target, value: &str) -> String {
    bounded(target.shown(value))
}

fn bounded(mut text: String) -> String {
    const MARK: &str = "…";
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST - MARK.len()));
        text.push_str(MARK);
    }
    text
}
