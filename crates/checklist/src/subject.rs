use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flink_api::{
    FlinkDeployment, FlinkDeploymentSpec, FlinkDeploymentStatus, Ingress, JobManagerSpec, JobSpec, Parsed, PodTemplate,
    TaskManagerSpec, UpgradeMode,
};
use flink_conf::options::{CHECKPOINT_INTERVAL, CHECKPOINT_RETENTION, RESTORE_PATH, RUNTIME_MODE};
use flink_conf::{EffectiveConf, FlattenError, FlinkVersion, Key, Lookup, VersionError, flatten, spelled_twice};
use serde_json::Value;

use crate::Labels;
use crate::policy::{PathTemplate, TemplateError};
use crate::{Fill, Platform, PlatformLogFile, Policy, Surroundings, Target};

/// First version to which FKO gives a session job's own options (`AbstractFlinkService.runJar`).
const OPTIONS_OF_SESSION_JOBS: FlinkVersion = FlinkVersion::new(1, 17);

/// What kind of object a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A cluster with one job, and the template of a `FlinkBlueGreenDeployment`.
    Application,
    /// A cluster for session jobs.
    SessionCluster,
    /// A job on a session cluster.
    SessionJob,
}

/// What rules look at: one object, typed and normalised, upon its platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels of its resource.
    pub labels: Labels,
    /// The Flink that the job declares.
    pub version: FlinkVersion,
    /// The job; `None` on a session cluster.
    pub job: Option<JobSpec>,
    /// FKO has deployed it, or its status does not say.
    pub deployed: bool,
    /// FKO has not deployed it yet and it restores nothing: there is no state that a change could lose.
    pub starts_empty: bool,
    /// Configuration in effect, with origins.
    pub conf: EffectiveConf,
    /// Keys of a session job that never reach Flink: FKO gives a session job's own options to Flink from 1.17 on
    /// (`AbstractFlinkService.runJar`).
    pub unread: BTreeSet<Key>,
    /// Keys that the resource spells both flat and nested.
    pub spelled_twice: BTreeSet<Key>,
    /// Keys of the resource's document that hold a map or a list: a value in its place would wipe it out.
    pub containers: BTreeSet<Key>,
    /// The resource's own log files; `None` where FKO's are used.
    pub log_files: Option<BTreeMap<String, String>>,
    /// FKO's log4j file; `None` where it cannot be read.
    pub platform_log_file: Option<PlatformLogFile>,
    /// Annotations of the common pod template.
    pub pod_annotations: BTreeMap<String, String>,
    /// The processes and what reaches them; of a session job those of its cluster.
    pub cluster: Cluster,
    /// What the cluster shows around it.
    pub surroundings: Surroundings,
}

/// The processes that a job runs on, and what reaches them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// `native` or `standalone`; `None` is native.
    pub mode: Option<String>,
    /// Of all pods.
    pub pod_template: Option<Arc<PodTemplate>>,
    /// Size, replicas and pods of the `JobManager`.
    pub job_manager: JobManagerSpec,
    /// Size, replicas and pods of the `TaskManager`s.
    pub task_manager: TaskManagerSpec,
    /// Ingress to the REST port.
    pub ingress: Option<Ingress>,
}

impl Cluster {
    /// Whether Flink runs its pods by FKO's Deployments, not by its own; native is the default.
    pub(crate) fn is_standalone(&self) -> bool {
        self.mode.as_deref() == Some("standalone")
    }

    fn of(spec: &FlinkDeploymentSpec) -> Self {
        Self {
            mode: spec.mode.clone(),
            pod_template: spec.pod_template.clone(),
            job_manager: spec.job_manager.clone().unwrap_or_default(),
            task_manager: spec.task_manager.clone().unwrap_or_default(),
            ingress: spec.ingress.clone(),
        }
    }
}

