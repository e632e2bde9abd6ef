//! The image as shipped: its one static binary, its user, and what it says of itself.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod archive;
mod registry;
mod release;
mod running;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::archive::{IMAGE, Unpacked};

/// The size that the image's binary has to stay under, in bytes.
const LIMIT: u64 = 15_000_000;

/// The version of the packages of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn the_binary_is_static_and_small() {
    let image = Unpacked::new();
    let binary = image.binary();
    let size = binary.metadata().unwrap().len();
    println!("the binary has {size} bytes, the archive {}", archive::file().metadata().unwrap().len());
    assert!(size < LIMIT, "{size} bytes");
    let headers = output(Command::new("readelf").args(["--program-headers", "--dynamic", "--wide"]).arg(&binary));
    for needs_a_loader in ["INTERP", "(NEEDED)"] {
        assert!(!headers.contains(needs_a_loader), "{headers}");
    }
}

/// What is kept must not be taken for what other sources would give.
#[test]
fn another_source_gives_another_binary_and_another_test_does_not() {
    let tree = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-r").args(["Cargo.lock", "Cargo.toml", "rust-toolchain.toml", "packaging", "crates"]);
    output(copy.arg(tree.path()).current_dir(root));
    let key = || output(Command::new(tree.path().join("packaging/binary.sh")).args(["--print", "cache"]));
    let add = |file: &str| {
        let path = tree.path().join("crates").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "// new").unwrap();
    };
    let before = key();
    add("controller/tests/new.rs");
    assert_eq!(key(), before);
    add("controller/src/new.rs");
    assert_ne!(key(), before);
}

#[test]
fn no_folder_of_the_machine_that_built_it_is_in_the_binary() {
    let image = Unpacked::new();
    let content = std::fs::read(image.binary()).unwrap();
    let has = |text: &str| content.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("/cargo/"), "paths of dependencies are there, as the build names them");
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap();
    for folder in [tree.to_str().unwrap(), "/.cargo/registry", "/binary-target/"] {
        assert!(!has(folder), "{folder}");
    }
}

#[test]
fn its_configuration_says_user_program_and_origin() {
    let image = Unpacked::new();
    let config = image.config();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/flink-remedy"]));
    assert_eq!(config["config"]["Env"], serde_json::json!(["MALLOC_ARENA_MAX=1"]));
    assert_eq!((&config["os"], &config["architecture"]), (&"linux".into(), &"amd64".into()));
    let labels = &config["config"]["Labels"];
    assert_eq!(labels, &image.manifest()["annotations"]);
    assert_eq!(labels["org.opencontainers.image.version"], VERSION);
    assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
    assert_eq!(
        image.index()["manifests"][0]["annotations"]["io.containerd.image.name"],
        format!("docker.io/library/{IMAGE}")
    );
}

#[test]
fn it_holds_the_binary_its_licences_and_its_bill_of_materials_alone() {
    let image = Unpacked::new();
    let files: Vec<_> = image.files();
    let expected =
        ["flink-remedy", "licenses/LICENSE", "licenses/THIRD-PARTY-NOTICES.txt", "sbom/flink-remedy.cdx.json"];
    assert_eq!(files, expected);
    let bill: Value = serde_json::from_str(&image.text("sbom/flink-remedy.cdx.json")).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["metadata"]["component"]["version"]), (&"CycloneDX".into(), &VERSION.into()));
    let listed: BTreeSet<_> = bill["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| component["name"].as_str().unwrap().to_owned())
        .collect();
    let linked = dependencies();
    assert!(linked.contains("kube-client") && linked.contains("ring"), "{linked:?}");
    let missing: Vec<_> = linked.difference(&listed).collect();
    assert!(missing.is_empty(), "the bill of materials lacks {missing:?}");
    assert!(["glibc", "rust-std"].iter().all(|name| listed.contains(*name)), "{listed:?}");
    assert!(!listed.contains("jsonschema"), "tests need it, and no user");
    let notices = image.text("licenses/THIRD-PARTY-NOTICES.txt");
    for needed in ["kube-client ", "ring ", "Apache License", "GNU LESSER GENERAL PUBLIC LICENSE"] {
        assert!(notices.contains(needed), "{needed}");
    }
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(!format!("{bill}{notices}").contains(tree.to_str().unwrap()));
}

#[test]
fn packed_again_it_has_the_same_bytes() {
    let again = tempfile::tempdir().unwrap();
    let file = again.path().join("again.tar");
    output(
        packaging("image.sh")
            .arg("--out")
            .arg(&file)
            .arg(archive::cache())
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("REVISION"),
    );
    assert!(std::fs::read(file).unwrap() == std::fs::read(archive::file()).unwrap(), "other bytes");
}

/// Names of the packages that are linked, by cargo itself.
fn dependencies() -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--package", "flink-remedy", "--edges", "normal,no-proc-macro"]);
    cargo.args(["--target", "x86_64-unknown-linux-gnu", "--prefix", "none", "--format", "{p}"]);
    let tree = output(cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
    let names = tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned);
    names.filter(|name| name != "flink-remedy").collect()
}

/// A script beside the tree's sources.
fn packaging(script: &str) -> Command {
    Command::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging")).join(script))
}

/// What a command prints; it has to succeed.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
