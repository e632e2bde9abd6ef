//! `flink-remedy policy`: what is done with a policy rather than with jobs.

mod export;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Say a policy in the words of others
#[derive(Args, Clone, Debug)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    Export(export::ExportArgs),
}

/// Does what the command line asks.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn policy(args: &PolicyArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    match &args.command {
        Command::Export(args) => export::export(args, out, err),
    }
}