/// Why a deployment cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The spec has a field of the wrong shape.
    #[error("spec cannot be read: {0}")]
    Spec(String),
    /// No `flinkVersion`.
    #[error("spec.flinkVersion is missing; write the Flink version of the image, such as v1_20")]
    NoVersion,
    /// A `flinkVersion` that is none.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A `flinkConfiguration` that is no map.
    #[error("spec.{0}")]
    Configuration(#[from] FlattenError),
    /// A session job that names no session cluster.
    #[error("spec.deploymentName is missing; write the name of its session cluster")]
    NoDeploymentName,
    /// The session cluster of a session job is not there.
    #[error("its session cluster {0} is not there; create that FlinkDeployment in the same namespace")]
    NoSessionCluster(String),
    /// The session cluster of a session job cannot be judged.
    #[error("its session cluster {name} cannot be judged: {why}")]
    SessionCluster {
        /// Name of the session cluster.
        name: String,
        /// What is wrong with it.
        why: Box<SubjectError>,
    },
}

impl Subject {
    /// Reads an object of any kind upon its platform, a session job upon its session cluster too. The only reader of raw
    /// objects among the stages.
    ///
    /// # Errors
    /// A spec that has not the shape of its kind, or a session job whose cluster is not there.
    pub fn of(
        object: &FlinkDeployment,
        session_cluster: Option<&FlinkDeployment>,
        platform: &Platform,
    ) -> Result<Self, SubjectError> {
        if object.kind != flink_api::Kind::SessionJob {
            return Self::new(object, platform);
        }
        let spec = object.spec.as_result().map_err(|why| SubjectError::Spec(why.to_owned()))?;
        let name = spec.session_cluster.as_ref().ok_or(SubjectError::NoDeploymentName)?;
        let cluster = session_cluster.ok_or_else(|| SubjectError::NoSessionCluster(name.clone()))?;
        Self::of_session_job(object, cluster, platform)
    }

    /// Reads a deployment upon its platform.
    ///
    /// # Errors
    /// A spec that has not the shape of a `FlinkDeployment`.
    pub fn new(deployment: &FlinkDeployment, platform: &Platform) -> Result<Self, SubjectError> {
        let spec = deployment.spec.as_result().map_err(|why| SubjectError::Spec(why.to_owned()))?;
        let version: FlinkVersion = spec.flink_version.as_deref().ok_or(SubjectError::NoVersion)?.parse()?;
        let layers = platform.layers.effective(deployment.namespace(), version);
        let mut conf = EffectiveConf::new(layers, flatten(&spec.flink_configuration)?);
        set_built_ins(&mut conf, spec.job.as_ref(), version);
        let deployed = is_deployed(deployment.status.as_ref());
        Ok(Self {
            kind: if spec.job.is_some() { Kind::Application } else { Kind::SessionCluster },
            namespace: deployment.namespace().to_owned(),
            name: deployment.name().to_owned(),
            labels: deployment.metadata.labels.clone().unwrap_or_default(),
            version,
            deployed,
            starts_empty: !deployed && !restores(spec.job.as_ref(), &conf, version),
            job: spec.job.clone(),
            conf,
            unread: BTreeSet::new(),
            spelled_twice: spelled_twice(&spec.flink_configuration),
            containers: containers(&spec.flink_configuration),
            log_files: spec.log_configuration.clone(),
            platform_log_file: platform.log_file.clone(),
            pod_annotations: spec.pod_annotations().cloned().unwrap_or_default(),
            cluster: Cluster::of(spec),
            surroundings: Surroundings::default(),
        })
    }

