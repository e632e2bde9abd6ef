//! `flink-remedy rules` and `flink-remedy explain`: the catalogue, as it documents itself.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use checklist::{RULES, Rule, Scope};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::BAD_INPUT;

/// List the rules of the checklist
#[derive(Args, Clone, Debug)]
pub struct RulesArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Explain a rule: what it checks, why, what is filled, what that costs
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Its code or name, such as CKP003 or rocksdb-full-checkpoints
    #[arg(value_name = "CODE|NAME")]
    rule: String,
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
        Output::Markdown => write!(out, "{}", markdown_table(""))?,
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

/// Writes a rule's documentation, or the closest names to `err`.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn explain(args: &ExplainArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    let Some(rule) = checklist::find(args.rule.trim()) else {
        write!(err, "error: `{}` is no rule; ", args.rule.escape_debug())?;
        let close = closest(&args.rule);
        if close.is_empty() {
            writeln!(err, "`flink-remedy rules` lists them")?;
        } else {
            writeln!(err, "did you mean {}? `flink-remedy rules` lists them all", close.join(" or "))?;
        }
        return Ok(ExitCode::from(BAD_INPUT));
    };
    writeln!(out, "{} {}\n\n{}", rule.code, rule.name, docs(rule).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The names of the rules that are spelled most like this.
fn closest(text: &str) -> Vec<&'static str> {
    /// Below this, two words have little in common.
    const SIMILAR: f64 = 0.8;
    let likeness = |rule: &Rule| {
        let code = strsim::jaro_winkler(&rule.code.to_lowercase(), &text.to_lowercase());
        code.max(strsim::jaro_winkler(rule.name, &text.to_lowercase()))
    };
    let mut close: Vec<(f64, &Rule)> = RULES.iter().map(|&rule| (likeness(rule), rule)).collect();
    close.retain(|(likeness, _)| *likeness >= SIMILAR);
    close.sort_by(|one, other| other.0.total_cmp(&one.0));
    close.into_iter().take(3).map(|(_, rule)| if text.contains('-') { rule.name } else { rule.code }).collect()
}

/// A rule's documentation in Markdown, without the space that a doc comment begins its lines with.
fn docs(rule: &Rule) -> String {
    rule.docs.lines().fold(String::new(), |mut docs, line| {
        docs.push_str(line.strip_prefix(' ').unwrap_or(line));
        docs.push('\n');
        docs
    })
}

/// The rules as a Markdown table, each linked to its section of the document `page`.
pub fn markdown_table(page: &str) -> String {
    let mut table = "| Code | Name | Defect |\n| --- | --- | --- |\n".to_owned();
    for rule in RULES {
        let (code, name) = (rule.code, rule.name);
        let _ = writeln!(table, "| [{code}]({page}#{}) | {name} | {} |", anchor(rule), rule.summary());
    }
    table
}

/// The documentation of every rule: the table, then a section for each.
pub fn markdown() -> String {
    let mut text =
        format!("# Rules\n\nThe production checklist, in the order of every report.\n\n{}", markdown_table(""));
    for rule in RULES {
        let _ = write!(text, "\n## {} {}\n", rule.code, rule.name);
        for line in docs(rule).lines() {
            // The rule's own headings go two levels down, below that of its section.
            let line = line.strip_prefix('#').map_or_else(|| line.to_owned(), |rest| format!("###{rest}"));
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn anchor(rule: &Rule) -> String {
    format!("{}-{}", rule.code.to_lowercase(), rule.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_rules_have_a_neighbour() {
        assert_eq!(closest("CKP03").first(), Some(&"CKP003"));
        assert_eq!(closest("rocksdb-full-checkpoint").first(), Some(&"rocksdb-full-checkpoints"));
        assert!(closest("zzzz").is_empty());
    }

    #[test]
    fn every_rule_has_its_section() {
        let text = markdown();
        for rule in RULES {
            assert!(text.contains(&format!("\n## {} {}\n\u{23}## ", rule.code, rule.name)), "{}", rule.code);
        }
    }
}
