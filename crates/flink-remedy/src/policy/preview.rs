//! `flink-remedy policy preview`: what a policy would change on a cluster, before anybody has it there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::Style;
use checklist::Verdict;
use checklist::policy::OperatorVersion;
use clap::{Args, ValueEnum};
use controller::{Explained, Explanation};
use serde::Serialize;

use crate::check::{Inputs, InputsError, Job, Restart, Timing};
use crate::cluster::Selection;
use crate::policy_file::{PolicyFileError, load, policies_of};
use crate::troubles::complain;
use crate::{BAD_INPUT, printable};

/// Most jobs that are named.
const MOST: usize = 20;

/// Say what policies would change on a cluster
///
/// Judges the cluster's jobs twice, under the policies that it has and under those with NEW in their place or beside
/// them, and tells what differs, namespace by namespace: how many jobs would be filled, restarted, held, or newly be in
/// violation of a rule. Nothing is written. Restarts come one after the other, as `rollout` says, never all at once.
///
/// Exit codes: 0 told, 2 unreadable input, no cluster, or bad usage.
#[derive(Args, Clone, Debug)]
pub(super) struct PreviewArgs {
    /// Documents of kind `RemediationPolicy`: each takes the place of the one by its name
    #[arg(value_name = "NEW", value_hint = clap::ValueHint::FilePath)]
    new: PathBuf,

    /// The policies as they are, where they are not the cluster's: what the operator has as --policy
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: Option<PathBuf>,

    #[command(flatten)]
    selection: Selection,

    /// The Flink operator's own configuration: NAMESPACE/CONFIGMAP, its directory, or `none`
    #[arg(long, value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    operator_config: Option<String>,

    /// The version of the Flink operator, such as 1.15; wins over the policies'
    #[arg(long, value_name = "VERSION")]
    operator_version: Option<OperatorVersion>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Formats of a preview.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// For machines: a stable interface
    Json,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    New(PolicyFileError),
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    #[error(transparent)]
    Inputs(#[from] InputsError),
}

impl Explained for Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::New(error) | Self::Policy(error) => error.explanation(),
            Self::Inputs(error) => error.explanation(),
        }
    }
}

/// What a policy would change.
#[derive(Debug, Serialize)]
struct Preview {
    version: u8,
    jobs: usize,
    namespaces: Vec<Counts>,
    /// Those for which something differs.
    changes: Vec<Change>,
}

/// What would change for one job.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    kind: &'static str,
    namespace: String,
    name: String,
    policy_before: String,
    policy_after: String,
    /// What would be done; nothing where only findings differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Action>,
    #[serde(skip_serializing_if = "String::is_empty")]
    plan: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// Codes of rules that find something, and did not before.
    new_violations: BTreeSet<&'static str>,
}

/// What would be done to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Action {
    /// It is filled at no cost.
    Filled,
    /// It restarts once.
    Restarted(Restart),
    /// Something is pending, and held.
    Held,
    /// Something is written down with its next deployment.
    Waits,
    /// What was pending no longer is.
    Dropped,
}

/// The jobs of one namespace for which something differs, counted.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    namespace: String,
    jobs: usize,
    other_policy: usize,
    filled: usize,
    stateful_restarts: usize,
    stateless_restarts: usize,
    session_restarts: usize,
    held: usize,
    newly_in_violation: usize,
}

pub(super) fn preview(args: &PreviewArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    let preview = match compare(args, err) {
        Ok(preview) => preview,
        Err(error) => {
            complain(error.explanation(), &error, err)?;
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    match args.output {
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &preview)?;
            writeln!(out)?;
        }
        Output::Table => write_table(&preview, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &PreviewArgs, err: &mut impl Write) -> Result<Preview, Error> {
    let new = load(&args.new).map_err(Error::New)?;
    let given = policies_of(args.policy.as_deref(), args.operator_version)?;
    let inputs = Inputs::of_cluster(&args.selection, args.operator_config.as_deref(), err)?;
    let before = if args.policy.is_some() { given } else { inputs.policies().clone().with_fallback(&given) };
    let before = before.under_operator(args.operator_version);
    let after = before.with(new).under_operator(args.operator_version);
    let inputs = inputs.under(before);
    let old = inputs.judge().into_jobs();
    let checked = inputs.under(after);
    let checked = checked.judge();
    // Trouble with an object is the same under any policy.
    let _ = checked.tell(err);
    let new = checked.into_jobs();
    Ok(Preview::of(&old, &new))
}

impl Preview {
    /// Of the same jobs in the same order, judged twice.
    fn of(old: &[Job], new: &[Job]) -> Self {
        let mut namespaces: BTreeMap<&str, Counts> = BTreeMap::new();
        let mut changes = Vec::new();
        for (before, after) in old.iter().zip(new) {
            let counts = namespaces.entry(&after.namespace).or_default();
            counts.jobs += 1;
            if let Some(change) = Change::between(before, after) {
                counts.add(&change);
                changes.push(change);
            }
        }
        let named = |(namespace, counts): (&str, Counts)| Counts { namespace: namespace.to_owned(), ..counts };
        Self { version: 1, jobs: new.len(), namespaces: namespaces.into_iter().map(named).collect(), changes }
    }
}

impl Change {
    /// What differs, if anything does.
    fn between(before: &Job, after: &Job) -> Option<Self> {
        // What is held for another reason may be free sooner, or later.
        let what = |job: &Job| (job.plan.hash.clone(), job.plan.timing, held(job));
        let action = (what(before) != what(after)).then(|| action(after));
        let new_violations: BTreeSet<_> = violations(after).difference(&violations(before)).copied().collect();
        if action.is_none() && new_violations.is_empty() && before.policy == after.policy {
            return None;
        }
        Some(Self {
            kind: after.kind,
            namespace: after.namespace.clone(),
            name: after.name.clone(),
            policy_before: before.policy.clone(),
            policy_after: after.policy.clone(),
            action,
            plan: after.plan.hash.clone(),
            reason: if action.is_some() { after.plan.reason.clone() } else { String::new() },
            new_violations,
        })
    }
}

/// Why it is held, if it is.
fn held(job: &Job) -> Option<String> {
    (job.plan.timing == Timing::Held).then(|| job.plan.reason.clone())
}

fn action(after: &Job) -> Action {
    match after.plan.timing {
        Timing::Now if after.plan.restarts => Action::Restarted(after.restart),
        Timing::Now => Action::Filled,
        Timing::Held => Action::Held,
        Timing::NextDeploy => Action::Waits,
        Timing::Nothing => Action::Dropped,
    }
}

fn violations(job: &Job) -> BTreeSet<&'static str> {
    let found = job.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Gap | Verdict::Advice));
    found.map(|finding| finding.code).collect()
}