    /// Reads a session job upon its session cluster.
    ///
    /// # Errors
    /// A spec of either that has not the shape of its kind.
    pub fn of_session_job(
        session_job: &FlinkDeployment,
        session_cluster: &FlinkDeployment,
        platform: &Platform,
    ) -> Result<Self, SubjectError> {
        let spec = session_job.spec.as_result().map_err(|why| SubjectError::Spec(why.to_owned()))?;
        let cluster = Self::new(session_cluster, platform).map_err(|why| SubjectError::SessionCluster {
            name: session_cluster.name().to_owned(),
            why: Box::new(why),
        })?;
        let version = cluster.version;
        let own = flatten(&spec.flink_configuration)?;
        let (own, unread) =
            if version < OPTIONS_OF_SESSION_JOBS { (BTreeMap::new(), own) } else { (own, BTreeMap::new()) };
        let mut conf = EffectiveConf::of_session_job(cluster.conf, own);
        let job = spec.job.clone().unwrap_or_default();
        set_built_ins(&mut conf, Some(&job), version);
        let deployed = is_deployed(session_job.status.as_ref());
        Ok(Self {
            kind: Kind::SessionJob,
            namespace: session_job.namespace().to_owned(),
            name: session_job.name().to_owned(),
            labels: session_job.metadata.labels.clone().unwrap_or_default(),
            deployed,
            starts_empty: !deployed && !restores(Some(&job), &conf, version),
            job: Some(job),
            conf,
            unread: unread.into_keys().collect(),
            spelled_twice: spelled_twice(&spec.flink_configuration),
            containers: containers(&spec.flink_configuration),
            ..cluster
        })
    }

    /// The directory that a template of the policy gives to this job.
    ///
    /// # Errors
    /// The template needs something that the policy does not give.
    pub fn directory(&self, template: &PathTemplate, policy: &Policy) -> Result<String, TemplateError> {
        template.path(policy.cluster.as_deref(), &self.namespace, &self.name, &self.labels)
    }

    /// How FKO would replace the job; `None` on a session cluster.
    pub fn upgrade_mode(&self) -> Option<UpgradeMode> {
        self.job.as_ref().map(|job| job.upgrade_mode)
    }

    /// Whether options that are set here reach Flink.
    pub fn passes_on_options(&self) -> bool {
        self.kind != Kind::SessionJob || self.version >= OPTIONS_OF_SESSION_JOBS
    }

    /// Whether it is declared a batch job: by configuration, or where that is silent by an argument, such as
    /// `--execution-mode BATCH`.
    pub fn is_batch(&self) -> bool {
        let is_batch = |text: &str| text.eq_ignore_ascii_case("batch");
        if let Some(mode) = RUNTIME_MODE.find(&self.conf, self.version).value() {
            return is_batch(mode);
        }
        let mut args = self.job.iter().filter_map(|job| job.args.as_ref()).flatten();
        args.any(|arg| is_batch(arg.rsplit('=').next().unwrap_or_default()))
    }

    /// Whether the target has a value, in any spelling of any version where it is an option.
    pub fn has(&self, target: &Target) -> bool {
        match target {
            Target::Option(key) => flink_conf::options::is_set(&self.conf, key.as_str()),
            // A job without a log file of its own runs on FKO's, whole; with one it runs on its own, whole.
            Target::LogFile(_) => self.log_files.is_some(),
            Target::PodAnnotation(key) => self.pod_annotations.contains_key(key),
        }
    }

    /// The subject as it would be with this fill.
    pub fn fill(&mut self, fill: &Fill) {
        match &fill.target {
            Target::Option(key) => self.conf.set(key.clone(), fill.value.clone()),
            Target::LogFile(name) => {
                self.log_files.get_or_insert_default().insert(name.clone(), fill.value.clone());
            }
            Target::PodAnnotation(key) => {
                self.pod_annotations.insert(key.clone(), fill.value.clone());
            }
        }
    }
}

fn containers(document: &Value) -> BTreeSet<Key> {
    let fields = document.as_object().into_iter().flatten();
    fields.filter(|(_, node)| node.is_object() || node.is_array()).map(|(name, _)| Key::from(name)).collect()
}

/// Whether FKO has deployed it, or its status does not say.
fn is_deployed(status: Option<&Parsed<FlinkDeploymentStatus>>) -> bool {
    match status {
        None => false,
        Some(Parsed::Ok(status)) => !status.is_before_first_deployment(),
        Some(Parsed::Malformed(_)) => true,
    }
}

