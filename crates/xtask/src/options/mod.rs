//! The catalogue of Flink's options: `crates/flink-conf/src/options/generated.rs`, merged from what
//! `e2e/flink/options/options.sh` reads out of the jars of each Flink version.

mod check;
mod merge;
mod render;
mod row;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use flink_conf::FlinkVersion;

use row::Row;

const CATALOGUE: &str = "crates/flink-conf/src/options/generated.rs";

/// Write the catalogue of Flink's options (`make option-catalogue` reads the jars first)
#[derive(Args, Debug)]
pub(crate) struct OptionArgs {
    /// Where the files `VERSION.tsv` are
    directory: PathBuf,
    /// Every Flink minor version, oldest first, such as 1.20
    #[arg(required = true)]
    versions: Vec<String>,
    /// Write nothing; fail if one of the versions differs from the catalogue that is compiled in
    #[arg(long)]
    check: bool,
}

/// Writes or checks the catalogue.
pub(crate) fn run(root: &Path, args: &OptionArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let versions = args.versions.iter().map(|version| read(&args.directory, version)).collect::<Result<Vec<_>, _>>()?;
    if args.check {
        return check(&args.versions, &versions, out);
    }
    let chains = merge::chains(&versions);
    let text = render::source(&args.versions, &chains)?;
    std::fs::write(root.join(CATALOGUE), &text).context(CATALOGUE)?;
    writeln!(out, "{CATALOGUE}: {} options, {} bytes", chains.len(), text.len())?;
    Ok(())
}

fn read(directory: &Path, version: &str) -> anyhow::Result<BTreeMap<String, Row>> {
    let path = directory.join(format!("{version}.tsv"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    row::parse(&text).with_context(|| path.display().to_string())
}

fn check(names: &[String], versions: &[BTreeMap<String, Row>], out: &mut impl Write) -> anyhow::Result<()> {
    let mut differences = Vec::new();
    for (name, rows) in names.iter().zip(versions) {
        let version: FlinkVersion = format!("v{}", name.replace('.', "_")).parse()?;
        differences.extend(check::differences(version, rows).into_iter().map(|line| format!("{name} {line}")));
    }
    ensure!(
        differences.is_empty(),
        "{CATALOGUE} is not what the jars declare; run `make option-catalogue`:\n{}",
        differences.join("\n")
    );
    writeln!(out, "{CATALOGUE} is what the jars of {} declare", names.join(", "))?;
    Ok(())
}
