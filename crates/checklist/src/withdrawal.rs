use std::collections::BTreeMap;
use std::fmt;

use crate::moment::{is_free, moment};
use crate::plan::allowed;
use crate::policy::Rollout;
use crate::{Disruption, HoldReason, Holdings, Moment, Situation, Subject, Target};

/// What a person's wish to take all of our values out of one job comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Values that leave.
    pub leaving: BTreeMap<Target, String>,
    /// Values of ours that stay, and why.
    pub staying: BTreeMap<Target, Stays>,
    /// Whether the running job restarts for it.
    pub restarts: bool,
    /// Why it must not be done now, if it must not.
    pub held: Option<HoldReason>,
}

/// Why a value of ours stays in the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// The job has run with it, and would not find its state again without it.
    State,
    /// Others own it as well.
    Shared,
    /// Its owner's manifest has it.
    Pinned,
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "the job has run with it and might not find its state again without it",
            Self::Shared => "another manager owns it as well",
            Self::Pinned => "its owner has set it, or has changed it",
        })
    }
}

/// Plans the withdrawal of all our values. What costs a restart is held wherever a restart of ours would be, except that
/// a person need not wait for a quiet period, a budget or the end of a pause.
pub fn withdrawal(subject: &Subject, situation: &Situation, holdings: &Holdings, rollout: &Rollout) -> Withdrawal {
    let has_run = subject.deployed;
    let (staying, leaving): (BTreeMap<_, _>, BTreeMap<_, _>) =
        holdings.ours.clone().into_iter().partition(|(target, _)| has_run && target.is_kept_once_run());
    let mut staying: BTreeMap<Target, Stays> = staying.into_keys().map(|target| (target, Stays::State)).collect();
    staying.extend(holdings.shared.iter().map(|target| (target.clone(), Stays::Shared)));
    staying.extend(holdings.pinned.keys().map(|target| (target.clone(), Stays::Pinned)));
    let costs = leaving.keys().map(Target::disruption).max().unwrap_or(Disruption::None) > Disruption::None;
    // The layers decide what a restart needs; where nothing restarts they do not matter.
    let is_free = is_free(&Situation { layers_unreadable: None, ..situation.clone() });
    let mut changed = subject.clone();
    for target in leaving.keys() {
        if let Target::Option(key) = target {
            changed.conf.remove(key);
        }
    }
    let restarts = costs && !is_free;
    let held =
        if is_free { None } else { hold(allowed(moment(situation, subject, &changed), rollout), restarts, rollout) };
    Withdrawal { leaving, staying, restarts, held }
}

fn hold(moment: Moment, restarts: bool, rollout: &Rollout) -> Option<HoldReason> {
    match moment {
        Moment::Free(_) => None,
        Moment::Blocked(reason) => Some(reason),
        Moment::NeedsApproval(reason) => restarts.then_some(reason),
        Moment::Stable => {
            (restarts && !rollout.accepts_operator()).then(|| HoldReason::OperatorVersion(rollout.operator()))
        }
    }
}

#[cfg(test)]
mod tests {
    use flink_api::FlinkDeployment;
    use serde_json::{Value, json};

    use super::*;
    use crate::Platform;

    const METRICS: &str = "metrics.reporter.prom.port";
    const FREE: &str = "kubernetes.operator.savepoint.history.max.count";
    const STATE: [&str; 6] = [
        "state.backend.type",
        "pipeline.max-parallelism",
        "state.checkpoints.dir",
        "execution.checkpointing.savepoint-dir",
        "high-availability.type",
        "high-availability.storageDir",
    ];

    fn stable() -> Value {
        json!({"lifecycleState": "STABLE", "jobStatus": {"state": "RUNNING"}, "observedGeneration": 4,
               "reconciliationStatus": {"lastReconciledSpec": "{}"}})
    }

