//! What `make image` packs, installed as people install it in a whole cluster: by `kubectl apply -k manifests`, by the chart, and
//! as a sidecar of the Flink operator, exactly as shipped. In each form the job of the restart-safety tests is filled while the pod
//! that leads goes away. `FLINK_REMEDY_INSTALL=kustomize|chart|sidecar|all` says which forms; unset, one of them by the commit.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod forms;
mod journey;
mod pods;

#[allow(dead_code, reason = "the tests with an operator of their own use more of it")]
#[path = "../cluster/flink.rs"]
mod flink;
#[allow(dead_code, reason = "the tests with an operator of their own use more of it")]
#[path = "../cluster/ground.rs"]
mod ground;
#[allow(dead_code, reason = "the tests with written statuses use more of it")]
#[path = "../controlplane/support.rs"]
mod support;
