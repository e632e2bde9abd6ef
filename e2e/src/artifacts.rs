//! Where `make e2e-prepare` has put the control plane's binaries and the CRDs.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// The four programs that the control plane consists of.
pub const BINARIES: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// The folders that `make e2e-prepare` fills.
#[derive(Debug, Clone)]
pub struct Artifacts {
    /// Holds the [`BINARIES`].
    pub bin: PathBuf,
    /// Holds the CRDs of the Flink Kubernetes Operator as published, one YAML file each.
    pub crds: PathBuf,
}

impl Artifacts {
    /// Finds the folders: `CONTROLPLANE_BIN` and `CRDS_DIR` if set, otherwise the cache.
    pub fn locate() -> Result<Self> {
        let bin = match env::var_os("CONTROLPLANE_BIN") {
            Some(dir) => PathBuf::from(dir),
            None => cache()?.join("controlplane").join(controlplane_key()),
        };
        let crds = match env::var_os("CRDS_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => cache()?.join("crds").join(crds_key()?),
        };
        for needed in BINARIES.map(|name| bin.join(name)).iter().chain([&crds]) {
            ensure!(needed.exists(), "{} is missing: run `make e2e-prepare` first", needed.display());
        }
        Ok(Self { bin, crds })
    }

    /// The path of one of the [`BINARIES`].
    pub fn binary(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// The CRDs of others that `kinds/crds.list` names, one YAML file each, which `make crds` fetches.
pub fn crds_of_others() -> Result<Vec<PathBuf>> {
    let mut hash = Sha256::new();
    // The same key as in `kinds/fetch.sh`.
    hash.update(include_bytes!("../kinds/go.mod"));
    hash.update(include_bytes!("../kinds/go.sum"));
    hash.update(include_bytes!("../kinds/crds.list"));
    let folder = cache()?.join("kinds").join(hex(&hash.finalize()[..8]));
    ensure!(folder.is_dir(), "{} is missing: run `make crds` first", folder.display());
    let listed = include_str!("../kinds/crds.list").lines().filter_map(|line| line.rsplit('/').next());
    Ok(listed.map(|file| folder.join(file)).collect())
}

/// The CRD of openreports.io, which is among them.
pub fn open_reports_crd() -> Result<PathBuf> {
    let is_wanted = |file: &PathBuf| file.ends_with("openreports.io_reports.yaml");
    crds_of_others()?.into_iter().find(is_wanted).context("kinds/crds.list does not name it")
}

/// A program that `make gitops` builds: `rounds`, which drives the engines of Argo CD and Flux, or `helm`.
pub fn gitops_program(name: &str) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    // The same key as in `gitops/build.sh`.
    hash.update(include_bytes!("../gitops/go.mod"));
    hash.update(include_bytes!("../gitops/go.sum"));
    hash.update(include_bytes!("../gitops/main.go"));
    hash.update(include_bytes!("../gitops/argo.go"));
    hash.update(include_bytes!("../gitops/flux.go"));
    let file = cache()?.join("gitops").join(hex(&hash.finalize()[..8])).join(name);
    ensure!(file.is_file(), "{} is missing: run `make gitops` first", file.display());
    Ok(file)
}

/// The archive of the image that `make image` packs, or that `FLINK_REMEDY_IMAGE` names.
pub fn image_archive() -> Result<PathBuf> {
    if let Some(file) = env::var_os("FLINK_REMEDY_IMAGE") {
        return Ok(PathBuf::from(file));
    }
    let file = packed(&["image.sh", "--print"])?;
    ensure!(file.is_file(), "{} is missing: run `make image` first", file.display());
    Ok(file)
}

/// `crane`, which `make image` builds: it moves images to and from registries, and can be one.
pub fn crane() -> Result<PathBuf> {
    let file = packed(&["tools.sh", "--print"])?.join("crane");
    ensure!(file.is_file(), "{} is missing: run `make image` first", file.display());
    Ok(file)
}

/// What a script of `packaging` prints of the cache: its keys cover most of the tree and the C library of the machine.
fn packed(script: &[&str]) -> Result<PathBuf> {
    let packaging = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging"));
    let output = Command::new(packaging.join(script[0])).args(&script[1..]).arg(cache()?).output()?;
    ensure!(output.status.success(), "{script:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

/// A program that `make monitoring` builds: `prometheus`, `promtool`, or `monitors`, which says what the Prometheus operator and
/// Grafana make of manifests.
pub fn monitoring_program(name: &str) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    // The same key as in `monitoring/build.sh`.
    hash.update(include_bytes!("../monitoring/go.mod"));
    hash.update(include_bytes!("../monitoring/go.sum"));
    hash.update(include_bytes!("../monitoring/build.flags"));
    hash.update(include_bytes!("../monitoring/operator/go.mod"));
    hash.update(include_bytes!("../monitoring/operator/go.sum"));
    hash.update(include_bytes!("../monitoring/operator/main.go"));
    hash.update(include_bytes!("../monitoring/operator/dashboards.go"));
    let file = cache()?.join("monitoring").join(hex(&hash.finalize()[..8])).join(name);
    ensure!(file.is_file(), "{} is missing: run `make monitoring` first", file.display());
    Ok(file)
}

/// The folder with the CRDs of the Prometheus operator, which `make monitoring` fetches.
pub fn prometheus_operator_crds() -> Result<PathBuf> {
    // The same key as in `monitoring/fetch-crds.sh`.
    let key = hex(&Sha256::digest(include_bytes!("../monitoring/operator/go.sum"))[..8]);
    let folder = cache()?.join("prometheus-operator").join(key);
    ensure!(folder.is_dir(), "{} is missing: run `make monitoring` first", folder.display());
    Ok(folder)
}

/// The program of `benches/peer`, which `make peer` builds.
pub fn peer_program() -> Result<PathBuf> {
    let mut hash = Sha256::new();
    // The same key as in `benches/peer/build.sh`.
    hash.update(include_bytes!("../benches/peer/go.mod"));
    hash.update(include_bytes!("../benches/peer/go.sum"));
    hash.update(include_bytes!("../benches/peer/main.go"));
    let file = cache()?.join("peer").join(hex(&hash.finalize()[..8])).join("peer");
    ensure!(file.is_file(), "{} is missing: run `make peer` first", file.display());
    Ok(file)
}

/// The file with the class path of a Flink minor version such as `1.20`, which `make flink-jars` writes.
pub fn flink_class_path(minor: &str) -> Result<PathBuf> {
    let file = cache()?.join("flink-options").join(format!("{minor}.classpath"));
    ensure!(file.is_file(), "{} is missing: run `make flink-jars` first", file.display());
    Ok(file)
}

/// The library that gives a process a wall clock of its own, which `make faketime` fetches.
pub fn faketime() -> Result<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/faults/fetch.sh");
    let printed = std::process::Command::new(script).arg("--print").arg(cache()?).output().context(script)?;
    let library = PathBuf::from(String::from_utf8(printed.stdout)?.trim());
    ensure!(library.is_file(), "{} is missing: run `make faketime` first", library.display());
    Ok(library)
}

/// The folder outside the tree that keeps what was built or fetched once.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("FLINK_REMEDY_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("flink-remedy")))
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache/flink-remedy")))
        .context("none of FLINK_REMEDY_CACHE, XDG_CACHE_HOME and HOME is set")
}

/// The same key as in `controlplane/build.sh`.
fn controlplane_key() -> String {
    let mut hash = Sha256::new();
    hash.update(include_bytes!("../controlplane/go.mod"));
    hash.update(include_bytes!("../controlplane/go.sum"));
    hash.update(include_bytes!("../controlplane/build.flags"));
    hex(&hash.finalize()[..8])
}

/// Bytes as digits, two for each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

/// The same key as in `flink/fetch-crds.sh`.
fn crds_key() -> Result<String> {
    let (sha, jar) = include_str!("../flink/crds.sha256")
        .trim()
        .split_once("  ")
        .context("crds.sha256 is not in the form of sha256sum")?;
    let version = jar
        .strip_prefix("flink-kubernetes-operator-api-")
        .and_then(|rest| rest.strip_suffix(".jar"))
        .context("crds.sha256 names no flink-kubernetes-operator-api jar")?;
    Ok(format!("{version}-{}", &sha[..16]))
}
