use std::fmt::Write as _;
use std::io::{self, Write};

use flink_api::{GROUP, VERSION};

use super::changes::Section;
use crate::check::Job;
use crate::input::Node;
use crate::printable;

/// Writes a JSON merge patch as YAML: what names the object, and the filled values under flat keys.
///
/// kustomize finds the object by what names it, and merges maps of a kind without a schema as a merge patch does; to
/// `kubectl patch` the names are values that the object has anyway. So the namespace is there only if the manifest
/// names it: a kustomization often gives it later. Every value is in quotes, so that it is text to any YAML.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(super) fn write(
    job: &Job,
    object: &Node,
    notes: &[String],
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    let Some(named) = named(job, object, err)? else { return Ok(()) };
    writeln!(out, "---")?;
    notes.iter().try_for_each(|note| writeln!(out, "# {note}"))?;
    write_body(job, &named, out)
}

/// What tells an object from others of its kind.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a str>,
}

/// The names of an object; without a name it is told that no patch finds it.
///
/// # Errors
/// `err` cannot be written.
pub(super) fn named<'a>(job: &Job, object: &'a Node, err: &mut impl Write) -> io::Result<Option<Named<'a>>> {
    let text = |key| object.get("metadata").and_then(|metadata| metadata.text(key)).filter(|text| !text.is_empty());
    let Some(name) = text("name") else {
        let place = printable(&job.source.to_string());
        writeln!(
            err,
            "warning: {place}: a patch finds an object by its name, and this one has only metadata.generateName; write metadata.name"
        )?;
        return Ok(None);
    };
    Ok(Some(Named { name, namespace: text("namespace") }))
}

/// Writes the patch itself.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write_body(job: &Job, named: &Named<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "apiVersion: {GROUP}/{VERSION}\nkind: {}\nmetadata:\n  name: {}", job.kind, quoted(named.name))?;
    if let Some(namespace) = named.namespace {
        writeln!(out, "  namespace: {}", quoted(namespace))?;
    }
    let mut spec = String::new();
    for key in job.spec {
        writeln!(out, "{spec}{key}:")?;
        spec.push_str("  ");
    }
    for section in Section::ALL {
        let changes = section.changes(&job.plan);
        if changes.is_empty() {
            continue;
        }
        let mut indent = spec.clone();
        for key in section.path() {
            writeln!(out, "{indent}{key}:")?;
            indent.push_str("  ");
        }
        for (key, value) in changes {
            writeln!(
                out,
                "{indent}{}: {}",
                key_text(key),
                value.map_or("null".to_owned(), |value| text(value, &indent))
            )?;
        }
    }
    Ok(())
}

/// A key as it stands in people's manifests: plain where no YAML could take it for anything but text.
fn key_text(key: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/');
    let is_text = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.contains(['.', '/']);
    if is_text && key.bytes().all(is_plain) { key.to_owned() } else { quoted(key) }
}

/// A value: a file line by line where a literal block holds it exactly, anything else in quotes.
fn text(value: &str, indent: &str) -> String {
    let is_file = value.ends_with('\n') && !value.ends_with("\n\n") && !value.starts_with([' ', '\n']);
    if !is_file || value.chars().any(|c| c != '\n' && !is_printable(c)) {
        return quoted(value);
    }
    value.lines().fold("|".to_owned(), |block, line| {
        if line.is_empty() { block + "\n" } else { format!("{block}\n{indent}  {line}") }
    })
}

/// Text in double quotes, as YAML and JSON both read it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if is_printable(c) => quoted.push(c),
            // Of the others only what is below U+10000 is not printable.
            c => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
        }
    }
    quoted + "\""
}

/// What YAML lets stand as it is, without the exotic line breaks.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for value in [
            "true",
            "010",
            "1_000",
            "on",
            "",
            " ",
            "~",
            "a: b # c",
            "\"\\\t",
            "\u{1b}[1m\u{85}\u{2028}\u{feff}",
            "😀",
            "a\nb",
            "rootLogger.level = INFO\n\n# c\n  x = \"y\"\n",
            " a\n",
            "a\n\n",
            "\n",
            "a\r\nb\n",
            "a\tb\n",
            "--- a\n",
            "...\n",
        ] {
            let document = format!("k:\n  {}: {}\n", key_text(value), text(value, "  "));
            let expected = serde_json::json!({"k": {value: value}});
            assert_eq!(Node::parse(&document).map(|node| node.to_value()), Ok(expected), "{document}");
        }
        assert_eq!(key_text("metrics.reporter.prom.port"), "metrics.reporter.prom.port");
        assert_eq!(text("true", ""), "\"true\"");
        assert_eq!(text("a\nb\n", "  "), "|\n    a\n    b");
    }
}
