//! Findings as SARIF 2.1.0, for code scanning. What passes or does not apply is no result.

mod model;
mod uri;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use checklist::{RULES, Rule, Target, Verdict};

use self::model::{
    ArtifactLocation, Driver, Invocation, Level, Location, Log, LogicalLocation, Message, Notification, Outcome,
    PhysicalLocation, Region, ReportingDescriptor, Run, Tool,
};
use super::Checked;
use super::origin::Origin;
use super::report::{Finding, Job};
use crate::BAD_INPUT;
use crate::input::{InputError, Node};
use crate::rules::docs;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Ours among the fingerprints of a result; the number counts how it is made.
const FINGERPRINT: &str = "flinkRemedy/v1";

/// Writes one run. Unreadable input is no result but a notification of an unsuccessful invocation.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write(checked: &Checked<'_>, exit_code: u8, out: &mut impl Write) -> io::Result<()> {
    let here = std::env::current_dir().ok();
    let here = here.as_deref();
    let results = checked
        .with_nodes()
        .flat_map(|(job, node)| job.findings.iter().filter_map(move |finding| outcome(finding, job, node, here)));
    let version = env!("CARGO_PKG_VERSION");
    let rules = RULES.iter().map(|rule| descriptor(rule)).collect();
    let run = Run {
        tool: Tool { driver: Driver { name: "flink-remedy", version, semantic_version: version, rules } },
        invocations: [Invocation {
            execution_successful: exit_code != BAD_INPUT,
            exit_code,
            tool_execution_notifications: checked.errors().map(|error| notification(error, here)).collect(),
        }],
        results: results.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &Log { schema: SCHEMA, version: "2.1.0", runs: [run] })?;
    writeln!(out)
}

fn descriptor(rule: &Rule) -> ReportingDescriptor {
    let docs = docs(rule);
    ReportingDescriptor {
        id: rule.code,
        name: rule.name,
        short_description: Message::plain(rule.summary()),
        full_description: Message::plain(first_paragraph(&docs)),
        help: Message { text: docs.clone(), markdown: Some(docs) },
    }
}

/// What the rule checks, on one line.
fn first_paragraph(docs: &str) -> String {
    let text = docs.lines().skip_while(|line| line.is_empty() || line.starts_with('#'));
    text.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn outcome(finding: &Finding, job: &Job, node: &Node, here: Option<&Path>) -> Option<Outcome> {
    let level = match finding.verdict {
        Verdict::Gap => Level::Error,
        Verdict::Advice => Level::Warning,
        Verdict::Implicit => Level::Note,
        Verdict::Pass | Verdict::NotApplicable => return None,
    };
    let origin = Origin::of(finding, job, node);
    let name = format!("{} {}", job.kind, job.full_name());
    let object = LogicalLocation { fully_qualified_name: job.full_name(), kind: "resource" };
    // By what the finding is about, not by where it stands: a line above must not make it a new one.
    let fingerprint =
        [job.kind, &job.namespace, &job.name, finding.code, origin.key.as_deref().unwrap_or_default()].join("/");
    Some(Outcome {
        rule_id: finding.code,
        rule_index: RULES.iter().position(|rule| rule.code == finding.code),
        level,
        message: Message::plain(format!("{name}: {}{}", finding.message, fills(finding))),
        locations: [location(&job.source.file, Some(origin.line), vec![object], here)],
        partial_fingerprints: BTreeMap::from([(FINGERPRINT, fingerprint)]),
    })
}

fn fills(finding: &Finding) -> String {
    if finding.fills.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = finding.fills.iter().map(|(target, value)| Target::shown(target, value)).collect();
    format!("; would fill {}", shown.join(", "))
}

fn notification(error: &InputError, here: Option<&Path>) -> Notification {
    let (file, line) = error.location();
    Notification {
        level: Level::Error,
        message: Message::plain(error.to_string()),
        locations: [location(file, line, Vec::new(), here)],
    }
}

fn location(file: &str, line: Option<usize>, logical: Vec<LogicalLocation>, here: Option<&Path>) -> Location {
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri::of(file, here) },
            region: line.map(|start_line| Region { start_line }),
        },
        logical_locations: logical,
    }
}
