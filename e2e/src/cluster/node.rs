//! The programs that make the machine of `cluster/hold.sh` a node.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kube::Client;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::configuration::{self, ADDRESS, NAME};
use super::{missing, printed};
use crate::artifacts::{Artifacts, cache};
use crate::launch::Running;
use crate::objects::apply;
use crate::wait::await_condition;

/// On a busy machine a first start takes several times the usual 10 s.
const READY: Duration = Duration::from_secs(90);
/// Set by `cluster/init.sh`.
const MACHINE: &str = "FLINK_REMEDY_MACHINE";
const IMAGES: [&str; 2] = ["pause.tar", "flink.tar"];

/// Where `make cluster` has put what a node runs.
#[derive(Debug, Clone)]
pub(crate) struct NodeTools {
    kubernetes: PathBuf,
    node: PathBuf,
    packages: PathBuf,
    images: PathBuf,
}

impl NodeTools {
    /// Finds the folders.
    pub(crate) fn locate() -> Result<Self> {
        let cache = cache()?;
        let tools = Self {
            kubernetes: Artifacts::locate()?.bin,
            node: printed("node/build.sh", &cache)?,
            packages: printed("packages.sh", &cache)?.join("bin"),
            images: printed("image/build.sh", &cache)?,
        };
        let needed = [
            // The last that each script makes.
            tools.kubernetes.join("kube-proxy"),
            tools.node.join("runc"),
            tools.packages.join("nft"),
            tools.images.join("flink.tar"),
        ];
        needed.iter().find(|file| !file.exists()).map_or(Ok(tools), |file| Err(missing(file.display())))
    }
}

/// A node on its way.
#[derive(Debug)]
pub(crate) struct Node {
    tools: NodeTools,
    folder: PathBuf,
    images: JoinHandle<Result<()>>,
}

impl Node {
    /// Starts containerd, which needs no control plane, and has it take the images in.
    pub(crate) fn start(folder: &Path, running: &mut Running) -> Result<Self> {
        ensure!(env::var_os(MACHINE).is_some(), "this is no machine that e2e/cluster/hold.sh made");
        let tools = NodeTools::locate()?;
        let networks = folder.join("networks");
        fs::create_dir(&networks)?;
        fs::write(networks.join("pods.conflist"), configuration::network().to_string())?;
        fs::write(folder.join("no-resolver"), "")?;
        let file = folder.join("containerd.toml");
        fs::write(&file, configuration::containerd(folder, &tools.node.join("cni"), &networks))?;
        let images = tokio::task::spawn_blocking({
            let (tools, folder) = (tools.clone(), folder.to_owned());
            move || {
                let images = IMAGES.map(|image| tools.images.join(image));
                images.iter().try_for_each(|image| import(&tools, &folder, image))
            }
        });
        let node = Self { tools, folder: folder.to_owned(), images };
        let containerd = node.tools.node.join("containerd");
        running.add("containerd", node.spawn(&containerd, &[format!("--config={}", file.display())])?);
        Ok(node)
    }

    /// Starts all else and returns when the node takes pods and finds services by name.
    pub(crate) async fn join(mut self, kubeconfig: &Path, admin: &Client, running: &mut Running) -> Result<()> {
        let by_kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
        let kubernetes = |name: &str| self.tools.kubernetes.join(name);
        let scheduler = [by_kubeconfig.clone(), "--leader-elect=false".into(), "--secure-port=0".into()];
        running.add("kube-scheduler", self.spawn(&kubernetes("kube-scheduler"), &scheduler)?);

        let config = self.file("kubelet.json", &configuration::kubelet(&self.folder).to_string())?;
        let (name, address) = (format!("--hostname-override={NAME}"), format!("--node-ip={ADDRESS}"));
        running.add("kubelet", self.spawn(&kubernetes("kubelet"), &[config, by_kubeconfig, name, address])?);

        let config = self.file("kube-proxy.json", &configuration::kube_proxy(kubeconfig).to_string())?;
        running.add("kube-proxy", self.spawn(&kubernetes("kube-proxy"), &[config])?);

        let corefile = self.folder.join("Corefile");
        fs::write(&corefile, configuration::coredns(kubeconfig))?;
        let coredns = self.tools.node.join("coredns");
        running.add("coredns", self.spawn(&coredns, &[format!("-conf={}", corefile.display())])?);
        for object in configuration::dns_service() {
            apply(admin, object).await;
        }
        (&mut self.images).await??;
        await_condition("the node to be ready", READY, async || node_is_ready(admin).await).await;
        // It ends where there is no node of that name.
        let kube_router = self.tools.node.join("kube-router");
        running.add("kube-router", self.spawn(&kube_router, &configuration::kube_router(kubeconfig))?);
        Ok(())
    }

    /// Writes a file and returns the argument that names it.
    fn file(&self, name: &str, text: &str) -> Result<String> {
        let file = self.folder.join(name);
        fs::write(&file, text)?;
        Ok(format!("--config={}", file.display()))
    }

    fn spawn(&self, program: &Path, args: &[String]) -> Result<Child> {
        let name = program.file_name().context("a program has a name")?;
        let log = File::create(self.folder.join(name).with_extension("log"))?;
        let mut command = Command::new(program);
        command.args(args).env("PATH", self.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().with_context(|| format!("cannot start {}", program.display()))
    }

    /// containerd finds its shim and runc by it, kube-proxy nft, kube-router iptables and ipset.
    fn path(&self) -> OsString {
        let mut path = OsString::new();
        for folder in [&self.tools.node, &self.tools.packages] {
            path.push(folder);
            path.push(":");
        }
        path.push(env::var_os("PATH").unwrap_or_default());
        path
    }
}

/// Has the containerd of that folder read an archive, once it listens.
pub(crate) fn import(tools: &NodeTools, folder: &Path, archive: &Path) -> Result<()> {
    let (start, runtime) = (Instant::now(), configuration::runtime(folder));
    while !runtime.exists() {
        ensure!(start.elapsed() < READY, "containerd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = File::options().create(true).append(true).open(folder.join("images.log"))?;
    let mut ctr = Command::new(tools.node.join("ctr"));
    ctr.arg("--address").arg(&runtime).args(["--namespace=k8s.io", "images", "import", "--local"]).arg(archive);
    let status = ctr.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).status()?;
    ensure!(status.success(), "ctr cannot import {}: {status}", archive.display());
    Ok(())
}

async fn node_is_ready(admin: &Client) -> Result<(), String> {
    let request = hyper::Request::get(format!("/api/v1/nodes/{NAME}")).body(Vec::new()).expect("a GET of a path");
    let node: Value = admin.request(request).await.map_err(|error| error.to_string())?;
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    let mut ready = conditions.filter(|condition| condition["type"] == "Ready");
    if ready.any(|condition| condition["status"] == "True") { Ok(()) } else { Err(node["status"].to_string()) }
}
