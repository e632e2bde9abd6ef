//! Plan and present state -> what to write, as a value.

use std::collections::{BTreeMap, BTreeSet};

use checklist::{
    Announced, Approval, Filled, FilledValue, HoldReason, Holdings, Obedience, Plan, Quarantine, Restart, Setback,
    Target, Timing,
};
use flink_api::FlinkDeployment;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

/// How long it is remembered that values were lost: longer than what makes a tug-of-war.
const LOSSES: SignedDuration = SignedDuration::from_hours(2);

/// What a reconciliation writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Nothing.
    Nothing,
    /// Removes a record that came with a copied manifest: ours is written with the next look.
    DropForeignRecord,
    /// Our complete set of values.
    Patch(Box<Change>),
}

/// One server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Every value that our field manager holds after it.
    pub values: BTreeMap<Target, String>,
    /// The record that lands with them; absent when nothing is ours any more.
    pub record: Option<Filled>,
    /// Hash of the plan that the job has not come back with, while it stays in quarantine.
    pub quarantined: Option<String>,
    /// Whether it restarts a running job.
    pub restarts: bool,
    /// Whether it takes back what a job has not come back with: such a job is in flight already.
    pub withdraws: bool,
    /// What has to be applied before it, at no cost, since an apply removes only what an apply has written: everything as
    /// it is, where a value leaves that was filled at admission.
    pub adoption: Option<Box<Change>>,
}

/// Turns a plan into what is to be written now.
pub fn decide(
    deployment: &FlinkDeployment,
    plan: &Plan,
    holdings: &Holdings,
    obedience: &Obedience,
    now: Timestamp,
) -> Intent {
    if let Some(setback) = &plan.setback {
        return take_back(deployment, setback, holdings, now);
    }
    if let Timing::Held(HoldReason::TugOfWar(manager)) = &plan.timing
        && holdings.is_left_to().is_none()
    {
        return leave_to(holdings, manager);
    }
    let is_to_be_announced = plan.timing == Timing::Held(HoldReason::Announced(None));
    if plan.timing != Timing::Now && !is_to_be_announced {
        return release(holdings);
    }
    // Our apply would be refused: the record belongs to whoever copied it here.
    if holdings.foreign_record {
        return Intent::DropForeignRecord;
    }
    if is_to_be_announced {
        return announce(plan, holdings, now);
    }
    let mut values = held(holdings);
    values.retain(|target, _| !plan.leaving.contains(target));
    values.extend(plan.fills.iter().map(|(target, fill)| (target.clone(), fill.value.clone())));
    let record = record(deployment, plan, holdings, obedience, now);
    let quarantined = record.quarantine.as_ref().map(|quarantine| quarantine.plan.clone());
    Intent::Patch(Box::new(Change {
        values,
        record: Some(record),
        quarantined,
        restarts: plan.restarts,
        withdraws: false,
        adoption: adoption(holdings, &plan.leaving),
    }))
}

/// Puts what the job has not come back with into quarantine, and takes it back where that is safe.
fn take_back(deployment: &FlinkDeployment, setback: &Setback, holdings: &Holdings, now: Timestamp) -> Intent {
    let Some(mut record) = holdings.filled.clone() else { return Intent::Nothing };
    let now = to_second(now);
    record.quarantine = Some(Quarantine {
        plan: setback.restart.change.clone(),
        at: now,
        why: setback.evidence.words().to_owned(),
        values: setback.values.clone(),
        left: setback.left,
        job: holdings.job.clone(),
    });
    let mut values = held(holdings);
    let withdraws = !setback.takes_back.is_empty();
    if withdraws {
        values.retain(|target, _| !setback.takes_back.contains(target));
        record.values.retain(|target, _| !setback.takes_back.contains(target));
        (record.change, record.at) = (setback.hash.clone(), now);
        record.restart = Some(Restart { withdrawal: true, ..restart(deployment, &setback.hash, now) });
    }
    let quarantined = Some(setback.restart.change.clone());
    let adoption = adoption(holdings, &setback.takes_back);
    Intent::Patch(Box::new(Change {
        values,
        record: Some(record),
        quarantined,
        restarts: withdraws,
        withdraws,
        adoption,
    }))
}

fn adoption(holdings: &Holdings, leaving: &BTreeSet<Target>) -> Option<Box<Change>> {
    let is_needed = leaving.iter().any(|target| holdings.unowned.contains(target));
    is_needed.then(|| Box::new(as_it_is(holdings, holdings.filled.clone())))
}

/// Never later than it was: what follows a restart is told by its time.
fn to_second(now: Timestamp) -> Timestamp {
    now.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).unwrap_or(now)
}

/// Exactly one generation more than planned on: the resourceVersion in the patch rules out any other write between.
fn restart(deployment: &FlinkDeployment, change: &str, now: Timestamp) -> Restart {
    let generation = deployment.metadata.generation.unwrap_or_default() + 1;
    Restart { change: change.to_owned(), generation, at: Some(now), withdrawal: false }
}

