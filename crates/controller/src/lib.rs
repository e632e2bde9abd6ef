//! The reconcile loop: watches FlinkDeployments, lets the checklist plan, writes, and says what it did.
//!
//! Stages are modules, each with its own error: `reconcile` drives them, `reconcile::apply` is the only writer
//! of jobs, `report` queues Events, `rollout` keeps restarts to one at a time, `lease` fences every write. `admission`
//! answers the API server at the moments at which a fill costs nothing.

mod admission;
mod cache;
mod error;
pub mod events;
mod jobs;
mod kinds;
pub mod lease;
mod looks;
mod metrics;
mod namespaces;
mod open_reports;
pub mod operator_config;
mod own;
mod pace;
mod packed;
mod policies;
pub mod reconcile;
mod report;
pub mod rollout;
mod run;
mod trouble;
mod troubles;
mod uid;
mod unwritten;
mod watch;
mod watched;

pub use admission::{
    CertificateSource, NoReview, OfflineWebhook, OwnCertificate, PATH as WEBHOOK_PATH, WebhookSettings,
};
pub use cache::{CachedJob, NotKept, Packer, Store, Writer, store};
pub use error::{Error, GatherError, Retry};
pub use jobs::Jobs;
pub use metrics::{DESCRIPTIONS, Description, Metrics};
pub use policies::{JobCounts, POLICY_PLURAL, PolicyStatus, RemediationPolicy, remediation_policy_crd};
pub use run::{Controller, PolicySource, RunError, Settings};
pub use trouble::with_causes;
pub use troubles::{Explained, Explanation, Trouble};
pub use uid::Uid;
