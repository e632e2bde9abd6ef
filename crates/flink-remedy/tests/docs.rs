//! The guides, as a reader would follow them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use std::path::Path;
use std::process::Command;

use support::Directory;

#[test]
fn every_command_of_the_guide_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let guide = std::fs::read_to_string(root.join("docs/check.md")).unwrap();
    let directory = Directory::new();
    std::os::unix::fs::symlink(root.join("manifests"), format!("{}/manifests", directory.path())).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_flink-remedy")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let commands: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in commands {
        let done =
            Command::new("sh").args(["-c", command]).current_dir(directory.path()).env("PATH", &path).output().unwrap();
        let (code, err) = (done.status.code().unwrap(), String::from_utf8_lossy(&done.stderr));
        // The examples have gaps: only `--fail-on never` ends well.
        assert_eq!((code, err.as_ref()), (i32::from(!command.contains("--fail-on never")), ""), "{command}");
    }
    for file in ["flink-remedy.sarif", "flink-remedy.xml", "patch.yaml"] {
        assert!(std::fs::metadata(format!("{}/{file}", directory.path())).unwrap().len() > 0, "{file}");
    }
}

#[test]
fn every_command_of_the_export_guide_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let guide = std::fs::read_to_string(root.join("docs/export.md")).unwrap();
    let directory = Directory::new();
    let binary = Path::new(env!("CARGO_BIN_EXE_flink-remedy")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    for command in guide.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let done =
            Command::new("sh").args(["-c", command]).current_dir(directory.path()).env("PATH", &path).status().unwrap();
        assert!(done.success(), "{command}");
    }
    let values = std::fs::read_to_string(format!("{}/flink-operator-values.yaml", directory.path())).unwrap();
    let shown = guide.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    assert!(shown.lines().all(|line| values.lines().any(|printed| printed == line)), "{values}");
}

#[test]
fn the_commands_of_the_readme_that_need_no_cluster_show_what_it_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let marked =
        readme.split_once("<!-- no-cluster:begin -->").and_then(|(_, rest)| rest.split_once("<!-- no-cluster:end -->"));
    let commands: Vec<&str> =
        marked.unwrap().0.lines().filter_map(|line| line.strip_prefix("$ flink-remedy ")).collect();
    let [check, diff] = commands[..] else { panic!("{commands:?}") };
    let run = |command: &str| {
        let mut binary = Command::new(env!("CARGO_BIN_EXE_flink-remedy"));
        let done = binary.args(command.split(' ')).current_dir(root).output().unwrap();
        assert_eq!(done.status.code(), Some(1), "{command}");
        String::from_utf8(done.stdout).unwrap()
    };
    assert!(run(check).contains("4 gaps"));
    let printed = run(diff);
    let mut lines = printed.lines();
    let shown = readme.split_once("```diff\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    assert!(shown.lines().count() > 3 && shown.lines().all(|line| lines.any(|printed| printed == line)), "{printed}");
}

/// The YAML of the guides, policies and values, each a document that a reader copies.
#[test]
fn every_policy_of_the_guides_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let directory = Directory::new();
    let mut seen = 0;
    for page in
        ["docs/guides/policies.md", "docs/guides/security-model.md", "docs/guides/alternatives.md", "docs/settings.md"]
    {
        let guide = std::fs::read_to_string(root.join(page)).unwrap();
        for yaml in guide.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0) {
            if !yaml.contains("kind: RemediationPolicy") {
                continue;
            }
            seen += 1;
            let file = directory.file("policy.yaml", yaml);
            let ran = support::run(&["policy", "validate", &file], "");
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{page}:\n{yaml}");
        }
    }
    assert!(seen >= 7, "{seen}");
}

#[test]
fn the_sidecar_of_the_guide_is_the_shipped_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let guide = std::fs::read_to_string(root.join("docs/guides/sidecar.md")).unwrap();
    let shipped = std::fs::read_to_string(root.join("manifests/sidecar/values.yaml")).unwrap();
    let shown = guide.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let mut lines = shipped.lines();
    assert!(shown.lines().count() > 10);
    for line in shown.lines() {
        assert!(lines.any(|shipped| shipped == line), "`{line}` is not in manifests/sidecar/values.yaml, or not there");
    }
}

/// A reader copies it into a file.
#[test]
fn the_policy_of_the_rollout_guide_is_the_built_in_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let guide = std::fs::read_to_string(root.join("docs/rollout.md")).unwrap();
    let yaml = guide.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let policy = serde_saphyr::from_str::<checklist::policy::PolicyDocument>(yaml).unwrap().spec;
    let built_in = checklist::policy::Rollout::default();
    assert!(policy.rollout.accepts_operator() && !built_in.accepts_operator());
    let expected = checklist::policy::Rollout { operator_version: policy.rollout.operator_version, ..built_in };
    assert_eq!((policy.mode, policy.rollout), (checklist::Mode::Apply, expected));
}