    fn planned(mode: &str, status: &Value, ours: &[&str], version: &str) -> Withdrawal {
        let conf: BTreeMap<_, _> = ours.iter().map(|key| ((*key).to_owned(), "s3://a/b".to_owned())).collect();
        let job: FlinkDeployment = serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "n", "generation": 4},
            "spec": {"flinkVersion": "v1_20", "flinkConfiguration": conf, "job": {"upgradeMode": mode}}, "status": status,
        }))
        .unwrap();
        let holdings = Holdings {
            ours: conf.iter().map(|(key, value)| (Target::option(key), value.clone())).collect(),
            ..Holdings::default()
        };
        let rollout: Rollout = serde_json::from_value(json!({"operatorVersion": version})).unwrap();
        let subject = Subject::new(&job, &Platform::stock()).unwrap();
        withdrawal(&subject, &Situation::of(&job), &holdings, &rollout)
    }

    #[test]
    fn what_holds_state_stays_once_the_job_has_run_and_the_rest_leaves() {
        let ours: Vec<&str> = STATE.into_iter().chain([METRICS]).collect();
        let running = planned("savepoint", &stable(), &ours, "1.15");
        assert_eq!(running.leaving.keys().map(ToString::to_string).collect::<Vec<_>>(), [METRICS]);
        assert_eq!(running.staying.len(), STATE.len());
        assert!(running.staying.values().all(|why| *why == Stays::State) && running.restarts && running.held.is_none());
        let new = planned("savepoint", &Value::Null, &ours, "1.15");
        assert_eq!((new.leaving.len(), new.staying.len(), new.restarts, new.held), (ours.len(), 0, false, None));
        let suspended = json!({"lifecycleState": "SUSPENDED", "reconciliationStatus": {"lastReconciledSpec": "{}"}});
        let suspended = planned("savepoint", &suspended, &ours, "1.7");
        assert_eq!((suspended.leaving.len(), suspended.restarts, suspended.held), (1, false, None));
    }

    #[test]
    fn a_restart_that_loses_something_is_held() {
        let held = |mode: &str, status: &Value, ours: &[&str], version: &str| planned(mode, status, ours, version).held;
        let ours = [METRICS, "state.savepoints.dir"];
        assert_eq!(held("savepoint", &stable(), &ours, "1.15"), None);
        assert_eq!(held("savepoint", &stable(), &ours, "1.7"), Some(HoldReason::OperatorVersion("1.7".into())));
        assert_eq!(held("savepoint", &stable(), &[METRICS], "1.15"), Some(HoldReason::NoSavepointDirectory));
        assert_eq!(held("last-state", &stable(), &[METRICS], "1.15"), Some(HoldReason::NoHighAvailability));
        assert_eq!(held("stateless", &stable(), &ours, "1.15"), Some(HoldReason::Stateless));
        assert_eq!(held("stateless", &stable(), &[FREE], "1.7"), None);
        let mut failed = stable();
        failed["jobStatus"]["state"] = json!("FAILED");
        assert_eq!(held("savepoint", &failed, &ours, "1.15"), Some(HoldReason::Failed));
    }

    #[test]
    fn layers_that_cannot_be_read_hold_a_restart_and_nothing_else() {
        let of = |status: Value| {
            let job: FlinkDeployment = serde_json::from_value(json!({
                "metadata": {"name": "a"}, "spec": {"flinkVersion": "v1_20", "job": {}}, "status": status,
            }))
            .unwrap();
            let situation = Situation { layers_unreadable: Some("why".into()), ..Situation::of(&job) };
            let holdings =
                Holdings { ours: BTreeMap::from([(Target::option(METRICS), "1".into())]), ..Holdings::default() };
            withdrawal(&Subject::new(&job, &Platform::stock()).unwrap(), &situation, &holdings, &Rollout::default())
                .held
        };
        assert_eq!(of(Value::Null), None);
        assert_eq!(of(stable()), Some(HoldReason::LayersUnreadable("why".into())));
    }
}
