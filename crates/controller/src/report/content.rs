//! A look -> what the job's report says. Pure: the same look gives the same report.

use std::collections::BTreeSet;

use checklist::policy::Chosen;
use checklist::{
    HoldReason, Holdings, Mode, Obedience, OptOut, Plan, Situation, Target, Timing, Verdict, annotations, find,
};
use flink_api::{
    FilledValueReport, FindingReport, FindingsReport, FlinkDeployment, HistoryEntry, HoldReport, ManagedByReport,
    OptOutReport, PendingReport, PolicyReport, QuarantineReport, ReportContent, Standing,
};
use jiff::Timestamp;

use super::history::{self, Remembered};
use crate::reconcile::verify;

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
    /// Why the server refused the change, in a word and in a sentence.
    pub(crate) refused: Option<(&'static str, &'a str)>,
    /// How the last restart stands.
    pub(crate) restart: verify::Standing,
    /// What the last report says of the past.
    pub(crate) before: Option<&'a Remembered>,
    /// The policy that counts.
    pub(crate) chosen: &'a Chosen,
}

/// What the job's report says after this look.
pub(crate) fn content(seen: Seen<'_>) -> ReportContent {
    let Seen { deployment, plan, holdings, obedience, .. } = seen;
    let situation = Situation::of(deployment);
    let history = history::after(holdings, &situation, seen.restart, seen.before);
    let mut content = ReportContent {
        mode: seen.mode.to_string(),
        policy: policy(seen.chosen, obedience),
        findings: findings(plan, obedience),
        filled: filled(holdings, &history, seen.before),
        pending: pending(plan),
        hold: seen.refused.map(refused).or_else(|| hold(plan, seen.quiet_until)),
        opt_out: opt_out(deployment, obedience),
        quarantine: quarantine(deployment, holdings),
        managed_by: ManagedByReport::of(deployment),
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
        return Standing::ModeOff;
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
        Timing::Now if content.hold.is_some() => Standing::Held,
        Timing::Now | Timing::NextDeploy => Standing::Pending,
        Timing::Nothing if content.findings.gaps > 0 => Standing::Open,
        Timing::Nothing if content.filled.is_empty() => Standing::Compliant,
        Timing::Nothing => Standing::Remediated,
    }
}

