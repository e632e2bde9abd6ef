//! The command line of flink-remedy.
//!
//! A library beside the binary, so that the generator of `docs/cli.md` reads the same definitions.

mod check;
mod input;
pub mod line_by_line;
mod policy_file;
pub mod reference;
pub mod rules;
pub mod run;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code: there are findings at or above the threshold.
const FINDINGS: u8 = 1;
/// Exit code: unreadable input or bad usage (clap uses the same).
const BAD_INPUT: u8 = 2;

/// Fills the gaps between FlinkDeployments and Flink's production checklist, and never overrides a choice
#[derive(Debug, Parser)]
#[command(name = "flink-remedy", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator beside the Flink Kubernetes Operator
    Run(Box<run::RunArgs>),
    Check(check::CheckArgs),
    Rules(rules::RulesArgs),
    Explain(rules::ExplainArgs),
}

/// Does what the command line asks.
pub fn execute(cli: Cli, stdin: &mut impl Read, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let done = match cli.command {
        Command::Run(args) => return run::run(*args),
        Command::Check(args) => check::check(&args, stdin, out, err),
        Command::Rules(args) => rules::rules(&args, out),
        Command::Explain(args) => rules::explain(&args, out, err),
    };
    match done.and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => code,
        // `flink-remedy rules | head`: whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(err, "error: the output cannot be written: {error}");
            ExitCode::from(BAD_INPUT)
        }
    }
}
