//! `flink-remedy policy export`: what a policy fills, for the API server itself or as defaults of the Flink operator, and what
//! flink-remedy may write.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use checklist::export::{AdmissionPolicy, Covered, DefaultLayers, ExportError, Guardrail, LeftOut};
use checklist::{Platform, Policy, Rule};
use clap::{Args, ValueEnum};
use controller::{Explained, Explanation};
use flink_conf::Key;

use crate::check::{OperatorConfig, OperatorConfigError};
use crate::policy_file::{PolicyFileError, policies_of, policy_of};
use crate::troubles::{CommandTrouble, complain};
use crate::{BAD_INPUT, printable};

/// Print what a policy fills, for the API server itself or as defaults of the Flink operator, or what flink-remedy may write
///
/// For clusters in which flink-remedy itself shall not be asked when a job is created. Values are the same that
/// flink-remedy fills, upon the same Flink operator's configuration; conditions that cannot be said there leave a rule
/// out, and comments at the top name it with the reason. Export again when the policy, the Flink operator's configuration
/// or flink-remedy itself has changed.
///
/// A guardrail is the other way round: whatever is not listed there the API server refuses to flink-remedy. Its file of policies
/// may hold all those of a cluster.
///
/// Exit codes: 0 printed, 2 unreadable input, a policy of which nothing can be said, or bad usage.
#[derive(Args, Clone, Debug)]
pub(super) struct ExportArgs {
    /// What to print
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Form,

    /// What the platform wants (a `RemediationPolicy`); unset, the built-in policy
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: Option<PathBuf>,

    /// The Flink operator's own configuration: its directory (flink-conf.yaml or config.yaml) or one of these files; `none`
    /// if jobs get nothing from it. What jobs get from it is not filled. Unset, the operator is taken to be as its chart
    /// installs it
    #[arg(long, value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    operator_config: Option<String>,
}

/// What a policy is exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A `MutatingAdmissionPolicy` with its binding, for Kubernetes 1.36 and newer: new FlinkDeployments are filled by the
    /// API server, without a webhook
    MutatingAdmissionPolicy,
    /// Values of the Flink operator's chart with defaults for jobs of each Flink version. They reach a running job with its
    /// next restart
    FkoDefaults,
    /// A `ValidatingAdmissionPolicy` with its binding: of flink-remedy's own ServiceAccount the API server takes what the rules
    /// fill, and the policies' settings, and nothing else
    Guardrail,
}

/// Why nothing is printed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("--operator-config: {0}")]
    OperatorConfig(#[from] OperatorConfigError),
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    #[error("--as {form}: {problem}")]
    Export { form: &'static str, problem: ExportError },
    #[error("--operator-config: a guardrail does not depend on it; leave it out")]
    NoOperatorConfig,
    #[error("the policy has no YAML form: {0}")]
    Yaml(#[from] serde_yaml::Error),
}

impl Explained for Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::OperatorConfig(error) => error.explanation(),
            Self::Policy(error) => error.explanation(),
            Self::NoOperatorConfig => CommandTrouble::FormUnknown.explanation(),
            Self::Export { .. } | Self::Yaml(_) => CommandTrouble::ExportImpossible.explanation(),
        }
    }
}

/// Prints the export to `out`, or to `err` why there is none.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(super) fn export(args: &ExportArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    match exported(args) {
        Ok(text) => out.write_all(text.as_bytes()).map(|()| ExitCode::SUCCESS),
        Err(error) => {
            complain(error.explanation(), &error, err)?;
            Ok(ExitCode::from(BAD_INPUT))
        }
    }
}

fn exported(args: &ExportArgs) -> Result<String, Error> {
    if args.form == Form::Guardrail {
        return guardrail(args);
    }
    let policy = policy_of(args.policy.as_deref())?;
    let config = args.operator_config.as_deref().map(OperatorConfig::of);
    let is_stock = config.is_none();
    let platform = config.map_or_else(|| Ok(Platform::stock()), |config| config.load())?;
    match args.form {
        Form::MutatingAdmissionPolicy => admission_policy(&policy, &platform, is_stock),
        Form::FkoDefaults => fko_defaults(&policy, &platform, is_stock),
        Form::Guardrail => guardrail(args),
    }
}

fn guardrail(args: &ExportArgs) -> Result<String, Error> {
    if args.operator_config.is_some() {
        return Err(Error::NoOperatorConfig);
    }
    let policies = policies_of(args.policy.as_deref(), None)?;
    let comments = [
        "Printed by `flink-remedy policy export`.",
        "Of flink-remedy's own ServiceAccount the API server takes what is listed here and nothing else; nobody else's requests are",
        "looked at. Export it again when a policy has other settings, or flink-remedy itself has changed: before either is rolled out.",
        "",
    ]
    .map(str::to_owned);
    Ok(commented(&comments) + &guardrail_of(&Guardrail::new(policies.iter().map(|named| &named.policy)))?)
}

