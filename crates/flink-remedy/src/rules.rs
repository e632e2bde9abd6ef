//! `flink-remedy rules` and `flink-remedy explain`: the catalogue, as it documents itself.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use checklist::{RULES, Rule, Scope, Target, Writes};
use clap::{Args, ValueEnum};
use flink_conf::FlinkVersion;
use serde::Serialize;

/// List the rules of the checklist
#[derive(Args, Clone, Debug)]
pub struct RulesArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Formats of the list of rules.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// For machines
    Json,
    /// For documentation
    Markdown,
}

#[derive(Serialize)]
struct Catalogue {
    version: u8,
    rules: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    code: &'static str,
    name: &'static str,
    scope: &'static str,
    summary: &'static str,
    docs: String,
}

/// Writes the list of rules.
///
/// # Errors
/// `out` cannot be written.
pub(crate) fn rules(args: &RulesArgs, out: &mut impl Write) -> io::Result<ExitCode> {
    match args.output {
        Output::Table => {
            let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or_default();
            for rule in RULES {
                writeln!(out, "{:<6}  {:<width$}  {}", rule.code, rule.name, rule.summary())?;
            }
        }
        Output::Json => {
            let rules = RULES.iter().map(|rule| entry(rule)).collect();
            serde_json::to_writer_pretty(&mut *out, &Catalogue { version: 1, rules })?;
            writeln!(out)?;
        }
        Output::Markdown => write!(out, "{}", markdown_table("docs/rules/"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn entry(rule: &Rule) -> Entry {
    let scope = match rule.scope {
        Scope::Job => "Job",
        Scope::Cluster => "Cluster",
    };
    Entry { code: rule.code, name: rule.name, scope, summary: rule.summary(), docs: docs(rule) }
}

/// A rule's documentation in Markdown, without the space that a doc comment begins its lines with.
pub(crate) fn docs(rule: &Rule) -> String {
    rule.docs.lines().fold(String::new(), |mut docs, line| {
        docs.push_str(line.strip_prefix(' ').unwrap_or(line));
        docs.push('\n');
        docs
    })
}

/// The rules as a Markdown table, each linked to its page in the folder `pages`.
pub fn markdown_table(pages: &str) -> String {
    let mut table = "| Code | Name | Defect |\n| --- | --- | --- |\n".to_owned();
    for rule in RULES {
        let (code, name) = (rule.code, rule.name);
        let _ = writeln!(table, "| [{code}]({pages}{code}.md) | {name} | {} |", rule.summary());
    }
    table
}

/// The page of all rules: the table, each row linked to the rule's own page.
pub fn markdown() -> String {
    format!(
        "# Rules\n\nThe production checklist in the order of every report; [the checklist line by line](checklist.md) shows \
         what is left for a human.\n\n{}",
        markdown_table("rules/")
    )
}

/// The page of one rule: its documentation, and what it writes for each version of Flink.
pub fn page(rule: &Rule) -> String {
    let mut text = String::new();
    for (number, line) in docs(rule).lines().enumerate() {
        if number == 0 {
            let _ = writeln!(text, "# {} {}\n\n{}.", rule.code, rule.name, rule.summary());
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
    text + &written(rule)
}

/// What a rule writes, version by version, with Flink's own default there.
fn written(rule: &Rule) -> String {
    if rule.writes.is_empty() {
        return String::new();
    }
    let mut text =
        "\n## What it writes, by Flink version\n\n| Flink | Key | Flink's default |\n| --- | --- | --- |\n".to_owned();
    for writes in rule.writes {
        let mut runs: Vec<(FlinkVersion, FlinkVersion, String, String)> = Vec::new();
        for version in FlinkVersion::CATALOGUED {
            let (key, default) = (shown(*writes, version), default(*writes, version));
            match runs.last_mut() {
                Some((_, last, same, like)) if *same == key && *like == default => *last = version,
                _ => runs.push((version, version, key, default)),
            }
        }
        for (first, last, key, default) in runs {
            let _ = writeln!(text, "| {} | {key} | {default} |", span(first, last));
        }
    }
    text
}

fn shown(writes: Writes, version: FlinkVersion) -> String {
    match writes.target(version) {
        Some(Target::Option(key)) => format!("`{key}`"),
        Some(Target::LogFile(name)) => format!("log file `{name}`"),
        Some(Target::PodAnnotation(key)) => format!("pod annotation `{key}`"),
        None => "what the policy lists under `settings`".to_owned(),
    }
}

fn default(writes: Writes, version: FlinkVersion) -> String {
    let (Writes::Option(option) | Writes::Directory(option)) = writes else { return String::new() };
    option.default(version).map_or_else(|| "none".to_owned(), |default| format!("`{default}`"))
}

fn span(first: FlinkVersion, last: FlinkVersion) -> String {
    let number = |version: FlinkVersion| format!("{}.{}", version.major(), version.minor());
    match FlinkVersion::CATALOGUED {
        [oldest, .., newest] if first == oldest && last == newest => "all".to_owned(),
        [.., newest] if last == newest => format!("{} and newer", number(first)),
        [oldest, ..] if first == oldest => format!("up to {}", number(last)),
        _ if first == last => number(first),
        _ => format!("{} to {}", number(first), number(last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_is_written_for_each_version() {
        let page = page(&checklist::rules::ROCKSDB_FULL_CHECKPOINTS);
        assert!(page.starts_with(
            "# CKP003 rocksdb-full-checkpoints\n\nRocksDB writes full checkpoints.\n\n## What it checks\n"
        ));
        for row in [
            "| up to 1.19 | `state.backend.incremental` | `false` |",
            "| 1.20 and newer | `execution.checkpointing.incremental` | `false` |",
        ] {
            assert!(page.contains(row), "{page}");
        }
    }
}
