//! `flink-remedy run`: the operator process around the controller.

mod admin;
mod telemetry;
mod webhook;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use checklist::policy::{NamedPolicy, OperatorVersion, Policies};
use checklist::{HoldReason, Mode};
use clap::{Args, ValueEnum};
use controller::lease::LeaseConfig;
use controller::operator_config::{STOCK_SOURCE, Source};
use controller::{Controller, Explained, PolicySource, Settings, Trouble};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::policy_file::{PolicyFileError, policies_of};
use crate::troubles::complain;
use crate::{BAD_INPUT, client};

/// Flags of `flink-remedy run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// How far to go: Off, Advise (findings and Events), NextDeploy (fill what costs no restart), Apply (also restart
    /// a running, stable job once for its gaps, one job at a time): the mode of the built-in policy, and of every
    /// policy in --policy; those of the cluster say their own
    /// [default: the policy's mode, else NextDeploy]
    #[arg(long)]
    mode: Option<Mode>,
    /// What the platform wants, as documents of kind `RemediationPolicy`, instead of those of the cluster; the process
    /// ends if they cannot be read
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The Flink operator's own configuration, whose defaults are no gaps: NAMESPACE/CONFIGMAP, a mounted directory,
    /// or `none` if it has none
    #[arg(long, value_name = "SOURCE", default_value = STOCK_SOURCE)]
    operator_config: Source,
    /// The version of the Flink operator, such as 1.15; wins over the policy's. Before 1.15, and where nobody says, no job
    /// restarts of itself unless the policy accepts that version
    #[arg(long, value_name = "VERSION")]
    operator_version: Option<OperatorVersion>,
    /// Namespaces to watch, joined by commas; all if not given
    #[arg(long, value_name = "NAMESPACES", value_delimiter = ',')]
    watch_namespaces: Vec<String>,
    /// Decide and say what would be done, but write nothing except Events and reports
    #[arg(long)]
    dry_run: bool,
    /// Also write each job's report in the format of openreports.io, for the viewers that know it, where the cluster has
    /// that kind
    #[arg(long)]
    open_reports: bool,
    /// Act as this ServiceAccount (NAMESPACE/NAME): for a sidecar that shares the Flink operator's own account
    #[arg(long = "as", value_name = "SERVICEACCOUNT")]
    act_as: Option<String>,
    /// Address of /live, /ready and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Jobs looked at, and written, at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    #[command(flatten)]
    webhook: webhook::WebhookArgs,
    #[command(flatten)]
    lease: LeaseArgs,
    /// The Deployment that this process runs in, in the Lease's namespace: Events that are about no job are about it
    #[arg(long, value_name = "NAME", default_value = "flink-remedy")]
    deployment: String,
    #[command(flatten)]
    log: LogArgs,
}

/// Leader election.
#[derive(Args, Clone, Debug)]
struct LeaseArgs {
    /// Namespace of the leader election's Lease
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE", default_value = "flink-remedy")]
    lease_namespace: String,
    /// Name of the leader election's Lease
    #[arg(long, value_name = "NAME", default_value = "flink-remedy")]
    lease_name: String,
    /// Seconds after which another replica takes an unrenewed Lease over
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(3..))]
    lease_duration: u64,
    /// What this process calls itself in Lease and Events; made unique by a suffix
    #[arg(long, value_name = "NAME", env = "POD_NAME", default_value = "flink-remedy")]
    identity: String,
}

