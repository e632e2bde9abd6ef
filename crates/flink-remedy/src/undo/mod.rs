//! `flink-remedy undo`: takes out of one job what was filled, or gives up its ownership.

mod change;
mod policy;
mod tell;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use checklist::policy::OperatorVersion;
use checklist::{Holdings, Platform, Policy, Situation, Subject, SubjectError, withdrawal};
use clap::Args;
use controller::operator_config::{STOCK_SOURCE, Source, SourceError};
use controller::{Explained, Explanation, Trouble};
use flink_api::{FlinkDeployment, GROUP, VERSION};
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;

use crate::check::{OperatorConfig, OperatorConfigError};
use crate::client::{ClientError, connect};
use crate::cluster::{as_value, platform, said};
use crate::policy_file::{PolicyFileError, policies_of};
use crate::troubles::{CommandTrouble, complain};
use crate::{BAD_INPUT, FINDINGS, harmless};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Take what was filled out of a job again, or give up its ownership
///
/// Shows what leaves, what stays and why, and the restart that it costs, and asks. The whole change is one write; the job
/// counts as opted out from then on, until somebody removes the annotation flink-remedy.dev/opt-out. Storage directories,
/// high availability, the state backend and the maximum parallelism stay once the job has run. Where a restart would lose
/// something, it refuses and says what to do.
///
/// Exit codes: 0 done, or nothing to undo; 1 not done: refused, not confirmed, or the job has changed in the meantime;
/// 2 no such job, unreadable input or bad usage.
#[derive(Args, Clone, Debug)]
pub(crate) struct UndoArgs {
    /// The `FlinkDeployment`
    name: String,

    /// Its namespace [default: the kubeconfig's]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Leave every value where it is and give up its ownership: no restart, and nobody's apply takes the values away
    #[arg(long)]
    keep_values: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// The policies, for the restarts that they allow (rollout) and the Flink operator's version; unset, those of the
    /// cluster
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: Option<PathBuf>,

    /// The Flink operator's own configuration: NAMESPACE/CONFIGMAP, its directory or a file, or `none`
    #[arg(long, value_name = "SOURCE", default_value = STOCK_SOURCE, value_hint = clap::ValueHint::AnyPath)]
    operator_config: String,

    /// The version of the Flink operator, such as 1.15; wins over the policy's. Before 1.15, and where nobody says, a running
    /// job is not restarted unless the policy accepts that version
    #[arg(long, value_name = "VERSION")]
    operator_version: Option<OperatorVersion>,
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
enum UndoError {
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("--operator-config: {0}")]
    Source(#[from] SourceError),
    #[error("--operator-config: {0}")]
    OperatorConfig(#[from] OperatorConfigError),
    #[error("the process cannot be set up: {0}")]
    Setup(#[from] io::Error),
    #[error("FlinkDeployment {0} does not exist; -n names another namespace")]
    NoJob(String),
    #[error("FlinkDeployment {job} cannot be read: {why}")]
    Read { job: String, why: String },
    #[error("FlinkDeployment {job}: {why}; --keep-values needs no more than its metadata")]
    Subject { job: String, why: SubjectError },
}

impl Explained for UndoError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Policy(error) => error.explanation(),
            Self::Client(error) => error.explanation(),
            Self::Source(error) => error.explanation(),
            Self::OperatorConfig(error) => error.explanation(),
            Self::Setup(_) => Trouble::Setup.explanation(),
            Self::NoJob(_) => CommandTrouble::NoJob.explanation(),
            Self::Read { .. } | Self::Subject { .. } => CommandTrouble::JobUnread.explanation(),
        }
    }
}

/// One job with what decides whether it may restart.
struct Found {
    client: Client,
    live: Value,
    job: FlinkDeployment,
    platform: Result<Platform, String>,
    policy: Policy,
    /// What could not be seen, and what that means.
    unseen: Option<String>,
}

/// What is to be written, once it is confirmed.
enum Proposal {
    Nothing(String),
    Refused(String),
    Change { preview: String, patch: Value },
}

/// Undoes what was filled in one job.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn undo(
    args: &UndoArgs,
    stdin: &mut impl Read,
    is_terminal: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let failed = |error: &UndoError, err: &mut dyn Write| {
        complain(error.explanation(), error, err).map(|()| ExitCode::from(BAD_INPUT))
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into(), err),
    };
    let found = match runtime.block_on(find(args)) {
        Ok(found) => found,
        Err(error) => return failed(&error, err),
    };
    if let Some(unseen) = &found.unseen {
        writeln!(err, "warning: {}", harmless(unseen))?;
    }
    // The command's one look at the clock.
    let reason = format!("undone by flink-remedy undo at {:.0}", Timestamp::now());
    let (preview, patch) = match propose(args, &found, &reason) {
        Err(error) => return failed(&error, err),
        Ok(Proposal::Nothing(why)) => return writeln!(out, "{why}").map(|()| ExitCode::SUCCESS),
        Ok(Proposal::Refused(why)) => {
            return writeln!(err, "refused, nothing was changed: {}", harmless(&why))
                .map(|()| ExitCode::from(FINDINGS));
        }
        Ok(Proposal::Change { preview, patch }) => (preview, patch),
    };
    write!(out, "{preview}")?;
    out.flush()?;
    if !args.yes {
        if !is_terminal {
            let why = "nothing was changed: there is no terminal to ask on; say --yes to do it unasked";
            complain(CommandTrouble::NotConfirmed.explanation(), &why, err)?;
            return Ok(ExitCode::from(BAD_INPUT));
        }
        write!(out, "Go on? [y/N] ")?;
        out.flush()?;
        if !is_yes(&line(stdin)?) {
            return writeln!(err, "nothing was changed").map(|()| ExitCode::from(FINDINGS));
        }
    }
    match runtime.block_on(write(&found, &patch)) {
        Ok(()) => writeln!(
            out,
            "Done. The job counts as opted out; remove its annotation {} to have it filled again.",
            checklist::annotations::OPT_OUT
        )
        .map(|()| ExitCode::SUCCESS),
        Err(why) => complain(CommandTrouble::UndoUnwritten.explanation(), &why, err).map(|()| ExitCode::from(FINDINGS)),
    }
}

