//! The allowed arrows between crates: {flink-conf, flink-api} <- checklist <- controller <- flink-remedy.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Crates that only turn values into values.
const PURE: &[&str] = &["flink-conf", "flink-api", "checklist"];

/// A client, an async runtime or an HTTP stack below `controller` would let a decision depend on more than
/// its arguments. kube-core brings types only, and only flink-api may have it, behind its feature `kube`.
const FORBIDDEN: &[&str] = &[
    "axum",
    "controller",
    "flink-remedy",
    "futures",
    "hyper",
    "kube",
    "kube-client",
    "kube-core",
    "kube-runtime",
    "reqwest",
    "tokio",
    "tower",
];

/// Fails when something forbidden appears below a pure crate.
pub(crate) fn check(root: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    for krate in PURE {
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--package",
                krate,
                "--edges",
                "normal,build",
                "--prefix",
                "none",
                "--format",
                "{p}",
            ])
            .current_dir(root)
            .output()
            .context("cargo tree")?;
        ensure!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr).trim());
        let lines = String::from_utf8_lossy(&tree.stdout);
        let found = forbidden(&lines);
        ensure!(found.is_empty(), "{krate} must stay pure, but it depends on {}", found.join(", "));
    }
    writeln!(out, "{} are pure", PURE.join(", "))?;
    Ok(())
}

fn forbidden(tree: &str) -> Vec<&str> {
    let mut found: Vec<&str> =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| FORBIDDEN.contains(name)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_or_a_runtime_is_found_and_a_lookalike_is_not() {
        let tree = "checklist v0.1.0 (here)\nserde v1.0.0\nkube-client v5.0.0\ntokio v1.0.0\ntokio v1.0.0 (*)\nkube-like v1.0.0\n";
        assert_eq!(forbidden(tree), ["kube-client", "tokio"]);
    }
}
