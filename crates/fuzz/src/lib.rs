//! What has to hold of any bytes: each function panics where it does not. `libfuzzer/` drives them with bytes that
//! cover more and more of the code (`make fuzz`), `tests/corpus.rs` with those that did so before.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken promise ends the run with a message"
)]

mod configuration;
mod jobs;
mod reviews;
mod values;

use std::ffi::OsString;

pub use configuration::configuration;
pub use jobs::job;
pub use reviews::{policy, review};
pub use values::values;

/// The command lines that read a manifest from standard input; the first byte chooses one.
const COMMANDS: &[&[&str]] = &[
    &["check", "-", "--output", "json"],
    &["check", "-", "--output", "table", "--all"],
    &["check", "-", "--output", "sarif"],
    &["check", "-", "--output", "junit"],
    &["check", "-", "--output", "yaml"],
    &["diff", "-"],
    &["diff", "-", "--output", "patch", "--new-jobs"],
];

/// Something that takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by the name of its folder of the corpus.
pub const TARGETS: [(&str, Target); 6] = [
    ("documents", documents),
    ("configuration", configuration),
    ("values", values),
    ("jobs", jobs),
    ("reviews", review),
    ("policies", policies),
];

/// Any bytes that are JSON as a job.
pub fn jobs(bytes: &[u8]) {
    serde_json::from_slice(bytes).iter().for_each(job);
}

/// Any bytes that are JSON as the spec of a policy.
pub fn policies(bytes: &[u8]) {
    serde_json::from_slice(bytes).iter().for_each(policy);
}

/// Any bytes as a manifest on standard input: every command ends, and what it writes as JSON is JSON.
pub fn documents(bytes: &[u8]) {
    let Some((first, manifest)) = bytes.split_first() else { return };
    let command = COMMANDS[usize::from(*first) % COMMANDS.len()];
    let args: Vec<OsString> = std::iter::once(&flink_remedy::NAME).chain(command).map(OsString::from).collect();
    let cli = flink_remedy::parse(&args).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    flink_remedy::execute(cli, &mut &*manifest, &mut out, &mut err);
    let out = String::from_utf8(out).unwrap();
    if command.contains(&"json") || command.contains(&"sarif") {
        assert!(out.is_empty() || serde_json::from_str::<serde_json::Value>(&out).is_ok(), "no JSON: {out}");
    }
    assert!(String::from_utf8(err).is_ok());
}
