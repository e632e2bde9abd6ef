//! Writes what is generated from the code: `cargo xtask gen`, or `cargo xtask gen --check` to see whether it
//! is up to date. A test checks as well, so that `cargo test` fails on drift.

mod chart;
mod cli_docs;
mod generated;
mod index;
mod layers;
#[cfg(test)]
mod links;
mod man;
mod moments;
mod monitoring;
mod new_rule;
mod options;
mod rights;
mod support;

use std::io::{self, Write};
use std::path::Path;

use clap::{Args, Parser, Subcommand};

/// Chores of the project
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Gen(GenArgs),
    /// Fail if a client or a runtime appears below the controller
    Layers,
    NewRule(new_rule::NewRuleArgs),
    OptionCatalogue(options::OptionArgs),
}

/// Write the generated files
#[derive(Args, Debug)]
struct GenArgs {
    /// Write nothing; fail if a file is not as it would be written
    #[arg(long)]
    check: bool,
}

fn main() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match Cli::parse().command {
        Command::Gen(args) => generate(root(), args.check, &mut out),
        Command::Layers => layers::check(root(), &mut out),
        Command::NewRule(args) => new_rule::run(root(), &args, &mut out),
        Command::OptionCatalogue(args) => options::run(root(), &args, &mut out),
    }
}

/// The root of the workspace.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

fn generate(root: &Path, check: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for file in generated::files(root)? {
        if file.is_up_to_date(root) {
            continue;
        }
        if check {
            stale.push(file.path);
        } else {
            file.write(root)?;
            writeln!(out, "{} written", file.path)?;
        }
    }
    anyhow::ensure!(stale.is_empty(), "not up to date: {}; run `make gen`", stale.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_files_are_up_to_date() {
        if let Err(error) = generate(root(), true, &mut io::sink()) {
            panic!("{error}");
        }
    }

    #[test]
    fn drift_is_found_and_mended() {
        let root = std::env::temp_dir().join(format!("xtask-drift-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("README.md"), "# Readme\n<!-- rules:begin -->\nold\n<!-- rules:end -->\nend\n")
            .unwrap();
        let error = generate(&root, true, &mut io::sink()).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("not up to date: docs/rules.md, docs/checklist.md, docs/cli.md, "), "{error}");
        assert!(
            error.ends_with(", README.md; run `make gen`") && error.contains(" docs/man/flink-remedy.1, "),
            "{error}"
        );
        generate(&root, false, &mut io::sink()).unwrap();
        generate(&root, true, &mut io::sink()).unwrap();
        let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
        assert!(
            readme.starts_with("# Readme\n<!-- rules:begin -->\n| Code |") && readme.ends_with("-->\nend\n"),
            "{readme}"
        );
        std::fs::remove_dir_all(&root).unwrap();
    }
}
