//! Starting etcd, kube-apiserver and kube-controller-manager on loopback.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kube::Client;
use tokio::time::sleep;

use crate::artifacts::Artifacts;
use crate::cluster::configuration::{ADDRESS as NODE, SERVICES};
use crate::cluster::node::Node;
use crate::crds::{self, Crds};
use crate::identity::{client, write_kubeconfig};
use crate::pki;
use crate::process::ProcessId;
use crate::state::State;
use crate::wait::await_condition;

/// On a busy machine a first start takes several times the usual 4 s.
const READY: Duration = Duration::from_secs(90);
const ATTEMPTS: u32 = 5;

/// Metadata of everything, and the bodies of those writes that tests ask about. The log is written
/// before the answer has ended (`--audit-log-mode=blocking`), so what a caller has seen the end of is in it.
const AUDIT_POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Request
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - group: flink.apache.org
      - group: flink-remedy.dev
      - group: events.k8s.io
      - group: coordination.k8s.io
      - group: admissionregistration.k8s.io
      - group: ""
        resources: [events, configmaps]
  - level: Metadata
"#;

/// A started control plane; dropped before [`Running::release`], it takes its processes along.
#[derive(Debug, Default)]
pub struct Running {
    children: Vec<(&'static str, Child)>,
    /// How those were started that can be started again.
    commands: Vec<(&'static str, Command)>,
}

impl Running {
    /// Lets the processes outlive this value.
    pub fn release(mut self) {
        self.children.clear();
    }

    /// Lets a process end with this value.
    pub(crate) fn add(&mut self, name: &'static str, process: Child) {
        self.children.push((name, process));
    }

    /// The name of a process that has ended, if any has.
    pub fn ended(&mut self) -> Option<&'static str> {
        self.children.iter_mut().find_map(|(name, child)| child.try_wait().ok().flatten().map(|_| *name))
    }

    /// Starts again, as it was, what has ended; whether anything had.
    ///
    /// # Errors
    /// A process that cannot be started again.
    pub fn mend(&mut self) -> Result<bool> {
        let mut is_mended = false;
        while let Some(name) = self.ended() {
            let command = self.commands.iter_mut().find(|(known, _)| *known == name);
            let (_, command) = command.with_context(|| format!("{name} has ended by itself"))?;
            let started = command.spawn().with_context(|| format!("cannot start {name} again"))?;
            self.children.retain(|(ended, _)| *ended != name);
            self.children.push((name, started));
            is_mended = true;
        }
        Ok(is_mended)
    }

    /// Every process.
    ///
    /// # Errors
    /// One that has gone.
    pub fn identify(&self) -> Result<Vec<ProcessId>> {
        self.children.iter().map(|(_, child)| ProcessId::of(child.id())).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGKILL: a kube-apiserver takes up to a minute to stop gracefully, and nothing here is kept.
        for (_, child) in &mut self.children {
            let _ = child.kill();
        }
        for (_, child) in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// What to start, and where.
#[derive(Debug)]
pub struct Launch {
    dir: PathBuf,
    crds: Crds,
    artifacts: Artifacts,
    /// Whether the processes are to survive their starter and its terminal.
    detached: bool,
    /// Whether this machine is a node, as `cluster/hold.sh` makes one.
    node: bool,
}

impl Launch {
    /// Prepares a start in `dir`, which must not exist yet or be empty.
    pub fn new(dir: &Path, crds: Crds, detached: bool) -> Result<Self> {
        let artifacts = Artifacts::locate()?;
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        // The folder holds the admin's token.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        ensure!(
            fs::read_dir(&dir)?.next().is_none(),
            "{} is neither empty nor the folder of a running control plane",
            dir.display()
        );
        Ok(Self { dir, crds, artifacts, detached, node: false })
    }

    /// Also makes this machine the node of the cluster.
    #[must_use]
    pub fn with_node(mut self) -> Self {
        self.node = true;
        self
    }

    /// Starts everything and returns when CRDs are served and namespaces and tokens can be made.
    pub async fn start(&self) -> Result<(Running, State)> {
        pki::write(&self.dir.join("pki"))?;
        fs::write(self.dir.join("audit-policy.yaml"), AUDIT_POLICY)?;
        let admin_token = random_hex()?;
        let manager_token = random_hex()?;
        fs::write(
            self.dir.join("tokens.csv"),
            format!(
                "{admin_token},admin,admin,\"system:masters\"\n\
                 {manager_token},system:kube-controller-manager,kube-controller-manager,\"system:masters\"\n"
            ),
        )?;

        let mut of_node = Running::default();
        let node = if self.node { Some(Node::start(&self.dir, &mut of_node)?) } else { None };
        let (mut running, server, etcd) = self.serve(&admin_token).await?;
        running.children.append(&mut of_node.children);
        let ca = self.dir.join("pki/ca.crt");
        write_kubeconfig(&self.dir.join("kubeconfig"), &server, Some(&ca), &admin_token)?;
        let admin = client(&server, Some(&ca), &admin_token).await?;
        // Before the controller manager: its garbage collector learns of later kinds only every 30 s.
        let wanted = crds::load(&self.artifacts.crds, self.crds)?;
        futures::future::join_all(wanted.into_iter().map(|crd| crds::install(&admin, crd))).await;

        let manager = self.dir.join("controller-manager.kubeconfig");
        write_kubeconfig(&manager, &server, Some(&ca), &manager_token)?;
        running.children.push(("kube-controller-manager", self.controller_manager(&manager)?));
        usable(&admin).await;
        if let Some(node) = node {
            node.join(&manager, &admin, &mut running).await?;
        }
        if let Some(name) = running.ended() {
            bail!("{name} has ended: {}", self.log_tail(name));
        }
        let state = State { server, etcd, admin_token, crds: self.crds, processes: running.identify()? };
        state.store(&self.dir)?;
        Ok((running, state))
    }

    /// etcd and kube-apiserver; again with other ports when somebody else was faster to take one.
    async fn serve(&self, admin_token: &str) -> Result<(Running, String, String)> {
        for attempt in 1.. {
            // Where a NetworkPolicy expects an API server; a node has a network of its own, in which nobody else has taken it.
            let api = if self.node { 6443 } else { free_port()? };
            let etcd = format!("http://127.0.0.1:{}", free_port()?);
            let server = format!("https://{}:{api}", self.address());
            let mut running = Running::default();
            running.children.push(("etcd", self.etcd(&etcd)?));
            let mut apiserver = self.apiserver(&etcd, api)?;
            running.children.push(("kube-apiserver", start(&mut apiserver, "kube-apiserver")?));
            running.commands.push(("kube-apiserver", apiserver));
            let probe = client(&server, Some(&self.dir.join("pki/ca.crt")), admin_token).await?;
            let start = Instant::now();
            let ended = loop {
                if ready(&probe).await {
                    break None;
                }
                if let Some(name) = running.ended() {
                    break Some(name);
                }
                ensure!(start.elapsed() < READY, "not ready: {}", self.log_tail("kube-apiserver"));
                sleep(Duration::from_millis(50)).await;
            };
            let Some(name) = ended else { return Ok((running, server, etcd)) };
            let tail = self.log_tail(name);
            let port_taken = tail.contains("address already in use");
            ensure!(port_taken && attempt < ATTEMPTS, "{name} has ended: {tail}");
            drop(running);
            fs::remove_dir_all(self.dir.join("etcd")).ok();
        }
        unreachable!("the loop ends by itself only")
    }

    /// Where the API server listens: pods cannot reach the node's loopback.
    fn address(&self) -> &'static str {
        if self.node { NODE } else { "127.0.0.1" }
    }

    fn etcd(&self, client: &str) -> Result<Child> {
        self.spawn(
            "etcd",
            &[
                format!("--data-dir={}", self.path("etcd")),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                "--listen-peer-urls=http://127.0.0.1:0".into(),
                "--unsafe-no-fsync".into(),
                // Room for tens of thousands of jobs with their history; it takes what it needs.
                "--quota-backend-bytes=17179869184".into(),
                "--log-level=warn".into(),
            ],
        )
    }

    fn apiserver(&self, etcd: &str, port: u16) -> Result<Command> {
        let file = |name: &str| self.path(name);
        self.command(
            "kube-apiserver",
            &[
                format!("--etcd-servers={etcd}"),
                format!("--bind-address={}", self.address()),
                format!("--advertise-address={}", self.address()),
                format!("--secure-port={port}"),
                // The service `kubernetes`, by which pods find it.
                format!("--endpoint-reconciler-type={}", if self.node { "lease" } else { "none" }),
                "--kubelet-preferred-address-types=InternalIP".into(),
                format!("--cert-dir={}", file("pki")),
                format!("--tls-cert-file={}", file("pki/server.crt")),
                format!("--tls-private-key-file={}", file("pki/server.key")),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--service-account-signing-key-file={}", file("pki/sa.key")),
                format!("--service-account-key-file={}", file("pki/sa.pub")),
                format!("--token-auth-file={}", file("tokens.csv")),
                "--authorization-mode=RBAC".into(),
                format!("--service-cluster-ip-range={SERVICES}"),
                "--allow-privileged=true".into(),
                format!("--audit-policy-file={}", file("audit-policy.yaml")),
                format!("--audit-log-path={}", file("audit.log")),
                "--audit-log-mode=blocking".into(),
                // Never rotated: a test's mark is a place in this one file.
                "--audit-log-maxsize=1000000".into(),
            ],
        )
    }

    fn controller_manager(&self, kubeconfig: &Path) -> Result<Child> {
        self.spawn(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={}", kubeconfig.display()),
                "--leader-elect=false".into(),
                "--secure-port=0".into(),
                format!("--service-account-private-key-file={}", self.path("pki/sa.key")),
                format!("--root-ca-file={}", self.path("pki/ca.crt")),
                // It makes the folder, which otherwise would stay in /usr/libexec.
                format!("--flex-volume-plugin-dir={}", self.path("volume-plugins")),
            ],
        )
    }

