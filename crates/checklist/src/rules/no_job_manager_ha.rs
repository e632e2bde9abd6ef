use flink_api::UpgradeMode;
use flink_conf::options::{HIGH_AVAILABILITY, HIGH_AVAILABILITY_DIRECTORY};
use flink_conf::{FlinkVersion, Lookup, Setting};

use super::{chosen, ignored};
use crate::storage::{Process, from_template, is_free_to_move, judged, shown};
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # No high availability
    ///
    /// ## What it checks
    /// The high-availability services (`high-availability.type` from Flink 1.17 on, `high-availability` before):
    /// whether there are any, by a name that the job's Flink knows (`kubernetes` from 1.16 on, `zookeeper`, or a factory
    /// class), and whether `high-availability.storageDir` outlives the pods (judged as the checkpoint directory of
    /// `CKP002`; the `JobManager` alone has to mount it). Amazon EMR on EKS sets them up by `spec.jobManager.storageDir`,
    /// which counts.
    ///
    /// ## Why it matters
    /// Without them a `JobManager` that fails forgets its jobs and where their latest checkpoints are. The upgrade mode
    /// `last-state` and more than one replica rely on them.
    ///
    /// ## What is filled
    /// The Kubernetes services (`kubernetes`, on Flink 1.15 the class
    /// `org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory`, the only name that it can load) and
    /// the storage directory from the policy's template `storage.highAvailability`. New clusters get both; a deployed
    /// job only in upgrade mode `savepoint` with a savepoint directory, because any other upgrade looks for metadata
    /// that the old cluster never wrote. A missing directory beside services that are there is filled for new clusters
    /// only. Neither is changed once it is there, and `high-availability.cluster-id` is the Flink operator's.
    ///
    /// The pods' service account has to be allowed to create and change `ConfigMap`s. The Flink operator's chart gives
    /// that to the service account `flink`; another one needs a role of its own, or the `JobManager` does not start.
    ///
    /// ## What it costs
    /// Nothing for a new cluster; a running job restarts once, from a savepoint.
    ///
    /// ## When to switch it off
    /// When a job may start again from its last savepoint by hand, or its service account must not touch `ConfigMap`s.
    ///
    /// ## Source
    /// Flink documentation, "High Availability"; Flink Kubernetes Operator, `ApplicationReconciler` and
    /// `DefaultValidator`; Amazon EMR on EKS documentation, "Using high availability with Flink".
    pub static NO_JOB_MANAGER_HA = {
        code: "HA001",
        name: "no-job-manager-ha",
        scope: Scope::Cluster,
        writes: &[Writes::Option(&HIGH_AVAILABILITY), Writes::Option(&HIGH_AVAILABILITY_DIRECTORY)],
        check: Check::Item(check),
    }
}

const KUBERNETES: &str = "kubernetes";
const KUBERNETES_FACTORY: &str = "org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory";

/// First version that knows the Kubernetes services by name; before, `kubernetes` is taken for a class.
const KNOWS_KUBERNETES: FlinkVersion = FlinkVersion::new(1, 16);
/// First version whose key for the services is no prefix of the directory's.
const APART: FlinkVersion = FlinkVersion::new(1, 17);

/// Of the pods only these write there; `TaskManager`s can fetch what they need from them.
const WRITERS: &[Process] = &[Process::JobManager];

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    let version = subject.version;
    let right = HIGH_AVAILABILITY.key(version);
    match HIGH_AVAILABILITY.find(&subject.conf, version) {
        Lookup::Set { key, setting } => judge_choice(key, setting, subject, policy),
        Lookup::Ignored { key, setting } => Judgement::advice(ignored(key, setting, version, right.as_str())),
        Lookup::Unset => match &subject.cluster.job_manager.storage_dir {
            Some(directory) => Judgement::pass(format!(
                "spec.jobManager.storageDir is {}, with which Amazon EMR sets up high availability",
                shown(directory)
            )),
            None => without_services(subject, policy),
        },
    }
}

fn without_services(subject: &Subject, policy: &Policy) -> Judgement {
    let right = HIGH_AVAILABILITY.key(subject.version);
    let missing = format!("no {right}: a JobManager that fails forgets its jobs{}", relying(subject));
    let directory = match HIGH_AVAILABILITY_DIRECTORY.find(&subject.conf, subject.version) {
        Lookup::Set { key, setting } => match judged(key, setting, subject, WRITERS) {
            Ok(_) => None,
            Err(message) => return Judgement::advice(message),
        },
        Lookup::Ignored { key, setting } => {
            let right = HIGH_AVAILABILITY_DIRECTORY.key(subject.version);
            return Judgement::advice(ignored(key, setting, subject.version, right.as_str()));
        }
        Lookup::Unset => match directory_fill(subject, policy) {
            Ok(fill) => Some(fill),
            Err(why) => return Judgement::advice(format!("{missing}; {why}")),
        },
    };
    if !is_free_to_move(subject) {
        return Judgement::advice(format!(
            "{missing}; what is deployed gets it with its next deployment from a savepoint: upgradeMode savepoint and a savepoint directory"
        ));
    }
    let kind = if subject.version < KNOWS_KUBERNETES { KUBERNETES_FACTORY } else { KUBERNETES };
    let fills = std::iter::once(Fill::option(right, kind)).chain(directory).collect();
    Judgement::gap(missing, fills)
}

