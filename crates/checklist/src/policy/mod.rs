//! What a platform wants: how far to go, where state is kept, and the parameters of the rules.

mod condition;
mod denied;
mod document;
mod mode;
mod parameters;
mod policies;
mod rollout;
mod rule_modes;
mod schema;
mod selector;
mod settings;
mod storage;
mod template;
mod value;
mod verification;
mod window;

pub(crate) use condition::Facts;
pub use condition::{Condition, ConditionError};
pub(crate) use denied::{SERVICE_ACCOUNT, forbidden_beginnings, why_denied};
pub use document::PolicyDocument;
pub use mode::{Mode, ModeError};
pub use parameters::{
    Backend, CheckpointInterval, ManagedMemory, MaxParallelism, MetricsReporter, OperatorUids, Parameters,
    RestartBackoff, StateBackendChoice, Tls,
};
pub use policies::{BUILT_IN, Chosen, NamedPolicy, Policies};
pub use rollout::{AcceptedOperator, OperatorVersion, OperatorVersionError, Rollout};
pub use rule_modes::{Mandatory, RuleCode, RuleCodeError, RuleModes};
pub use selector::{Candidate, Selector, VersionRange};
pub use settings::{PlatformSetting, SettingError, Settings};
pub use storage::Storage;
pub use template::{AllowedPrefix, PathTemplate, TemplateError};
pub use value::{Bytes, Factor, Share, Span};
pub use verification::{Breaker, Verification};
pub use window::{Opening, Window, WindowError};

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Rule;

/// What the platform wants of its jobs. Every field has a default, and an unknown one is refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// The jobs that it is for.
    pub selector: Selector,
    /// How far we go. In YAML "Off" stands in quotes: without them kubectl takes it for a boolean.
    pub mode: Mode,
    /// Rules that go as far as this instead, by code or name; under a policy that is Off none goes anywhere.
    #[serde(skip_serializing_if = "RuleModes::is_empty")]
    pub rule_modes: RuleModes,
    /// Rules that no annotation takes a job out of, by code or name.
    #[serde(skip_serializing_if = "Mandatory::is_empty")]
    pub mandatory: Mandatory,
    /// Name of the cluster, for `{cluster}` in storage templates.
    #[serde(deserialize_with = "storage::cluster_name")]
    #[schemars(length(max = 63), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"))]
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

impl Policy {
    /// How far this rule goes: its own mode, else the policy's. Nothing goes anywhere under a policy that is Off.
    pub fn mode_of(&self, rule: &Rule) -> Mode {
        if self.mode == Mode::Off { Mode::Off } else { self.rule_modes.of(rule).unwrap_or(self.mode) }
    }

    /// What is no mistake, but worth a second look.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (field, template) in self.storage.templates() {
            match (template.tells_clusters_apart(), &self.cluster) {
                (false, _) => warnings.push(format!(
                    "storage.{field} has no {{cluster}}: jobs of the same namespace and name in two clusters would share their state"
                )),
                (true, None) => warnings.push(format!(
                    "storage.{field} has {{cluster}}, and `cluster` gives no name: no directory is filled from it"
                )),
                (true, Some(_)) => {}
            }
        }
        if self.mode == Mode::Off && !self.rule_modes.is_empty() {
            warnings.push("the mode is Off, so that ruleModes mean nothing".to_owned());
        }
        warnings
    }

    /// The furthest that any rule goes.
    pub fn furthest_mode(&self) -> Mode {
        if self.mode == Mode::Off {
            Mode::Off
        } else {
            self.rule_modes.furthest().map_or(self.mode, |mode| mode.max(self.mode))
        }
    }
}
