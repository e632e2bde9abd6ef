//! The matrix for people: a row for each job, a column for each rule that has something to tell.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::Style;

use super::cell::{Cell, columns};
use super::fleet::Job;
use super::standing::{STANDINGS, style, word};
use crate::printable;

/// What stands where a rule has nothing to tell.
const NOTHING: char = '.';
/// A name is not cut below this, in characters.
const SHORTEST_NAME: usize = 20;
/// Rules that shall fit beside a name before the name is cut.
const FEWEST_RULES: usize = 8;
const JOB: &str = "JOB";
const STANDING: &str = "STANDING";

/// How the rules' codes are written above their columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heads {
    /// `CKP003`.
    Line,
    /// `CKP` above `003`.
    Stacked,
}

impl Heads {
    /// Characters that a column takes, with the space before it.
    const fn width(self) -> usize {
        match self {
            Self::Line => 7,
            Self::Stacked => 4,
        }
    }

    /// What stands in this line above a column.
    fn line(self, code: &str, line: usize) -> &str {
        match (self, code.char_indices().rfind(|(_, c)| !c.is_ascii_digit())) {
            (Self::Stacked, Some((last, c))) if line == 0 => &code[..last + c.len_utf8()],
            (Self::Stacked, Some((last, c))) => &code[last + c.len_utf8()..],
            (Self::Line, _) | (Self::Stacked, None) => code,
        }
    }

    const fn lines(self) -> usize {
        match self {
            Self::Line => 1,
            Self::Stacked => 2,
        }
    }
}

/// Where everything stands.
#[derive(Debug)]
struct Layout<'a> {
    heads: Heads,
    name: usize,
    standing: usize,
    /// The rules of each block of columns.
    blocks: Vec<Vec<&'a str>>,
}

impl<'a> Layout<'a> {
    /// Everything in one block where it fits the width, else codes in two lines, else several blocks.
    fn new(names: &[String], jobs: &[Job], codes: &[&'a str], width: Option<usize>) -> Self {
        let longest = |texts: &mut dyn Iterator<Item = usize>, head: &str| texts.fold(head.len(), usize::max);
        let name = longest(&mut names.iter().map(|name| name.chars().count()), JOB);
        let standing = longest(&mut jobs.iter().map(|job| word(job.content.standing).len()), STANDING);
        let one = |heads| Self { heads, name, standing, blocks: vec![codes.to_vec()] };
        let Some(width) = width else { return one(Heads::Line) };
        let lead = name + 2 + standing;
        for heads in [Heads::Line, Heads::Stacked] {
            if lead + codes.len() * heads.width() <= width {
                return one(heads);
            }
        }
        let column = Heads::Stacked.width();
        let room = width.saturating_sub(2 + standing + codes.len().min(FEWEST_RULES) * column);
        let name = name.min(room.max(SHORTEST_NAME));
        let fit = (width.saturating_sub(name + 2 + standing) / column).max(1);
        // As many in each block as in the last.
        let each = codes.len().div_ceil(codes.len().div_ceil(fit).max(1)).max(1);
        Self { heads: Heads::Stacked, name, standing, blocks: codes.chunks(each).map(<[&str]>::to_vec).collect() }
    }
}

/// Writes the matrix, a legend and a summary; nothing where there is no job. Colours are taken out again by the stream
/// where nobody would see them.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write(jobs: &[Job], width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = jobs.iter().map(|job| printable(&job.shown())).collect();
    let layout = Layout::new(&names, jobs, &columns(jobs), width);
    for codes in &layout.blocks {
        write_heads(&layout, codes, out)?;
        for (job, name) in jobs.iter().zip(&names) {
            write_row(&layout, job, name, codes, out)?;
        }
        writeln!(out)?;
    }
    write_legend(jobs, width, out)?;
    write_summary(jobs, width, out)
}

fn write_heads(layout: &Layout<'_>, codes: &[&str], out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let width = layout.heads.width() - 1;
    for line in 0..layout.heads.lines() {
        let (job, standing) = if line == 0 { (JOB, STANDING) } else { ("", "") };
        let mut text = format!("{job:<0$}  {standing:<1$}", layout.name, layout.standing);
        for code in codes {
            let _ = write!(text, " {:>width$}", layout.heads.line(code, line));
        }
        writeln!(out, "{bold}{}{bold:#}", text.trim_end())?;
    }
    Ok(())
}

fn write_row(layout: &Layout<'_>, job: &Job, name: &str, codes: &[&str], out: &mut impl Write) -> io::Result<()> {
    let (name, standing) = (shortened(name, layout.name), job.content.standing);
    let style = style(standing);
    write!(out, "{name:<0$}  {style}{1:<2$}{style:#}", layout.name, word(standing), layout.standing)?;
    // Below the middle of its head, and no space at the end of the line.
    let width = layout.heads.width();
    let before = width / 2;
    for (position, code) in codes.iter().enumerate() {
        let space = if position == 0 { before + usize::from(width % 2 == 1) } else { width - 1 };
        let (style, sign) = match job.rules.get(*code) {
            Some(cell) => (cell.style(), cell.sign()),
            None => (Style::new().dimmed(), NOTHING),
        };
        write!(out, "{:space$}{style}{sign}{style:#}", "")?;
    }
    writeln!(out)
}

/// The text without its middle, in so many characters.
fn shortened(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let (head, tail) = (width.saturating_sub(1).div_ceil(2), width.saturating_sub(1) / 2);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(count - tail)).collect()
}