/// Says in the record that the restart for this plan is to come, which costs nothing by itself.
fn announce(plan: &Plan, holdings: &Holdings, now: Timestamp) -> Intent {
    let now = to_second(now);
    let mut record = holdings.filled.clone().unwrap_or_else(|| Filled::new(String::new(), now, BTreeMap::new()));
    record.announced = Some(Box::new(Announced { plan: plan.hash.clone(), at: now }));
    only_record(holdings, Some(record))
}

/// Values that another manager owns as well stay when we let go of them; letting go at once spares that
/// manager a conflict with us and costs nothing.
fn release(holdings: &Holdings) -> Intent {
    if holdings.shared.is_empty() || holdings.foreign_record {
        return Intent::Nothing;
    }
    // The record stays word for word, since its change was told already; a restart that is not over and an
    // approval that is used up outlive the values they were for.
    let mut record = holdings.filled.clone().filter(|filled| {
        !holdings.ours.is_empty()
            || filled.restart.is_some()
            || filled.approval_used.is_some()
            || filled.announced.is_some()
    });
    if let Some(record) = &mut record {
        record.keep_in_quarantine(holdings.quarantine.clone());
    }
    only_record(holdings, record)
}

/// Notes that we leave the job to this manager, whatever time passes and whoever leads.
fn leave_to(holdings: &Holdings, manager: &str) -> Intent {
    let Some(mut record) = holdings.filled.clone() else { return Intent::Nothing };
    record.left_to = Some(manager.to_owned());
    only_record(holdings, Some(record))
}

/// A write that changes no value of ours.
fn only_record(holdings: &Holdings, record: Option<Filled>) -> Intent {
    Intent::Patch(Box::new(as_it_is(holdings, record)))
}

fn as_it_is(holdings: &Holdings, record: Option<Filled>) -> Change {
    let quarantined = record.as_ref().and(holdings.quarantine.as_ref()).map(|quarantine| quarantine.plan.clone());
    Change { values: held(holdings), record, quarantined, restarts: false, withdraws: false, adoption: None }
}

/// What our manager keeps in place: our own values, and those that a user has pinned, which an apply without
/// them would remove.
fn held(holdings: &Holdings) -> BTreeMap<Target, String> {
    holdings.ours.iter().chain(&holdings.pinned).map(|(target, value)| (target.clone(), value.clone())).collect()
}

fn record(
    deployment: &FlinkDeployment,
    plan: &Plan,
    holdings: &Holdings,
    obedience: &Obedience,
    now: Timestamp,
) -> Filled {
    let before = holdings.filled.as_ref();
    let mut values: BTreeMap<Target, FilledValue> = before.map(|filled| filled.values.clone()).unwrap_or_default();
    values.retain(|target, _| holdings.ours.contains_key(target) && !plan.leaving.contains(target));
    for (target, fill) in &plan.fills {
        let value = FilledValue {
            value: FilledValue::remembered(target, &fill.value),
            rule: fill.rule.to_owned(),
            change: plan.hash.clone(),
        };
        values.insert(target.clone(), value);
    }
    let now = to_second(now);
    let mut record = Filled::new(plan.hash.clone(), now, values);
    record.restart = before.and_then(|filled| filled.restart.clone());
    record.quarantine = before.and_then(|filled| filled.quarantine.clone());
    record.keep_in_quarantine(holdings.quarantine.clone());
    if plan.restarts {
        record.restart = Some(restart(deployment, &plan.hash, now));
        // What a person or a change of the job lets us try again is out of quarantine.
        let in_force = holdings.quarantine_in_force().cloned();
        record.quarantine = in_force.filter(|quarantine| !quarantine.covers(&plan.fills, &holdings.ours));
    }
    if !plan.approved {
        record.lost = before.map(|filled| filled.lost.clone()).unwrap_or_default();
        record.lost.retain(|lost| now.duration_since(*lost) < LOSSES);
    }
    if holdings.has_lost() {
        record.lost.push(now);
    }
    record.approval_used = before.and_then(|filled| filled.approval_used.clone());
    if plan.approved {
        record.approval_used = obedience.approval.as_ref().map(|approval| match approval {
            Approval::Now => "now".to_owned(),
            Approval::Plan(hash) => hash.clone(),
        });
    }
    record
}

#[cfg(test)]
mod tests {
    use checklist::{Platform, Policy, Situation, Subject, plan};
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "state.backend.incremental";