fn message(seen: Seen<'_>, content: &ReportContent) -> String {
    let problems: Vec<String> = seen.obedience.problems.iter().map(ToString::to_string).collect();
    match content.standing {
        Standing::ModeOff => "The mode is Off: nothing is filled and nothing is said.".to_owned(),
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

/// Whether a report has a line for it, beyond counting.
pub(super) fn is_listed(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Gap | Verdict::Advice | Verdict::Implicit => true,
        Verdict::Pass | Verdict::NotApplicable => false,
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
    let items = told.iter().filter(|finding| is_listed(finding.judgement.verdict));
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
    let rules: BTreeSet<&str> = plan.fills.values().map(|fill| fill.rule).collect();
    Some(PendingReport {
        plan: plan.hash.clone(),
        rules: rules.into_iter().map(str::to_owned).collect(),
        fills: plan.fills.iter().take(MOST).map(|(target, fill)| shown(target, &fill.value)).collect(),
        leaving: plan.leaving.iter().take(MOST).map(|target| bounded(target.to_string())).collect(),
        restarts: plan.restarts,
    })
}

fn refused((reason, message): (&'static str, &str)) -> HoldReport {
    HoldReport { reason: reason.to_owned(), message: bounded(message.to_owned()), next_retry: None }
}

fn hold(plan: &Plan, quiet_until: Option<Timestamp>) -> Option<HoldReport> {
    let reason = match &plan.timing {
        Timing::Held(reason) => reason,
        Timing::NextDeploy if plan.is_pressing() => &HoldReason::NextDeploy,
        Timing::NextDeploy | Timing::Now | Timing::Nothing => return None,
    };
    let next_retry = reason.until().or_else(|| quiet_until.filter(|_| *reason == HoldReason::Quiet));
    Some(HoldReport { reason: reason.label().to_owned(), message: bounded(reason.to_string()), next_retry })
}

fn policy(chosen: &Chosen, obedience: &Obedience) -> PolicyReport {
    PolicyReport {
        name: chosen.policy.name.clone(),
        decided_by: chosen.decided_by.to_owned(),
        problem: chosen.policy.problem.clone().map(bounded),
        denied_opt_outs: obedience.denied.iter().map(|code| (*code).to_owned()).collect(),
    }
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
fn quarantine(deployment: &FlinkDeployment, holdings: &Holdings) -> Option<QuarantineReport> {
    let plan = deployment.annotation(annotations::QUARANTINED)?;
    let recorded = holdings.quarantine.as_ref();
    Some(QuarantineReport {
        plan: bounded(plan.to_owned()),
        at: recorded.map(|quarantine| quarantine.at),
        why: recorded.map(|quarantine| bounded(quarantine.why.clone())),
    })
}

/// `key=value` for people: secrets masked, and no longer than it has to be.
pub(super) fn shown(target: &Target, value: &str) -> String {
    bounded(target.shown(value))
}

fn bounded(text: String) -> String {
    checklist::cut(text, LONGEST)
}

#[cfg(test)]
mod tests {
    use checklist::policy::Policies;
    use checklist::{Platform, Policy, Subject, plan};
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn job(annotations: &Value, conf: &Value, status: &Value) -> FlinkDeployment {
        serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 4, "annotations": annotations},
            "spec": {"flinkVersion": "v1_17", "flinkConfiguration": conf, "job": {"upgradeMode": "savepoint"}},
            "status": status,
        }))
        .unwrap()
    }

    fn stable() -> Value {
        json!({"lifecycleState": "STABLE", "jobStatus": {"state": "RUNNING"}, "observedGeneration": 4,
               "reconciliationStatus": {"lastReconciledSpec": "{}"}})
    }

    fn report(job: &FlinkDeployment, mode: Mode, change_plan: impl FnOnce(&mut Plan)) -> ReportContent {
        let subject = Subject::new(job, &Platform::stock()).unwrap();
        let none = std::collections::BTreeMap::new();
        let obedience = Obedience::read(job.metadata.annotations.as_ref().unwrap_or(&none), &none, now());
        let holdings = Holdings::of(job);
        let policy = Policy { mode, ..Policy::default() };
        let mut plan = plan(&subject, &Situation::of(job), &holdings, &obedience, &policy);
        change_plan(&mut plan);
        content(Seen {
            deployment: job,
            plan: &plan,
            holdings: &holdings,
            obedience: &obedience,
            mode: obedience.mode(mode),
            quiet_until: Some(now()),
            dry_run: false,
            refused: None,
            restart: verify::Standing::Nothing,
            before: None,
            chosen: &Policies::default().built_in(),
        })
    }

    fn rocksdb() -> Value {
        json!({"state.backend.type": "rocksdb", "state.savepoints.dir": "s3://a/b"})
    }

    #[test]
    fn what_is_held_says_why_and_until_when_where_that_is_a_time() {
        let running = job(&json!({}), &rocksdb(), &stable());
        let told = report(&running, Mode::NextDeploy, |_| {});
        let hold = told.hold.unwrap();
        assert_eq!((told.standing, hold.reason.as_str(), hold.next_retry), (Standing::Held, "NextDeploy", None));
        assert!(told.message.starts_with("Held: the mode is NextDeploy") && told.findings.gaps > 0, "{}", told.message);
        let pending = told.pending.unwrap();
        assert!(pending.restarts && told.history.is_empty());
        assert!(pending.rules.contains(&"CKP003".to_owned()) && pending.rules.is_sorted(), "{:?}", pending.rules);
        for (reason, retry) in [
            (HoldReason::Quiet, true),
            (HoldReason::HourlyBudget(now()), true),
            (HoldReason::InFlight("x".into()), false),
            (HoldReason::SavepointPending, false),
        ] {
            let told = report(&running, Mode::Apply, |plan| plan.timing = Timing::Held(reason.clone()));
            assert_eq!(told.hold.unwrap().next_retry, retry.then(now), "{reason:?}");
        }
    }

    #[test]
    fn each_standing_has_its_reason() {
        let opted_out = |text: &str| json!({"flink-remedy.dev/opt-out": text});
        let of = |annotations: &Value, mode| report(&job(annotations, &rocksdb(), &stable()), mode, |_| {});
        assert_eq!(of(&opted_out("true"), Mode::Apply).standing, Standing::OptedOut);
        let unreadable = of(&opted_out("no-such-rule"), Mode::Apply);
        assert!(unreadable.message.contains("no-such-rule") && unreadable.standing == Standing::OptedOut);
        let off = of(&json!({"flink-remedy.dev/mode": "Off"}), Mode::Apply);
        assert_eq!((off.standing, off.mode.as_str(), off.pending), (Standing::ModeOff, "Off", None));
        let quarantined = of(&json!({"flink-remedy.dev/quarantined": "abc"}), Mode::Apply);
        assert_eq!(
            (quarantined.standing, quarantined.quarantine.unwrap().plan.as_str()),
            (Standing::Quarantined, "abc")
        );
        let running = job(&json!({}), &rocksdb(), &stable());
        let timing = |timing: Timing| report(&running, Mode::Apply, |plan| plan.timing = timing).standing;
        assert_eq!((timing(Timing::Now), timing(Timing::Nothing)), (Standing::Pending, Standing::Open));
        let settled = |plan: &mut Plan| {
            plan.timing = Timing::Nothing;
            plan.findings.retain(|finding| finding.judgement.verdict != Verdict::Gap);
        };
        assert_eq!(report(&running, Mode::Apply, settled).standing, Standing::Compliant);
    }

    #[test]
    fn a_rule_that_is_opted_out_finds_nothing_and_the_opt_out_is_told() {
        let annotations = json!({"flink-remedy.dev/opt-out": "CKP003", "flink-remedy.dev/opt-out-reason": "slow disks",
                                 "flink-remedy.dev/opt-out-until": "2026-02-01"});
        let told = report(&job(&annotations, &rocksdb(), &stable()), Mode::Apply, |_| {});
        assert!(told.findings.items.iter().all(|finding| finding.rule != "CKP003"));
        let opt_out = told.opt_out.unwrap();
        assert_eq!((opt_out.rules, opt_out.reason.as_deref()), (vec!["CKP003".to_owned()], Some("slow disks")));
        assert_eq!(opt_out.until, Some("2026-02-02T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn nothing_in_a_report_is_without_bounds_or_secret() {
        let mut conf = serde_json::Map::from_iter([("s3.secret-key".to_owned(), json!("hunter2"))]);
        conf.extend((0..200).map(|index| (format!("a{index}.secret-key"), json!("hunter2"))));
        let long = "y".repeat(5000);
        let annotations = json!({"flink-remedy.dev/opt-out": "CKP003", "flink-remedy.dev/opt-out-reason": long});
        let mut told = report(&job(&annotations, &Value::Object(conf), &stable()), Mode::Apply, |plan| {
            let secret = checklist::PlannedFill { value: "hunter2".into(), rule: "MET001" };
            plan.fills.insert(Target::option("s3.access-key"), secret);
        });
        assert!(
            told.findings.items.len() == MOST
                && told.opt_out.as_ref().unwrap().reason.as_ref().unwrap().len() <= LONGEST
        );
        assert!(told.pending.as_ref().unwrap().fills.iter().any(|fill| fill == "s3.access-key=******"));
        told.message.push_str(&invalid(&long, None).message);
        let text = serde_json::to_string(&told).unwrap();
        assert!(!text.contains("hunter2") && text.len() < 64 * 1024, "{}", text.len());
    }

    #[test]
    fn the_same_look_gives_the_same_report() {
        let running = job(&json!({}), &rocksdb(), &stable());
        let one = report(&running, Mode::NextDeploy, |_| {});
        assert_eq!(one, report(&running, Mode::NextDeploy, |_| {}));
        let read: ReportContent = serde_json::from_value(serde_json::to_value(&one).unwrap()).unwrap();
        assert_eq!(read, one);
    }
}
