//! `flink-remedy diff`: what would be filled, for people and as a patch for Git.

mod changes;
mod kustomize;
mod patch;
mod unified;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use checklist::Target;
use clap::{Args, ValueEnum};

use crate::check::{Finding, InputArgs, Job, Timing, when};
use crate::{BAD_INPUT, FINDINGS, printable};

/// Show what would be filled, as a diff or as a patch
///
/// Reads what `check` reads. Shows every value that a job would get when it is deployed anew, because that is what a
/// manifest in Git does: also what is right by default only, and what is held while the job runs, with the reason.
/// `-o patch` prints a merge patch for each job, which kustomize and `kubectl patch --type merge --patch-file` take;
/// `-o kustomize` a kustomization of the files that were read with a patch for each job.
///
/// Exit codes: 0 nothing to fill, 1 there is a diff, 2 unreadable input or bad usage.
#[derive(Args, Clone, Debug)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    inputs: InputArgs,

    /// Add what only a job without state can take, such as a state backend and the maximum parallelism: a manifest
    /// without a status does not say whether its job has ever run
    #[arg(long)]
    new_jobs: bool,

    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Formats of what would be filled.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For people: a unified diff of what a fill touches
    #[default]
    Diff,
    /// For Git: a YAML document for each job with the filled values only
    Patch,
    /// For Git: a kustomization with the same patches
    Kustomize,
}

/// Writes what would be filled to `out` and what is amiss with the input to `err`.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn diff(
    args: &DiffArgs,
    stdin: &mut impl Read,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let Some(inputs) = args.inputs.read(stdin, err)? else { return Ok(ExitCode::from(BAD_INPUT)) };
    let checked = inputs.judge();
    checked.tell(err)?;
    let unread = checked.errors().next().is_some();
    let freed = inputs.judge_free(args.new_jobs);
    let mut notes: Vec<Vec<String>> =
        checked.jobs().iter().zip(freed.jobs()).map(|(job, freed)| notes(job, freed)).collect();
    let mut differs = false;
    if matches!(args.output, Output::Kustomize) {
        kustomize::write_head(freed.jobs(), out, err)?;
    }
    for ((job, node), notes) in freed.with_nodes().zip(&mut notes) {
        if args.inputs.is_stock() && job.plan.fills.keys().any(|target| matches!(target, Target::LogFile(_))) {
            notes.push(
                "The log file derives from the Flink operator chart's; --operator-config names yours.".to_owned(),
            );
        }
        let is_settled = job.plan.fills.is_empty() && job.plan.leaving.is_empty();
        differs |= !is_settled;
        match args.output {
            Output::Diff if is_settled => unified::write_settled(job, notes, out)?,
            Output::Diff => unified::write(job, node, notes, out)?,
            Output::Patch | Output::Kustomize if is_settled => {}
            Output::Patch => patch::write(job, node, notes, out, err)?,
            Output::Kustomize => kustomize::write(job, node, notes, out, err)?,
        }
    }
    Ok(ExitCode::from(match (unread, differs) {
        (true, _) => BAD_INPUT,
        (false, true) => FINDINGS,
        (false, false) => 0,
    }))
}

/// What a reader should know of the diff: which rules ask for it, when the job as it is would get it, and what of that the
/// diff leaves out.
fn notes(job: &Job, freed: &Job) -> Vec<String> {
    let named = |job: &Job, asks: &dyn Fn(&Finding) -> bool| -> Vec<String> {
        let asking = job.findings.iter().filter(|finding| asks(finding));
        asking.map(|finding| format!("{} {}", finding.code, finding.rule)).collect()
    };
    let rules = named(freed, &|finding| !finding.fills.is_empty());
    let left_out = named(job, &|finding| finding.fills.keys().any(|target| !freed.plan.fills.contains_key(target)));
    let mut notes = vec![format!(
        "{} {}, Flink {}, {}:{}",
        job.kind,
        job.full_name(),
        job.flink_version,
        job.source.file,
        job.source.line
    )];
    if !rules.is_empty() {
        notes.push(rules.join(", "));
    }
    if job.plan.timing != Timing::Nothing || !rules.is_empty() {
        notes.push(format!("In the cluster: {}: {}", when(job.plan.timing), job.plan.reason));
    }
    if !left_out.is_empty() {
        notes.push(format!("Not shown, for a job that never ran only: {}; --new-jobs adds it", left_out.join(", ")));
    }
    notes.iter().map(|note| printable(note)).collect()
}
