//! The forms of installation, by the commands of the guides.

use std::env;
use std::process::Command;

use e2e::cluster::Cluster;
use e2e::shell::{Shell, commands};

use crate::ground::{install_flink_operator, is_available};

const INSTALL: &str = include_str!("../../../docs/guides/install.md");
const REMOVE: &str = include_str!("../../../docs/guides/upgrade.md");
/// The Flink operator's own election, as several replicas of it need one.
const ELECTED: &str = "kubernetes.operator.leader-election.enabled: true
kubernetes.operator.leader-election.lease-name: flink-operator-lease
";

/// How it is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Kustomize,
    Chart,
    Sidecar,
}

/// The last changes the Flink operator's own pods.
const FORMS: [Form; 3] = [Form::Kustomize, Form::Chart, Form::Sidecar];

impl Form {
    /// Those that `FLINK_REMEDY_INSTALL` names; else one, which depends on the commit: over the commits every form has its turn.
    pub(crate) fn chosen() -> Vec<Self> {
        match env::var("FLINK_REMEDY_INSTALL") {
            Ok(all) if all == "all" => FORMS.to_vec(),
            Ok(name) => vec![*FORMS.iter().find(|form| form.name() == name).expect("kustomize, chart, sidecar or all")],
            Err(_) => vec![FORMS[commit() % FORMS.len()]],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kustomize => "kustomize",
            Self::Chart => "chart",
            Self::Sidecar => "sidecar",
        }
    }

    /// Namespace and name of the Deployment whose two pods it is in, and the port of their metrics.
    pub(crate) fn place(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::Kustomize | Self::Chart => ("flink-remedy", "flink-remedy", 8080),
            Self::Sidecar => ("flink-operator", "flink-kubernetes-operator", 8090),
        }
    }

    /// Who asks the API server in the pods; each acts as the same user.
    pub(crate) fn account(self) -> &'static str {
        match self {
            Self::Kustomize | Self::Chart => "system:serviceaccount:flink-remedy:flink-remedy",
            Self::Sidecar => "system:serviceaccount:flink-operator:flink-operator",
        }
    }

    /// Returns when both pods run.
    pub(crate) async fn install(self, cluster: &Cluster, shell: &Shell) {
        match self {
            Self::Kustomize => follow(shell, INSTALL, "install").await,
            Self::Chart => follow(shell, INSTALL, "helm-install").await,
            Self::Sidecar => {
                // Its pods read their configuration when they start, and the patch has them start again.
                install_flink_operator(cluster, ELECTED).await;
                follow(shell, INSTALL, "sidecar").await;
                follow(shell, INSTALL, "sidecar-patch").await;
                shell.run("kubectl scale -n flink-operator deployment flink-kubernetes-operator --replicas 2").await;
            }
        }
        let (namespace, deployment, _) = self.place();
        is_available(cluster, namespace, deployment).await;
    }

    /// Returns when nothing of it is there but what the guide says.
    pub(crate) async fn remove(self, cluster: &Cluster, shell: &Shell) {
        match self {
            Self::Kustomize => follow(shell, REMOVE, "remove").await,
            Self::Chart => follow(shell, REMOVE, "helm-remove").await,
            Self::Sidecar => {
                install_flink_operator(cluster, "").await;
                shell.run("kubectl delete -k manifests/sidecar --ignore-not-found").await;
            }
        }
    }
}

async fn follow(shell: &Shell, guide: &str, part: &str) {
    for command in commands(guide, part) {
        shell.run(command).await;
    }
}

/// A number that stays the same for the same commit, also where history is cut off; 0 outside Git.
fn commit() -> usize {
    let folder = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("git").args(["-C", folder, "rev-parse", "--short=7", "HEAD"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    usize::from_str_radix(text.get(..7).unwrap_or_default(), 16).unwrap_or_default()
}
