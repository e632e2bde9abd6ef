//! Pages of the documentation that are written from the code.

use std::fmt::Write;

use controller::DESCRIPTIONS;
use controller::events::Reason;

use crate::explain::explanations;
use crate::holds;

/// The reasons of our Events.
pub fn events() -> String {
    let mut page = "# Events\n\n\
        Every decision about a job is a Kubernetes Event on it, shown by `kubectl describe flinkdeployment`. The same \
        thing is said once an hour while it lasts; a changed note is said at once. Values of keys that look secret \
        are masked. What to do about each: [troubleshooting](guides/troubleshooting.md#events).\n\n\
        | Reason | Type | Meaning |\n| --- | --- | --- |\n"
        .to_owned();
    for reason in Reason::all() {
        let _ = writeln!(page, "| `{}` | {} | {} |", reason.as_str(), reason.usual_type(), reason.meaning());
    }
    page
}

/// The metrics at `/metrics`.
pub fn metrics() -> String {
    let mut page = "# Metrics\n\n\
        OpenMetrics, at `/metrics` on the address of `--listen`. Labels come from closed sets; only \
        `flink_remedy_restart_in_flight` names jobs, so that alerts can be silenced by it.\n\n\
        | Metric | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for metric in DESCRIPTIONS {
        let suffix = if metric.kind == "counter" { "_total" } else { "" };
        let _ = writeln!(
            page,
            "| `flink_remedy_{}{suffix}` | {} | {} | {} |",
            metric.name, metric.kind, metric.labels, metric.help
        );
    }
    page
}

/// The reasons of our Events, each with what to do.
pub fn troubleshooting_events() -> String {
    let section = |reason: Reason| {
        let (name, kind, meaning, remedy) = (reason.as_str(), reason.usual_type(), reason.meaning(), reason.remedy());
        format!("### {name}\n\n*{kind}.* {meaning}\n\n**What to do:** {remedy}\n")
    };
    Reason::all().map(section).collect::<Vec<_>>().join("\n")
}

/// Why changes are held, in the words of Event and report.
pub fn troubleshooting_holds() -> String {
    let mut table = "| `hold.reason` | In words, with examples of what it is about |\n| --- | --- |\n".to_owned();
    for (label, words) in holds::all() {
        let _ = writeln!(table, "| `{label}` | {words} |");
    }
    table
}

/// What can go wrong, by area, each with what to do.
pub fn troubleshooting_errors() -> String {
    let mut page = String::new();
    let mut area = "";
    for told in explanations() {
        if told.area != area {
            area = told.area;
            let _ = writeln!(page, "{}### {area}", if page.is_empty() { "" } else { "\n" });
        }
        let _ = write!(page, "\n#### {}\n\n{}\n\n**What to do:** {}\n", told.slug, told.meaning.trim(), told.remedy);
    }
    page
}
