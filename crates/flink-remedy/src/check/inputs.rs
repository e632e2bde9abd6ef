use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use checklist::policy::{OperatorVersion, Policies};
use checklist::{Mode, Neighbours, Platform, Policy};
use clap::Args;
use controller::Explained;
use controller::operator_config::{STOCK_SOURCE, Source};
use flink_api::Kind;
use jiff::Timestamp;

use super::judge::{Judge, Judged, Moment, Namespace};
use super::platform::{OperatorConfig, OperatorConfigError};
use super::report::Job;
use crate::cluster::{self, ClusterError, Selection};
use crate::harmless;
use crate::input::{Input, InputError, Node, Object};
use crate::policy_file::{PolicyFileError, policies_of};
use crate::troubles::complain;

/// What is judged, and upon what: `check` and `diff` understand the same.
#[derive(Args, Clone, Debug)]
pub(crate) struct InputArgs {
    /// Files, directories (every *.yaml, *.yml and *.json below them), or - for standard input
    #[arg(required_unless_present = "cluster", value_name = "FILE|DIR|-", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// What the platform wants, as documents of kind `RemediationPolicy`; unset, with --cluster those of the cluster, else
    /// the built-in policy
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: Option<PathBuf>,

    /// The Flink operator's own configuration: its directory (flink-conf.yaml or config.yaml, and
    /// log4j-console.properties) or one of these files; `none` if jobs get nothing from it; with --cluster
    /// NAMESPACE/CONFIGMAP as well. Unset, files are judged as if the operator were as its chart installs it,
    /// and a cluster upon flink-operator/flink-operator-config
    #[arg(long, value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    operator_config: Option<String>,

    /// The version of the Flink operator, such as 1.15; wins over the policy's. Before 1.15, and where nobody says, no job
    /// restarts of itself unless the policy accepts that version
    #[arg(long, value_name = "VERSION")]
    operator_version: Option<OperatorVersion>,

    #[arg(long, default_value_t = Mode::Apply, help = "Mode that the plan is made for: Off, Advise, NextDeploy or Apply")]
    mode: Mode,
}

/// Jobs of a cluster instead of files.
#[derive(Args, Clone, Debug)]
struct ClusterArgs {
    /// Judge the jobs of the cluster that the kubeconfig names, and count by namespace what could be filled free and
    /// what would restart; nothing is written
    #[arg(long, conflicts_with = "paths")]
    cluster: bool,

    /// Namespace of the jobs
    #[arg(short, long, value_name = "NAMESPACE", requires = "cluster")]
    namespace: Option<String>,

    /// Jobs of all namespaces (the default)
    #[arg(short = 'A', long, requires = "cluster", conflicts_with = "namespace")]
    all_namespaces: bool,

    /// Jobs with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", requires = "cluster")]
    selector: Option<String>,
}

/// Manifests with all that they are judged upon.
pub(crate) struct Inputs {
    input: Input,
    platform: Platform,
    neighbours: Neighbours,
    policies: Policies,
    /// Why FKO's configuration could not be read from the cluster.
    layers_unreadable: Option<String>,
    /// Whether the input holds every session job of its session clusters.
    knows_session_jobs: bool,
    now: Timestamp,
}

/// Why nothing can be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputsError {
    #[error("--operator-config: {0}")]
    OperatorConfig(#[from] OperatorConfigError),
    #[error("--operator-config: {0}")]
    Source(#[from] controller::operator_config::SourceError),
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    #[error("--cluster: {0}")]
    Cluster(#[from] ClusterError),
}

/// What came of the inputs.
pub(crate) struct Checked<'a> {
    judged: Judged,
    /// The object of each job as it stands in its file.
    nodes: Vec<&'a Node>,
    input: &'a Input,
    layers_unreadable: Option<&'a str>,
}

impl InputArgs {
    /// Whether the operator is taken to be as its chart installs it.
    pub(crate) fn is_stock(&self) -> bool {
        self.operator_config.is_none() && !self.cluster.cluster
    }

    /// Whether a cluster is judged.
    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster.cluster
    }

    /// Reads everything; `None`, said on `err`, where what jobs are judged upon is of no use.
    ///
    /// # Errors
    /// `err` cannot be written.
    pub(crate) fn read(&self, stdin: &mut impl Read, err: &mut impl Write) -> io::Result<Option<Inputs>> {
        match self.inputs(stdin, err) {
            Ok(inputs) => Ok(Some(inputs)),
            Err(error) => complain(error.explanation(), &error, err).map(|()| None),
        }
    }

    fn inputs(&self, stdin: &mut impl Read, err: &mut impl Write) -> Result<Inputs, InputsError> {
        let given = policies_of(self.policy.as_deref(), self.operator_version)?;
        let inputs = if self.cluster.cluster {
            let ClusterArgs { namespace, selector, .. } = self.cluster.clone();
            let operator_config = self.operator_config.as_deref();
            let mut inputs = Inputs::of_cluster(
                &Selection { namespace, labels: selector, ..Selection::default() },
                operator_config,
                err,
            )?;
            if self.policy.is_some() {
                inputs.policies = given;
            } else {
                inputs.policies = inputs.policies.with_fallback(&given).under_operator(self.operator_version);
            }
            inputs
        } else {
            let config = self.operator_config.as_deref().map(OperatorConfig::of);
            let platform = config.map_or_else(|| Ok(Platform::stock()), |config| config.load())?;
            Inputs {
                input: Input::read(&self.paths, stdin),
                platform,
                neighbours: Neighbours::default(),
                policies: given,
                layers_unreadable: None,
                knows_session_jobs: true,
                now: now(),
            }
        };
        // What is asked for is what this mode would do, whatever the policies say of it.
        Ok(Inputs { policies: inputs.policies.map(|policy| policy.mode = self.mode), ..inputs })
    }
}