    fn spawn(&self, name: &'static str, args: &[String]) -> Result<Child> {
        start(&mut self.command(name, args)?, name)
    }

    fn command(&self, name: &'static str, args: &[String]) -> Result<Command> {
        let log = File::create(self.log(name))?;
        let mut command = Command::new(self.artifacts.binary(name));
        command.args(args).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if self.detached {
            command.process_group(0);
        }
        Ok(command)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }

    fn log_tail(&self, name: &str) -> String {
        let text = fs::read_to_string(self.log(name)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

fn start(command: &mut Command, name: &str) -> Result<Child> {
    command.spawn().with_context(|| format!("cannot start {name}"))
}

async fn ready(client: &Client) -> bool {
    let request = hyper::Request::get("/readyz").body(Vec::new()).expect("a GET of a path");
    client.request_text(request).await.is_ok()
}

/// The default service account is made by the controller manager, so it proves that one too.
async fn usable(admin: &Client) {
    await_condition("a namespace to be creatable and to have its service account", READY, async || {
        let get = hyper::Request::get("/api/v1/namespaces/default/serviceaccounts/default").body(Vec::new());
        admin.request_text(get.expect("a GET of a path")).await?;
        let body = br#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"probe"}}"#.to_vec();
        let create = hyper::Request::post("/api/v1/namespaces?dryRun=All").body(body);
        admin.request_text(create.expect("a POST of JSON")).await
    })
    .await;
}

/// From the kernel.
pub(crate) fn random_bytes() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn random_hex() -> Result<String> {
    Ok(format!("{:032x}", u128::from_ne_bytes(random_bytes()?)))
}

/// A port that nobody listens on, from below the range that the kernel gives to outgoing connections. This process gets none
/// twice: whoever asked for it may not listen yet.
///
/// # Errors
/// When no such port is found.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for pair in (0..100).map(|_| random_bytes()) {
        let pair = pair?;
        let port = 20_000 + u16::from_ne_bytes([pair[0], pair[1]]) % 12_000;
        let is_new = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
        if is_new && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 20000 and 32000")
}
