//! Pages of the documentation that are written from the code.

use std::fmt::Write;

use controller::DESCRIPTIONS;
use controller::events::Reason;

/// The reasons of our Events.
pub fn events() -> String {
    let mut page = "# Events\n\n\
        Every decision about a job is a Kubernetes Event on it, shown by `kubectl describe flinkdeployment`. The same \
        thing is said once an hour while it lasts; a changed note is said at once. Values of keys that look secret \
        are masked.\n\n| Reason | Type | Meaning |\n| --- | --- | --- |\n"
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