/// The command's one look at the clock: opt-outs end.
fn now() -> Timestamp {
    Timestamp::now()
}

impl Inputs {
    /// The jobs of a cluster, under its policies; tells on `err` what could not be seen.
    ///
    /// # Errors
    /// No way to the cluster, or a configuration that is of no use.
    pub(crate) fn of_cluster(
        selection: &Selection,
        operator_config: Option<&str>,
        err: &mut impl Write,
    ) -> Result<Self, InputsError> {
        let source = operator_config.unwrap_or(STOCK_SOURCE);
        let is_file = source != "none" && std::path::Path::new(source).exists();
        let config_map = if is_file { Source::None } else { source.parse()? };
        let mut found = cluster::read(selection, &config_map)?;
        if is_file {
            found.platform = Ok(OperatorConfig::of(source).load()?);
        }
        for unseen in &found.unseen {
            // What cannot be told is no reason not to judge.
            let _ = writeln!(err, "warning: {}", harmless(unseen));
        }
        let (platform, layers_unreadable) = match found.platform {
            Ok(platform) => (platform, None),
            Err(why) => (Platform::default(), Some(why)),
        };
        Ok(Self {
            input: Input::of_cluster(found.objects, found.context),
            platform,
            neighbours: found.neighbours,
            policies: Policies::new(found.policies.unwrap_or_default(), Policy::default()),
            layers_unreadable,
            knows_session_jobs: found.knows_session_jobs,
            now: now(),
        })
    }

    /// What the platform wants.
    pub(crate) fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The same jobs under other policies.
    #[must_use]
    pub(crate) fn under(self, policies: Policies) -> Self {
        Self { policies, ..self }
    }

    /// Judges every job.
    pub(crate) fn judge(&self) -> Checked<'_> {
        self.judge_at(Moment::AsItIs)
    }

    /// Judges every job as if its owner changed it now: a moment at which a fill costs nothing.
    pub(crate) fn judge_free(&self, new_jobs: bool) -> Checked<'_> {
        self.judge_at(if new_jobs { Moment::New } else { Moment::Free })
    }

    fn judge_at(&self, moment: Moment) -> Checked<'_> {
        let mut namespaces: BTreeMap<&str, Namespace> = BTreeMap::new();
        let mut deployments = BTreeMap::new();
        let mut session_jobs: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
        for object in self.input.context.iter().chain(&self.input.objects) {
            match object {
                Object::Namespace { name, annotations, labels } => {
                    namespaces.insert(name, Namespace { annotations, labels });
                }
                Object::Job { object, .. } if object.kind == Kind::Deployment => {
                    deployments.insert((object.namespace(), object.name()), &**object);
                }
                Object::Job { object, .. } => {
                    let cluster = object.session_cluster().map(|cluster| (object.namespace(), cluster));
                    if let Some(cluster) = cluster {
                        session_jobs.entry(cluster).or_default().insert(object.name().to_owned());
                    }
                }
            }
        }
        let judge = Judge {
            platform: &self.platform,
            neighbours: &self.neighbours,
            policies: &self.policies,
            namespaces: &namespaces,
            deployments: &deployments,
            session_jobs: self.knows_session_jobs.then_some(&session_jobs),
            moment,
            layers_unreadable: self.layers_unreadable.as_deref(),
            now: self.now,
        };
        let mut checked = Checked {
            judged: Judged::default(),
            nodes: Vec::new(),
            input: &self.input,
            layers_unreadable: self.layers_unreadable.as_deref(),
        };
        for object in &self.input.objects {
            if let Object::Job { place, node, object } = object {
                judge.judge(object, place, node, &mut checked.judged);
                checked.nodes.resize(checked.judged.jobs.len(), node);
            }
        }
        checked
    }
}

impl Checked<'_> {
    /// The jobs, in the order of the input.
    pub(crate) fn into_jobs(self) -> Vec<Job> {
        self.judged.jobs
    }

    /// The jobs, in the order of the input.
    pub(crate) fn jobs(&self) -> &[Job] {
        &self.judged.jobs
    }

    /// The jobs, each with its object as it stands in its file.
    pub(crate) fn with_nodes(&self) -> impl Iterator<Item = (&Job, &Node)> {
        self.judged.jobs.iter().zip(self.nodes.iter().copied())
    }

    /// What could not be read or judged.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &InputError> {
        self.input.errors.iter().chain(&self.judged.errors)
    }

    /// Tells on `err` what is amiss with the input.
    ///
    /// # Errors
    /// `err` cannot be written.
    pub(crate) fn tell(&self, err: &mut impl Write) -> io::Result<()> {
        if let Some(why) = &self.layers_unreadable {
            let what = "the Flink operator's configuration cannot be read, so a default set there looks like a gap";
            writeln!(err, "warning: {what}: {}", harmless(why))?;
        }
        for warning in &self.judged.warnings {
            writeln!(err, "warning: {}", harmless(warning))?;
        }
        for error in self.errors() {
            complain(error.explanation(), error, err)?;
        }
        if self.judged.jobs.is_empty() && self.errors().next().is_none() {
            let documents = self.input.documents;
            writeln!(
                err,
                "note: no FlinkDeployment, FlinkSessionJob or FlinkBlueGreenDeployment of flink.apache.org in {documents} document(s): nothing to check"
            )?;
        }
        Ok(())
    }
}
