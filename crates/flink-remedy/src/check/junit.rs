//! Findings as JUnit XML: a suite for each job, a case for each rule, for the test reports of CI servers.
//!
//! A case fails where the exit code says so too. Below that threshold advice is skipped, so that a report shows it
//! without failing; what is right, if only by default, passes.

use std::io::{self, Write};

use checklist::Verdict;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::origin::Origin;
use super::report::{Finding, Job};
use super::{Checked, FailOn};
use crate::input::{InputError, Node};

struct Suite {
    name: String,
    cases: Vec<Case>,
}

struct Case {
    class: String,
    name: String,
    file: String,
    line: Option<usize>,
    outcome: Outcome,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Skipped,
    Failed(&'static str),
    Errored,
}

/// Writes all suites, unreadable input as the last.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write(checked: &Checked<'_>, fail_on: FailOn, out: &mut impl Write) -> io::Result<()> {
    let mut suites: Vec<Suite> = checked.with_nodes().map(|(job, node)| suite(job, node, fail_on)).collect();
    let unread: Vec<Case> = checked.errors().map(unread).collect();
    if !unread.is_empty() {
        suites.push(Suite { name: "unreadable input".to_owned(), cases: unread });
    }
    let mut xml = Writer::new_with_indent(&mut *out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let counts = counts(cases());
    let all = xml.create_element("testsuites").with_attribute(("name", "flink-remedy check"));
    let all = counts.iter().fold(all, |all, (name, count)| all.with_attribute((*name, count.as_str())));
    all.write_inner_content(|xml| suites.iter().try_for_each(|suite| write_suite(suite, xml)))?;
    writeln!(out)
}

fn suite(job: &Job, node: &Node, fail_on: FailOn) -> Suite {
    let name = format!("{} {}", job.kind, job.full_name());
    let several = |code| job.findings.iter().filter(|finding| finding.code == code).count() > 1;
    let case = |finding: &Finding| {
        let origin = Origin::of(finding, job, node);
        // Reports merge cases of one name, so a rule with several findings names their keys.
        let key = origin.key.filter(|_| several(finding.code)).map_or_else(String::new, |key| format!(" {key}"));
        let verdict: &str = finding.verdict.into();
        Case {
            class: name.clone(),
            name: format!("{} {}{key}", finding.code, finding.rule),
            file: job.source.file.clone(),
            line: Some(origin.line),
            outcome: outcome(finding.verdict, fail_on),
            text: format!("{verdict}: {}{}", finding.message, fills(finding)),
        }
    };
    Suite { cases: job.findings.iter().map(case).collect(), name }
}

fn outcome(verdict: Verdict, fail_on: FailOn) -> Outcome {
    match verdict {
        verdict if fail_on.fails(verdict) => Outcome::Failed(verdict.into()),
        Verdict::Pass | Verdict::Implicit => Outcome::Passed,
        Verdict::NotApplicable | Verdict::Gap | Verdict::Advice => Outcome::Skipped,
    }
}

fn fills(finding: &Finding) -> String {
    finding.fills.iter().fold(String::new(), |text, (target, value)| text + "\n+ " + &target.shown(value))
}

fn unread(error: &InputError) -> Case {
    let (file, line) = error.location();
    let text = error.to_string();
    let name = text.split(": ").take(2).collect::<Vec<_>>().join(": ");
    Case { class: "input".to_owned(), name, file: file.to_owned(), line, outcome: Outcome::Errored, text }
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> [(&'static str, String); 4] {
    let (mut tests, mut failures, mut errors, mut skipped) = (0_usize, 0_usize, 0_usize, 0_usize);
    for case in cases {
        tests += 1;
        match case.outcome {
            Outcome::Passed => {}
            Outcome::Skipped => skipped += 1,
            Outcome::Failed(_) => failures += 1,
            Outcome::Errored => errors += 1,
        }
    }
    [("tests", tests), ("failures", failures), ("errors", errors), ("skipped", skipped)]
        .map(|(name, count)| (name, count.to_string()))
}

fn write_suite<W: Write>(suite: &Suite, xml: &mut Writer<W>) -> io::Result<()> {
    let name = allowed(&suite.name);
    let element = xml.create_element("testsuite").with_attribute(("name", name.as_str()));
    let counts = counts(suite.cases.iter());
    let element = counts.iter().fold(element, |element, (name, count)| element.with_attribute((*name, count.as_str())));
    element.write_inner_content(|xml| suite.cases.iter().try_for_each(|case| write_case(case, xml)))?;
    Ok(())
}

fn write_case<W: Write>(case: &Case, xml: &mut Writer<W>) -> io::Result<()> {
    let line = case.line.map(|line| line.to_string());
    let [class, name, file] = [&case.class, &case.name, &case.file].map(|text| allowed(text));
    let mut element = xml.create_element("testcase").with_attributes([
        ("classname", class.as_str()),
        ("name", name.as_str()),
        ("file", file.as_str()),
    ]);
    if let Some(line) = &line {
        element = element.with_attribute(("line", line.as_str()));
    }
    let text = allowed(&case.text);
    // An attribute has one line; the whole text is the content.
    let message = text.lines().next().unwrap_or_default();
    element.write_inner_content(|xml| {
        let content = BytesText::new(&text);
        match case.outcome {
            Outcome::Passed => xml.create_element("system-out").write_text_content(content)?,
            Outcome::Skipped => {
                xml.create_element("skipped").with_attribute(("message", message)).write_text_content(content)?
            }
            Outcome::Failed(kind) => xml
                .create_element("failure")
                .with_attributes([("type", kind), ("message", message)])
                .write_text_content(content)?,
            Outcome::Errored => xml
                .create_element("error")
                .with_attributes([("type", "UnreadableInput"), ("message", message)])
                .write_text_content(content)?,
        };
        Ok(())
    })?;
    Ok(())
}

/// The text without the characters that XML 1.0 forbids even when they are escaped (production `Char`).
fn allowed(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_no_xml_may_hold_are_replaced() {
        assert_eq!(allowed("a\u{0}\u{1b}[1m\u{ffff}<&\t\n\u{85}😀"), "a\u{fffd}\u{fffd}[1m\u{fffd}<&\t\n\u{85}😀");
    }
}
