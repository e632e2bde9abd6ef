//! What documents tell people to type, by a shell.

use std::env;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::artifacts::{Artifacts, gitops_program};
use crate::binary;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The commands between the marks `<!-- NAME:begin -->` and `<!-- NAME:end -->` of a document.
///
/// # Panics
/// When the document has no such marks.
pub fn commands<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let part = document.split_once(&format!("<!-- {name}:begin -->"));
    let part = part.and_then(|(_, rest)| rest.split_once(&format!("<!-- {name}:end -->")));
    let (steps, _) = part.unwrap_or_else(|| panic!("no marks of {name}"));
    steps.lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

/// Somebody's shell at the top of the tree: `kubectl`, `flink-remedy` and `helm` are in its path, and a kubeconfig is set.
#[derive(Debug)]
pub struct Shell {
    folder: TempDir,
    kubeconfig: PathBuf,
}

impl Shell {
    /// With this kubeconfig.
    ///
    /// # Panics
    /// When one of the programs is not built.
    pub fn new(kubeconfig: &Path) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let kubectl = Artifacts::locate().expect("what `make controlplane` builds").binary("kubectl");
        let helm = gitops_program("helm").expect("what `make gitops` builds");
        for (program, name) in [(kubectl, "kubectl"), (binary(), "flink-remedy"), (helm, "helm")] {
            symlink(program, folder.path().join(name)).expect("an empty folder");
        }
        Self { folder, kubeconfig: kubeconfig.to_owned() }
    }

    /// What a command prints for programs, as JSON or as names; it has to succeed.
    ///
    /// # Panics
    /// When it fails.
    pub async fn output(&self, command: &str) -> String {
        let (code, [out, err]) = self.ran(command).await;
        assert_eq!(code, Some(0), "$ {command}\n{out}{err}");
        out
    }

    /// What a command prints; it has to succeed.
    ///
    /// # Panics
    /// When it fails.
    pub async fn run(&self, command: &str) -> String {
        let (code, said) = self.try_run(command).await;
        assert_eq!(code, Some(0), "$ {command}\n{said}");
        said
    }

    /// How a command ended, and what it printed.
    ///
    /// # Panics
    /// When there is no shell.
    pub async fn try_run(&self, command: &str) -> (Option<i32>, String) {
        let (code, said) = self.ran(command).await;
        (code, said.concat())
    }

    /// How a command ended, and what it printed to standard output and error.
    async fn ran(&self, command: &str) -> (Option<i32>, [String; 2]) {
        let folder = self.folder.path();
        let path = format!("{}:{}", folder.display(), env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(ROOT).env("PATH", path).env("KUBECONFIG", &self.kubeconfig);
        // Helm keeps files of its own.
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            shell.env(variable, folder.join(variable));
        }
        let ran = tokio::task::spawn_blocking(move || shell.output()).await.expect("no panic").expect("a shell");
        let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (ran.status.code(), said)
    }
}
