//! The production checklist as rules over a typed subject, and the plan that closes its gaps.
//!
//! `subject -> evaluate -> plan`, all pure: the loop, the webhook and the command line run the same.
#![warn(clippy::disallowed_methods, reason = "rules and plans depend on their arguments alone")]

pub mod annotations;
mod arrival;
mod catalogue;
mod closure;
mod evaluate;
pub mod export;
mod filled;
mod given_up;
mod holdings;
mod labels;
mod leaving;
mod log4j;
pub mod memory;
mod moment;
mod obedience;
mod own_options;
mod plan;
mod platform;
pub mod policy;
mod quarantine;
mod restart;
mod rule;
pub mod rules;
mod session_jobs;
mod situation;
mod storage;
mod subject;
mod surroundings;
mod target;
mod trimmed;
mod withdrawal;

pub use arrival::{Arrival, SpecChange};
pub use catalogue::{RULES, URGENT, find};
pub use evaluate::{Finding, cut, evaluate};
pub use filled::{Announced, Filled, FilledValue, Restart};
pub use holdings::Holdings;
pub use labels::{LabelSelector, Labels, Requirement};
pub use moment::{FreeMoment, HoldKind, HoldReason, Moment};
pub use obedience::{AnnotationProblem, Approval, Obedience, OptOut};
pub use own_options::OwnOption;
pub use plan::{Plan, PlannedFill, Timing, plan, plan_with};
pub use platform::{Platform, PlatformLogFile};
pub use policy::{Mode, Policy};
pub use quarantine::{LeftAlone, Quarantine, Setback};
pub use restart::{Evidence, RestartOutcome, Watched, deadline};
pub use rule::{Check, Fill, Judgement, Rule, Scope, Verdict, Writes};
pub use session_jobs::SessionJobs;
pub use situation::Situation;
pub use subject::{Cluster, Kind, Subject, SubjectError};
pub use surroundings::{Neighbours, Surroundings};
pub use target::{Disruption, Target};
pub use trimmed::trimmed;
pub use withdrawal::{Stays, Withdrawal, withdrawal};