/// Logging.
#[derive(Args, Clone, Debug)]
struct LogArgs {
    /// Form of the log lines
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What is logged: a level, or directives such as `info,controller=debug`; changed while running by
    /// PUT /log-level from the pod itself
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info")]
    log_level: String,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Why the operator could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A policy that cannot be read.
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    /// No way to the cluster.
    #[error(transparent)]
    Client(#[from] client::ClientError),
    /// A log filter that says nothing.
    #[error(
        "--log-level `{0}` is no filter: write a level (error, warn, info, debug, trace) or directives such as info,controller=debug"
    )]
    LogLevel(String),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another address with {flag}")]
    Listen {
        /// The flag that gives the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be waited for, or the runtime cannot start.
    #[error("the process cannot be set up: {0}")]
    Setup(#[from] std::io::Error),
    /// The controller ended.
    #[error(transparent)]
    Controller(#[from] controller::RunError),
    /// The admin server ended.
    #[error("the server of /live, /ready and /metrics has ended")]
    Admin,
}

/// Runs the operator until it is asked to end (exit code 0) or cannot go on (1). What cannot be logged yet is told on `err`.
pub(crate) fn run(args: RunArgs, err: &mut dyn Write) -> ExitCode {
    let log = match telemetry::start(args.log.log_format, &args.log.log_level) {
        Ok(log) => log,
        Err(error) => {
            // Nobody is left to tell where even this fails.
            let _ = complain(error.explanation(), &error, err);
            return ExitCode::from(BAD_INPUT);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(serve(args, log)) {
        Ok(()) => {
            info!("ended");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &RunError) -> ExitCode {
    error!(trouble = %error.explanation().slug, "{error}");
    ExitCode::FAILURE
}

async fn serve(args: RunArgs, log: telemetry::LogLevel) -> Result<(), RunError> {
    let policies = policies_of(args.policy.as_deref(), args.operator_version)?;
    let policies = policies.map(|policy| policy.mode = args.mode.unwrap_or(policy.mode));
    let client = client::connect(args.act_as.as_deref()).await?;
    let listener = listen("--listen", args.listen).await?;
    let webhook = match args.webhook.address {
        Some(address) => {
            Some((listen("--webhook", address).await?, args.webhook.clone().settings(&args.lease.lease_namespace)))
        }
        None => None,
    };
    info!(version = env!("CARGO_PKG_VERSION"), dry_run = args.dry_run, listen = %args.listen, "starting");
    say(&args, &policies);
    let mut controller = Controller::new(client, settings(args, policies));
    if let Some((listener, settings)) = webhook {
        controller.serve_webhook(listener, settings);
    } else {
        info!("no webhook (--webhook): new jobs are filled by the loop, which may cost them a restart");
    }
    let admin = admin::serve(listener, &controller, log);
    let (stopping, stop) = watch::channel(false);
    let signals = async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        stopping.send_replace(true);
        std::future::pending::<Result<(), RunError>>().await
    };
    tokio::select! {
        ended = controller.run(stop) => ended.map_err(RunError::from),
        ended = signals => ended,
        _ = admin => Err(RunError::Admin),
    }
}

/// Says which policies there are before those of the cluster are known.
fn say(args: &RunArgs, policies: &Policies) {
    for NamedPolicy { name, policy, .. } in policies.iter() {
        let mode = policy.furthest_mode();
        info!(policy = name, %mode, "policy in force");
        policy
            .warnings()
            .iter()
            .for_each(|warning| warn!(trouble = %Trouble::PolicyWarning, policy = name, "{warning}"));
        if mode == Mode::Apply && !policy.rollout.accepts_operator() {
            let why = HoldReason::OperatorVersion(policy.rollout.operator());
            warn!(trouble = %Trouble::RestartsNothing, policy = name, "mode Apply restarts nothing: {why}");
        }
    }
    if args.policy.is_some() {
        info!("RemediationPolicies of the cluster are not looked at, since --policy is given");
    }
}

async fn listen(flag: &'static str, address: SocketAddr) -> Result<tokio::net::TcpListener, RunError> {
    tokio::net::TcpListener::bind(address).await.map_err(|source| RunError::Listen { flag, address, source })
}

fn settings(args: RunArgs, policies: Policies) -> Settings {
    let RunArgs { operator_config, watch_namespaces, dry_run, open_reports, concurrency, deployment, lease, .. } = args;
    let duration = Duration::from_secs(lease.lease_duration);
    Settings {
        policies: if args.policy.is_some() {
            PolicySource::Given(policies)
        } else {
            PolicySource::Cluster { built_in: Box::new(policies.built_in().policy.policy.clone()) }
        },
        operator_config,
        watch_namespaces,
        dry_run,
        open_reports,
        concurrency,
        deployment,
        lease: LeaseConfig {
            namespace: lease.lease_namespace,
            name: lease.lease_name,
            identity: unique(&lease.identity),
            duration,
            renew_deadline: duration * 2 / 3,
            retry_period: duration / 7,
        },
    }
}

/// Two processes must never take each other's lease for their own, also when a pod's container starts again.
fn unique(name: &str) -> String {
    let started = jiff::Timestamp::now().as_millisecond();
    format!("{name}_{:x}-{started:x}", std::process::id())
}
