use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use flink_conf::{MASK, is_secret};
use serde_yaml::{Mapping, Value};
use similar::TextDiff;

use super::changes::{Section, wrapped};
use crate::check::Job;
use crate::input::{Content, Node};
use crate::{harmless, printable};

/// Writes a unified diff of the touched parts of `spec`, secrets masked. Colours are taken out again by the stream
/// where nobody would see them.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write(job: &Job, object: &Node, notes: &[String], out: &mut impl Write) -> io::Result<()> {
    write_notes(notes, out)?;
    let touched: Vec<Section> =
        Section::ALL.into_iter().filter(|section| !section.changes(&job.plan).is_empty()).collect();
    let before = document(&touched, |section| standing(section, job, object))?;
    let after = document(&touched, |section| {
        let mut entries = standing(section, job, object);
        for (key, value) in section.changes(&job.plan) {
            entries.shift_remove(key);
            if let Some(value) = value {
                entries.insert(key.into(), flink_conf::masked(key, value).into());
            }
        }
        entries
    })?;
    let name = printable(&job.full_name());
    let diff = TextDiff::from_lines(&before, &after);
    let diff = diff.unified_diff().context_radius(3).header(&name, &format!("{name} (filled)")).to_string();
    for line in harmless(&diff).lines() {
        let style = style(line);
        writeln!(out, "{style}{line}{style:#}")?;
    }
    writeln!(out)
}

/// Tells of a job that gets nothing although a rule would fill something; of others there is nothing to say.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write_settled(job: &Job, notes: &[String], out: &mut impl Write) -> io::Result<()> {
    if job.findings.iter().all(|finding| finding.fills.is_empty()) {
        return Ok(());
    }
    write_notes(notes, out)?;
    writeln!(out)
}

fn write_notes(notes: &[String], out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    notes.iter().try_for_each(|note| writeln!(out, "{bold}# {note}{bold:#}"))
}

fn style(line: &str) -> Style {
    match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Style::new().bold(),
        [b'+', ..] => AnsiColor::Green.on_default(),
        [b'-', ..] => AnsiColor::Red.on_default(),
        [b'@', ..] => AnsiColor::Cyan.on_default(),
        _ => Style::new(),
    }
}

/// The sections as YAML below `spec`; one without entries is not there.
fn document(sections: &[Section], entries: impl Fn(Section) -> Mapping) -> io::Result<String> {
    let mut text = "spec:\n".to_owned();
    for section in sections {
        let entries = entries(*section);
        if entries.is_empty() {
            continue;
        }
        let yaml =
            serde_yaml::to_string(&wrapped(section.path(), Value::Mapping(entries))).map_err(io::Error::other)?;
        for line in yaml.lines() {
            text.push_str(if line.is_empty() { "" } else { "  " });
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// What the object has in a section, in its own order.
fn standing(section: Section, job: &Job, object: &Node) -> Mapping {
    let found = job.spec.iter().chain(section.path()).try_fold(object, |node, key| node.get(key));
    let Some(Node { content: Content::Map(entries), .. }) = found else { return Mapping::new() };
    entries.iter().map(|(key, node)| (Value::from(key.as_str()), shown(key, node))).collect()
}

/// A value as it may be printed: secrets masked by their dotted key, lines of a file that name one whole.
fn shown(path: &str, node: &Node) -> Value {
    match &node.content {
        Content::Map(entries) => {
            let below =
                |(key, node): &(String, Node)| (Value::from(key.as_str()), shown(&format!("{path}.{key}"), node));
            Value::Mapping(entries.iter().map(below).collect())
        }
        _ if is_secret(path) => MASK.into(),
        Content::List(items) => Value::Sequence(items.iter().map(|item| shown(path, item)).collect()),
        Content::Scalar(serde_json::Value::String(text)) if text.contains('\n') => {
            let lines = text.split('\n').map(|line| if is_secret(line) { MASK } else { line });
            lines.collect::<Vec<_>>().join("\n").into()
        }
        Content::Scalar(value) => serde_yaml::to_value(value).unwrap_or_default(),
    }
}
