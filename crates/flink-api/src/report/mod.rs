//! `RemediationReport`: what flink-remedy knows of one job, for people and machines.
//!
//! Its whole content is an observation, written by one controller and never read back as a wish. So it stands at the
//! top level, as in an `EndpointSlice` or a `PolicyReport`, and not in a `status` beside an empty `spec`: the status
//! subresource cannot be created in one write, and a crash between two would leave an empty report.

mod content;
#[cfg(feature = "kube")]
mod crd;

pub use content::{
    Cost, FilledValueReport, FindingReport, FindingsReport, HistoryEntry, HoldReport, ManagedByReport, OptOutReport,
    OutcomeReport, PendingReport, PolicyReport, QuarantineReport, ReportContent, Standing,
};
#[cfg(feature = "kube")]
pub use crd::{Column, DateTime, Defaults, Definition, remediation_report_crd, structural_schema};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

/// API group of our own kinds.
pub const OWN_GROUP: &str = "flink-remedy.dev";
/// API version of our own kinds.
pub const OWN_VERSION: &str = "v1alpha1";
/// The kind.
pub const REPORT_KIND: &str = "RemediationReport";
/// The kind's plural, as in paths and rights.
pub const REPORT_PLURAL: &str = "remediationreports";

/// What flink-remedy knows of one job; named like the job, in its namespace, and owned by it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemediationReport {
    /// Name, namespace and owner.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is known.
    #[serde(flatten)]
    pub content: ReportContent,
}
