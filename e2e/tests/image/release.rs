//! What `make release` puts together.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::archive::{self, Unpacked};
use crate::{VERSION, output, packaging};

/// A changelog whose version is to be released, between two others.
fn changelog(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("changelog.md");
    let text = format!(
        "# Changelog\n\n## Unreleased\n- Later.\n\n## {VERSION} - 2026-01-01\n\n### Added\n- All.\n\n## 0.0.1\n- Before.\n"
    );
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_version_that_the_changelog_does_not_know_is_not_released() {
    let folder = tempfile::tempdir().unwrap();
    let file = changelog(folder.path());
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(&format!("## {VERSION} "), "## 99.0.0 ")).unwrap();
    let dist = folder.path().join("dist");
    let refused = packaging("release.sh").arg(archive::cache()).arg(&dist).env("CHANGELOG", &file).output().unwrap();
    assert!(!refused.status.success() && !dist.exists());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("says nothing of {VERSION}")), "{said}");
}

#[test]
fn a_release_is_complete_and_its_checksums_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let dist = folder.path().join("dist");
    let file = changelog(folder.path());
    output(packaging("release.sh").arg(archive::cache()).arg(&dist).env("CHANGELOG", file));
    assert_eq!(fs::read_to_string(dist.join("RELEASE-NOTES.md")).unwrap(), "### Added\n- All.\n");

    let checked = output(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&dist));
    let mut files: Vec<_> = checked.lines().map(|line| line.strip_suffix(": OK").unwrap().to_owned()).collect();
    files.sort();
    let name = format!("flink-remedy-{VERSION}");
    let of = |rest: &str| format!("{name}{rest}");
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/chart");
    let mut expected = vec![
        "THIRD-PARTY-NOTICES.txt".to_owned(),
        of("-image-linux-amd64.tar"),
        of("-install.yaml"),
        of("-linux-amd64.tar.gz"),
        of("-manifests.tar.gz"),
        of(".cdx.json"),
    ];
    expected.extend(chart.exists().then(|| of(".tgz")));
    assert_eq!(files, expected);

    // The image is the tested one, with the commit on it; so is the binary.
    let (released, tested) = (Unpacked::of(&dist.join(of("-image-linux-amd64.tar"))), Unpacked::new());
    let commit = output(Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")));
    let annotations = &released.manifest()["annotations"];
    assert_eq!(annotations["org.opencontainers.image.revision"], commit.trim());
    assert_ne!(annotations["org.opencontainers.image.created"], "1970-01-01T00:00:00Z");
    output(Command::new("tar").args(["-xzf", &of("-linux-amd64.tar.gz")]).current_dir(&dist));
    for binary in [released.binary(), dist.join(&name).join("flink-remedy")] {
        assert!(fs::read(&binary).unwrap() == fs::read(tested.binary()).unwrap(), "{}", binary.display());
    }
    for file in ["LICENSE", "THIRD-PARTY-NOTICES.txt", "man/flink-remedy.1", "completions/flink-remedy.bash"] {
        assert!(dist.join(&name).join(file).is_file(), "{file}");
    }

    let install = fs::read_to_string(dist.join(of("-install.yaml"))).unwrap();
    assert!(install.contains(&format!("image: {}", archive::IMAGE)), "{install}");
    let manifests = output(Command::new("tar").args(["-tzf", &of("-manifests.tar.gz")]).current_dir(&dist));
    for kustomization in ["install", "crd", "rbac", "operator", "webhook"] {
        assert!(manifests.contains(&format!("/{kustomization}.yaml\n")), "{manifests}");
    }
}
