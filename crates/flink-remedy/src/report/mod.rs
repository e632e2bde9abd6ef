//! `flink-remedy report`: what the operator reports of every job, in one look; and every opt-out.

mod cell;
mod fleet;
mod html;
mod json;
mod matrix;
mod opt_outs;
mod standing;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use controller::{Explained, Explanation};
use jiff::Timestamp;

use crate::cluster::{ClusterError, Selection};
use crate::troubles::{CommandTrouble, complain};
use crate::{BAD_INPUT, harmless};

use fleet::Fleet;

/// Show what the operator reports of every job: a matrix of jobs and rules, JSON, or a page to mail around
///
/// Reads the `RemediationReport`s that a running operator keeps beside each job, so it takes the right to list those and
/// nothing more (with -l, to list the jobs as well). `-o html` prints one self-contained page with filters, which asks
/// nobody for anything. `--opt-outs` lists whatever is left alone by annotation, with reason, age, expiry and owner; it
/// reads jobs and Namespaces, with or without an operator. Secrets are masked by the operator that writes the reports.
///
/// Exit codes: 0 done; 2 no cluster, no such kind, no right to it, or a report that cannot be read.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    selection: Selection,

    /// Output format; with --opt-outs, table or json
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,

    /// List the opt-outs of jobs and namespaces instead: those that have ended first, then those that end soonest
    #[arg(long)]
    opt_outs: bool,
}

/// Formats of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: as wide as the terminal or COLUMNS; elsewhere one line for each job
    #[default]
    Table,
    /// For machines: a stable interface
    Json,
    /// For browsers: one self-contained page
    Html,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    #[error("-o html shows the opt-outs of each job already; --opt-outs is printed as table or json")]
    NoSuchFormat,
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(
        "the cluster has no RemediationReports: the kind is not installed. `flink-remedy crd | kubectl apply -f -` installs \
         it, and a running operator writes them; `flink-remedy check --cluster` judges jobs without them"
    )]
    NoKind,
}

impl Explained for ReportError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::NoSuchFormat => CommandTrouble::FormUnknown.explanation(),
            Self::Cluster(error) => error.explanation(),
            Self::NoKind => CommandTrouble::NoReports.explanation(),
        }
    }
}

/// Shows the reports or the opt-outs. `width` is what a line may be long; `None` is without bounds.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn report(
    args: &ReportArgs,
    width: Option<usize>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let shown = if args.opt_outs { show_opt_outs(args, out, err) } else { show_fleet(args, width, out, err) };
    match shown {
        Ok(written) => written,
        Err(error) => {
            complain(error.explanation(), &error, err)?;
            Ok(ExitCode::from(BAD_INPUT))
        }
    }
}

/// How wide a line may be: what COLUMNS says, else what the terminal has; a pipe has no bounds.
pub(crate) fn width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let shown = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    said.or_else(shown).filter(|width| *width > 0)
}

fn show_fleet(
    args: &ReportArgs,
    width: Option<usize>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<io::Result<ExitCode>, ReportError> {
    // The command's one look at the clock.
    let fleet = fleet::read(&args.selection, Timestamp::now())?;
    Ok(write_fleet(args.output, &fleet, width, out).and_then(|()| tell(args, &fleet, err)))
}

fn write_fleet(output: Output, fleet: &Fleet, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    match output {
        Output::Table => matrix::write(&fleet.jobs, width, out),
        Output::Json => json::write(&fleet.jobs, out),
        Output::Html => html::write(fleet, out),
    }
}

/// What is amiss with the reports.
fn tell(args: &ReportArgs, fleet: &Fleet, err: &mut impl Write) -> io::Result<ExitCode> {
    for unreadable in &fleet.unreadable {
        complain(CommandTrouble::ReportUnread.explanation(), unreadable, err)?;
    }
    if !fleet.unreadable.is_empty() {
        return Ok(ExitCode::from(BAD_INPUT));
    }
    if fleet.jobs.is_empty() {
        let place = match &args.selection.namespace {
            Some(namespace) => format!("namespace {namespace}"),
            None => "the cluster".to_owned(),
        };
        let selected = if args.selection.labels.is_some() { " of jobs with such labels" } else { "" };
        writeln!(
            err,
            "note: no report{selected} in {}: a running operator keeps one beside each job that it watches (`kubectl get \
             deployment -n flink-remedy`); without it `flink-remedy check --cluster` judges jobs",
            harmless(&place)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show_opt_outs(
    args: &ReportArgs,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<io::Result<ExitCode>, ReportError> {
    if args.output == Output::Html {
        return Err(ReportError::NoSuchFormat);
    }
    // The command's one look at the clock.
    let now = Timestamp::now();
    let found = opt_outs::read(&args.selection, now)?;
    Ok(write_opt_outs(args.output, &found, now, out, err).map(|()| ExitCode::SUCCESS))
}

fn write_opt_outs(
    output: Output,
    found: &opt_outs::Found,
    now: Timestamp,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    for unseen in &found.unseen {
        writeln!(err, "warning: {}", harmless(unseen))?;
    }
    if output == Output::Json { opt_outs::write_json(found, out) } else { opt_outs::write_table(found, now, out) }
}
