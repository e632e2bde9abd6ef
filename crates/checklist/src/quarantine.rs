//! What a job has not come back with, so that it is not tried again as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use flink_api::FlinkDeploymentSpec;
use flink_conf::flatten;
use flink_conf::options::VERTEX_PARALLELISM;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::filled::hex;
use crate::plan::hash as plan_hash;
use crate::{Disruption, Evidence, FilledValue, Holdings, PlannedFill, Restart, Situation, Subject, Target};

/// A change that a job has not come back with, as our record on the job keeps it. It is in force while the annotation
/// `quarantined` names its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// Hash of the plan.
    pub plan: String,
    /// When the failure was established.
    pub at: Timestamp,
    /// What was seen.
    pub why: String,
    /// What the change filled, as remembered.
    pub values: BTreeMap<Target, String>,
    /// Why the spec was left as it is, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left: Option<LeftAlone>,
    /// Digest of what the job was beside our values: once its owner changes that, it may go well.
    pub job: String,
}

/// That a restart of ours has failed, and what is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// The restart.
    pub restart: Restart,
    /// What shows it.
    pub evidence: Evidence,
    /// What the change filled, as remembered.
    pub values: BTreeMap<Target, String>,
    /// Values that are taken back now.
    pub takes_back: BTreeSet<Target>,
    /// Identifies what is taken back.
    pub hash: String,
    /// Why nothing is taken back, if nothing is.
    pub left: Option<LeftAlone>,
}

/// Why the spec of a job that has not come back is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeftAlone {
    /// FKO has put the last stable spec back.
    RolledBack,
    /// The job would not find its state again.
    NoWayBack,
    /// State has to be found where these values say.
    KeepsState,
    /// What the change wrote is not ours any more.
    NotOurs,
}

impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RolledBack => {
                "The job runs on its last stable spec. Our values stay in the spec, since taking them out could restart it once more: they leave when it is suspended, or approve their removal by annotation flink-remedy.dev/approve"
            }
            Self::NoWayBack => {
                "Nothing is taken back: without high availability or a savepoint of this upgrade the job would not find its state again. See to the job first"
            }
            Self::KeepsState => "Nothing is taken back: state has to be found where these values say",
            Self::NotOurs => "Nothing is taken back: the values are not ours any more",
        })
    }
}

impl Setback {
    /// What the evidence asks for; `None` when it is dealt with already.
    pub(crate) fn of(situation: &Situation, subject: &Subject, holdings: &Holdings) -> Option<Self> {
        let evidence = situation.evidence?;
        let filled = holdings.filled.as_ref()?;
        let restart = filled.restart.clone().filter(|restart| !restart.withdrawal && !filled.has_failed(restart))?;
        let written = filled.values.iter().filter(|(_, value)| value.change == restart.change);
        let values: BTreeMap<Target, String> =
            written.map(|(target, value)| (target.clone(), value.value.clone())).collect();
        let ours: BTreeSet<Target> =
            values.keys().filter(|target| holdings.ours.contains_key(target)).cloned().collect();
        let takes_back: BTreeSet<Target> = ours.iter().filter(|target| !target.is_kept_once_run()).cloned().collect();
        let left = if evidence == Evidence::RolledBack {
            Some(LeftAlone::RolledBack)
        } else if !situation.has_way_back(subject, &restart) {
            Some(LeftAlone::NoWayBack)
        } else if ours.is_empty() {
            Some(LeftAlone::NotOurs)
        } else if takes_back.is_empty() {
            Some(LeftAlone::KeepsState)
        } else {
            None
        };
        let takes_back = if left.is_some() { BTreeSet::new() } else { takes_back };
        let hash = plan_hash(&BTreeMap::new(), &takes_back);
        Some(Self { restart, evidence, values, takes_back, hash, left })
    }
}

impl Quarantine {
    /// Whether these fills would make the job again what it has not come back with, beside what is in place already.
    pub fn covers(&self, fills: &BTreeMap<Target, PlannedFill>, ours: &BTreeMap<Target, String>) -> bool {
        let is = |target: &Target, value: &str, then: &str| FilledValue::remembered(target, value) == *then;
        let filled =
            |(target, then): (&Target, &String)| fills.get(target).is_some_and(|fill| is(target, &fill.value, then));
        let in_place =
            |(target, then): (&Target, &String)| ours.get(target).is_some_and(|value| is(target, value, then));
        self.values.iter().any(filled) && self.values.iter().all(|value| filled(value) || in_place(value))
    }
}

/// Digest of what decides whether a job comes up, without our values, without what costs no restart and without what
/// FKO's autoscaler writes.
pub(crate) fn job_digest(spec: &FlinkDeploymentSpec, ours: impl Fn(&Target) -> bool) -> String {
    let mut digest = Sha256::new();
    let mut add = |name: &str, value: &str| digest.update(format!("{name}={value}\n"));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    add("flinkVersion", &text(&spec.flink_version));
    add("image", &text(&spec.image));
    if let Some(job) = &spec.job {
        add("jarURI", &text(&job.jar_uri));
        add("entryClass", &text(&job.entry_class));
        add("args", &job.args.clone().unwrap_or_default().join("\n"));
    }
    add(
        "jobManager",
        &format!("{:?}", spec.job_manager.as_ref().map(|process| (&process.resource, &process.resources))),
    );
    add(
        "taskManager",
        &format!("{:?}", spec.task_manager.as_ref().map(|process| (&process.resource, &process.resources))),
    );
    for (key, value) in flatten(&spec.flink_configuration).unwrap_or_default() {
        // FKO's autoscaler sets it, again and again.
        let is_override = VERTEX_PARALLELISM.is_spelled(key.as_str());
        let target = Target::Option(key);
        if !is_override && target.disruption() != Disruption::None && !ours(&target) {
            add(&target.to_string(), &value);
        }
    }
    hex(&digest.finalize()[..6])
}