/// What does not work at all without the services.
fn relying(subject: &Subject) -> String {
    match subject.cluster.job_manager.replicas {
        Some(replicas) if replicas > 1 => {
            format!(", and the Flink operator refuses spec.jobManager.replicas {replicas} without it")
        }
        _ if subject.upgrade_mode() == Some(UpgradeMode::LastState) => {
            ", and upgradeMode last-state relies on it".to_owned()
        }
        _ => String::new(),
    }
}

fn judge_choice(key: &str, setting: &Setting, subject: &Subject, policy: &Policy) -> Judgement {
    let (is, value) = (chosen(key, setting), &setting.value);
    let is_class = value.contains('.');
    match value.to_ascii_lowercase().as_str() {
        "none" => Judgement::advice(format!(
            "{is}: a JobManager that fails forgets its jobs{}; use kubernetes or opt out",
            relying(subject)
        )),
        KUBERNETES if subject.version < KNOWS_KUBERNETES => Judgement::advice(format!(
            "{is}, which Flink {} takes for a class and cannot load; write {KUBERNETES_FACTORY}",
            subject.version
        )),
        KUBERNETES | "zookeeper" => judge_directory(&is, subject, policy),
        _ if is_class => judge_directory(&is, subject, policy),
        _ => Judgement::advice(format!("{is}, which no Flink knows; use kubernetes")),
    }
}

/// A spelling of the services that is there and is a prefix of the directory's key.
fn above_directory(subject: &Subject) -> Option<&'static str> {
    let directory = HIGH_AVAILABILITY_DIRECTORY.key(subject.version);
    let mut spellings = HIGH_AVAILABILITY.spellings().into_iter();
    spellings.find(|spelling| directory.overlaps(spelling) && subject.conf.get(spelling).is_some())
}

/// Judges the directory beside services that are there.
fn judge_directory(is: &str, subject: &Subject, policy: &Policy) -> Judgement {
    let right = HIGH_AVAILABILITY_DIRECTORY.key(subject.version);
    match HIGH_AVAILABILITY_DIRECTORY.find(&subject.conf, subject.version) {
        Lookup::Set { key, setting } => match judged(key, setting, subject, WRITERS) {
            Ok(directory) => Judgement::pass(format!("{is} and {key} is {directory}")),
            Err(message) => Judgement::advice(message),
        },
        Lookup::Ignored { key, setting } => Judgement::advice(ignored(key, setting, subject.version, right.as_str())),
        Lookup::Unset => {
            let missing = format!("{is} without {right}, and does not start");
            if subject.deployed {
                return Judgement::advice(format!(
                    "{missing}; it is filled for new clusters only, set it where the metadata is"
                ));
            }
            // Before 1.17 there is no other name.
            if let Some(above) = above_directory(subject).filter(|_| subject.version >= APART) {
                let renamed = HIGH_AVAILABILITY.key(subject.version);
                return Judgement::advice(format!(
                    "{missing}; rename {above} to {renamed} first, the two clash on Flink 2"
                ));
            }
            match directory_fill(subject, policy) {
                Ok(fill) => Judgement::gap(missing, vec![fill]),
                Err(why) => Judgement::advice(format!("{missing}; {why}")),
            }
        }
    }
}

fn directory_fill(subject: &Subject, policy: &Policy) -> Result<Fill, String> {
    let template = policy.storage.high_availability.as_ref();
    let directory = from_template(template, "highAvailability", subject, policy, WRITERS)?;
    Ok(Fill::option(HIGH_AVAILABILITY_DIRECTORY.key(subject.version), directory))
}

#[cfg(test)]
mod tests {
    use flink_conf::{Key, PlatformLayers};
    use serde_json::json;

    use super::*;
    use crate::Platform;

    /// The longest of all: a long class, by the layer with the longest name, beside the old name.
    #[test]
    fn a_message_is_never_longer_than_a_message_may_be() {
        let layer = "kubernetes.operator.default-configuration.flink-version.v1_17.high-availability.type";
        let settings = [(layer, KUBERNETES_FACTORY), ("high-availability", "kubernetes")];
        let settings = settings.map(|(key, value)| (Key::from(key), value.to_owned()));
        let platform = Platform { layers: PlatformLayers::new(settings.into()), log_file: None };
        let deployment = json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"flinkVersion": "v1_17"}});
        let subject = Subject::new(&serde_json::from_value(deployment).unwrap(), &platform).unwrap();
        let judgement = check(&subject, &Policy::default());
        assert!(judgement.message.contains("rename high-availability to"), "{}", judgement.message);
        assert!(judgement.message.len() <= 300, "{}: {}", judgement.message.len(), judgement.message);
    }
}
