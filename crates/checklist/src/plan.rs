use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use flink_conf::options::spelled;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::closure::{Closure, Open};
use crate::filled::hex;
use crate::given_up::{quarantine, tug_of_war};
use crate::leaving::Leaving;
use crate::moment::{is_free, is_ours_to_write, is_rolled_back, moment};
use crate::policy::{Opening, Rollout};
use crate::{
    Approval, Arrival, Disruption, Finding, HoldReason, Holdings, Mode, Moment, Obedience, OptOut, Policy, RULES, Rule,
    Setback, Situation, Subject, Target, Verdict, evaluate, find,
};

/// When a plan may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Right now.
    Now,
    /// At the next free moment.
    NextDeploy,
    /// Not before this is over.
    Held(HoldReason),
    /// There is nothing to do.
    Nothing,
}

/// One value of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedFill {
    /// What is written.
    pub value: String,
    /// Code of the rule that asks for it.
    pub rule: &'static str,
}

/// All fills of one job in one change, with the moment at which it may be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the rules say of the subject as it is.
    pub findings: Vec<Finding>,
    /// Absent values to write.
    pub fills: BTreeMap<Target, PlannedFill>,
    /// Values of ours that leave: the owner sets the option in another spelling, or they would stop the job on
    /// Flink 2 beside another key.
    pub leaving: BTreeSet<Target>,
    /// What is done about a restart that has failed; comes before everything else.
    pub setback: Option<Setback>,
    /// Fills that FKO would refuse or die of, with the reason, by code.
    pub refused: Vec<(&'static str, String)>,
    /// When.
    pub timing: Timing,
    /// Whether a person's approval is what allows it.
    pub approved: bool,
    /// Whether it restarts a running job.
    pub restarts: bool,
    /// Whether it closes a gap, beyond writing down what is right by default.
    pub closes_gap: bool,
    /// Rules whose mode lets their gaps be told and no more, by code.
    pub only_told: BTreeSet<&'static str>,
    /// Identifies what is written and removed; empty when there is nothing to do.
    pub hash: String,
}

impl Plan {
    fn nothing() -> Self {
        Self {
            findings: Vec::new(),
            fills: BTreeMap::new(),
            leaving: BTreeSet::new(),
            setback: None,
            refused: Vec::new(),
            timing: Timing::Nothing,
            approved: false,
            restarts: false,
            closes_gap: false,
            only_told: BTreeSet::new(),
            hash: String::new(),
        }
    }

    /// Whether the plan writes or removes nothing.
    pub fn is_empty(&self) -> bool {
        self.fills.is_empty() && self.leaving.is_empty()
    }

    /// Whether a person would want it done at a cost: it closes a gap, or lets go of what the owner took over.
    pub fn is_pressing(&self) -> bool {
        self.closes_gap || !self.leaving.is_empty()
    }
}

/// Plans one job with the rules of the checklist.
pub fn plan(
    subject: &Subject,
    situation: &Situation,
    holdings: &Holdings,
    obedience: &Obedience,
    policy: &Policy,
) -> Plan {
    plan_with(RULES, subject, situation, holdings, obedience, policy)
}

