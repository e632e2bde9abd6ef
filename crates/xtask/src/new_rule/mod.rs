//! `cargo xtask new-rule`: the files of a rule that compiles and says nothing yet. Tests fail until it is written: on its texts,
//! on its fixtures, and on the line of the checklist that it looks after.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use checklist::RULES;
use clap::Args;

const RULE: &str = include_str!("rule.rs.template");
const FIXTURE: &str = include_str!("fixture.yaml.template");
const MODULES: &str = "crates/checklist/src/rules/mod.rs";
const CATALOGUE: &str = "crates/checklist/src/catalogue.rs";

/// Begin a rule: its source, its place in the catalogue and two fixtures, all of which ask to be written
#[derive(Args, Clone, Debug)]
pub(crate) struct NewRuleArgs {
    /// Its code, two or three capitals and three digits, such as CKP005
    code: String,
    /// Its name, the defect in words joined by dashes, such as no-checkpoint-timeout
    name: String,
}

/// Writes the files and says what comes next.
pub(crate) fn run(root: &Path, args: &NewRuleArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let NewRuleArgs { code, name } = args;
    check(code, name)?;
    let (module, ident) = (name.replace('-', "_"), name.replace('-', "_").to_uppercase());
    let source = format!("crates/checklist/src/rules/{module}.rs");
    ensure!(!root.join(&source).exists(), "{source} is there already");
    let modules = with_module(&read(root, MODULES)?, &module, &ident)?;
    let catalogue = with_entry(&read(root, CATALOGUE)?, code, &ident)?;
    let filled = |text: &str| text.replace("@CODE@", code).replace("@NAME@", name).replace("@IDENT@", &ident);
    let fixtures = format!("crates/checklist/fixtures/{code}");
    write(root, &source, &filled(RULE))?;
    write(root, MODULES, &modules)?;
    write(root, CATALOGUE, &catalogue)?;
    for outcome in ["pass", "advice"] {
        let path = format!("{fixtures}/{outcome}.to-be-named.yaml");
        write(root, &path, &filled(FIXTURE).replace("@OUTCOME@", outcome))?;
    }
    writeln!(
        out,
        "{code} {name} has begun:
  {source}: write what it checks, and the texts that people read
  {fixtures}: write objects of which it says pass, advice, gap; beside each gap a fixed one, by hand
  crates/flink-remedy/src/line_by_line.rs: name the line of the checklist that it looks after
then `make gen` and `make test-quick`, which fails as long as something is to be written (CONTRIBUTING.md)"
    )?;
    Ok(())
}

fn check(code: &str, name: &str) -> anyhow::Result<()> {
    let (letters, digits) = code.split_at_checked(code.len().saturating_sub(3)).unwrap_or_default();
    let is_code = matches!(letters.len(), 2 | 3)
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    ensure!(is_code, "`{code}` is no code: write two or three capitals and three digits, such as CKP005");
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_name = name.contains('-') && name.split('-').all(is_word) && name.as_bytes()[0].is_ascii_lowercase();
    ensure!(is_name, "`{name}` is no name: write words joined by dashes, such as no-checkpoint-timeout");
    if let Some(rule) = RULES.iter().find(|rule| rule.is_called(code) || rule.is_called(name)) {
        bail!("{} {} is there already", rule.code, rule.name);
    }
    Ok(())
}

/// The module list with one more, in the order of the alphabet.
fn with_module(text: &str, module: &str, ident: &str) -> anyhow::Result<String> {
    let text = with_line(text, "mod ", &format!("mod {module};"))?;
    with_line(&text, "pub use ", &format!("pub use {module}::{ident};"))
}

/// The text with this line before the first that begins like it and sorts behind it, or behind the last.
fn with_line(text: &str, beginning: &str, line: &str) -> anyhow::Result<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let of_list = |other: &&str| other.starts_with(beginning);
    let behind = lines.iter().position(|other| of_list(other) && *other > line);
    let last = lines.iter().rposition(of_list).with_context(|| format!("no line begins with `{beginning}`"))?;
    lines.insert(behind.unwrap_or(last + 1), line);
    Ok(lines.join("\n") + "\n")
}

/// The catalogue with one more rule: behind the last of its letters, or before those about the platform and about keys.
fn with_entry(text: &str, code: &str, ident: &str) -> anyhow::Result<String> {
    let letters = code.trim_end_matches(|c: char| c.is_ascii_digit());
    let of_letters = |rule: &&checklist::Rule| rule.code.trim_end_matches(|c: char| c.is_ascii_digit()) == letters;
    let place = match RULES.iter().rposition(of_letters) {
        Some(last) => last + 1,
        None => RULES.iter().position(|rule| rule.code == "PLT001").context("PLT001 is gone from the catalogue")?,
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let entries: Vec<usize> =
        (0..lines.len()).filter(|index| lines[*index].trim_start().starts_with("&rules::")).collect();
    ensure!(entries.len() == RULES.len(), "{CATALOGUE} lists {} rules, not {}", entries.len(), RULES.len());
    let at = entries.get(place).copied().unwrap_or(entries[entries.len() - 1] + 1);
    lines.insert(at, format!("    &rules::{ident},"));
    Ok(lines.join("\n") + "\n")
}

fn read(root: &Path, path: &str) -> anyhow::Result<String> {
    fs::read_to_string(root.join(path)).context(path.to_owned())
}

fn write(root: &Path, path: &str, text: &str) -> anyhow::Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(&path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests;
