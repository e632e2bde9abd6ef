//! What is shipped for Prometheus and Grafana: the rules' own tests, what real Flinks expose under the names in them, what the
//! Prometheus operator and Grafana make of the manifests.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]
#![allow(dead_code, reason = "the tests of local clusters, whose modules these are, use more of them")]

#[path = "../flink_local/cluster.rs"]
mod cluster;
mod dashboards;
#[path = "../flink_local/filled.rs"]
mod filled;
#[path = "../flink_local/http.rs"]
mod http;
mod live;
mod manifests;
mod moody;
mod promtool;
mod recorded;
