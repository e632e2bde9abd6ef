//! Options that are no default of a platform: they run code, move a job, or belong to somebody else.

use flink_conf::options::{JOBMANAGER_PROCESS_SIZE, RESTORE_PATH, TASKMANAGER_PROCESS_SIZE, closest, every_spelling};
use schemars::Schema;
use serde_json::json;

use flink_conf::{FlinkOption, FlinkVersion, is_credential};

const RUNS_CODE: &str = "it runs code of the policy's in every job";
const MOVES: &str = "it says which job or cluster this is, and where it runs";
const IDENTITY: &str = "it gives the job other rights in the cluster";

/// Beginnings of keys, with the reason.
const DENIED: &[(&str, &str)] = &[
    ("env.", RUNS_CODE),
    ("containerized.", RUNS_CODE),
    ("plugin.", RUNS_CODE),
    ("classloader.", RUNS_CODE),
    ("pipeline.jars", RUNS_CODE),
    ("pipeline.classpaths", RUNS_CODE),
    ("pipeline.cached-files", RUNS_CODE),
    ("user.artifacts.", RUNS_CODE),
    ("python.", RUNS_CODE),
    ("kubernetes.artifacts.", RUNS_CODE),
    ("kubernetes.container.image", RUNS_CODE),
    ("kubernetes.entry.path", RUNS_CODE),
    ("kubernetes.jobmanager.entrypoint.", RUNS_CODE),
    ("kubernetes.taskmanager.entrypoint.", RUNS_CODE),
    ("kubernetes.pod-template-file", RUNS_CODE),
    ("kubernetes.operator.default-configuration.", "it belongs to the Flink operator's own configuration"),
    ("kubernetes.namespace", MOVES),
    ("kubernetes.cluster-id", MOVES),
    ("kubernetes.context", MOVES),
    ("kubernetes.config.", MOVES),
    ("kubernetes.jobmanager.owner.reference", MOVES),
    ("kubernetes.hostnetwork.enabled", IDENTITY),
    ("kubernetes.secrets", IDENTITY),
    ("kubernetes.env.secretKeyRef", IDENTITY),
    ("security.kerberos.login.", IDENTITY),
    ("cluster.id", MOVES),
    ("high-availability.cluster-id", MOVES),
    ("execution.target", MOVES),
    ("internal.", MOVES),
    ("kubernetes.internal.", RUNS_CODE),
    ("$internal.", MOVES),
];

/// Part of every key that names one.
pub(crate) const SERVICE_ACCOUNT: &str = "service-account";

/// Beginnings of keys that no platform sets for all its jobs.
pub(crate) fn forbidden_beginnings() -> impl Iterator<Item = &'static str> {
    DENIED.iter().map(|(prefix, _)| *prefix)
}

/// Why no platform sets this option for all its jobs, if that is so.
pub(crate) fn why_denied(key: &str) -> Option<String> {
    let spellings = every_spelling(key);
    if let Some((_, why)) = DENIED
        .iter()
        .find(|(prefix, _)| key.starts_with(prefix) || spellings.iter().any(|other| other.starts_with(prefix)))
    {
        return Some((*why).to_owned());
    }
    let is = |option: &FlinkOption| option.is_spelled(key);
    if key.contains(SERVICE_ACCOUNT) {
        Some(IDENTITY.to_owned())
    } else if is_credential(key) {
        Some("it is a credential, which everybody could read; give it by a Secret".to_owned())
    } else if is(&RESTORE_PATH) {
        Some("it makes every job start from one state".to_owned())
    } else if is(&JOBMANAGER_PROCESS_SIZE) || is(&TASKMANAGER_PROCESS_SIZE) {
        Some("the Flink operator sets it from resource.memory".to_owned())
    } else {
        misspelled(key).map(|meant| format!("it is no option of any Flink; did you mean {meant}?"))
    }
}

/// Lets the API server refuse what can be told by the beginning of a key.
pub(super) fn without_denied(schema: &mut Schema) {
    let prefixes: Vec<String> = forbidden_beginnings().map(|prefix| format!("'{prefix}'")).collect();
    let rule = format!("![{}].exists(prefix, self.key.startsWith(prefix))", prefixes.join(", "));
    let message = "no platform sets this for all its jobs: it runs code in them, says which job this is, or gives them other rights";
    schema.insert("x-kubernetes-validations".to_owned(), json!([{ "rule": rule, "message": message }]));
}

fn misspelled(key: &str) -> Option<&'static str> {
    FlinkVersion::CATALOGUED.into_iter().rev().find_map(|version| closest(key, version))
}