fn guardrail_of(guardrail: &Guardrail) -> Result<String, serde_yaml::Error> {
    Ok([serde_yaml::to_string(&guardrail.policy())?, serde_yaml::to_string(&guardrail.binding())?].join("---\n"))
}

/// The guardrail without any platform's settings, as the manifests have it.
///
/// # Errors
/// It has no YAML form.
pub fn guardrail_manifest() -> Result<String, serde_yaml::Error> {
    guardrail_of(&Guardrail::new([]))
}

/// The beginning of every export.
fn heading(is_stock: bool, lines: &[&str]) -> Vec<String> {
    let upon = if is_stock {
        "It takes the Flink operator to be as its chart installs it: give yours with --operator-config."
    } else {
        "What the Flink operator's configuration gives to jobs is not filled."
    };
    let again =
        "Export it again when the policy, the Flink operator's configuration or flink-remedy itself has changed.";
    let lines = [&["Printed by `flink-remedy policy export`."], lines, &[upon, again, ""]].concat();
    lines.into_iter().map(str::to_owned).collect()
}

/// Lines as comments of YAML.
fn commented(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| {
        let line = printable(line);
        text + if line.is_empty() { "#" } else { "# " } + &line + "\n"
    })
}

fn admission_policy(policy: &Policy, platform: &Platform, is_stock: bool) -> Result<String, Error> {
    let form = "mutating-admission-policy";
    let export = AdmissionPolicy::new(policy, platform).map_err(|problem| Error::Export { form, problem })?;
    let mut comments = heading(
        is_stock,
        &[
            "For Kubernetes 1.36 and newer: the API server fills a FlinkDeployment when it is created, where a value is absent",
            "in every spelling. What it fills is the owner's own from then on: there is no Event, no report and no undo.",
        ],
    );
    comments.push("Filled:".to_owned());
    comments.extend(export.covered.iter().map(line_of));
    comments.extend([String::new(), "Not filled, though flink-remedy itself does:".to_owned()]);
    comments.extend(PASSED_OVER.iter().map(|jobs| format!("  {jobs}")));
    if !export.namespaces.is_empty() {
        let names: Vec<&str> = export.namespaces.iter().map(String::as_str).collect();
        comments.push(format!("  namespaces with defaults of their own: {}", names.join(", ")));
    }
    comments.extend(export.left_out.iter().map(line_left_out));
    Ok([
        commented(&comments),
        serde_yaml::to_string(&export.policy)?,
        "# `spec.matchResources.namespaceSelector` limits it to some namespaces.\n".to_owned()
            + &serde_yaml::to_string(&export.binding)?,
    ]
    .join("---\n"))
}

/// What no rule of an exported policy is asked about.
const PASSED_OVER: &[&str] = &[
    "running jobs; FlinkSessionJobs and FlinkBlueGreenDeployments; a Flink version that is not listed below",
    "jobs, and namespaces, with an opt-out of single rules or with an end: they count as opted out of all",
    "a job that has a key twice, flat and nested, nests options more than 8 deep, or has more than some 600 of them: what an",
    "expression may cost is bounded",
];

fn line_of(covered: &Covered) -> String {
    let versions = covered.versions.as_ref().map_or_else(String::new, |versions| {
        let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
        format!(", Flink {}", versions.join(", "))
    });
    let but = if covered.passes_over.is_empty() { "" } else { "; passes over " };
    format!("  {}{versions}{but}{}", named(covered.rule, covered.key.as_ref()), covered.passes_over)
}

fn line_left_out(left_out: &LeftOut) -> String {
    format!("  {}: {}", named(left_out.rule, left_out.key.as_ref()), left_out.why)
}

fn named(rule: &Rule, key: Option<&Key>) -> String {
    let key = key.map_or_else(String::new, |key| format!(" ({key})"));
    format!("{} {}{key}", rule.code, rule.name)
}

fn fko_defaults(policy: &Policy, platform: &Platform, is_stock: bool) -> Result<String, Error> {
    let form = "fko-defaults";
    let export = DefaultLayers::new(policy, platform).map_err(|problem| Error::Export { form, problem })?;
    let mut comments = heading(
        is_stock,
        &[
            "Values of the Flink operator's Helm chart: `helm upgrade --reuse-values --values FILE`; with a `flink-conf.yaml` of",
            "your own, add the lines below to it. They reach EVERY job that does not set the same key, opted out or not; a running",
            "job gets a changed default with its next restart, whoever causes it.",
        ],
    );
    comments.push("Not said, or not for all:".to_owned());
    comments.extend(export.left_out.iter().map(line_left_out));
    let mut lines = Vec::new();
    let mut rule = "";
    for line in &export.lines {
        if line.rule.code != rule {
            rule = line.rule.code;
            lines.push(format!("    # {}\n", named(line.rule, None)));
        }
        lines.push(format!("    {}: {}\n", line.key, line.value));
    }
    let values = "defaultConfiguration:\n  create: true\n  append: true\n  flink-conf.yaml: |+\n";
    Ok(commented(&comments) + values + &lines.concat())
}
