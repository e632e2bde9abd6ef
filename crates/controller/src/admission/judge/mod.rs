//! One request -> what is changed in it. Reads caches that are handed in, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use checklist::annotations::{FILLED, OPT_OUT, QUARANTINED};
use checklist::policy::Chosen;
use checklist::{
    Arrival, Filled, Finding, Holdings, Mode, Obedience, OptOut, Plan, Policy, Situation, SpecChange, Subject, Target,
    Timing, URGENT, Verdict, cut, plan,
};
use flink_api::{FieldOwners, FlinkDeployment, Kind, last_reconciled_spec, spec_in, spec_of};
use jiff::Timestamp;
use json_patch::Patch;
use serde_json::{Value, json};

use crate::admission::wire::Request;
use crate::policies::KnownPolicies;
use crate::reconcile::decide::{Intent, decide};
use crate::reconcile::gather::Gathered;

/// Warnings of one answer. `kubectl` shows them all, so there are few.
const MOST_WARNINGS: usize = 3;
/// Longest warning in bytes: the API server may cut longer ones.
const LONGEST_WARNING: usize = 256;

/// What a review came to, a closed set for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub(crate) enum Outcome {
    /// Values were filled.
    Filled,
    /// Values of ours were taken out, or written under another name, and none was added.
    Corrected,
    /// There was nothing to change, or it would have cost a restart.
    Untouched,
    /// It is none of our concern: FKO's own change, ours, or a namespace that is not watched.
    Passed,
    /// The object, or what stands around it, cannot be judged.
    Unreadable,
    /// What was sent is no review.
    Malformed,
    /// A policy that is none.
    Refused,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Ruling {
    pub(crate) outcome: Outcome,
    pub(crate) patch: Patch,
    pub(crate) warnings: Vec<String>,
}

impl Ruling {
    /// The object is stored as it was sent.
    pub(crate) fn as_sent(outcome: Outcome) -> Self {
        Self { outcome, patch: Patch::default(), warnings: Vec::new() }
    }
}

/// The object as it is judged: as sent, with the status that it has, and without a record that is not its own.
#[derive(Debug)]
pub(crate) struct Arriving {
    /// As sent, but for annotations that say nothing.
    object: Value,
    pub(crate) deployment: FlinkDeployment,
    /// When it was sent, by what the API server noted on it, so that the same request always gets the same answer.
    at: Timestamp,
}

impl Arriving {
    /// Reads the object of a request; `None` where it is none that can be judged.
    pub(crate) fn read(request: &Request, kind: Kind, now: Timestamp) -> Option<Self> {
        let mut object = request.object.clone();
        object.get("metadata")?.as_object()?;
        let deployment = judged(request, kind, object.clone())?;
        let at = sent_at(&deployment).unwrap_or(now);
        if !request.is_create() || !is_copied(&deployment, at) {
            return Some(Self { object, deployment, at });
        }
        let annotations = object["metadata"]["annotations"].as_object_mut()?;
        annotations.retain(|name, _| name != FILLED && name != QUARANTINED);
        Some(Self { deployment: judged(request, kind, object.clone())?, object, at })
    }
}

/// With the namespace that it will be in, and the status that stays: the API server stores no other.
fn judged(request: &Request, kind: Kind, mut object: Value) -> Option<FlinkDeployment> {
    object["metadata"]["namespace"] = json!(request.namespace);
    object.as_object_mut()?.remove("status");
    if let (false, Some(status)) = (request.is_create(), request.old_object.get("status")) {
        object["status"] = status.clone();
    }
    FlinkDeployment::read(kind, object).ok()
}

/// When the newest change was made that is no status.
fn sent_at(deployment: &FlinkDeployment) -> Option<Timestamp> {
    let entries = deployment.metadata.managed_fields.iter().flatten();
    entries.filter(|entry| entry.subresource.is_none()).filter_map(|entry| Some(entry.time.as_ref()?.0)).max()
}

/// Whether the record came with the manifest. One that a webhook before us in the chain, which may be ourselves, has just
/// written is as old as the request.
fn is_copied(deployment: &FlinkDeployment, at: Timestamp) -> bool {
    let record = || serde_json::from_str::<Filled>(deployment.annotation(FILLED)?).ok();
    Filled::is_foreign(deployment, &FieldOwners::of(deployment)) && record().is_none_or(|record| record.at < at)
}

