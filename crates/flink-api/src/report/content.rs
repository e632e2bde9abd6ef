use k8s_openapi::jiff::Timestamp;
#[cfg(feature = "kube")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What flink-remedy knows of one job. It is written by flink-remedy alone, and only when something has
/// changed; deleting it loses no safety, since ownership and quarantine stand on the job itself. It is written again at
/// the next look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ReportContent {
    /// Where the job stands, in one word.
    pub standing: Standing,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The mode in force for this job: what the policy allows, or the milder one that an annotation asks for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// The policy that counts for this job.
    pub policy: PolicyReport,
    /// What the rules of the checklist find.
    pub findings: FindingsReport,
    /// The values in the job's spec that flink-remedy filled and still owns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<FilledValueReport>,
    /// What would be written next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReport>,
    /// Why it is not written yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldReport>,
    /// What people asked to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_out: Option<OptOutReport>,
    /// A change that failed on this job and is not made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<QuarantineReport>,
    /// Who manages the job beside flink-remedy, and so where a lasting change of it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<ManagedByReport>,
    /// The last ten changes, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
}

/// The policy that counts for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyReport {
    /// The policy's name; `built-in` where none selects the job.
    pub name: String,
    /// The field that made it the one of all that select the job, such as selector.jobs, or metadata.name among equals.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub decided_by: String,
    /// Why the policy cannot be read, so that nothing is written to this job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The codes of rules whose opt-out does not count, since the policy makes them mandatory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied_opt_outs: Vec<String>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
pub enum Standing {
    /// Nothing to fill, and nothing was filled.
    Compliant,
    /// Nothing to fill, since flink-remedy filled it.
    Remediated,
    /// There is something to fill, and the next free moment or the next look does so.
    Pending,
    /// There is something to fill, and something stands in the way; see `hold`.
    Held,
    /// Gaps that flink-remedy may not or cannot fill.
    Open,
    /// A change failed on this job and is not made again; see `quarantine`.
    Quarantined,
    /// The job is left alone by annotation; see `optOut`.
    OptedOut,
    /// The mode is Off for this job.
    // Not "Off": unquoted, as it is printed, YAML 1.1 reads that as false.
    ModeOff,
    /// The resource cannot be judged; see `message`.
    Invalid,
    /// A word of another version of flink-remedy.
    #[default]
    #[serde(other)]
    #[cfg_attr(feature = "kube", schemars(skip))]
    Unknown,
}

/// Findings, counted and listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct FindingsReport {
    /// Wrong or missing, and flink-remedy can fill it.
    pub gaps: u32,
    /// A human must decide.
    pub advice: u32,
    /// Right by default only: written down in passing, never worth a restart.
    pub implicit: u32,
    /// The gaps, the advice and what is implicit, in the checklist's order; the first fifty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<FindingReport>,
}

/// What a rule says of the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct FindingReport {
    /// The rule's code, such as CKP003.
    pub rule: String,
    /// The rule's name, such as rocksdb-full-checkpoints.
    pub name: String,
    /// Gap, Advice or Implicit.
    pub verdict: String,
    /// What, where and why.
    pub message: String,
    /// The one key that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A value in the job's spec that flink-remedy filled and still owns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct FilledValueReport {
    /// Where it stands: an option's key, or the log file or pod annotation with its place before it.
    pub target: String,
    /// `key=value`; secrets are masked, and a log file is named only.
    pub shown: String,
    /// The code of the rule that asked for it.
    pub rule: String,
    /// Why: the defect that it mends.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The change that wrote it; see `history`.
    pub change: String,
    /// When it was written, as far as `history` goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(with = "Option<super::crd::DateTime>"))]
    pub at: Option<Timestamp>,
}

/// What would be written next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PendingReport {
    /// The plan's hash: what the annotation flink-remedy.dev/approve takes.
    pub plan: String,
    /// Values that would be filled; secrets are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fills: Vec<String>,
    /// The codes of the rules that ask for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Filled values that would leave again, because their owner now sets the option.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<String>,
    /// Whether the running job would restart for it.
    pub restarts: bool,
}

/// Why a plan is not carried out yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct HoldReport {
    /// In one word: the label of the metric `flink_remedy_held_jobs`, or what the API server's refusal is called in
    /// `flink_remedy_reconciliation_duration_seconds`.
    pub reason: String,
    /// What it waits for, and what would free it.
    pub message: String,
    /// When it is tried again, where that is a time: the hourly budget has room again, or the quiet period is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(with = "Option<super::crd::DateTime>"))]
    pub next_retry: Option<Timestamp>,
}

/// What people asked to be left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct OptOutReport {
    /// The rules, by code; none means all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Why, in the words of whoever did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the next opt-out of this job or its namespace ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(with = "Option<super::crd::DateTime>"))]
    pub until: Option<Timestamp>,
}

/// Who manages the job beside flink-remedy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedByReport {
    /// Argo CD, Flux, Helm or kubectl, by the job's labels and annotations; absent where none has left its mark.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// What of the tool's manages it: an application, a Kustomization, a `HelmRelease` or a release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its name, with its namespace before it where the job tells.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The field managers that have written the job, its status aside, without flink-remedy's own; the first ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<String>,
}

/// A change that failed on this job and is not made again. The annotation flink-remedy.dev/quarantined on the job is what
/// counts; this tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct QuarantineReport {
    /// The hash of the plan.
    pub plan: String,
    /// When it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(with = "Option<super::crd::DateTime>"))]
    pub at: Option<Timestamp>,
    /// On what evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One change of the job's spec by flink-remedy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct HistoryEntry {
    /// The hash of its plan.
    pub change: String,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(with = "Option<super::crd::DateTime>"))]
    pub at: Option<Timestamp>,
    /// Values that it filled; secrets are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<String>,
    /// Filled values that it took out again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
    /// What it cost the job.
    pub cost: Cost,
    /// What came of it.
    pub outcome: OutcomeReport,
    /// The evidence, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a change cost a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
pub enum Cost {
    /// The running job restarted once.
    Restart,
    /// Nothing: the job was not deployed, was suspended, or does not restart for such a value.
    #[default]
    #[serde(other)]
    None,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(JsonSchema))]
pub enum OutcomeReport {
    /// It cost no restart, so there was nothing to watch.
    Done,
    /// The job is on its way back from the restart.
    Pending,
    /// The job has been stable since the restart; whether it completes checkpoints was not seen.
    Unverified,
    /// The job has been stable since, and completes checkpoints.
    Verified,
    /// The job has not come back.
    Failed,
    /// It was taken out again because the job had not come back.
    Withdrawn,
    /// Nobody saw what came of it, or a word of another version of flink-remedy.
    #[default]
    #[serde(other)]
    Unknown,
}
