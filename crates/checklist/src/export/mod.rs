//! A policy in the words of others: what flink-remedy fills, said as far as they can say it; and what it may write at all.
//!
//! Values are derived: rules and planner are run on jobs that are made up for it. What is written here is
//! when a rule applies, in CEL; it may pass a job over, and never fills what the planner would not.

mod admission;
mod cel;
mod defaults;
mod derive;
mod document;
mod expressed;
mod fill;
mod guardrail;
mod shared;

pub use admission::{AdmissionPolicy, Covered};
pub use defaults::{DefaultLayers, Line};
pub use document::{
    BindingSpec, GuardedSpec, GuardingSpec, Metadata, Mutation, Named, Object, Patch, PolicySpec, Validation,
};
pub use guardrail::Guardrail;

use flink_conf::Key;

use crate::{Mode, Policy, Rule};

/// Why a policy cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// It fills nothing.
    #[error("the mode of the policy is {0}, which fills nothing; export one in mode NextDeploy or Apply")]
    Mode(Mode),
    /// Nothing of it can be said.
    #[error("nothing that the policy fills can be said there")]
    Nothing,
}

/// A rule that an export leaves out.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The rule.
    pub rule: &'static Rule,
    /// The option, of a setting of the platform.
    pub key: Option<Key>,
    /// Why.
    pub why: String,
}

fn fills_something(policy: &Policy) -> Result<(), ExportError> {
    if policy.mode > Mode::Advise { Ok(()) } else { Err(ExportError::Mode(policy.mode)) }
}