/// Judges one object.
pub(crate) fn judge(
    request: &Request,
    arriving: &Arriving,
    gathered: &Gathered,
    policies: &KnownPolicies,
    is_halted: impl FnOnce(&Policy) -> bool,
    now: Timestamp,
) -> Ruling {
    let deployment = &arriving.deployment;
    let cluster = gathered.session_cluster.as_ref();
    let Ok(subject) = Subject::of(deployment, cluster, &gathered.platform) else {
        return Ruling::as_sent(Outcome::Unreadable);
    };
    let no_annotations = BTreeMap::new();
    let annotations = deployment.metadata.annotations.as_ref().unwrap_or(&no_annotations);
    let chosen = policies.choose(deployment, &gathered.namespace.labels, Some(subject.version));
    let policy = &chosen.policy.policy;
    let obedience =
        Obedience::read(annotations, &gathered.namespace.annotations, now).without_leave_for(&policy.mandatory);
    // A record that is not its own is written anew with whatever is written.
    let holdings = Holdings { foreign_record: false, ..Holdings::of(deployment) };
    let mut situation = Situation::of(deployment);
    situation.layers_unreadable.clone_from(&gathered.layers_unreadable);
    situation.now = Some(now);
    if !situation.is_ours_to_write() {
        return Ruling::as_sent(Outcome::Untouched);
    }
    let mut taken_back = None;
    if !request.is_create() && !situation.is_free() {
        match owners_change(request, deployment.kind, &holdings) {
            OwnersChange::Nothing => return Ruling::as_sent(Outcome::Untouched),
            OwnersChange::TakenBack(riding) => taken_back = Some(riding),
            OwnersChange::Restarts { redeploys } => {
                let wants_fills =
                    obedience.mode(policy.furthest_mode()) > Mode::Advise && obedience.opt_out != OptOut::All;
                let may_add = !redeploys && wants_fills && situation.is_settled() && !is_halted(policy);
                situation.arrival = Some(if may_add { Arrival::Restarts } else { Arrival::Corrects });
            }
        }
    }
    let planned = |situation: &Situation| plan(&subject, situation, &holdings, &obedience, policy);
    let mut plan = planned(&situation);
    let is_new_spec = is_new_spec(request, deployment.kind);
    // Where nothing may be added, for whatever reason, what is there is kept right all the same.
    if plan.timing != Timing::Now && !request.is_create() && is_new_spec {
        situation.arrival = Some(Arrival::Corrects);
        plan = planned(&situation);
    }
    if let Some(leaving) = taken_back {
        plan.fills.clear();
        plan.hash.clear();
        (plan.leaving, plan.timing) = (leaving, Timing::Now);
    }
    let mut warnings = Vec::new();
    if is_new_spec && obedience.mode(policy.mode) > Mode::Off {
        warnings.extend(denied(&chosen, &obedience));
        warnings.extend(put_back(&plan, &holdings));
        warnings.extend(advice(&plan.findings, &obedience));
        warnings.truncate(MOST_WARNINGS);
    }
    let changed = changed(arriving, &plan, &holdings, &obedience);
    let outcome = match &changed {
        None => Outcome::Untouched,
        Some(_) if plan.fills.is_empty() => Outcome::Corrected,
        Some(_) => Outcome::Filled,
    };
    let patch = json_patch::diff(&request.object, changed.as_ref().unwrap_or(&arriving.object));
    Ruling { outcome, patch, warnings }
}

/// The object with what the plan does now, and its record.
fn changed(arriving: &Arriving, plan: &Plan, holdings: &Holdings, obedience: &Obedience) -> Option<Value> {
    if plan.timing != Timing::Now {
        return None;
    }
    let Intent::Patch(change) = decide(&arriving.deployment, plan, holdings, obedience, arriving.at) else {
        return None;
    };
    let mut record = change.record?;
    // Nobody has lost what is put back in the same request.
    record.lost = holdings.filled.as_ref().map(|filled| filled.lost.clone()).unwrap_or_default();
    let mut object = arriving.object.clone();
    let spec = spec_of(arriving.deployment.kind, &mut object)?;
    for (target, fill) in &plan.fills {
        *target.place(spec) = json!(fill.value);
    }
    for target in &plan.leaving {
        target.remove_from(spec);
    }
    object["metadata"]["annotations"][FILLED] = json!(record.to_text());
    Some(object)
}

