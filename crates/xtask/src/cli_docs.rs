use std::fmt::Write;

use clap::{Command, CommandFactory};

/// The help of every command, as it is printed.
pub(crate) fn markdown() -> String {
    // Built whole, so that every subcommand knows how it is called.
    let mut cli = flink_remedy::Cli::command().term_width(100);
    cli.build();
    let mut text = "# Command line\n".to_owned();
    section(&mut cli, 2, &mut text);
    text
}

fn section(command: &mut Command, depth: usize, text: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(text, "\n{} {name}\n\n```text\n{}\n```\n", "#".repeat(depth), help.join("\n").trim_end());
    for subcommand in command.get_subcommands_mut().filter(|subcommand| subcommand.get_name() != "help") {
        section(subcommand, depth + 1, text);
    }
}
