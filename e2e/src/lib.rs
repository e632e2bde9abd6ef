//! The harness of the control plane tests: a real etcd, kube-apiserver and kube-controller-manager,
//! the built `flink-remedy` beside them, and a proxy between the two that can fail on demand.
//!
//! ```no_run
//! # async fn test() {
//! let plane = e2e::ControlPlane::shared(e2e::Crds::Typed).await;
//! let namespace = plane.namespace("example").await;
//! let mark = plane.audit().mark();
//! // ... act as somebody ...
//! let writes = plane.audit().query().since(mark).namespace(&namespace).writes().entries();
//! # }
//! ```
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

pub mod artifacts;
pub mod audit;
pub mod browser;
pub mod cluster;
pub mod crds;
pub mod fleet;
pub mod flink_dist;
mod flink_operator;
pub mod http;
mod identity;
pub mod isolation;
pub mod job_managers;
pub mod launch;
pub mod objects;
mod operator;
mod pki;
mod plane;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod shell;
pub mod state;
mod wait;
pub mod webhook;

pub use audit::{AuditEntry, AuditLog, Mark};
pub use crds::Crds;
pub use flink_operator::{FlinkOperator, OPERATOR_LOG, class_path as flink_operator_class_path, policy_beside};
pub use job_managers::{Fault, Incarnation, JobManagers};
pub use objects::{
    apply, apply_yaml, flink_blue_green_deployments, flink_deployments, flink_session_jobs, patch_status,
};
pub use operator::{Operator, OperatorOptions, binary};
pub use plane::{ControlPlane, KubectlOutput};
pub use proxy::{Proxy, RequestInfo, Verdict};
pub use wait::{Outcome, await_condition};
