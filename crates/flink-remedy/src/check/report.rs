//! The stable interface `check -o json`: field names, their order and the words for verdicts are its contract.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use checklist::{Disruption, Target, Verdict};
use serde::{Serialize, Serializer};

use super::preview::{Counts, Effect, by_namespace};
use crate::input::Place;

/// The version of the interface; a field may be added under the same number, none changed or removed.
const VERSION: u8 = 1;

/// Everything found in one run.
#[derive(Serialize)]
struct Report<'a> {
    version: u8,
    jobs: &'a [Job],
    /// Of a cluster only.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<Vec<Counts>>,
}

impl<'a> Report<'a> {
    fn of(jobs: &'a [Job], is_cluster: bool) -> Self {
        Self { version: VERSION, jobs, namespaces: is_cluster.then(|| by_namespace(jobs)) }
    }
}

/// One job, judged.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    /// `FlinkDeployment`, `FlinkSessionJob` or `FlinkBlueGreenDeployment`.
    pub(crate) kind: &'static str,
    /// Where the object keeps what rules judge.
    #[serde(skip)]
    pub(crate) spec: &'static [&'static str],
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Such as `v1_20`.
    pub(crate) flink_version: String,
    /// The file that it comes from.
    #[serde(serialize_with = "file")]
    pub(crate) source: Place,
    /// In the order of the catalogue, one for each rule; of a rule about keys one for each key that offends.
    pub(crate) findings: Vec<Finding>,
    /// What would be done.
    pub(crate) plan: Plan,
    /// Name of the policy that counts.
    #[serde(skip)]
    pub(crate) policy: String,
    /// What a restart of the job means.
    #[serde(skip)]
    pub(crate) restart: Restart,
}

/// What a restart means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Restart {
    /// The job goes on with its state.
    Stateful,
    /// It starts empty.
    Stateless,
    /// All jobs of a session cluster go down.
    Session,
}

impl Job {
    /// Its namespace and name.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// One rule's finding.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// The rule's code.
    pub(crate) code: &'static str,
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What it says; `NotApplicable` for a rule that the job opted out of.
    pub(crate) verdict: Verdict,
    /// Why.
    pub(crate) message: String,
    /// What would settle it.
    #[serde(serialize_with = "masked")]
    pub(crate) fills: BTreeMap<Target, String>,
    /// What that would cost a running job.
    pub(crate) disruption: Disruption,
    /// The one key of the configuration that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
}

/// What would be done to a job.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    /// Identifies it for the annotation `approve`; empty when there is nothing to do.
    pub(crate) hash: String,
    /// Everything that would be written.
    #[serde(serialize_with = "masked")]
    pub(crate) fills: BTreeMap<Target, String>,
    /// What would be taken out again; told by the reason.
    #[serde(skip)]
    pub(crate) leaving: BTreeSet<Target>,
    /// When.
    pub(crate) timing: Timing,
    /// Whether it restarts a running job.
    #[serde(skip)]
    pub(crate) restarts: bool,
    /// What it would do to the job.
    pub(crate) effect: Effect,
    /// Why then.
    pub(crate) reason: String,
}

/// When a plan may be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Timing {
    /// Right now.
    Now,
    /// When the job is next deployed or suspended.
    NextDeploy,
    /// Not before the reason is gone.
    Held,
    /// There is nothing to do.
    Nothing,
}

/// A value as it may be printed.
fn masked<S: Serializer>(fills: &BTreeMap<Target, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fills.iter().map(|(target, value)| {
        let value = match target {
            Target::Option(key) => flink_conf::masked(key.as_str(), value),
            Target::PodAnnotation(key) => flink_conf::masked(key, value),
            Target::LogFile(_) => value,
        };
        (target, value)
    }))
}

fn file<S: Serializer>(place: &Place, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&place.file)
}

/// Writes the interface's document.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn write_json(jobs: &[Job], is_cluster: bool, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Report::of(jobs, is_cluster))?;
    writeln!(out)
}

/// Writes the same report as YAML.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn write_yaml(jobs: &[Job], is_cluster: bool, out: &mut impl Write) -> io::Result<()> {
    serde_yaml::to_writer(out, &Report::of(jobs, is_cluster)).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_a_log_file_is_whole() {
        let fills = BTreeMap::from([
            (Target::option("s3.secret-key"), "hunter2".to_owned()),
            (Target::PodAnnotation("vendor/api-key".into()), "hunter2".to_owned()),
            (Target::LogFile("log4j-console.properties".into()), "a = b\n".to_owned()),
        ]);
        let (leaving, reason) = (BTreeSet::new(), String::new());
        let plan = Plan {
            hash: "h".into(),
            fills,
            leaving,
            timing: Timing::Now,
            restarts: false,
            effect: Effect::Free,
            reason,
        };
        let json = serde_json::to_string(&plan).unwrap();
        assert!(!json.contains("hunter2") && json.contains(r#""s3.secret-key":"******""#), "{json}");
        assert!(json.contains(r#""logConfiguration:log4j-console.properties":"a = b\n""#), "{json}");
    }
}
