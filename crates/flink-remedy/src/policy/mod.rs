//! `flink-remedy policy`: what is done with policies rather than with jobs.

mod default;
mod export;
mod preview;
mod validate;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

pub use export::guardrail_manifest;

/// Print, check and try policies, or say one in the words of others
#[derive(Args, Clone, Debug)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    Default(default::DefaultArgs),
    Validate(validate::ValidateArgs),
    Preview(preview::PreviewArgs),
    Export(export::ExportArgs),
}

/// Does what the command line asks.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn policy(args: &PolicyArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    match &args.command {
        Command::Default(args) => default::default(args, out),
        Command::Validate(args) => validate::validate(args, out, err),
        Command::Preview(args) => preview::preview(args, out, err),
        Command::Export(args) => export::export(args, out, err),
    }
}
