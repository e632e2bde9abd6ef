//! What flink-remedy's identity may do: by the rights of the manifests, and by the guardrail whatever rights it has.
#![allow(
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod changes;
#[path = "../../../crates/checklist/tests/fixture/mod.rs"]
mod fixture;
mod fixtures;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/fko.rs"]
mod fko;
mod installed;
mod refused;
mod rights;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/support.rs"]
mod support;
mod told;
