//! The built `flink-remedy` as a process that a test may stop, freeze and kill.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::http;
use crate::launch::free_port;
use crate::plane::beside_tests;
use crate::wait::await_condition;

/// How long it may take to begin and to end, a debug build on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(20);

/// What lets a job restart as soon as it is stable: no quiet period to speak of, under an operator that keeps its state.
const POLICY: &str = "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata: {name: tests}\n\
                      spec:\n  rollout: {operatorVersion: '1.15', quietPeriod: 1 ms}\n";

/// How to start the operator.
#[derive(Debug, Clone, Default)]
pub struct OperatorOptions {
    /// The file that `KUBECONFIG` names.
    pub kubeconfig: PathBuf,
    /// What follows `flink-remedy run --listen 127.0.0.1:PORT`.
    pub args: Vec<String>,
    /// Environment variables beside those of the test.
    pub env: Vec<(String, String)>,
    /// Another program than `flink-remedy`.
    pub program: Option<PathBuf>,
    /// Whether the policies of the cluster are in force, and not the one for tests.
    pub policies_of_cluster: bool,
}

impl OperatorOptions {
    /// `flink-remedy run` against what that kubeconfig names.
    pub fn new(kubeconfig: impl Into<PathBuf>) -> Self {
        Self { kubeconfig: kubeconfig.into(), ..Self::default() }
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Under the policies of the cluster.
    #[must_use]
    pub fn policies_of_cluster(self) -> Self {
        Self { policies_of_cluster: true, ..self }
    }

    /// One more environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

/// A running operator; dropped, it is killed, and in a failing test its log is printed.
#[derive(Debug)]
pub struct Operator {
    child: Mutex<Child>,
    pid: Pid,
    address: SocketAddr,
    folder: TempDir,
}

impl Operator {
    /// Starts `flink-remedy run` with a free port for `--listen` and, if the test brings neither policies nor program, with a
    /// policy under which jobs restart as soon as they are stable.
    ///
    /// # Panics
    /// When the binary is missing: `FLINK_REMEDY_BIN`, else the one in the tests' target folder.
    pub fn start(options: &OperatorOptions) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().expect("a free port")));
        let folder = tempfile::Builder::new().prefix("flink-remedy-log-").tempdir().expect("a temporary folder");
        let policy = folder.path().join("policy.yaml");
        std::fs::write(&policy, POLICY).expect("a writable folder");
        let is_given = options.policies_of_cluster
            || options.program.is_some()
            || options.args.iter().any(|arg| arg == "--policy");
        let log = File::create(folder.path().join("log")).expect("a log file");
        let child = Command::new(options.program.clone().unwrap_or_else(binary))
            .args(["run", "--listen", &address.to_string()])
            .args(&options.args)
            .args((!is_given).then_some([Path::new("--policy"), policy.as_path()]).into_iter().flatten())
            .env("KUBECONFIG", &options.kubeconfig)
            // As in the image.
            .env("MALLOC_ARENA_MAX", "1")
            .envs(options.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("flink-remedy starts");
        let pid = Pid::from_child(&child);
        Self { child: Mutex::new(child), pid, address, folder }
    }

    /// The address of `/live`, `/ready` and `/metrics`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Returns when `/ready` answers 200.
    ///
    /// # Panics
    /// When the operator ends instead, or takes more than two minutes.
    pub async fn wait_ready(&self) {
        await_condition("the operator to be ready", PATIENCE, async || {
            if let Some(status) = self.try_exit() {
                panic!("the operator ended with {status} instead of becoming ready");
            }
            match self.get("/ready").await {
                Some((200, _)) => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }

    /// Status and body of a GET on the operator's own address; `None` when nobody answers within 10 s.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://{}{path}", self.address);
        timeout(Duration::from_secs(10), http::get(&url)).await.ok()?.ok()
    }

    /// The page `/metrics`.
    ///
    /// # Panics
    /// When the operator has ended, or does not answer within two minutes.
    pub async fn metrics(&self) -> String {
        let (status, body) = await_condition("an answer of /metrics", PATIENCE, async || {
            let answer = self.get("/metrics").await;
            assert!(
                answer.is_some() || self.try_exit().is_none(),
                "the operator has ended and has no metrics any more"
            );
            answer
        })
        .await;
        assert_eq!(status, 200, "/metrics: {body}");
        body
    }

    /// The value of one metric, named with its labels as printed; `None` when it is not there.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let page = self.metrics().await;
        let rest = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    }

    /// SIGKILL; returns when the process has ended.
    pub fn kill9(&self) {
        let mut child = self.child();
        // It may have ended before; the wait tells both apart from a process that still runs.
        let _ = child.kill();
        child.wait().expect("a child can be waited for");
    }

    /// SIGTERM; returns how the process ended.
    ///
    /// # Panics
    /// When it still runs after two minutes.
    pub async fn terminate(&self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_exit(PATIENCE).await.expect("the operator ends within two minutes of SIGTERM")
    }

    /// SIGSTOP: the process stays but does nothing, as on a frozen node.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT, after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// How the process ended, or `None` when it still runs after `within`.
    pub async fn wait_exit(&self, within: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.try_exit() {
                return Some(status);
            }
            if start.elapsed() >= within {
                return None;
            }
            sleep(POLL).await;
        }
    }

    /// How the process ended, if it has.
    pub fn try_exit(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("a child can be waited for")
    }

    /// What it wrote to standard output and error so far.
    pub fn logs(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn signal(&self, signal: Signal) {
        let mut child = self.child();
        // Under the lock and only while it is not reaped, the pid cannot belong to a stranger.
        if child.try_wait().expect("a child can be waited for").is_none() {
            kill_process(self.pid, signal).expect("our own child takes signals");
        }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Operator {
    #[allow(clippy::print_stderr, reason = "cargo shows it with the failing test")]
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- log of the operator ---\n{}", self.logs());
        }
    }
}

/// The built binary that the tests run.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("FLINK_REMEDY_BIN") {
        return PathBuf::from(path);
    }
    beside_tests("flink-remedy").expect("flink-remedy is not built: run `cargo build -p flink-remedy` first")
}
