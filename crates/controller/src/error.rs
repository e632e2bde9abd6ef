//! One error type per stage; the variant's name is the label of metrics and logs.

use crate::packed::NotKept;
use crate::reconcile::apply::ApplyError;

/// Why one reconciliation failed.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
pub enum Error {
    /// What the job refers to could not be read.
    #[error("could not read what the job refers to: {0}")]
    Gather(#[from] GatherError),
    /// The change did not reach the object.
    #[error("change was not accepted: {0}")]
    Apply(#[from] ApplyError),
}

/// Why the inputs of a job are incomplete.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The namespace's annotations may opt the job out, and are not known yet.
    #[error("namespace {0} is not in the cache yet")]
    UnknownNamespace(String),
    /// The job, or its session cluster, is in the cache and cannot be read there.
    #[error("{0} cannot be read in the cache: {1}")]
    NotKept(String, #[source] NotKept),
}

/// How soon a failed reconciliation is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The object has changed under us: as soon as its new state is here.
    Soon,
    /// Later each time.
    Backoff,
    /// Only a change of the object helps.
    OnChange,
}

impl Error {
    /// The label of metrics and logs, from a closed set.
    pub fn label(&self) -> &'static str {
        self.into()
    }

    /// How soon to try again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Gather(GatherError::UnknownNamespace(_)) => Retry::Soon,
            Self::Gather(GatherError::NotKept(..)) => Retry::Backoff,
            Self::Apply(error) => error.retry(),
        }
    }
}
