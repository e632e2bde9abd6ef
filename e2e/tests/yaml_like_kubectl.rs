//! A manifest means to `flink-remedy check` what kubectl would send of it.
#![allow(clippy::unwrap_used, reason = "test code: a broken assumption ends the test")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use e2e::{ControlPlane, Crds};
use serde_json::Value;

/// Spellings of one value, as they stand behind `key: `.
const SPELLINGS: &[&str] = &[
    // booleans of YAML 1.1, and what only looks like one
    "y",
    "Y",
    "yes",
    "Yes",
    "YES",
    "yEs",
    "on",
    "On",
    "true",
    "True",
    "tRUE",
    "n",
    "No",
    "off",
    "FALSE",
    "oN",
    // nothing
    "",
    "~",
    "null",
    "Null",
    "nULL",
    "'null'",
    // integers
    "0",
    "-0",
    "7",
    "+7",
    "-7",
    "010",
    "-010",
    "0o17",
    "0O17",
    "08",
    "09",
    "0xFF",
    "0XfF",
    "-0x1",
    "0b11",
    "-0b11",
    "0b",
    "0x",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "9223372036854775807",
    "-9223372036854775808",
    "+-5",
    "1:30",
    "1 000",
    // decimals
    "1.0",
    "1.50",
    "5.",
    ".5",
    "+.5",
    "-1.25",
    "1e3",
    "1E3",
    "1e+3",
    "1.5e-7",
    "1e21",
    "1_000.5",
    "1_0e1",
    "1e",
    "e5",
    ".",
    ".e1",
    "0.1",
    "00.5",
    "1e999",
    "inf",
    "nan",
    "0x1p-2",
    // dates and Flink's own notations
    "2001-01-01",
    "2001-01-01T00:00:00Z",
    "10 min",
    "1 h",
    "128mb",
    "exponential-delay",
    "a;b",
    "v1.17",
    // quotes, tags, blocks, anchors
    "'010'",
    "\"yes\"",
    "\"\\x41\"",
    "!!str 010",
    "!!str yes",
    "!!int 7",
    "!!float 3",
    "&a 010",
    "!!str &b 010",
    "|\n        010\n",
    "|-\n        yes\n",
    ">-\n        1.0\n",
    "\n        010",
    "\n        yes",
    "two\n        lines",
    "[yes, 010, '1.0', 1.0]",
    "{x: 010}",
    "\"#\"",
    "1 # one",
    "yes # one",
];

/// The value stands where its text comes back in the message of RST001.
fn manifest() -> String {
    SPELLINGS.iter().enumerate().fold(String::new(), |mut text, (index, spelling)| {
        let _ = write!(
            text,
            "---\napiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {{name: s{index}, namespace: default}}\n\
             spec:\n  flinkVersion: v1_17\n  job: {{}}\n  flinkConfiguration:\n      restart-strategy.type: {spelling}\n"
        );
        text
    })
}

/// The built `flink-remedy`: `FLINK_REMEDY_BIN`, else the one of the tests' target folder.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built =
        || test.ancestors().skip(1).take(2).map(|folder| folder.join("flink-remedy")).find(|file| file.is_file());
    std::env::var_os("FLINK_REMEDY_BIN")
        .map(PathBuf::from)
        .or_else(built)
        .expect("flink-remedy is not built: run `cargo build -p flink-remedy` first")
}

fn check(input: &str) -> Vec<Value> {
    let mut child = Command::new(binary())
        .args(["check", "-", "-o", "json", "--fail-on", "never"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let done = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(done.status.code(), Some(0), "nothing is unreadable");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    report["jobs"].as_array().unwrap().clone()
}

/// What the rule about the restart strategy, which the spellings stand for, says of a job.
fn message(job: &Value) -> String {
    let findings = job["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["code"] == "RST001").unwrap();
    finding["message"].as_str().unwrap().to_owned()
}

async fn as_kubectl_sends(manifest: &str) -> e2e::KubectlOutput {
    let plane = ControlPlane::shared(Crds::Untyped).await;
    plane.run_kubectl(&["create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-"], manifest).await
}

#[tokio::test]
async fn scalars_mean_what_kubectl_sends() {
    let manifest = manifest();
    let sent = as_kubectl_sends(&manifest).await;
    assert!(sent.status.success(), "{}", sent.stderr);
    let (read, expected) = (check(&manifest), check(&sent.stdout));
    assert_eq!((read.len(), expected.len()), (SPELLINGS.len(), SPELLINGS.len()));
    let wrong: Vec<String> = std::iter::zip(SPELLINGS, std::iter::zip(read, expected))
        .filter(|(_, (read, expected))| read["findings"] != expected["findings"] || read["plan"] != expected["plan"])
        .map(|(spelling, (read, expected))| {
            format!("{spelling:?}: {} instead of {}", message(&read), message(&expected))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_kubectl_cannot_send_is_at_least_no_number() {
    for spelling in [".inf", "-.Inf", ".nan"] {
        let manifest = manifest().replacen("type: y\n", &format!("type: {spelling}\n"), 1);
        assert!(!as_kubectl_sends(&manifest).await.status.success(), "{spelling}");
        let message = message(&check(&manifest)[0]);
        assert!(message.contains(&format!("is {spelling} ")), "{message}");
    }
}
