//! The control plane as a test sees it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt as _;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::artifacts::Artifacts;
use crate::audit::AuditLog;
use crate::crds::{self, Crds};
use crate::identity;
use crate::objects::apply;
use crate::process::ProcessId;
use crate::state::State;
use crate::wait::await_condition;

static TYPED: OnceCell<ControlPlane> = OnceCell::const_new();
static UNTYPED: OnceCell<ControlPlane> = OnceCell::const_new();
static COUNTER: AtomicU32 = AtomicU32::new(1);

/// A running etcd, kube-apiserver and kube-controller-manager with Flink's CRDs.
#[derive(Debug)]
pub struct ControlPlane {
    dir: PathBuf,
    state: State,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    /// The control plane lives as long as this pipe: until the test process ends, in whatever way.
    hold: (Child, ChildStdin),
}

/// What a run of kubectl left behind.
#[derive(Debug, Clone)]
pub struct KubectlOutput {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl ControlPlane {
    /// This process's control plane with that form of CRDs, started by whoever asks first.
    ///
    /// # Panics
    /// When it cannot be started; run `make e2e-prepare` first.
    pub async fn shared(crds: Crds) -> &'static Self {
        let cell = match crds {
            Crds::Typed => &TYPED,
            Crds::Untyped => &UNTYPED,
        };
        cell.get_or_init(async || {
            let started = tokio::task::spawn_blocking(move || Self::start(crds)).await.expect("start does not panic");
            started.unwrap_or_else(|error| panic!("no control plane: {error:#}"))
        })
        .await
    }

    /// One of its own, whose kube-apiserver may be killed: it is started again as it was. It ends when dropped.
    ///
    /// # Panics
    /// When it cannot be started; run `make e2e-prepare` first.
    pub async fn mended(crds: Crds) -> Self {
        let start = move || Self::start_with(crds, &["--mend"]);
        let started = tokio::task::spawn_blocking(start).await.expect("start does not panic");
        started.unwrap_or_else(|error| panic!("no control plane: {error:#}"))
    }

    fn start(crds: Crds) -> Result<Self> {
        Self::start_with(crds, &[])
    }

    fn start_with(crds: Crds, flags: &[&str]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("flink-remedy-e2e-").tempdir()?.keep();
        let mut command = Command::new(starter()?);
        command.args(["up", "--hold", "--crds", crds.name()]).args(flags).arg("--dir").arg(&dir);
        Self::start_by(command, dir)
    }

    /// The process that runs this program of the control plane now.
    ///
    /// # Panics
    /// When there is none.
    pub fn process(&self, program: &str) -> ProcessId {
        let state = State::load(&self.dir).ok().flatten().expect("the control plane runs");
        let is_it = |process: &ProcessId| process.exe.ends_with(program);
        state.processes.into_iter().find(is_it).unwrap_or_else(|| panic!("no {program} runs"))
    }

    /// Starts it by a command that ends in `controlplane up --hold --dir DIR`.
    pub(crate) fn start_by(mut command: Command, dir: PathBuf) -> Result<Self> {
        let kubectl = Artifacts::locate()?.binary("kubectl");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the `controlplane` binary")?;
        let pipe = child.stdin.take().context("stdin is piped")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
        let Some(state) = State::load(&dir)? else {
            bail!("`controlplane up` ended with {}", child.wait()?);
        };
        Ok(Self { kubeconfig: dir.join("kubeconfig"), kubectl, state, dir, hold: (child, pipe) })
    }

