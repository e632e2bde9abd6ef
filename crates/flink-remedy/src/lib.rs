//! The command line of flink-remedy.
//!
//! A library beside the binary, so that the generator of `docs/cli.md` reads the same definitions.

mod check;
mod client;
mod cluster;
mod completion;
pub mod crd;
mod diff;
mod explain;
mod holds;
mod input;
pub mod line_by_line;
pub mod policy;
mod policy_file;
pub mod reference;
mod report;
pub mod rules;
pub mod run;
pub mod troubles;
mod undo;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// What the binary is called.
pub const NAME: &str = "flink-remedy";
/// What the binary is called as a plugin of kubectl: kubectl turns the dash of its command into `_`.
const PLUGIN_FILE: &str = "kubectl-flink_remedy";
/// How a user of the plugin calls it.
const PLUGIN_COMMAND: &str = "kubectl flink-remedy";

/// Exit code: there are findings at or above the threshold.
const FINDINGS: u8 = 1;
/// Exit code: unreadable input or bad usage (clap uses the same).
const BAD_INPUT: u8 = 2;

/// Fills the gaps between FlinkDeployments and Flink's production checklist, and never overrides a choice
#[derive(Debug, Parser)]
#[command(name = NAME, version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator beside the Flink Kubernetes Operator
    Run(Box<run::RunArgs>),
    Check(check::CheckArgs),
    Diff(diff::DiffArgs),
    Rules(rules::RulesArgs),
    Explain(explain::ExplainArgs),
    Policy(policy::PolicyArgs),
    Report(report::ReportArgs),
    Undo(undo::UndoArgs),
    Crd(crd::CrdArgs),
    Completion(completion::CompletionArgs),
}

/// Reads a command line; help and errors speak as the user called us: `flink-remedy`, or `kubectl flink-remedy` where
/// kubectl did.
///
/// # Errors
/// The command line is none, or asks for help.
pub fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    let called = args.first().and_then(|name| Path::new(name).file_stem());
    let mut command = match called.and_then(OsStr::to_str) {
        Some(PLUGIN_FILE) => Cli::command().bin_name(PLUGIN_COMMAND),
        _ => Cli::command(),
    };
    let matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Does what the command line asks.
pub fn execute(cli: Cli, stdin: &mut impl Read, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let done = match cli.command {
        Command::Run(args) => return run::run(*args, err),
        Command::Check(args) => check::check(&args, stdin, out, err),
        Command::Diff(args) => diff::diff(&args, stdin, out, err),
        Command::Rules(args) => rules::rules(&args, out),
        Command::Explain(args) => explain::explain(&args, out, err),
        Command::Policy(args) => policy::policy(&args, out, err),
        Command::Report(args) => report::report(&args, report::width(), out, err),
        Command::Undo(args) => undo::undo(&args, stdin, io::stdin().is_terminal(), out, err),
        Command::Crd(args) => crd::crd(&args, out),
        Command::Completion(args) => completion::completion(&args, out),
    };
    match done.and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => code,
        // `flink-remedy rules | head`: whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let why = format!("the output cannot be written: {error}");
            let _ = troubles::complain(troubles::CommandTrouble::OutputUnwritten.explanation(), &why, err);
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// Text that may quote a manifest, without what would steer a terminal; its own lines stay.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if flink_conf::is_steering(c) && c != '\n' { ' ' } else { c }).collect()
}

/// Text from manifests on one line, without what would steer a terminal.
fn printable(text: &str) -> String {
    harmless(text).replace('\n', " ")
}
