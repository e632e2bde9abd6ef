//! What the tests run, read from where it is pinned, so that the README says of no version more than is so.

use std::path::Path;

use anyhow::Context;
use flink_conf::FlinkVersion;

/// The table of versions.
pub(crate) fn markdown(root: &Path) -> anyhow::Result<String> {
    let pins = Pins::read(root)?;
    let Pins { operator, definitions, catalogued, run, kubernetes, argo, flux, helm } = &pins;
    let [oldest, .., newest] = catalogued.as_slice() else { anyhow::bail!("too few versions of Flink") };
    let in_pods = run.first().context("no version of Flink runs in pods")?;
    let local = run.get(1..).unwrap_or_default().join(" and ");
    let number = catalogued.len();
    Ok(format!(
        "| | Tested | Built for, and not run here |
| --- | --- | --- |
| Flink operator | {operator}: as a process beside the API server, in a pod of a whole cluster, and its validator on everything that the rules fill. \
{definitions}: its CRDs, as published and with the untyped `flinkConfiguration` that came with 1.13. Statuses in the form of 1.15, played by the tests | \
1.8 to 1.15: no newer one than {operator} is published as an artifact |
| Flink | {oldest} to {newest}: names, types and defaults of every option from the jars of all {number} minor versions, whose own loaders read \
everything that the rules fill. {local}: jobs on local clusters, with everything that a plan fills. {in_pods}: jobs in pods, restarted and withdrawn by the operator | \
newer versions: options under the names that {newest} reads |
| Kubernetes | {kubernetes}: API server, controller manager, scheduler and kubelet | 1.30 and newer; `policy export --as \
mutating-admission-policy` needs 1.36 |
| GitOps | the engine of Argo CD {argo}, what Flux applies with (`fluxcd/pkg/ssa` {flux}), Helm {helm} | others that use server-side apply, or \
three-way patches |
| Machines | x86-64 | arm64: nothing in it depends on the architecture |
"
    ))
}

/// Versions, from the files that pin them.
#[derive(Debug, PartialEq, Eq)]
struct Pins {
    operator: String,
    definitions: String,
    /// The minor versions of Flink that the catalogue of options covers.
    catalogued: Vec<String>,
    /// The versions of Flink that are run, oldest first: the first in pods.
    run: Vec<String>,
    kubernetes: String,
    argo: String,
    flux: String,
    helm: String,
}

impl Pins {
    fn read(root: &Path) -> anyhow::Result<Self> {
        let text = |path: &str| std::fs::read_to_string(root.join(path)).context(path.to_owned());
        let (pom, makefile) = (text("e2e/flink/fko/pom.xml")?, text("e2e/e2e.mk")?);
        let (controlplane, gitops) = (text("e2e/controlplane/go.mod")?, text("e2e/gitops/go.mod")?);
        let list = between(&makefile, "FLINK_VERSIONS := ", "\n")?;
        let pins = Self {
            operator: between(&pom, "<artifactId>flink-kubernetes-operator</artifactId><version>", "<")?.to_owned(),
            definitions: between(&text("e2e/flink/crds.sha256")?, "flink-kubernetes-operator-api-", ".jar")?.to_owned(),
            catalogued: list.split_whitespace().map(str::to_owned).collect(),
            run: archives(&text("e2e/flink/local/dist.sha256")?)?,
            kubernetes: module(&controlplane, "k8s.io/kubernetes")?.to_owned(),
            argo: module(&gitops, "github.com/argoproj/argo-cd/v3")?.to_owned(),
            flux: module(&gitops, "github.com/fluxcd/pkg/ssa")?.to_owned(),
            helm: module(&gitops, "helm.sh/helm/v4")?.to_owned(),
        };
        let known = |version: &FlinkVersion| format!("{}.{}", version.major(), version.minor());
        let known: Vec<String> = FlinkVersion::CATALOGUED.iter().map(known).collect();
        anyhow::ensure!(
            known == pins.catalogued,
            "e2e/e2e.mk and the catalogue differ: {known:?}, {:?}",
            pins.catalogued
        );
        Ok(pins)
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> anyhow::Result<&'a str> {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.map(|(found, _)| found).with_context(|| format!("`{before}` is not to be found"))
}

/// The version of a module that a `go.mod` requires, without its `v`.
fn module<'a>(go_mod: &'a str, path: &str) -> anyhow::Result<&'a str> {
    let required = |line: &'a str| line.trim().trim_start_matches("require ").strip_prefix(path)?.strip_prefix(" v");
    let version = go_mod.lines().find_map(required).and_then(|rest| rest.split_whitespace().next());
    version.with_context(|| format!("{path} is not required"))
}

/// The versions in the names of archives, one a line behind its checksum.
fn archives(sums: &str) -> anyhow::Result<Vec<String>> {
    let version = |line: &str| Some(line.rsplit_once('-')?.1.strip_suffix(".tar.gz")?.to_owned());
    sums.lines().map(|line| version(line).with_context(|| format!("`{line}` names no archive"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_by_its_whole_path() {
        let text = "require (\n\tk8s.io/kubernetes/x v1.0.0\n\tk8s.io/kubernetes v1.2.3 // indirect\n)\nrequire a.b/c v4.5.6\n";
        assert_eq!(module(text, "k8s.io/kubernetes").unwrap(), "1.2.3");
        assert_eq!(module(text, "a.b/c").unwrap(), "4.5.6");
        assert!(module(text, "k8s.io").is_err());
    }

    #[test]
    fn archives_are_named_with_dashes_and_underscores() {
        let sums = "0a  apache-flink-libraries-1.18.1.tar.gz\n0b  apache_flink_libraries-2.3.0.tar.gz\n";
        assert_eq!(archives(sums).unwrap(), ["1.18.1", "2.3.0"]);
        assert!(archives("0a  something.zip\n").is_err());
    }

    #[test]
    fn the_versions_that_run_are_those_that_the_tests_name() {
        let root = crate::root();
        let run = Pins::read(root).unwrap().run;
        let tests = std::fs::read_to_string(root.join("e2e/tests/flink_local/main.rs")).unwrap();
        let minor = |version: &str| version.rsplit_once('.').unwrap().0.to_owned();
        assert!(run[1..].iter().all(|version| tests.contains(&format!("runs_what_is_filled(\"{}\"", minor(version)))));
        let pods = std::fs::read_to_string(root.join("e2e/cluster/image/build.sh")).unwrap();
        assert!(pods.contains(&minor(&run[0])), "pods run another Flink than {}", run[0]);
    }
}