/// What the signs mean that are to be seen.
fn write_legend(jobs: &[Job], width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    let seen: BTreeSet<Cell> = jobs.iter().flat_map(|job| job.rules.values()).copied().collect();
    let pieces = seen.into_iter().map(|cell| {
        let (style, meaning) = (cell.style(), cell.meaning());
        (meaning.chars().count() + 2, format!("{style}{}{style:#} {meaning}", cell.sign()))
    });
    write_pieces(pieces, "   ", width, out)
}

/// How many jobs stand where, and what is found.
fn write_summary(jobs: &[Job], width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    let sum = |count: fn(&Job) -> u32| jobs.iter().map(|job| u64::from(count(job))).sum::<u64>();
    let plural = |count: u64, word| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let mut pieces = vec![format!("{}:", plural(jobs.len() as u64, "job"))];
    for standing in STANDINGS {
        let count = jobs.iter().filter(|job| job.content.standing == *standing).count();
        pieces.extend((count > 0).then(|| format!("{count} {},", word(*standing))));
    }
    pieces.push(format!("with {},", plural(sum(|job| job.content.findings.gaps), "gap")));
    pieces.push(format!("{} for a human,", sum(|job| job.content.findings.advice)));
    pieces.push(format!("{} right by default only", sum(|job| job.content.findings.implicit)));
    write_pieces(pieces.into_iter().map(|piece| (piece.chars().count(), piece)), " ", width, out)
}

/// Pieces, each with the characters that it takes, in as many lines as they take.
fn write_pieces(
    pieces: impl Iterator<Item = (usize, String)>,
    between: &str,
    width: Option<usize>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut used = 0;
    for (length, piece) in pieces {
        if used > 0 && width.is_some_and(|width| used + between.len() + length > width) {
            writeln!(out)?;
            used = 0;
        }
        let between = if used > 0 { between } else { "" };
        write!(out, "{between}{piece}")?;
        used += between.len() + length;
    }
    if used > 0 { writeln!(out) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fleet::tests::job;
    use super::*;

    /// A job with all signs, its neighbours with the rest.
    fn fleet() -> Vec<Job> {
        let finding = |rule: &str, verdict: &str| json!({"rule": rule, "verdict": verdict});
        let items = |items: &[Value]| json!({"gaps": 1, "advice": 1, "implicit": 1, "items": items});
        let open = json!({"standing": "Open", "optOut": {"rules": ["SEC001"]}, "filled": [{"rule": "MET001"}],
            "findings": items(&[finding("HA001", "Gap"), finding("MEM001", "Advice"), finding("LOG001", "Implicit")])});
        let held = json!({"standing": "Held", "hold": {"reason": "Stateless"}, "pending": {"rules": ["CKP003", "RST001"]},
            "findings": items(&[finding("CKP003", "Gap"), finding("RST001", "Gap")])});
        let pending = json!({"standing": "Pending", "pending": {"rules": ["JOB002", "CKP004"]},
            "findings": items(&[finding("JOB002", "Gap"), finding("CKP004", "Gap")])});
        vec![
            job("shop", "orders", &held),
            job("shop", "a-name-that-is-as-long-as-names-of-teams-can-be", &open),
            job("warehouse", "stock", &pending),
            job("warehouse", "settled", &json!({"standing": "Compliant"})),
        ]
    }

    fn written(jobs: &[Job], width: Option<usize>) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        write(jobs, width, &mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    /// `INSTA_UPDATE=always` writes them anew, and the difference shows in review.
    #[test]
    fn it_looks_as_reviewed() {
        for (name, width) in [("pipe", None), ("wide", Some(160)), ("usual", Some(80)), ("narrow", Some(48))] {
            insta::assert_snapshot!(name, written(&fleet(), width));
        }
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        for width in 45..200 {
            let text = written(&fleet(), Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
        }
    }

    #[test]
    fn every_job_has_its_sign_in_some_block() {
        for width in [20, 48, 80, 160, 1000] {
            let text = written(&fleet(), Some(width));
            for cell in Cell::ALL {
                // Once in a row at least, and once in the legend.
                assert!(text.matches(cell.sign()).count() > 1, "{cell:?} at {width}\n{text}");
            }
        }
    }

    #[test]
    fn a_pipe_gets_one_whole_line_for_each_job() {
        let text = written(&fleet(), None);
        let rows: Vec<&str> = text.lines().filter(|line| line.contains("shop/orders")).collect();
        let [row] = rows[..] else { panic!("{text}") };
        let heads: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(heads.len(), cells.len());
        assert_eq!(cells[heads.iter().position(|head| *head == "CKP003").unwrap()], "‖");
        assert!(text.contains("shop/a-name-that-is-as-long-as-names-of-teams-can-be"));
    }

    #[test]
    fn names_from_others_steer_no_terminal() {
        let text = written(&[job("n", "a\u{1b}[31m\nb", &json!({}))], None);
        assert!(!text.contains('\u{1b}') && text.contains("n/a [31m b"), "{text}");
        assert_eq!(written(&[], Some(80)), "");
    }

    #[test]
    fn colours_are_there_for_those_who_see_them() {
        let mut out = Vec::new();
        write(&fleet(), Some(80), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("\u{1b}[1m\u{1b}[31m✗\u{1b}[0m"));
    }
}
