//! A whole Kubernetes cluster of one node, with pods: a control plane beside containerd, kubelet, scheduler, kube-proxy,
//! `CoreDNS` and kube-router, which enforces `NetworkPolicy`s, in namespaces of its own. A test enters its network and is then on the node.

pub(crate) mod configuration;
pub(crate) mod node;

use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::crds::Crds;
use crate::operator::{OperatorOptions, binary};
use crate::plane::{ControlPlane, starter};
use node::NodeTools;

/// `hold.sh DIR COMMAND...` makes the machine and takes it down.
pub const HOLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/hold.sh");
/// Becomes a program that sees the cluster's names.
const AS_POD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/as-pod.sh");
const MEMORY_CGROUPS: &str = "/sys/fs/cgroup/memory";

/// What has failed once is not tried again by the next test.
static CLUSTER: OnceLock<Result<Cluster>> = OnceLock::new();

/// The cluster of this test's process; it ends with the process, in whatever way that ends.
#[derive(Debug)]
pub struct Cluster {
    /// Its control plane.
    pub plane: &'static ControlPlane,
    folder: PathBuf,
    network: File,
}

/// Runs the body of the test of this name where a cluster can be made. Elsewhere it says why not, and with `CI=true` it
/// fails.
pub fn needs_root(test: &str, body: impl FnOnce()) {
    let Err(reason) = possible() else { return body() };
    assert!(env::var("CI").as_deref() != Ok("true"), "{test}: no cluster can be made here: {reason}");
    // Past libtest, which would keep it to itself.
    writeln!(io::stderr(), "{test} CANNOT RUN HERE: {reason}").expect("standard error");
}

/// Runs the body of the test of this name in the cluster's network, which the first of them starts. Where the machine
/// allows none it says so, and with `CI=true` it fails.
///
/// # Panics
/// When the cluster cannot be started; run `make cluster` first.
pub fn in_cluster(test: &str, body: impl AsyncFnOnce(&'static Cluster)) {
    needs_root(test, || run(body));
}

fn run(body: impl AsyncFnOnce(&'static Cluster)) {
    let cluster = CLUSTER.get_or_init(Cluster::start).as_ref().unwrap_or_else(|error| panic!("no cluster: {error:#}"));
    // Of this thread alone: its runtime, its sockets and the processes it starts are then in that network.
    let entered = move_into_link_name_space(cluster.network.as_fd(), Some(LinkNameSpaceType::Network));
    entered.expect("root may enter a network");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(body(cluster));
}

/// Whether a cluster can be made here; else what is missing.
fn possible() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("root is needed".to_owned());
    }
    if env::consts::ARCH != "x86_64" {
        return Err("the images are for x86-64".to_owned());
    }
    if !Path::new(MEMORY_CGROUPS).is_dir() {
        return Err(format!("cgroup v1 is needed, and there is no {MEMORY_CGROUPS}"));
    }
    let made = Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "ip", "link"]).output();
    match made {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("no namespaces: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("no namespaces: {error}")),
    }
}

impl Cluster {
    fn start() -> Result<Self> {
        NodeTools::locate()?;
        let folder = tempfile::Builder::new().prefix("flink-remedy-cluster-").tempdir()?.keep();
        let plane = folder.join("plane");
        // It executes the script, so that the network is that of the child.
        let mut command = Command::new("unshare");
        command.args(["--net", "--", HOLD]).arg(&folder).arg(starter()?);
        command.args(["up", "--hold", "--node", "--crds", Crds::Typed.name(), "--dir"]).arg(&plane);
        // A signal from the terminal is for the test; its end closes the pipe.
        command.process_group(0);
        let plane = ControlPlane::start_by(command, plane)?;
        let network = format!("/proc/{}/ns/net", plane.holder());
        let network = File::open(&network).with_context(|| format!("cannot open {network}"))?;
        Ok(Self { plane: plane.share()?, folder, network })
    }

    /// Has the node take an image in, from an archive as `make image` packs it.
    pub fn import(&self, archive: &Path) -> Result<()> {
        node::import(&NodeTools::locate()?, self.plane.dir(), archive)
    }

    /// Makes a folder of the node, which every pod may write to, and returns its path.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = self.folder.join("volumes").join(name);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        Ok(folder)
    }

    /// Has the operator find services by name, as in a pod of that namespace.
    pub fn as_pod(&self, namespace: &str, options: OperatorOptions) -> Result<OperatorOptions> {
        let resolver = self.folder.join("resolvers").join(namespace);
        fs::create_dir_all(resolver.parent().context("a file lies in a folder")?)?;
        fs::write(&resolver, configuration::resolver(namespace))?;
        let program = options.program.clone().unwrap_or_else(binary);
        let options = options.env("PROGRAM", &program.to_string_lossy()).env("RESOLVER", &resolver.to_string_lossy());
        Ok(OperatorOptions { program: Some(PathBuf::from(AS_POD)), ..options })
    }

    /// Stops all processes of the pod of that uid where they are, or lets them go on: nobody answers, as on a node that
    /// has lost its network. By signals, since nothing can end what a cgroup has frozen.
    pub fn freeze(&self, pod: &str, frozen: bool) -> Result<()> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let path = own.lines().find_map(|line| line.split_once(":pids:")).context("no pids in cgroup v1")?.1;
        let pods = format!("/sys/fs/cgroup/pids{path}/flink-remedy-e2e.{}/kubepods", self.plane.holder());
        let name = format!("pod{pod}");
        // Of the three classes of pods the guaranteed ones have no folder of their own.
        let folders = ["burstable", "besteffort", ""].map(|class| Path::new(&pods).join(class).join(&name));
        let folder = folders.iter().find(|folder| folder.is_dir()).with_context(|| format!("no {name} in {pods}"))?;
        let mut files = Vec::new();
        collect(folder, "", &mut files);
        for file in files.iter().filter(|file| file.ends_with("cgroup.procs")) {
            for pid in fs::read_to_string(file)?.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
                kill_process(pid, if frozen { Signal::STOP } else { Signal::CONT })?;
            }
        }
        Ok(())
    }

    /// The last lines that containers have written, of pods whose name, such as `NAMESPACE_POD`, begins so.
    pub fn logs(&self, pods: &str, lines: usize) -> String {
        let mut logs = Vec::new();
        collect(&self.folder.join("disk/var/log/pods"), pods, &mut logs);
        logs.sort();
        let tail = |log: &PathBuf| {
            let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
            let all: Vec<&str> = text.lines().collect();
            format!("--- {}\n{}", log.display(), all[all.len().saturating_sub(lines)..].join("\n"))
        };
        logs.iter().map(tail).collect::<Vec<_>>().join("\n")
    }
}

/// Every file below those entries of a folder whose names begin so.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            _ if !entry.file_name().to_string_lossy().starts_with(prefix) => {}
            true => collect(&path, "", files),
            false => files.push(path),
        }
    }
}

/// What a script of `cluster/` prints: the folder that it fills.
fn printed(script: &str, cache: &Path) -> Result<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(script);
    let output = Command::new(&file).arg("--print").arg(cache).output();
    let output = output.with_context(|| format!("cannot run {}", file.display()))?;
    ensure!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

/// An error for somebody who has not prepared the machine.
fn missing(what: impl Display) -> anyhow::Error {
    anyhow::anyhow!("{what} is missing: run `make cluster` first")
}