    fn now() -> Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    fn job(conf: &Value) -> FlinkDeployment {
        serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 4},
            "spec": {"flinkVersion": "v1_17", "flinkConfiguration": conf, "job": {}},
        }))
        .unwrap()
    }

    fn decided(holdings: &Holdings, change_plan: impl FnOnce(&mut Plan)) -> Intent {
        let job = job(&json!({"state.backend.type": "rocksdb"}));
        let subject = Subject::new(&job, &Platform::stock()).unwrap();
        let obedience = Obedience { approval: Some(Approval::Now), ..Obedience::default() };
        let mut plan = plan(&subject, &Situation::of(&job), holdings, &obedience, &Policy::default());
        assert_eq!(plan.timing, Timing::Now);
        change_plan(&mut plan);
        decide(&job, &plan, holdings, &obedience, now())
    }

    fn change(intent: Intent) -> Change {
        match intent {
            Intent::Patch(change) => *change,
            other @ (Intent::Nothing | Intent::DropForeignRecord) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_change_carries_all_that_is_held_and_records_only_what_is_ours() {
        let pinned = Target::option("pinned.by.user");
        let ours = Target::option("ours");
        let value = |change: &str| FilledValue { value: "1".into(), rule: "R".into(), change: change.into() };
        let before = Filled::new(
            "old".into(),
            now(),
            BTreeMap::from([(ours.clone(), value("old")), (pinned.clone(), value("old"))]),
        );
        let holdings = Holdings {
            filled: Some(before),
            ours: BTreeMap::from([(ours.clone(), "1".into())]),
            pinned: BTreeMap::from([(pinned.clone(), "1".into())]),
            shared: BTreeSet::from([Target::option("shared")]),
            ..Holdings::default()
        };
        let change = change(decided(&holdings, |_| {}));
        let record = change.record.unwrap();
        assert!(change.values.contains_key(&ours) && change.values.contains_key(&pinned));
        assert!(!change.values.contains_key(&Target::option("shared")));
        assert!(change.values.contains_key(&Target::option(KEY)));
        assert!(record.values.contains_key(&ours) && !record.values.contains_key(&pinned));
        assert_eq!(record.values[&ours].change, "old");
        assert_eq!(record.values[&Target::option(KEY)].change, record.change);
        assert_eq!(record.at.to_string(), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn what_leaves_is_in_neither() {
        let ours = Target::option("ours");
        let holdings = Holdings { ours: BTreeMap::from([(ours.clone(), "1".into())]), ..Holdings::default() };
        let change = change(decided(&holdings, |plan| {
            plan.leaving.insert(ours.clone());
        }));
        assert!(!change.values.contains_key(&ours) && !change.record.unwrap().values.contains_key(&ours));
    }

    #[test]
    fn a_restart_records_the_generation_to_come_and_the_approval_it_used_up() {
        let change = change(decided(&Holdings::default(), |plan| {
            plan.restarts = true;
            plan.approved = true;
        }));
        let record = change.record.unwrap();
        assert_eq!(
            record.restart,
            Some(Restart { change: record.change.clone(), generation: 5, at: Some(record.at), withdrawal: false })
        );
        assert_eq!(record.approval_used.as_deref(), Some("now"));
        assert!(change.restarts);
    }

    #[test]
    fn a_foreign_record_goes_first() {
        let holdings = Holdings { foreign_record: true, ..Holdings::default() };
        assert_eq!(decided(&holdings, |_| {}), Intent::DropForeignRecord);
        assert_eq!(decided(&holdings, |plan| plan.timing = Timing::Nothing), Intent::Nothing);
    }

    #[test]
    fn an_announcement_changes_nothing_but_the_record() {
        let ours = Target::option("ours");
        let mut before = Filled::new("old".into(), now(), BTreeMap::new());
        before.approval_used = Some("now".into());
        let holdings = Holdings {
            filled: Some(before.clone()),
            ours: BTreeMap::from([(ours.clone(), "1".into())]),
            ..Holdings::default()
        };
        let held = |plan: &mut Plan| plan.timing = Timing::Held(HoldReason::Announced(None));
        let Change { values, record, restarts, .. } = change(decided(&holdings, held));
        let mut record = record.unwrap();
        assert!(values == holdings.ours && !restarts);
        assert_eq!(record.announced.take().unwrap().at.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(record, before);
        let announced = |plan: &mut Plan| plan.timing = Timing::Held(HoldReason::Announced(Some(now())));
        assert_eq!(decided(&holdings, announced), Intent::Nothing);
        let copied = Holdings { foreign_record: true, ..Holdings::default() };
        assert_eq!(decided(&copied, held), Intent::DropForeignRecord);
        assert_eq!(change(decided(&Holdings::default(), held)).record.unwrap().change, "", "nothing is filled yet");
    }

    #[test]
    fn a_shared_value_is_let_go_at_once_and_nothing_else_changes() {
        let ours = Target::option("ours");
        let holdings = Holdings {
            ours: BTreeMap::from([(ours.clone(), "1".into())]),
            shared: BTreeSet::from([Target::option("shared")]),
            ..Holdings::default()
        };
        let change = change(decided(&holdings, |plan| plan.timing = Timing::Nothing));
        assert_eq!(change.values, BTreeMap::from([(ours, "1".to_owned())]));
        assert!(!change.restarts);
    }
}