    /// Makes it this process's control plane with its form of CRDs.
    pub(crate) fn share(self) -> Result<&'static Self> {
        let cell = if self.crds() == Crds::Typed { &TYPED } else { &UNTYPED };
        ensure!(!cell.initialized(), "this process has a control plane already");
        cell.get_or_init(async || self).now_or_never().context("nobody else starts one")
    }

    /// The process id of what holds it.
    pub(crate) fn holder(&self) -> u32 {
        self.hold.0.id()
    }

    /// A client of user `admin` (group `system:masters`), bound to the current runtime, that repeats nothing.
    pub async fn admin(&self) -> Client {
        self.client_as(&self.state.admin_token).await
    }

    /// A client with any bearer token, bound to the current runtime, that repeats nothing.
    pub async fn client_as(&self, token: &str) -> Client {
        self.client_via(token, self.server()).await
    }

    /// The same through `server`: [`server`](Self::server) or a proxy's address.
    pub async fn client_via(&self, token: &str, server: &str) -> Client {
        identity::client(server, self.ca_of(server).as_deref(), token).await.expect("a client")
    }

    /// A client with any bearer token whose user acts as somebody else, in these groups.
    pub async fn client_acting_as(&self, token: &str, user: &str, groups: &[&str]) -> Client {
        let client = identity::client_acting_as(self.server(), Some(&self.ca()), token, user, groups).await;
        client.expect("a client")
    }

    /// A client of somebody by this name who may do everything.
    pub async fn almighty(&self, user: &str) -> Client {
        self.client_acting_as(&self.state.admin_token, user, &["system:masters"]).await
    }

    /// A proxy speaks plain HTTP.
    fn ca_of(&self, server: &str) -> Option<PathBuf> {
        server.starts_with("https:").then(|| self.ca())
    }

    /// The admin's kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The kubectl of the API server's version.
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// The API server's address, `https://127.0.0.1:PORT`.
    pub fn server(&self) -> &str {
        &self.state.server
    }

    /// The address of its etcd, `http://127.0.0.1:PORT`.
    pub fn etcd(&self) -> &str {
        &self.state.etcd
    }

    /// The PEM file of the CA that signed the API server's certificate.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("pki/ca.crt")
    }

    /// The form of the installed CRDs.
    pub fn crds(&self) -> Crds {
        self.state.crds
    }

    /// The folder that holds logs and files; removed when the test process ends.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the API server says was asked of it.
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(self.dir.join("audit.log"))
    }

    /// Creates a namespace of a name that nobody else uses and returns the name.
    pub async fn namespace(&self, prefix: &str) -> String {
        let name = unique(prefix);
        let admin = self.admin().await;
        apply(&admin, json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })).await;
        name
    }

    /// Creates a service account.
    pub async fn service_account(&self, namespace: &str, name: &str) {
        let metadata = json!({ "namespace": namespace, "name": name });
        let object = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata });
        apply(&self.admin().await, object).await;
    }

    /// A token of a service account, through the `TokenRequest` API.
    pub async fn token(&self, namespace: &str, name: &str) -> String {
        let token = identity::token(self.admin().await, namespace, name).await;
        token.unwrap_or_else(|error| panic!("no token for {namespace}/{name}: {error:#}"))
    }

    /// Writes a kubeconfig with that token; `server` is [`server`](Self::server) or a proxy's address.
    pub fn kubeconfig_for(&self, token: &str, server: &str) -> PathBuf {
        let file = self.dir.join(unique("kubeconfig"));
        identity::write_kubeconfig(&file, server, self.ca_of(server).as_deref(), token)
            .expect("the folder is writable");
        file
    }

    /// Installs CRDs (one or more YAML documents) and returns when they are served.
    pub async fn install_crds(&self, yaml: &str) {
        let documents: Vec<_> = serde_saphyr::from_multiple(yaml).expect("CRDs in YAML");
        let admin = self.admin().await;
        for document in documents {
            crds::install(&admin, document).await;
        }
    }

    /// Runs kubectl as admin, with `stdin` as its input.
    pub async fn run_kubectl<A: AsRef<OsStr>>(&self, args: &[A], stdin: &str) -> KubectlOutput {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(self.dir.join("kubectl-cache"));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = stdin.to_owned();
        tokio::task::spawn_blocking(move || run(command, &input)).await.expect("kubectl runs").expect("kubectl runs")
    }

    /// Returns when the API server lets a user do what `resource` says (`resourceAttributes` of a `SubjectAccessReview`), or
    /// no longer: it follows roles by watches.
    pub async fn until_may(&self, user: &str, resource: &Value, may: bool) {
        let review = json!({ "spec": { "user": user, "resourceAttributes": resource } });
        let review: SubjectAccessReview = serde_json::from_value(review).expect("a review");
        let reviews = Api::all(self.admin().await);
        await_condition(&format!("{user} to may {resource}: {may}"), Duration::from_mins(2), async || {
            let answer = reviews.create(&PostParams::default(), &review).await;
            let status = answer.expect("an answer to the review").status.expect("a status");
            if status.allowed == may { Ok(()) } else { Err(status) }
        })
        .await;
    }

    /// Deletes a namespace and returns when it has gone.
    pub async fn delete_namespace(&self, name: &str) {
        let api = Api::<k8s_openapi::api::core::v1::Namespace>::all(self.admin().await);
        api.delete(name, &kube::api::DeleteParams::default()).await.expect("the namespace exists");
        await_condition(&format!("namespace {name} to be gone"), Duration::from_mins(3), async || {
            match api.get_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(namespace)) => Err(format!("{:?}", namespace.status)),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }
}

fn run(mut command: Command, input: &str) -> Result<KubectlOutput> {
    let mut child = command.spawn()?;
    let mut pipe = child.stdin.take().context("stdin is piped")?;
    let input = input.to_owned();
    // kubectl may end without reading all of its input; that is its right.
    let writer = std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    let output = child.wait_with_output()?;
    drop(writer.join());
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(KubectlOutput { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) })
}

fn unique(prefix: &str) -> String {
    format!("{prefix}-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// The `controlplane` binary: named by cargo in integration tests, else in the target folder.
pub(crate) fn starter() -> Result<PathBuf> {
    if let Some(path) = env::var_os("CARGO_BIN_EXE_controlplane") {
        return Ok(PathBuf::from(path));
    }
    beside_tests("controlplane").context("the `controlplane` binary is not built: cargo build -p e2e")
}

/// A program of this workspace, from the folder that the running test was built in.
pub(crate) fn beside_tests(name: &str) -> Option<PathBuf> {
    let test = fs::canonicalize(env::current_exe().ok()?).ok()?;
    test.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|file| file.is_file())
}
