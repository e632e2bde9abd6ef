//! A stand-in for kubelet and Flink's `JobManager`s, for a real Flink operator on a control plane without nodes.
//!
//! The Flink operator makes a Deployment for each job; its pod never starts, since there is no node. This reports such
//! pods as ready and answers what the operator asks of a `JobManager`'s REST API, so that the operator itself takes jobs
//! to STABLE, upgrades them by savepoint and sees them fail. No state is kept anywhere: a savepoint is a name.

mod answers;
mod kubelet;
mod rest;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;

use tokio::net::TcpListener;

use crate::launch::random_bytes;
use crate::plane::ControlPlane;

/// The port at which the Flink operator looks for a `JobManager`.
const REST_PORT: u16 = 8081;

/// Namespace and name of a job.
type Name = (String, String);

/// What goes wrong with a job, as its own configuration asks for by [`Fault::KEY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The pod never becomes ready.
    NeverReady,
    /// The container ends again and again.
    CrashLoop,
    /// The container is up for a moment, long enough for the pod to be ready, and then as with [`Fault::CrashLoop`].
    Crashes,
    /// The `JobManager` is up, the job never runs.
    NotRunning,
    /// The job fails as soon as it runs.
    Fails,
}

impl Fault {
    /// The key in `flinkConfiguration` with one of `never-ready`, `crash-loop`, `crashes`, `not-running` and `fails`.
    pub const KEY: &str = "e2e.fault";
    /// The key with the name of an option without which nothing goes wrong.
    pub const WITH: &str = "e2e.faults-with";

    fn of(configuration: &BTreeMap<String, String>) -> Option<Self> {
        if configuration.get(Self::WITH).is_some_and(|option| !configuration.contains_key(option)) {
            return None;
        }
        match configuration.get(Self::KEY)?.as_str() {
            "never-ready" => Some(Self::NeverReady),
            "crash-loop" => Some(Self::CrashLoop),
            "crashes" => Some(Self::Crashes),
            "not-running" => Some(Self::NotRunning),
            "fails" => Some(Self::Fails),
            other => panic!("{} is {other}, which is no fault", Self::KEY),
        }
    }
}

/// One deployment of a job by the Flink operator.
#[derive(Clone, Debug)]
pub struct Incarnation {
    /// The uid of its Deployment.
    pub uid: String,
    /// Flink's id of the job.
    pub job_id: String,
    /// The configuration that Flink was started with, whole.
    pub configuration: BTreeMap<String, String>,
}

impl Incarnation {
    /// The savepoint or checkpoint that it started from.
    pub fn restored_from(&self) -> Option<&str> {
        let keys = ["execution.savepoint.path", "execution.state-recovery.path"];
        keys.iter().find_map(|key| self.configuration.get(*key)).map(String::as_str)
    }
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobState {
    Created,
    Running,
    Finished,
    Canceled,
    Failed,
}

/// A `JobManager` that is there.
#[derive(Clone, Debug)]
struct JobManager {
    incarnation: Incarnation,
    fault: Option<Fault>,
    state: JobState,
    /// Milliseconds since 1970.
    started: i64,
    /// When its pod was reported as ready.
    ready: Option<Instant>,
}

/// A savepoint on its way.
#[derive(Clone, Debug)]
struct Savepoint {
    job: Name,
    location: String,
    /// Whether the job ends with it.
    stops: bool,
    /// Whether somebody has seen it in progress.
    seen: bool,
}

#[derive(Debug, Default)]
struct Known {
    present: BTreeMap<Name, JobManager>,
    savepoints: BTreeMap<String, Savepoint>,
    history: BTreeMap<Name, Vec<Incarnation>>,
}

/// The stand-in for all jobs of one control plane. It lives as long as the test process.
#[derive(Debug)]
pub struct JobManagers {
    address: Ipv4Addr,
    hosts: PathBuf,
    known: Arc<Mutex<Known>>,
}

impl JobManagers {
    /// Starts it for this control plane, on a loopback address of its own.
    ///
    /// # Panics
    /// When no loopback address is free.
    pub fn start(plane: &'static ControlPlane) -> Self {
        let known = Arc::new(Mutex::new(Known::default()));
        let (tell, told) = mpsc::channel();
        let shared = Arc::clone(&known);
        // Every test has a runtime of its own, and this has to outlive all of them.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (listener, address) = listen().await;
                tell.send(address).expect("the starter waits");
                futures::join!(rest::serve(listener, Arc::clone(&shared)), kubelet::run(plane.admin().await, shared));
            });
        });
        let address = told.recv().expect("the stand-in starts");
        let hosts = plane.dir().join("hosts");
        fs::write(&hosts, "127.0.0.1 localhost\n").expect("the folder is writable");
        Self { address, hosts, known }
    }

    /// The file in which the Flink operator's JVM has to look up names (`jdk.net.hosts.file`).
    pub fn hosts(&self) -> &Path {
        &self.hosts
    }

    /// Where anybody can ask each `JobManager`, with `{namespace}` and `{name}` in place of the job's.
    pub fn rest_address(&self) -> String {
        format!("http://{}:{REST_PORT}{}/{{namespace}}/{{name}}", self.address, rest::BY_NAME)
    }

    /// Makes the `JobManager` of a job findable. To be called before the job is created: a JVM remembers for a while that
    /// a name is unknown.
    pub fn expect(&self, namespace: &str, name: &str) {
        let mut file = fs::OpenOptions::new().append(true).open(&self.hosts).expect("the file is there");
        // In one piece, since tests run side by side.
        let line = format!("{} {name}-rest.{namespace}\n", self.address);
        file.write_all(line.as_bytes()).expect("the file is writable");
    }

    /// Every deployment of a job so far, the present one last.
    pub fn incarnations(&self, namespace: &str, name: &str) -> Vec<Incarnation> {
        lock(&self.known).history.get(&(namespace.to_owned(), name.to_owned())).cloned().unwrap_or_default()
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens at a loopback address that nobody else uses: the port is the same for every `JobManager`.
async fn listen() -> (TcpListener, Ipv4Addr) {
    for _ in 0..100 {
        let random = random_bytes().expect("random bytes");
        let address = Ipv4Addr::new(127, random[0].max(1), random[1], 1);
        if let Ok(listener) = TcpListener::bind(SocketAddr::from((address, REST_PORT))).await {
            return (listener, address);
        }
    }
    panic!("no loopback address with a free port {REST_PORT}");
}
