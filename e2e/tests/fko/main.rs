//! The built operator beside the real Flink Kubernetes Operator, which takes jobs from state to state by itself; only
//! the `JobManager`s are stood in for. The oracles are the API server's audit log, the Flink operator's own Events and
//! what a `JobManager` was started with.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod failures;
mod ground;
#[path = "../controlplane/hooked.rs"]
mod hooked;
mod restarts;
mod rollout;
#[allow(dead_code, reason = "the tests with written statuses use more of it")]
#[path = "../controlplane/support.rs"]
mod support;
mod webhook;
