use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use checklist::{Mode, Platform, Policy};
use clap::Args;
use jiff::Timestamp;

use super::judge::{Judge, Judged, Moment};
use super::platform::OperatorConfig;
use super::report::Job;
use crate::harmless;
use crate::input::{self, Input, InputError, Kind, Node, Object};

/// What is judged, and upon what: `check` and `diff` understand the same.
#[derive(Args, Clone, Debug)]
pub(crate) struct InputArgs {
    /// Files, directories (every *.yaml, *.yml and *.json below them), or - for standard input
    #[arg(required = true, value_name = "FILE|DIR|-", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    /// The Flink operator's own configuration: its directory (flink-conf.yaml or config.yaml, and
    /// log4j-console.properties) or one of these files; `none` if jobs get nothing from it. Unset, the
    /// operator is taken to be as its chart installs it
    #[arg(long, value_name = "FILE|DIR|none", value_hint = clap::ValueHint::AnyPath)]
    operator_config: Option<OperatorConfig>,

    #[arg(long, default_value_t = Mode::Apply, help = "Mode that the plan is made for: Off, Advise, NextDeploy or Apply")]
    mode: Mode,
}

/// Manifests with all that they are judged upon.
pub(crate) struct Inputs {
    input: Input,
    platform: Platform,
    policy: Policy,
    now: Timestamp,
}

/// What came of the inputs.
pub(crate) struct Checked<'a> {
    judged: Judged,
    /// The object of each job as it stands in its file.
    nodes: Vec<&'a Node>,
    input: &'a Input,
}

impl InputArgs {
    /// Whether the operator is taken to be as its chart installs it.
    pub(crate) fn is_stock(&self) -> bool {
        self.operator_config.is_none()
    }

    /// Reads everything; `None`, said on `err`, where FKO's configuration is of no use.
    ///
    /// # Errors
    /// `err` cannot be written.
    pub(crate) fn read(&self, stdin: &mut impl Read, err: &mut impl Write) -> io::Result<Option<Inputs>> {
        let platform = match self.operator_config.as_ref().map_or_else(|| Ok(Platform::stock()), OperatorConfig::load) {
            Ok(platform) => platform,
            Err(error) => {
                writeln!(err, "error: --operator-config: {error}")?;
                return Ok(None);
            }
        };
        let policy = Policy { mode: self.mode, ..Policy::default() };
        let input = Input::read(&self.paths, stdin);
        // The command's one look at the clock: opt-outs end.
        Ok(Some(Inputs { input, platform, policy, now: Timestamp::now() }))
    }
}

impl Inputs {
    /// Judges every job.
    pub(crate) fn judge(&self) -> Checked<'_> {
        self.judge_at(Moment::AsItIs)
    }

    /// Judges every job as if its owner changed it now: a moment at which a fill costs nothing.
    pub(crate) fn judge_free(&self, new_jobs: bool) -> Checked<'_> {
        self.judge_at(if new_jobs { Moment::New } else { Moment::Free })
    }

    fn judge_at(&self, moment: Moment) -> Checked<'_> {
        let mut namespaces: BTreeMap<&str, &BTreeMap<String, String>> = BTreeMap::new();
        let mut deployments = BTreeMap::new();
        for object in &self.input.objects {
            match object {
                Object::Namespace { name, annotations } => drop(namespaces.insert(name, annotations)),
                Object::Job { kind: Kind::Deployment, object: input::Judged::Deployment(deployment), .. } => {
                    deployments.insert((deployment.namespace(), deployment.name()), &**deployment);
                }
                Object::Job { .. } => {}
            }
        }
        let judge = Judge {
            platform: &self.platform,
            policy: &self.policy,
            namespaces: &namespaces,
            deployments: &deployments,
            moment,
            now: self.now,
        };
        let mut checked = Checked { judged: Judged::default(), nodes: Vec::new(), input: &self.input };
        for object in &self.input.objects {
            if let Object::Job { place, node, kind, object } = object {
                judge.judge(*kind, object, place, node, &mut checked.judged);
                checked.nodes.resize(checked.judged.jobs.len(), node);
            }
        }
        checked
    }
}

impl Checked<'_> {
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
        for warning in &self.judged.warnings {
            writeln!(err, "warning: {}", harmless(warning))?;
        }
        for error in self.errors() {
            writeln!(err, "error: {}", harmless(&error.to_string()))?;
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