impl Counts {
    fn add(&mut self, change: &Change) {
        self.other_policy += usize::from(change.policy_before != change.policy_after);
        self.newly_in_violation += usize::from(!change.new_violations.is_empty());
        let count = match change.action {
            Some(Action::Filled) => &mut self.filled,
            Some(Action::Restarted(Restart::Stateful)) => &mut self.stateful_restarts,
            Some(Action::Restarted(Restart::Stateless)) => &mut self.stateless_restarts,
            Some(Action::Restarted(Restart::Session)) => &mut self.session_restarts,
            Some(Action::Held | Action::Waits) => &mut self.held,
            Some(Action::Dropped) | None => return,
        };
        *count += 1;
    }

    fn columns(&self) -> [(&'static str, usize); 8] {
        [
            ("jobs", self.jobs),
            ("other policy", self.other_policy),
            ("filled", self.filled),
            ("restarted", self.stateful_restarts),
            ("stateless", self.stateless_restarts),
            ("session", self.session_restarts),
            ("held", self.held),
            ("in violation", self.newly_in_violation),
        ]
    }
}

fn write_table(preview: &Preview, out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let widths = preview.namespaces.iter().map(|counts| counts.namespace.len());
    let width = widths.max().unwrap_or_default().max("Namespace".len());
    let headings = Counts::default().columns().map(|(heading, _)| heading).join("  ");
    writeln!(out, "{bold}{:<width$}  {headings}{bold:#}", "Namespace")?;
    for counts in &preview.namespaces {
        write!(out, "{:<width$}", printable(&counts.namespace))?;
        for (heading, number) in counts.columns() {
            write!(out, "  {number:>0$}", heading.len())?;
        }
        writeln!(out)?;
    }
    for change in preview.changes.iter().take(MOST) {
        writeln!(out, "{}", printable(&line(change)))?;
    }
    if preview.changes.len() > MOST {
        writeln!(out, "and {} more; -o json has them all", preview.changes.len() - MOST)?;
    }
    writeln!(
        out,
        "{} of {} jobs would differ. filled: at no cost; restarted: once, with their state; stateless: they start empty; session: \
         session clusters, whose jobs all go down; held: see -o json for the reasons; in violation: of a rule that finds something \
         new.",
        preview.changes.len(),
        preview.jobs
    )
}

fn line(change: &Change) -> String {
    let Change { kind, namespace, name, .. } = change;
    let mut parts = Vec::new();
    if change.policy_before != change.policy_after {
        parts.push(format!("policy {} instead of {}", change.policy_after, change.policy_before));
    }
    parts.extend(change.action.map(|action| match action {
        Action::Filled => "filled at no cost".to_owned(),
        Action::Restarted(Restart::Stateful) => "restarts once with its state".to_owned(),
        Action::Restarted(Restart::Stateless) => "restarts once and starts empty".to_owned(),
        Action::Restarted(Restart::Session) => "restarts once, and its session jobs with it".to_owned(),
        Action::Held | Action::Waits => format!("held: {}", change.reason),
        Action::Dropped => "nothing is pending any more".to_owned(),
    }));
    if !change.new_violations.is_empty() {
        let codes: Vec<&str> = change.new_violations.iter().copied().collect();
        parts.push(format!("newly in violation of {}", codes.join(", ")));
    }
    format!("  {kind} {namespace}/{name}: {}", parts.join("; "))
}
