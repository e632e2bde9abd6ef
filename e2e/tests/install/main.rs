//! The manifests and the chart as people install them: accepted strictly by a real API server, the same either way, upgraded, and
//! removed without a trace on the jobs.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod cert_manager;
mod chart;
mod cluster;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/fko.rs"]
mod fko;
mod kustomizations;
mod lifecycle;
mod programs;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/support.rs"]
mod support;