fn propose(args: &UndoArgs, found: &Found, reason: &str) -> Result<Proposal, UndoError> {
    let job = full_name(&found.job);
    let holdings = Holdings::of(&found.job);
    if holdings.ours.is_empty() && (holdings.pinned.is_empty() || !args.keep_values) {
        return Ok(Proposal::Nothing(format!(
            "FlinkDeployment {job}: flink-remedy owns no value there, so nothing is to be undone. The annotation {} keeps it \
             from filling any.",
            checklist::annotations::OPT_OUT
        )));
    }
    let heading = format!("FlinkDeployment {job}:\n");
    if args.keep_values {
        let preview = heading + &tell::release(&holdings);
        return Ok(Proposal::Change { preview, patch: change::released(&found.live, reason) });
    }
    let mut situation = Situation::of(&found.job);
    let none = Platform::default();
    let platform = match &found.platform {
        Ok(platform) => platform,
        Err(why) => {
            situation.layers_unreadable = Some(why.clone());
            &none
        }
    };
    let subject = Subject::new(&found.job, platform).map_err(|why| UndoError::Subject { job, why })?;
    let plan = withdrawal(&subject, &situation, &holdings, &found.policy.rollout);
    let preview = heading + &tell::withdrawal(&plan, &holdings, &situation);
    if plan.leaving.is_empty() {
        let why =
            format!("{preview}nothing may leave; --keep-values gives up ownership and leaves every value where it is");
        return Ok(Proposal::Refused(why));
    }
    if let Some(reason) = &plan.held {
        return Ok(Proposal::Refused(tell::refusal(reason)));
    }
    Ok(Proposal::Change { preview, patch: change::withdrawn(&found.live, &plan, reason) })
}

async fn find(args: &UndoArgs) -> Result<Found, UndoError> {
    let policies = policies_of(args.policy.as_deref(), args.operator_version)?;
    let client = connect(None).await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let job = format!("{namespace}/{}", args.name);
    let (api, resource) = jobs(&client, &namespace);
    let live = match api.get_opt(&args.name).await {
        Ok(Some(live)) => as_value(&live, &resource),
        Ok(None) => return Err(UndoError::NoJob(job)),
        Err(error) => return Err(UndoError::Read { job, why: said(&error) }),
    };
    let read = serde_json::from_value(live.clone());
    let read = read.map_err(|error| UndoError::Read { job, why: error.to_string() })?;
    let source = args.operator_config.as_str();
    let platform = if source != "none" && std::path::Path::new(source).exists() {
        Ok(OperatorConfig::of(source).load()?)
    } else {
        platform(&client, &source.parse::<Source>()?).await
    };
    let (policies, unseen) =
        if args.policy.is_some() { (policies, None) } else { policy::of_cluster(&client, &policies).await };
    let policy = policy::chosen(&client, &read, &policies).await;
    Ok(Found { client, live, job: read, platform, policy, unseen })
}

fn jobs(client: &Client, namespace: &str) -> (Api<DynamicObject>, ApiResource) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, "FlinkDeployment"));
    (Api::namespaced_with(client.clone(), namespace, &resource), resource)
}

/// The one write. It carries uid and resourceVersion: whatever has changed since it was planned, it changes nothing.
async fn write(found: &Found, patch: &Value) -> Result<(), String> {
    let job = full_name(&found.job);
    let (api, _) = jobs(&found.client, found.job.namespace());
    let params = PatchParams { field_manager: Some(change::UNDO.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(patch);
    match tokio::time::timeout(ANSWER_TIMEOUT, api.patch(found.job.name(), &params, &patch)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            409 => format!("{job} has changed in the meantime, so nothing was changed; run this again"),
            404 => format!("{job} was deleted in the meantime"),
            code => format!("nothing was changed: {job} was refused with status {code}: {}", status.message),
        }),
        Ok(Err(error)) => Err(format!("{job} may or may not have changed: {}; run this again", said(&error))),
        Err(_) => Err(format!("{job} may or may not have changed: the API server did not answer; run this again")),
    }
}

fn full_name(job: &FlinkDeployment) -> String {
    format!("{}/{}", job.namespace(), job.name())
}

/// One line, byte by byte: what follows it is not ours to read.
fn line(input: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while input.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one_and_no_more_than_the_line_is_read() {
        let mut input = &b"y\nnext"[..];
        assert!(is_yes(&line(&mut input).unwrap()));
        assert_eq!(input, b"next");
        for answer in ["", "n", "yep", "no", "yy"] {
            assert!(!is_yes(answer), "{answer}");
        }
        assert!(is_yes(" yes\r"));
        assert_eq!(line(&mut &b""[..]).unwrap(), "");
    }
}
