//! The part of FKO's resources that we read, as plain serde types that tolerate what they do not know.
//!
//! Field names and meanings follow FKO's `flink-kubernetes-operator-api` (CRDs 1.10 and 1.15). With the
//! feature `kube` the kinds can be watched through kube; a client never comes from here.
#![warn(clippy::disallowed_methods, reason = "time and I/O come in as values")]

mod blue_green;
mod deployment;
mod kept;
mod kind;
#[cfg(feature = "kube")]
mod kube_impl;
mod manager;
mod ownership;
mod parsed;
mod process;
mod report;
mod session_job;
mod spec_json;
mod status;
mod strict;

pub use blue_green::FlinkBlueGreenDeployment;
pub use deployment::{FlinkDeployment, FlinkDeploymentSpec, JobSpec, JobState, UpgradeMode};
pub use kind::Kind;
pub use ownership::{AnnotationOwner, Field, FieldOwners, last_applied_spec};
pub use parsed::Parsed;
pub use process::{
    Container, Ingress, JobManagerSpec, PodSpec, PodTemplate, PodTemplateMetadata, Resource, ResourceRequirements,
    TaskManagerSpec, Volume, VolumeMount,
};
#[cfg(feature = "kube")]
pub use report::{Column, DateTime, Defaults, Definition, remediation_report_crd, structural_schema};
pub use report::{
    Cost, FilledValueReport, FindingReport, FindingsReport, HistoryEntry, HoldReport, ManagedByReport, OWN_GROUP,
    OWN_VERSION, OptOutReport, OutcomeReport, PendingReport, PolicyReport, QuarantineReport, REPORT_KIND,
    REPORT_PLURAL, RemediationReport, ReportContent, Standing,
};
pub use session_job::{FlinkSessionJob, FlinkSessionJobSpec};
pub use spec_json::{is_same, is_within, last_reconciled_spec, spec_in, spec_of};
pub use status::{
    FlinkDeploymentStatus, JobStatus, LastSavepoint, ReconciledSpec, ReconciliationStatus, SavepointInfo,
};

/// API group of FKO's kinds.
pub const GROUP: &str = "flink.apache.org";
/// API version of FKO's kinds.
pub const VERSION: &str = "v1beta1";
/// Our field manager, annotation owner and reporting controller. Flux strips managers that start with
/// `kubectl`, so it must not.
pub const FIELD_MANAGER: &str = "flink-remedy";
