//! The built operator in a whole cluster: the real Flink Kubernetes Operator in a pod, and real Flink in pods of its own.
//! The oracles are the API server's audit log, the Flink operator's Events and what Flink says of itself.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod fills;
mod flink;
mod ground;
#[allow(dead_code, reason = "the tests of the webhook use more of it")]
#[path = "../controlplane/hooked.rs"]
mod hooked;
mod machine;
mod monitoring;
mod network_policy;
mod setbacks;
#[allow(dead_code, reason = "the tests with written statuses use more of it")]
#[path = "../controlplane/support.rs"]
mod support;
