//! The opt-outs for people: one line for each, the reason last, since nobody can say how long it is.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use flink_api::Kind;
use jiff::Timestamp;

use super::{Entry, Found, State};
use crate::printable;

const HEADS: [&str; 7] = ["EXPIRES", "WHAT", "RULES", "AGE", "OWNER", "SET BY", "REASON"];
/// What is not told.
const UNTOLD: &str = "-";
/// Units of an age, in seconds, from the largest on.
const UNITS: [(&str, i64); 3] = [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60)];

/// Writes the opt-outs for people. Colours are taken out again by the stream where nobody would see them.
///
/// # Errors
/// `out` cannot be written.
pub(in crate::report) fn write(found: &Found, now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    if found.opt_outs.is_empty() {
        return writeln!(out, "No opt-out is set.");
    }
    let rows: Vec<[String; 7]> = found.opt_outs.iter().map(|entry| row(entry, now)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.fold(HEADS[column].len(), usize::max)
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    write_line(HEADS.iter().copied(), &widths, Style::new().bold(), out)?;
    for (entry, row) in found.opt_outs.iter().zip(&rows) {
        write_line(row.iter().map(String::as_str), &widths, style(entry.state), out)?;
    }
    writeln!(out, "\n{}", summary(&found.opt_outs))
}

/// One line; the first cell in colour.
fn write_line<'a>(
    cells: impl Iterator<Item = &'a str>,
    widths: &[usize],
    style: Style,
    out: &mut impl Write,
) -> io::Result<()> {
    for (column, (cell, width)) in cells.zip(widths).enumerate() {
        match column {
            0 => write!(out, "{style}{cell:<width$}{style:#}")?,
            // No space at the end of the line.
            _ if column + 1 == widths.len() => write!(out, "  {cell}")?,
            _ => write!(out, "  {cell:<width$}")?,
        }
    }
    writeln!(out)
}

fn row(entry: &Entry, now: Timestamp) -> [String; 7] {
    let told = |text: Option<&String>| text.map_or(UNTOLD.to_owned(), |text| printable(text));
    let expires = match (entry.state, entry.until) {
        (State::Unreadable, _) => "unreadable".to_owned(),
        (_, None) => "never".to_owned(),
        (State::Expired, Some(until)) => format!("expired {} ago", span(until, now)),
        (State::InForce, Some(until)) => format!("{} (in {})", until.strftime("%Y-%m-%d %H:%MZ"), span(now, until)),
    };
    let rules = if entry.rules.is_empty() { "all".to_owned() } else { entry.rules.join(",") };
    let set_by = if entry.set_by.is_empty() { UNTOLD.to_owned() } else { printable(&entry.set_by.join(",")) };
    let mut reason = told(entry.reason.as_ref());
    if !entry.problems.is_empty() {
        reason = printable(&entry.problems.join("; "));
    }
    [
        expires,
        printable(&what(entry)),
        rules,
        entry.since.map_or(UNTOLD.to_owned(), |since| span(since, now)),
        told(entry.owner.as_ref()),
        set_by,
        reason,
    ]
}

fn what(entry: &Entry) -> String {
    let Some(namespace) = &entry.namespace else { return format!("namespace {}", entry.name) };
    if entry.kind == Kind::Deployment.name() {
        return format!("{namespace}/{}", entry.name);
    }
    format!("{namespace}/{} ({})", entry.name, entry.kind.trim_start_matches("Flink"))
}

/// The time between the two in its largest unit, rounded down.
fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    let unit = UNITS.iter().find(|(_, length)| seconds >= *length);
    unit.map_or_else(|| format!("{seconds}s"), |(unit, length)| format!("{}{unit}", seconds / length))
}

fn style(state: State) -> Style {
    match state {
        State::Expired => Style::new().dimmed(),
        State::Unreadable => AnsiColor::Red.on_default(),
        State::InForce => Style::new(),
    }
}

fn summary(entries: &[Entry]) -> String {
    let count = |state| entries.iter().filter(|entry| entry.state == state).count();
    format!(
        "{} in force, {} expired, {} unreadable: what cannot be read counts as opted out. AGE counts from the last change by \
         whoever set it.",
        count(State::InForce),
        count(State::Expired),
        count(State::Unreadable),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, entries};
    use super::*;

    #[test]
    fn it_looks_as_reviewed() {
        let mut out = anstream::StripStream::new(Vec::new());
        let found = Found { opt_outs: entries(), ..Found::default() };
        write(&found, NOW.parse().unwrap(), &mut out).unwrap();
        insta::assert_snapshot!("opt-outs", String::from_utf8(out.into_inner()).unwrap());
    }

    #[test]
    fn a_span_is_in_its_largest_unit() {
        let from: Timestamp = NOW.parse().unwrap();
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (86_400, "1d"), (8_640_000, "100d")] {
            assert_eq!(span(from, from + jiff::SignedDuration::from_secs(seconds)), text);
        }
        assert_eq!(span(from, from - jiff::SignedDuration::from_secs(9)), "0s");
    }
}
