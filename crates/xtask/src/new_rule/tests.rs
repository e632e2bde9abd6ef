use std::io;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::*;
use crate::root;

fn args(code: &str, name: &str) -> NewRuleArgs {
    NewRuleArgs { code: code.to_owned(), name: name.to_owned() }
}

#[test]
fn what_is_no_code_or_no_name_or_is_there_is_refused_and_nothing_is_written() {
    let nowhere = Path::new("/nonexistent");
    for (code, name, told) in [
        ("CKP5", "no-timeout", "is no code"),
        ("ckp005", "no-timeout", "is no code"),
        ("CKPT005", "no-timeout", "is no code"),
        ("CKP005", "timeout", "is no name"),
        ("CKP005", "No-timeout", "is no name"),
        ("CKP005", "no--timeout", "is no name"),
        ("CKP005", "1-timeout", "is no name"),
        ("CKP003", "no-timeout", "is there already"),
        ("CKP005", "no-metrics-reporter", "MET001 no-metrics-reporter is there already"),
    ] {
        let error = run(nowhere, &args(code, name), &mut io::sink()).unwrap_err().to_string();
        assert!(error.contains(told), "{code} {name}: {error}");
    }
}

#[test]
fn a_rule_stands_with_those_of_its_letters() {
    let catalogue = read(root(), CATALOGUE).unwrap();
    let before = |code: &str| {
        let text = with_entry(&catalogue, code, "NEW").unwrap();
        text.split_once("    &rules::NEW,\n").unwrap().0.lines().last().unwrap().trim().to_owned()
    };
    assert_eq!(before("CKP009"), "&rules::CHECKPOINTS_NOT_RETAINED,");
    assert_eq!(before("CFG009"), "&rules::SECRET_IN_PLAIN_TEXT,");
    assert_eq!(before("NET001"), "&rules::NO_TLS,");
}

/// What the tests of the catalogue need of the tree, where it can be changed; its place stays the same, so that cargo finds what
/// it has built there before.
fn copy() -> PathBuf {
    let tree = root().join("target/tmp/new-rule");
    if tree.exists() {
        fs::remove_dir_all(&tree).unwrap();
    }
    for krate in ["checklist", "flink-api", "flink-conf"] {
        copy_folder(&root().join("crates").join(krate), &tree.join("crates").join(krate));
    }
    let manifest = read(root(), "Cargo.toml").unwrap();
    let members = manifest.replace("members = [\"crates/*\", \"e2e\"]", "members = [\"crates/*\"]");
    assert_ne!(manifest, members);
    write(&tree, "Cargo.toml", &members).unwrap();
    write(&tree, "Cargo.lock", &read(root(), "Cargo.lock").unwrap()).unwrap();
    tree
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The tests of the catalogue and of the fixtures, with the dependencies that are built already.
fn cargo_test(tree: &Path) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "test",
        "--offline",
        "--package",
        "checklist",
        "--test",
        "catalogue",
        "--test",
        "fixtures",
        "--no-fail-fast",
    ]);
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", root().join("target")).env("INSTA_UPDATE", "no");
    // What the cargo around this one has set is about another package.
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        cargo.env_remove(name);
    }
    cargo.output().unwrap()
}

#[test]
fn a_rule_that_has_begun_compiles_and_fails_until_it_is_written() {
    let tree = copy();
    run(&tree, &args("CKP909", "no-such-thing"), &mut io::sink()).unwrap();
    let ran = cargo_test(&tree);
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(!ran.status.success() && told.contains("test result: FAILED"), "{told}");
    for failing in
        ["nothing_is_still_to_be_written", "the_verdict_is_the_one_in_the_name", "the_messages_are_the_reviewed_ones"]
    {
        assert!(told.contains(&format!("test {failing} ... FAILED")), "{failing}: {told}");
    }
    assert!(told.contains("test codes_and_names_are_unique_and_well_formed ... ok"), "{told}");
    assert!(told.contains("CKP909: its docs are still to be written"), "{told}");
}
