//! Which trouble each error is. A new error does not compile before somebody has said.

use super::{Explained, Explanation, Trouble};
use crate::admission::{CertificateError, NoReview};
use crate::error::{Error, GatherError};
use crate::lease::{LeaseError, NotLeader};
use crate::operator_config::{PlatformError, SourceError};
use crate::reconcile::apply::ApplyError;
use crate::rollout::CheckpointError;
use crate::run::RunError;

macro_rules! explained {
    ($($error:ty),+) => { $(impl Explained for $error {
        fn explanation(&self) -> Explanation {
            Trouble::from(self).explanation()
        }
    })+ };
}

explained!(Error, ApplyError, LeaseError, RunError, PlatformError, SourceError);

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Self {
        match error {
            Error::Gather(GatherError::UnknownNamespace(_)) => Self::NamespaceUnknown,
            Error::Gather(GatherError::NotKept(..)) => Self::NotKept,
            Error::Apply(error) => error.into(),
        }
    }
}

impl From<&ApplyError> for Trouble {
    fn from(error: &ApplyError) -> Self {
        match error {
            ApplyError::Conflict { .. } => Self::OwnedByAnother,
            ApplyError::NotAMap(_) => Self::NotAMap,
            ApplyError::Stale(_) => Self::Outdated,
            ApplyError::Gone => Self::JobGone,
            ApplyError::Forbidden { .. } => Self::MayNotPatch,
            ApplyError::Rejected { .. } => Self::Refused,
            ApplyError::Unavailable(_) => Self::ApiServerSilent,
            ApplyError::NotLeader(NotLeader) => Self::NotLeading,
        }
    }
}

impl From<&LeaseError> for Trouble {
    fn from(error: &LeaseError) -> Self {
        match error {
            LeaseError::Forbidden { .. } => Self::LeaseForbidden,
            LeaseError::Expired(_) => Self::LeaseLost,
            LeaseError::Taken { .. } => Self::LeaseTaken,
        }
    }
}

impl From<&RunError> for Trouble {
    fn from(error: &RunError) -> Self {
        match error {
            RunError::Lease(error) => error.into(),
            RunError::Ended(_) | RunError::Task(_) => Self::PartEnded,
        }
    }
}

impl From<&PlatformError> for Trouble {
    fn from(error: &PlatformError) -> Self {
        match error {
            PlatformError::Missing { .. }
            | PlatformError::Flat(_)
            | PlatformError::Yaml { .. }
            | PlatformError::Manifest { .. }
            | PlatformError::NotAMap { .. }
            | PlatformError::TooLarge => Self::OperatorConfigUnread,
        }
    }
}

impl From<&SourceError> for Trouble {
    fn from(_: &SourceError) -> Self {
        Self::OperatorConfigUnread
    }
}

impl From<&CertificateError> for Trouble {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::Issue(_) | CertificateError::Pem(_) | CertificateError::Serve(_) => {
                Self::CertificateUnusable
            }
        }
    }
}

impl From<&NoReview> for Trouble {
    fn from(error: &NoReview) -> Self {
        match error {
            NoReview::Unreadable(_) | NoReview::Other { .. } | NoReview::Empty => Self::NotAReview,
        }
    }
}

impl From<&CheckpointError> for Trouble {
    fn from(error: &CheckpointError) -> Self {
        match error {
            CheckpointError::Address(_)
            | CheckpointError::Unreachable(_)
            | CheckpointError::Timeout
            | CheckpointError::Status(_)
            | CheckpointError::Body(_)
            | CheckpointError::Json(_) => Self::JobManagerSilent,
        }
    }
}
