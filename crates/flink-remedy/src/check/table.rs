use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use checklist::{Target, Verdict};

use super::report::{Finding, Job, Plan, Timing};
use crate::printable;

/// Writes findings for people. Colours are taken out again by the stream where nobody would see them.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write(jobs: &[Job], errors: usize, is_stock: bool, all: bool, out: &mut impl Write) -> io::Result<()> {
    for job in jobs {
        write_job(job, all, out)?;
        writeln!(out)?;
    }
    if !jobs.is_empty() || errors > 0 {
        writeln!(out, "{}", summary(jobs, errors))?;
    }
    if !jobs.is_empty() && is_stock {
        writeln!(out, "Judged upon the Flink operator's stock configuration; --operator-config names yours.")?;
    }
    Ok(())
}

fn write_job(job: &Job, all: bool, out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let name = printable(&job.full_name());
    let source = printable(&format!("{}:{}", job.source.file, job.source.line));
    writeln!(out, "{bold}{} {name}{bold:#}, Flink {}, {source}", job.kind, job.flink_version)?;
    let shown: Vec<&Finding> = job.findings.iter().filter(|finding| all || matters(finding.verdict)).collect();
    let width = if all { "NotApplicable".len() } else { "Implicit".len() };
    for finding in &shown {
        let style = style(finding.verdict);
        let verdict: &str = finding.verdict.into();
        writeln!(
            out,
            "  {style}{verdict:<width$}{style:#} {} {}: {}",
            finding.code,
            finding.rule,
            printable(&finding.message)
        )?;
        for (target, value) in &finding.fills {
            writeln!(out, "    + {}", printable(&target.shown(value)))?;
        }
    }
    if shown.is_empty() {
        writeln!(out, "  no open finding")?;
    }
    write_plan(&job.plan, &shown, out)
}

fn write_plan(plan: &Plan, shown: &[&Finding], out: &mut impl Write) -> io::Result<()> {
    let hash = if plan.hash.is_empty() { String::new() } else { format!(" {}", plan.hash) };
    writeln!(out, "  Plan{hash}: {}: {}", when(plan.timing), printable(&plan.reason))?;
    // A fill of a plan can come from a rule that another fill makes applicable: it stands below no finding.
    let is_shown = |target: &Target| shown.iter().any(|finding| finding.fills.contains_key(target));
    for (target, value) in plan.fills.iter().filter(|(target, _)| !is_shown(target)) {
        writeln!(out, "    + {}", printable(&target.shown(value)))?;
    }
    Ok(())
}

/// What is done at a plan's timing.
pub(crate) fn when(timing: Timing) -> &'static str {
    match timing {
        Timing::Now => "fill now",
        Timing::NextDeploy => "fill at the next deployment",
        Timing::Held => "hold",
        Timing::Nothing => "do nothing",
    }
}

fn matters(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Pass | Verdict::NotApplicable)
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Gap => AnsiColor::Red.on_default().bold(),
        Verdict::Advice => AnsiColor::Yellow.on_default(),
        Verdict::Implicit => AnsiColor::Cyan.on_default(),
        Verdict::Pass => AnsiColor::Green.on_default(),
        Verdict::NotApplicable => Style::new().dimmed(),
    }
}

fn summary(jobs: &[Job], errors: usize) -> String {
    let count =
        |verdict| jobs.iter().flat_map(|job| &job.findings).filter(|finding| finding.verdict == verdict).count();
    let unread =
        if errors == 0 { String::new() } else { format!("; {} could not be checked", plural(errors, "input")) };
    format!(
        "{} checked: {}, {} for a human, {} right by default only{unread}",
        plural(jobs.len(), "job"),
        plural(count(Verdict::Gap), "gap"),
        count(Verdict::Advice),
        count(Verdict::Implicit),
    )
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
