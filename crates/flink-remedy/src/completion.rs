//! `flink-remedy completion`: the commands and flags, as a script for a shell.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{Cli, NAME};

/// Print the completion script of a shell
///
/// For bash: `source <(flink-remedy completion bash)`. For zsh: write it to a file `_flink-remedy` in a directory of
/// `$fpath`. For fish: `flink-remedy completion fish | source`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the script.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn completion(args: &CompletionArgs, out: &mut impl Write) -> io::Result<ExitCode> {
    // By way of a buffer: clap_complete panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if args.shell == Shell::Bash {
        // It spells a dash in our name in two ways, so that nothing is completed behind a command (clap #6421).
        script = script.replace(&NAME.replace('-', "__subcmd__"), &NAME.replace('-', "__"));
    }
    out.write_all(script.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