/// Plans one job with these rules: fills are merged until nothing changes, so that a fill which makes
/// another rule applicable brings that rule's fill along and the job restarts once.
pub fn plan_with(
    rules: &[&'static Rule],
    subject: &Subject,
    situation: &Situation,
    holdings: &Holdings,
    obedience: &Obedience,
    policy: &Policy,
) -> Plan {
    let is_on = |rule: &&'static Rule| policy.mode == Mode::Off || policy.mode_of(rule) > Mode::Off;
    let rules: Vec<&'static Rule> = rules.iter().copied().filter(is_on).collect();
    if situation.arrival == Some(Arrival::Corrects) {
        return corrections(&rules, subject, holdings, policy);
    }
    let free = is_free(situation);
    let (mut plan, changed) = propose(&rules, subject, situation, holdings, obedience, policy, free);
    let mode = mode(&plan, obedience, policy);
    let may_write = obedience.mode(policy.furthest_mode()) > Mode::Advise
        && obedience.opt_out != OptOut::All
        && is_ours_to_write(situation);
    if may_write && !policy.rollout.paused {
        plan.setback = Setback::of(situation, subject, holdings);
    }
    if plan.is_empty() || mode == Mode::Off || obedience.opt_out == OptOut::All {
        plan.fills.clear();
        plan.leaving.clear();
        plan.hash.clear();
        plan.closes_gap = false;
        return plan;
    }
    plan.restarts = !free && disruption(&plan) > Disruption::None;
    plan.approved = is_approved(&plan.hash, obedience, holdings);
    plan.timing = if mode == Mode::Advise {
        Timing::Held(HoldReason::Advise)
    } else if plan.is_pressing() || !plan.restarts {
        let moment = allowed(moment(situation, subject, &changed), &policy.rollout);
        match quarantine(&plan, &moment, holdings).or_else(|| tug_of_war(&plan, situation, holdings)) {
            Some(hold) => Timing::Held(hold),
            None => timing(&plan, moment, mode, holdings, gate(situation, &policy.rollout, holdings, &plan.hash)),
        }
    } else {
        Timing::NextDeploy
    };
    let is_used = plan.restarts || holdings.is_left_to().is_some();
    plan.approved &= is_used && plan.timing == Timing::Now;
    plan
}

/// What keeps right the values that are ours already, beside what their owner is just changing; nothing is added, whatever the
/// mode is and whoever opted out: they are ours to keep from harm.
fn corrections(rules: &[&'static Rule], subject: &Subject, holdings: &Holdings, policy: &Policy) -> Plan {
    let leaving = Leaving::of(subject, holdings);
    let fills = respelled(&leaving, &leaving.without_overlapping(subject), holdings);
    let leaving = leaving.all();
    let hash = hash(&fills, &leaving);
    let timing = if leaving.is_empty() { Timing::Nothing } else { Timing::Now };
    Plan { findings: evaluate(rules, subject, policy), fills, leaving, timing, hash, ..Plan::nothing() }
}

/// What would be written, without a moment for it yet, and the subject with it.
fn propose<'a>(
    rules: &[&'static Rule],
    subject: &'a Subject,
    situation: &Situation,
    holdings: &Holdings,
    obedience: &Obedience,
    policy: &Policy,
    free: bool,
) -> (Plan, Cow<'a, Subject>) {
    if let Some(plan) = taking_back(rules, subject, situation, holdings, policy, free) {
        return (plan, Cow::Borrowed(subject));
    }
    let leaving = Leaving::of(subject, holdings);
    let subject_then = leaving.without_overlapping(subject);
    let respelled = respelled(&leaving, &subject_then, holdings);
    let leaving = leaving.all();
    // Of the others no fill comes.
    let fills = |rule: &&'static Rule| !rule.writes.is_empty() && !obedience.is_opted_out(rule);
    let may_act = |rule: &&'static Rule| obedience.mode(policy.mode_of(rule)) > Mode::Advise;
    let (acting, telling): (Vec<_>, Vec<_>) = rules.iter().copied().filter(fills).partition(may_act);
    let findings = evaluate(rules, subject, policy);
    let is_as_it_is = matches!(subject_then, Cow::Borrowed(_)) && respelled.is_empty();
    let known = is_as_it_is.then_some(findings.as_slice());
    let open = Open { subject: &subject_then, respelled: &respelled, findings: known, policy };
    let close = |rules: &[&'static Rule]| closed(rules, open, free, !leaving.is_empty());
    let mut closure = close(&acting);
    let mut only_told = BTreeSet::new();
    if closure.fills.is_empty() && leaving.is_empty() && !telling.is_empty() {
        let refused = std::mem::take(&mut closure.refused);
        closure = close(&telling);
        closure.refused.extend(refused);
    } else {
        only_told.extend(telling.iter().map(|rule| rule.code));
    }
    let Closure { fills, refused, subject: filled, closes_gap } = closure;
    let filled = match filled {
        Cow::Owned(filled) => Some(filled),
        Cow::Borrowed(_) => None,
    };
    let changed = filled.map_or(subject_then, Cow::Owned);
    let plan = Plan {
        findings,
        hash: hash(&fills, &leaving),
        fills,
        leaving,
        refused: refused.into_iter().map(|((code, _), reason)| (code, reason)).collect(),
        closes_gap,
        only_told,
        ..Plan::nothing()
    };
    (plan, changed)
}

/// What these rules fill.
fn closed<'a>(rules: &[&'static Rule], open: Open<'a>, free: bool, leaves: bool) -> Closure<'a> {
    let close = |verdicts: &[Verdict]| Closure::of(rules, open, verdicts);
    if free {
        return close(&[Verdict::Gap, Verdict::Implicit]);
    }
    let gaps = close(&[Verdict::Gap]);
    // A running job waits for its next deployment with what is right by default only.
    if gaps.closes_gap || leaves {
        return gaps;
    }
    let mut implicit = close(&[Verdict::Implicit]);
    // A gap that is refused stays worth telling.
    implicit.refused.extend(gaps.refused);
    implicit
}

/// How far the furthest of the rules goes that fill something here.
fn mode(plan: &Plan, obedience: &Obedience, policy: &Policy) -> Mode {
    let rules = plan.fills.values().filter_map(|fill| find(fill.rule));
    obedience.mode(rules.map(|rule| policy.mode_of(rule)).max().unwrap_or(policy.mode))
}

/// The removal, and nothing else, of what is in quarantine and still in the spec, once that is free or FKO runs the job
/// on another spec anyway.
fn taking_back(
    rules: &[&'static Rule],
    subject: &Subject,
    situation: &Situation,
    holdings: &Holdings,
    policy: &Policy,
    free: bool,
) -> Option<Plan> {
    let quarantine = holdings.quarantine_in_force().filter(|_| free || is_rolled_back(situation))?;
    let ours =
        quarantine.values.keys().filter(|target| holdings.ours.contains_key(target) && !target.is_kept_once_run());
    let leaving: BTreeSet<Target> = ours.cloned().collect();
    let findings = evaluate(rules, subject, policy);
    let plan =
        || Plan { findings, hash: hash(&BTreeMap::new(), &leaving), leaving: leaving.clone(), ..Plan::nothing() };
    (!leaving.is_empty()).then(plan)
}

/// The moment as the policy sees it: some restarts that lose more than time it allows beforehand.
pub(crate) fn allowed(moment: Moment, rollout: &Rollout) -> Moment {
    match moment {
        Moment::NeedsApproval(HoldReason::Stateless) if rollout.stateless => Moment::Stable,
        Moment::NeedsApproval(HoldReason::SessionCluster(_)) if rollout.sessions => Moment::Stable,
        Moment::Free(_) | Moment::Stable | Moment::NeedsApproval(_) | Moment::Blocked(_) => moment,
    }
}

/// Why no job may restart of itself now, whatever its own state is.
fn gate(situation: &Situation, rollout: &Rollout, holdings: &Holdings, plan: &str) -> Option<HoldReason> {
    if rollout.paused {
        Some(HoldReason::Paused)
    } else if !rollout.accepts_operator() {
        Some(HoldReason::OperatorVersion(rollout.operator()))
    } else if situation.quiet_until.is_some() {
        Some(HoldReason::Quiet)
    } else {
        situation.now.and_then(|now| not_yet(now, rollout, holdings, plan))
    }
}

/// What the clock has to say: the notice comes first, so that it is given while no window is open.
fn not_yet(now: Timestamp, rollout: &Rollout, holdings: &Holdings, plan: &str) -> Option<HoldReason> {
    let announced = holdings.filled.as_ref().and_then(|filled| filled.announced_at(plan));
    if rollout.notice.is_some() && announced.is_none_or(|at| !rollout.is_noticed(at, now)) {
        return Some(HoldReason::Announced(announced.map(|at| rollout.announced_for(at))));
    }
    match rollout.opening(now) {
        Opening::Open => None,
        Opening::At(opens, which) => Some(HoldReason::Window(Some((opens, which)))),
        Opening::Never => Some(HoldReason::Window(None)),
    }
}

fn timing(plan: &Plan, moment: Moment, mode: Mode, holdings: &Holdings, gate: Option<HoldReason>) -> Timing {
    match moment {
        Moment::Free(_) => Timing::Now,
        Moment::Stable | Moment::NeedsApproval(_) if !plan.restarts => Timing::Now,
        Moment::Stable | Moment::NeedsApproval(_) if gate == Some(HoldReason::Paused) => {
            Timing::Held(HoldReason::Paused)
        }
        Moment::Stable | Moment::NeedsApproval(_) if plan.approved => Timing::Now,
        // What FKO has rolled back is in the way of every other change until it leaves.
        Moment::Blocked(HoldReason::RolledBack) if plan.approved && plan.fills.is_empty() => Timing::Now,
        Moment::Blocked(reason) | Moment::NeedsApproval(reason) => Timing::Held(reason),
        // What leaves rides along with a gap's restart; it is not worth one of its own.
        Moment::Stable if !plan.closes_gap => Timing::Held(HoldReason::OwnerTookOver),
        Moment::Stable if plan.fills.keys().any(|target| holdings.removed.contains(target)) => {
            Timing::Held(HoldReason::Removed)
        }
        Moment::Stable if mode == Mode::Apply => gate.map_or(Timing::Now, Timing::Held),
        Moment::Stable => Timing::NextDeploy,
    }
}

fn disruption(plan: &Plan) -> Disruption {
    plan.fills.keys().chain(&plan.leaving).map(Target::disruption).max().unwrap_or(Disruption::None)
}

/// An approval holds for one restart: the one that used it up is in our record.
fn is_approved(hash: &str, obedience: &Obedience, holdings: &Holdings) -> bool {
    let used = holdings.filled.as_ref().and_then(|filled| filled.approval_used.as_deref());
    match &obedience.approval {
        Some(Approval::Now) => used != Some("now"),
        Some(Approval::Plan(approved)) => approved == hash && used != Some(approved),
        None => false,
    }
}

/// Identifies what is written and removed.
pub(crate) fn hash(fills: &BTreeMap<Target, PlannedFill>, leaving: &BTreeSet<Target>) -> String {
    if fills.is_empty() && leaving.is_empty() {
        return String::new();
    }
    let mut digest = Sha256::new();
    for (target, fill) in fills {
        digest.update(format!("+{target}={}\n", fill.value));
    }
    for target in leaving {
        digest.update(format!("-{target}\n"));
    }
    hex(&digest.finalize()[..6])
}

/// Values of ours that overlap with another key, under the name that the job's Flink has for them now. They keep their
/// value whatever the policy says today: state and high availability must be found where they are. Not so where the
/// `subject` without them has the option all the same, by a layer that ours had hidden.
fn respelled(leaving: &Leaving, subject: &Subject, holdings: &Holdings) -> BTreeMap<Target, PlannedFill> {
    let mut respelled = BTreeMap::new();
    for target in &leaving.overlapping {
        let (Target::Option(key), Some(value)) = (target, holdings.ours.get(target)) else { continue };
        let Some(option) = spelled(key.as_str()) else { continue };
        let now = option.key(subject.version);
        if now != *key && !option.spellings().iter().any(|other| subject.conf.get(other).is_some()) {
            let rule = holdings.filled.as_ref().and_then(|filled| find(&filled.values.get(target)?.rule));
            let rule = rule.map_or("", |rule| rule.code);
            respelled.insert(Target::Option(now), PlannedFill { value: value.clone(), rule });
        }
    }
    respelled
}