/// What an owner's update does to a job that FKO has deployed.
enum OwnersChange {
    /// Nothing that restarts it.
    Nothing,
    /// FKO replaces the job for it.
    Restarts { redeploys: bool },
    /// What these values of ours rode along with is taken back before FKO has acted on it: with them alone the job would
    /// still restart.
    TakenBack(BTreeSet<Target>),
}

/// Compares with the spec that FKO acted on last, since what was changed and changed back since restarts nothing. That the
/// owner's request changes the very same keeps what FKO reads as equal, and we do not, from looking like a restart.
fn owners_change(request: &Request, kind: Kind, holdings: &Holdings) -> OwnersChange {
    let spec = |object| spec_in(kind, object).unwrap_or(&Value::Null);
    let (old, new) = (spec(&request.old_object), spec(&request.object));
    let Some(last) = last_reconciled_spec(kind, &request.old_object) else { return OwnersChange::Nothing };
    let riding = riding(&last, holdings);
    let without = |spec: &Value| {
        let mut spec = spec.clone();
        for target in &riding {
            target.remove_from(&mut spec);
        }
        spec
    };
    let change = SpecChange::between(&last, &without(new));
    let (is_over, redeploys) = (!change.restarts(), change.redeploys());
    if change.shared_with(&SpecChange::between(old, new)).restarts() {
        return OwnersChange::Restarts { redeploys };
    }
    let was_pending = || SpecChange::between(&last, &without(old)).restarts();
    if !riding.is_empty() && is_over && was_pending() {
        return OwnersChange::TakenBack(riding);
    }
    OwnersChange::Nothing
}

/// Values of ours that FKO has not acted on yet, but for those whose restart is our own doing.
fn riding(last: &Value, holdings: &Holdings) -> BTreeSet<Target> {
    let filled = holdings.filled.as_ref();
    let restart = filled.and_then(|filled| filled.restart.as_ref()).map(|restart| restart.change.as_str());
    let is_of_restart = |target: &Target| {
        let value = filled.and_then(|filled| filled.values.get(target));
        restart.is_some() && value.map(|value| value.change.as_str()) == restart
    };
    let has_acted = |target: &Target, value: &str| target.find(last).is_some_and(|last| last == value);
    let ours = holdings.ours.iter().filter(|(target, value)| !is_of_restart(target) && !has_acted(target, value));
    ours.map(|(target, _)| target.clone()).collect()
}

/// Whether there is something new to warn of: nobody wants to read it again for a label.
fn is_new_spec(request: &Request, kind: Kind) -> bool {
    request.is_create() || spec_in(kind, &request.object) != spec_in(kind, &request.old_object)
}

/// What its owner should know before the job starts, the worst first.
fn advice(findings: &[Finding], obedience: &Obedience) -> impl Iterator<Item = String> {
    let of_code = move |code: &'static str| {
        findings.iter().filter(move |finding| {
            finding.rule.code == code
                && finding.judgement.verdict == Verdict::Advice
                && !obedience.is_opted_out(finding.rule)
        })
    };
    URGENT.iter().copied().flat_map(of_code).map(warning)
}

/// That an opt-out does not count.
fn denied(chosen: &Chosen, obedience: &Obedience) -> Option<String> {
    let codes: Vec<&str> = obedience.denied.iter().copied().collect();
    let text = || {
        format!("{OPT_OUT} does not count for {}: policy {} makes it mandatory", codes.join(", "), chosen.policy.name)
    };
    (!codes.is_empty()).then(|| cut(text(), LONGEST_WARNING))
}

/// That somebody has taken out what was filled, and it is filled again.
fn put_back(plan: &Plan, holdings: &Holdings) -> Option<String> {
    let back: Vec<String> =
        plan.fills.keys().filter(|target| holdings.removed.contains(target)).map(ToString::to_string).collect();
    let tail = format!("; to keep it out, annotate {OPT_OUT}");
    let text = || cut(format!("flink-remedy puts back {}", back.join(", ")), LONGEST_WARNING - tail.len()) + &tail;
    (plan.timing == Timing::Now && !back.is_empty()).then(text)
}

fn warning(finding: &Finding) -> String {
    let code = finding.rule.code;
    let tail = format!("; see flink-remedy explain {code}");
    let room = LONGEST_WARNING - tail.len() - code.len() - 2;
    format!("{code}: {}{tail}", cut(finding.judgement.message.clone(), room))
}

#[cfg(test)]
mod tests;
