//! The engines of GitOps tools, driven by what `make gitops` builds, with settings out of the guide.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use e2e::artifacts::gitops_program;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::Scene;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides/gitops.md");

/// The guide's block of this language whose first line is a comment with this name.
pub(crate) fn snippet(name: &str) -> String {
    let guide = std::fs::read_to_string(GUIDE).expect("the guide");
    let head = format!("```yaml\n# {name}\n");
    let (_, rest) = guide.split_once(&head).unwrap_or_else(|| panic!("the guide has no {name}"));
    rest.split_once("```").expect("the block ends").0.to_owned()
}

/// The arguments of the guide's only command that begins like this.
pub(crate) fn command(begin: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(GUIDE).expect("the guide");
    let mut lines = guide.lines().filter_map(|line| line.strip_prefix("$ ")).filter(|line| line.starts_with(begin));
    let line = lines.next().unwrap_or_else(|| panic!("the guide has no {begin}"));
    assert_eq!(lines.next(), None, "{begin}");
    line.split(' ').map(str::to_owned).collect()
}

/// What is in Git: a folder of manifests.
pub(crate) struct Git {
    dir: TempDir,
}

impl Git {
    /// With these jobs, one file each.
    pub(crate) fn of(jobs: &[Value]) -> Self {
        let git = Self { dir: TempDir::new().expect("a folder") };
        std::fs::create_dir(git.chart().join("templates")).expect("a folder");
        std::fs::write(git.chart().join("Chart.yaml"), "apiVersion: v2\nname: orders\nversion: 1.0.0\n")
            .expect("a file");
        for job in jobs {
            git.commit(job);
        }
        git
    }

    /// Writes a job's manifest.
    pub(crate) fn commit(&self, job: &Value) {
        let name = job["metadata"]["name"].as_str().expect("a name");
        std::fs::write(self.manifests().join(format!("{name}.yaml")), job.to_string()).expect("a file");
    }

    /// The folder of a chart with the manifests as its templates.
    pub(crate) fn chart(&self) -> &Path {
        self.dir.path()
    }

    fn manifests(&self) -> PathBuf {
        self.chart().join("templates")
    }
}

/// An engine that answers one round after the other.
pub(crate) struct Engine {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    _settings: TempDir,
}

impl Engine {
    /// Starts an engine over a namespace, as the cluster's administrator.
    pub(crate) fn start(scene: &Scene, name: &str, settings: &str, git: &Git) -> Self {
        Self::run(name, settings, &scene.namespace, &git.manifests(), scene.plane.kubeconfig())
    }

    /// Argo CD's health checks.
    pub(crate) fn health(settings: &str) -> Self {
        Self::run("health", settings, "", Path::new(""), Path::new(""))
    }

    fn run(name: &str, settings: &str, namespace: &str, manifests: &Path, kubeconfig: &Path) -> Self {
        let dir = TempDir::new().expect("a folder");
        let file = dir.path().join("settings.yaml");
        std::fs::write(&file, settings).expect("a file");
        let mut command = Command::new(gitops_program("rounds").expect("what make gitops builds"));
        // Where an engine names no field manager, the API server takes the program's name, as of Argo CD's own program.
        command.arg0("argocd-application-controller").arg(name).arg(file).arg(namespace).arg(manifests);
        command.env("KUBECONFIG", kubeconfig).env("HOME", dir.path()).env("TMPDIR", dir.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the engine starts");
        let asks = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, asks, answers, _settings: dir }
    }

    /// One round, whatever comes of it.
    pub(crate) fn answer(&mut self, line: &str) -> Value {
        writeln!(self.asks, "{line}").expect("the engine listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the engine answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// One round without an error: compares, and syncs whatever the comparison says.
    pub(crate) fn round(&mut self) -> Value {
        let answer = self.answer("");
        assert_eq!(answer.get("error"), None, "{answer}");
        answer
    }

    /// One round in which the tool sees no difference.
    pub(crate) fn round_in_sync(&mut self) {
        let answer = self.round();
        assert_eq!(answer["inSync"], true, "{answer}");
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The real helm over a namespace; `./chart` is what is in Git.
pub(crate) fn helm(scene: &Scene, git: &Git, args: &[&str]) -> Output {
    let home = TempDir::new().expect("a folder");
    let mut command = Command::new(gitops_program("helm").expect("what make gitops builds"));
    for arg in args {
        match *arg {
            "./chart" => command.arg(git.chart()),
            arg => command.arg(arg),
        };
    }
    command.args(["--namespace", &scene.namespace]).arg("--kubeconfig").arg(scene.plane.kubeconfig());
    command.env("HOME", home.path()).output().expect("helm runs")
}

/// The same, with success.
pub(crate) fn helmed(scene: &Scene, git: &Git, args: &[&str]) {
    let output = helm(scene, git, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
