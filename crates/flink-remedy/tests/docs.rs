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
