//! `flink-remedy check`: what the loop would find and do, told from manifests alone.

mod judge;
mod platform;
mod report;
mod table;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use checklist::{Mode, Platform, Policy};
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use crate::input::{self, Input, Kind, Object};
use crate::{BAD_INPUT, FINDINGS};
use judge::{Judge, Judged};
use platform::OperatorConfig;

/// Check manifests against Flink's production checklist, without a cluster
///
/// Reads FlinkDeployments from YAML or JSON: several documents in a file, lists, and what `kubectl get -o
/// yaml` prints are all understood; other kinds are passed over. Says for each job what every rule finds,
/// and what flink-remedy in mode Apply would fill and when.
///
/// Exit codes: 0 nothing at or above the threshold, 1 findings, 2 unreadable input or bad usage.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    /// Files, directories (every *.yaml, *.yml and *.json below them), or - for standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    paths: Vec<PathBuf>,

    /// The Flink operator's own configuration: its directory (flink-conf.yaml or config.yaml, and
    /// log4j-console.properties) or one of these files; `none` if jobs get nothing from it. Unset, the
    /// operator is taken to be as its chart installs it
    #[arg(long, value_name = "FILE|DIR|none")]
    operator_config: Option<OperatorConfig>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,

    /// Least finding that makes the exit code 1
    #[arg(long, value_enum, default_value_t)]
    fail_on: FailOn,

    #[arg(long, default_value_t = Mode::Apply, help = "Mode that the plan is made for: Off, Advise, NextDeploy or Apply")]
    mode: Mode,

    /// Show in the table what is in order, too
    #[arg(short, long)]
    all: bool,
}

/// Formats of findings.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// For machines: a stable interface
    Json,
    /// The same as YAML
    Yaml,
}

/// What counts as a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Something is wrong or missing that can be filled
    #[default]
    Gap,
    /// As gap, and anything that a human must decide
    Advice,
    /// Nothing: only unreadable input is a failure
    Never,
}

/// Checks, writes the findings to `out` and what is amiss with the input to `err`.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn check(
    args: &CheckArgs,
    stdin: &mut impl Read,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let platform = match args.operator_config.as_ref().map_or_else(|| Ok(Platform::stock()), OperatorConfig::load) {
        Ok(platform) => platform,
        Err(error) => {
            writeln!(err, "error: --operator-config: {error}")?;
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    let input = Input::read(&args.paths, stdin);
    let judged = judge_all(&input, &platform, args.mode);
    for warning in &judged.warnings {
        writeln!(err, "warning: {}", harmless(warning))?;
    }
    for error in input.errors.iter().chain(&judged.errors) {
        writeln!(err, "error: {}", harmless(&error.to_string()))?;
    }
    let errors = input.errors.len() + judged.errors.len();
    if judged.jobs.is_empty() && errors == 0 {
        let documents = input.documents;
        writeln!(
            err,
            "note: no FlinkDeployment, FlinkSessionJob or FlinkBlueGreenDeployment of flink.apache.org in {documents} document(s): nothing to check"
        )?;
    }
    let code = exit_code(args.fail_on, &judged.jobs, errors);
    let written = match args.output {
        Output::Json => report::write_json(&judged.jobs, out),
        Output::Yaml => report::write_yaml(&judged.jobs, out),
        Output::Table => table::write(&judged.jobs, errors, args.operator_config.is_none(), args.all, out),
    };
    match written.and_then(|()| out.flush()) {
        // Whoever reads has read enough; what was found stays found.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code),
        written => written.map(|()| code),
    }
}

fn judge_all(input: &Input, platform: &Platform, mode: Mode) -> Judged {
    // The binary's one look at the clock: opt-outs end.
    let now = Timestamp::now();
    let policy = Policy { mode, ..Policy::default() };
    let mut namespaces: BTreeMap<&str, &BTreeMap<String, String>> = BTreeMap::new();
    let mut deployments = BTreeMap::new();
    for object in &input.objects {
        match object {
            Object::Namespace { name, annotations } => drop(namespaces.insert(name, annotations)),
            Object::Job { kind: Kind::Deployment, object: input::Judged::Deployment(deployment), .. } => {
                deployments.insert((deployment.namespace(), deployment.name()), &**deployment);
            }
            Object::Job { .. } => {}
        }
    }
    let judge = Judge { platform, policy: &policy, namespaces: &namespaces, deployments: &deployments, now };
    let mut judged = Judged::default();
    for object in &input.objects {
        if let Object::Job { place, node, kind, object } = object {
            judge.judge(*kind, object, place, node, &mut judged);
        }
    }
    judged
}

/// Text that may quote a manifest, without what would steer a terminal; its own lines stay.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

fn exit_code(fail_on: FailOn, jobs: &[report::Job], errors: usize) -> ExitCode {
    let fails = |verdict| match fail_on {
        FailOn::Never => false,
        FailOn::Gap => verdict == checklist::Verdict::Gap,
        FailOn::Advice => matches!(verdict, checklist::Verdict::Gap | checklist::Verdict::Advice),
    };
    if errors > 0 {
        ExitCode::from(BAD_INPUT)
    } else if jobs.iter().flat_map(|job| &job.findings).any(|finding| fails(finding.verdict)) {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    }
}
