//! What a platform wants: how far to go, where state is kept, and the parameters of the rules.

mod condition;
mod denied;
mod document;
mod mode;
mod parameters;
mod rollout;
mod settings;
mod template;
mod value;
mod verification;
mod window;

pub(crate) use condition::Facts;
pub use condition::{Condition, ConditionError};
pub use document::PolicyDocument;
pub use mode::{Mode, ModeError};
pub use parameters::{
    Backend, CheckpointInterval, ManagedMemory, MaxParallelism, MetricsReporter, OperatorUids, Parameters,
    RestartBackoff, StateBackendChoice, Tls,
};
pub use rollout::{AcceptedOperator, OperatorVersion, OperatorVersionError, Rollout};
pub use settings::{PlatformSetting, SettingError, Settings};
pub use template::{PathTemplate, TemplateError};
pub use value::{Bytes, Factor, Share, Span};
pub use verification::{Breaker, Verification};
pub use window::{Opening, Window, WindowError};

use serde::Deserialize;

/// What the platform wants of its jobs. Every field has a default, and an unknown one is refused.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// How far we go.
    pub mode: Mode,
    /// Name of the cluster, for `{cluster}` in storage templates.
    pub cluster: Option<String>,
    /// Where state is kept that no job has a directory for.
    pub storage: Storage,
    /// Options that jobs get which say nothing of them.
    pub settings: Settings,
    /// When and how many running jobs may restart.
    pub rollout: Rollout,
    /// How a restart is watched.
    pub verification: Verification,
    /// When failures end all restarts.
    pub breaker: Breaker,
    /// Parameters of the rules, by the rule's name.
    pub rules: Parameters,
}

/// Durable directories. What is not given cannot be filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Storage {
    /// Of checkpoints.
    pub checkpoints: Option<PathTemplate>,
    /// Of savepoints.
    pub savepoints: Option<PathTemplate>,
    /// Of the high-availability metadata.
    pub high_availability: Option<PathTemplate>,
}
