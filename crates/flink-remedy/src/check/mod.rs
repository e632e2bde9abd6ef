//! `flink-remedy check`: what the loop would find and do, told from manifests alone.

mod inputs;
mod judge;
mod junit;
mod origin;
mod platform;
mod preview;
mod report;
mod sarif;
mod table;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use checklist::Verdict;
use clap::{Args, ValueEnum};

use crate::{BAD_INPUT, FINDINGS};

pub(crate) use inputs::{Checked, InputArgs, Inputs, InputsError};
pub(crate) use platform::{OperatorConfig, OperatorConfigError};
pub(crate) use report::{Finding, Job, Plan, Restart, Timing};
pub(crate) use table::when;

/// Check manifests, or a cluster's jobs, against Flink's production checklist
///
/// Reads FlinkDeployments, FlinkSessionJobs and FlinkBlueGreenDeployments from YAML or JSON: several documents in
/// a file, lists, and what `kubectl get -o yaml` prints are all understood; other kinds are passed over. Says for
/// each job what every rule finds, and what flink-remedy in mode Apply would fill and when. `--cluster` judges what
/// runs, and counts by namespace what could be filled free and what would restart.
///
/// Exit codes: 0 nothing at or above the threshold, 1 findings, 2 unreadable input or bad usage.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    inputs: InputArgs,

    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,

    /// Least finding that makes the exit code 1
    #[arg(long, value_enum, default_value_t)]
    fail_on: FailOn,

    /// Show in the table what is in order, too
    #[arg(short, long)]
    all: bool,
}

/// Formats of findings.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// For machines: a stable interface
    Json,
    /// The same as YAML
    Yaml,
    /// For code scanning: SARIF 2.1.0
    Sarif,
    /// For test reports: JUnit XML
    Junit,
}

impl FailOn {
    /// Whether a finding is at or above the threshold.
    fn fails(self, verdict: Verdict) -> bool {
        match self {
            Self::Never => false,
            Self::Gap => verdict == Verdict::Gap,
            Self::Advice => matches!(verdict, Verdict::Gap | Verdict::Advice),
        }
    }
}

/// What counts as a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Something is wrong or missing that can be filled
    #[default]
    Gap,
    /// As gap, and anything that a human must decide
    Advice,
    /// Nothing: only unreadable input is a failure
    Never,
}

/// Checks, writes the findings to `out` and what is amiss with the input to `err`.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn check(
    args: &CheckArgs,
    stdin: &mut impl Read,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let Some(inputs) = args.inputs.read(stdin, err)? else { return Ok(ExitCode::from(BAD_INPUT)) };
    let checked = inputs.judge();
    checked.tell(err)?;
    let code = exit_code(args.fail_on, &checked);
    let written = match args.output {
        Output::Json => report::write_json(checked.jobs(), args.inputs.is_cluster(), out),
        Output::Yaml => report::write_yaml(checked.jobs(), args.inputs.is_cluster(), out),
        Output::Sarif => sarif::write(&checked, code, out),
        Output::Junit => junit::write(&checked, args.fail_on, out),
        Output::Table => write_table(args, &checked, out),
    };
    let code = ExitCode::from(code);
    match written.and_then(|()| out.flush()) {
        // Whoever reads has read enough; what was found stays found.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code),
        written => written.map(|()| code),
    }
}

fn write_table(args: &CheckArgs, checked: &Checked<'_>, out: &mut impl Write) -> io::Result<()> {
    table::write(checked.jobs(), checked.errors().count(), args.inputs.is_stock(), args.all, out)?;
    if args.inputs.is_cluster() { preview::write(checked.jobs(), out) } else { Ok(()) }
}

fn exit_code(fail_on: FailOn, checked: &Checked<'_>) -> u8 {
    let mut findings = checked.jobs().iter().flat_map(|job| &job.findings);
    if checked.errors().next().is_some() {
        BAD_INPUT
    } else if findings.any(|finding| fail_on.fails(finding.verdict)) {
        FINDINGS
    } else {
        0
    }
}
