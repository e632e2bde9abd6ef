//! Starts and stops the control plane of the tests, for a test process or by hand.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a tool of the tests")]

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Parser, Subcommand};
use e2e::artifacts::Artifacts;
use e2e::crds::{self, Crds};
use e2e::launch::{Launch, Running};
use e2e::state::{self, State};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// How long `down` lets the processes stop by themselves; a kube-apiserver would take a minute.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Parser)]
#[command(about = "A real Kubernetes control plane on loopback, with Flink's CRDs", version)]
struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start etcd, kube-apiserver and kube-controller-manager; `DIR/kubeconfig` is the admin's.
    Up {
        /// The folder for all files; created if missing, removed by `down`.
        #[arg(long)]
        dir: PathBuf,
        /// The form of `flinkConfiguration` in the CRDs.
        #[arg(long, value_enum, default_value = "typed")]
        crds: Crds,
        /// Stay, and stop everything when standard input closes or on SIGTERM.
        #[arg(long)]
        hold: bool,
        /// Make this machine a node too; it has to be one that `e2e/cluster/hold.sh` made.
        #[arg(long, requires = "hold")]
        node: bool,
        /// Start a kube-apiserver again that was killed.
        #[arg(long, requires = "hold")]
        mend: bool,
    },
    /// Stop what `up` started in the folder and remove the folder.
    Down {
        /// The folder given to `up`.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Write the CRDs as JSON files.
    Crds {
        /// The form of `flinkConfiguration`.
        #[arg(long, value_enum, default_value = "typed")]
        crds: Crds,
        /// The folder to write into.
        #[arg(long)]
        to: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Args::parse().command {
        Action::Up { dir, crds, hold: false, .. } => up(&dir, crds).await,
        Action::Up { dir, crds, hold: true, node, mend } => hold(&dir, crds, node, mend).await,
        Action::Down { dir } => down(&dir).await,
        Action::Crds { crds, to } => write_crds(crds, &to),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "controlplane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn up(dir: &Path, crds: Crds) -> Result<()> {
    if let Some(state) = State::load(dir)? {
        if state.is_alive() {
            ensure!(state.crds == crds, "{} runs with {} CRDs: `down` first", dir.display(), state.crds.name());
            return say(dir, &state);
        }
        state::down(dir, Duration::ZERO).await?;
    }
    let launch = Launch::new(dir, crds, true)?;
    let started = tokio::select! {
        started = launch.start() => started,
        signal = asked_to_stop() => Err(anyhow!("stopped by {}", signal?)),
    };
    let (running, state) = or_clean(dir, started)?;
    running.release();
    say(dir, &state)
}

async fn hold(dir: &Path, crds: Crds, node: bool, mend: bool) -> Result<()> {
    let (closed, on_close) = oneshot::channel();
    // A plain thread: the runtime would wait for a blocked read before it lets the process end.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock().take(u64::MAX), &mut io::sink());
        let _ = closed.send(());
    });
    let launch = Launch::new(dir, crds, false)?;
    let launch = if node { launch.with_node() } else { launch };
    let held = async {
        let (mut running, state) = launch.start().await?;
        say(dir, &state)?;
        if mend { keep(dir, &mut running, state).await } else { watch(&mut running).await }
    };
    let result = tokio::select! {
        ended = held => ended,
        signal = asked_to_stop() => signal.map(drop),
        _ = on_close => Ok(()),
    };
    or_clean(dir, result.and_then(|()| remove(dir)))
}

/// Returns when a process of the control plane has ended by itself.
async fn watch(running: &mut Running) -> Result<()> {
    loop {
        if let Some(name) = running.ended() {
            bail!("{name} has ended by itself");
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Starts again what can be started again, and says in the folder which processes run now.
async fn keep(dir: &Path, running: &mut Running, mut state: State) -> Result<()> {
    loop {
        if running.mend()? {
            state.processes = running.identify()?;
            state.store(dir)?;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Returns the name of the signal that asks to stop.
async fn asked_to_stop() -> Result<&'static str> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// A failed start leaves no folder, unless `E2E_KEEP` is set to look into its logs.
fn or_clean<T>(dir: &Path, result: Result<T>) -> Result<T> {
    if result.is_err() && dir.exists() {
        remove(dir)?;
    }
    result
}

fn remove(dir: &Path) -> Result<()> {
    if std::env::var_os("E2E_KEEP").is_some() {
        return Ok(());
    }
    fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))
}

async fn down(dir: &Path) -> Result<()> {
    let stopped = state::down(dir, GRACE).await?;
    let what = if stopped { "stopped" } else { "nothing runs in" };
    writeln!(io::stdout(), "{what} {}", dir.display())?;
    Ok(())
}

fn write_crds(form: Crds, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for crd in crds::load(&Artifacts::locate()?.crds, form)? {
        let name = crd["metadata"]["name"].as_str().context("a CRD without a name")?;
        fs::write(to.join(format!("{name}.json")), serde_json::to_vec_pretty(&crd)?)?;
    }
    Ok(())
}

fn say(dir: &Path, state: &State) -> Result<()> {
    writeln!(
        io::stdout(),
        "ready: {} with {} CRDs, KUBECONFIG={}",
        state.server,
        state.crds.name(),
        dir.join("kubeconfig").display()
    )?;
    Ok(())
}