fn restores(job: Option<&JobSpec>, conf: &EffectiveConf, version: FlinkVersion) -> bool {
    let savepoint = job.and_then(|job| job.initial_savepoint_path.as_deref()).is_some_and(|path| !path.is_empty());
    savepoint || RESTORE_PATH.find(conf, version) != Lookup::Unset
}

/// What FKO sets where nobody else did (`FlinkConfigBuilder.applyJobConfig`).
fn set_built_ins(conf: &mut EffectiveConf, job: Option<&JobSpec>, version: FlinkVersion) {
    let Some(job) = job else { return };
    if job.upgrade_mode == UpgradeMode::LastState {
        conf.set_built_in(&CHECKPOINT_INTERVAL, version, "5 min");
    }
    conf.set_built_in(&CHECKPOINT_RETENTION, version, "RETAIN_ON_CANCELLATION");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subject(spec: &serde_json::Value) -> Result<Subject, SubjectError> {
        let deployment = json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": spec});
        Subject::new(&serde_json::from_value(deployment).unwrap(), &Platform::stock())
    }

    #[test]
    fn a_target_has_a_value_in_any_spelling_of_any_version() {
        let subject = subject(&json!({
            "flinkVersion": "v1_16",
            "flinkConfiguration": {"execution": {"checkpointing.incremental": false}, "a.b": "1"},
            "logConfiguration": {"logback-console.xml": ""},
            "podTemplate": {"metadata": {"annotations": {"k": "v"}}},
        }))
        .unwrap();
        let has = |target: &str| subject.has(&target.parse().unwrap());
        assert!(has("state.backend.incremental") && has("a.b"));
        assert!(has("logConfiguration:log4j-console.properties") && has("podTemplate.metadata.annotations:k"));
        assert!(!has("state.backend") && !has("a") && !has("podTemplate.metadata.annotations:l"));
        assert_eq!(subject.containers, BTreeSet::from([Key::from("execution")]));
    }

    #[test]
    fn fko_sets_an_interval_and_a_retention_where_nobody_did() {
        let built_in = |job: &serde_json::Value, key: &str| {
            let conf = subject(&json!({"flinkVersion": "v1_20", "job": job})).unwrap().conf;
            conf.get(key).map(|setting| setting.value.clone())
        };
        let (interval, retention) =
            ("execution.checkpointing.interval", "execution.checkpointing.externalized-checkpoint-retention");
        assert_eq!(built_in(&json!({"upgradeMode": "last-state"}), interval).as_deref(), Some("5 min"));
        assert_eq!(built_in(&json!({"upgradeMode": "savepoint"}), interval), None);
        assert_eq!(built_in(&json!({}), retention).as_deref(), Some("RETAIN_ON_CANCELLATION"));
        assert_eq!(built_in(&serde_json::Value::Null, retention), None);
    }

    #[test]
    fn configuration_says_what_is_batch_and_arguments_where_it_is_silent() {
        let is_batch = |mode: Option<&str>, args: &[&str]| {
            let conf = mode.map(|mode| json!({"execution.runtime-mode": mode}));
            let job = json!({"args": args});
            subject(&json!({"flinkVersion": "v1_20", "flinkConfiguration": conf, "job": job})).unwrap().is_batch()
        };
        assert!(is_batch(Some("batch"), &[]) && is_batch(None, &["--execution-mode", "BATCH"]));
        assert!(is_batch(None, &["-Dexecution.runtime-mode=BATCH"]));
        assert!(!is_batch(Some("STREAMING"), &["BATCH"]) && !is_batch(None, &["--topic", "batches"]));
    }

    #[test]
    fn what_is_no_deployment_is_named() {
        for (spec, named) in [
            (json!({}), "flinkVersion is missing"),
            (json!({"flinkVersion": "1.20"}), "of the form v1_20"),
            (json!({"flinkVersion": "v1_20", "flinkConfiguration": "a: 1"}), "spec.flinkConfiguration must be a map"),
            (json!({"flinkVersion": "v1_20", "job": {"upgradeMode": "sideways"}}), "sideways"),
        ] {
            let error = subject(&spec).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
