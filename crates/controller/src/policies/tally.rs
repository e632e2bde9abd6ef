//! Where each job stood at its last look, and under which policy.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flink_api::Standing;

use super::JobCounts;
use crate::uid::Uid;

/// Of each job, by uid, the name of its policy and where it stands; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<Jobs>>);

#[derive(Debug, Default)]
struct Jobs {
    by_uid: HashMap<Uid, (Arc<str>, Standing)>,
    /// The policies' names, each there once.
    policies: BTreeSet<Arc<str>>,
}

impl Tally {
    /// A job was looked at.
    pub(crate) fn stands(&self, uid: &str, policy: &str, standing: Standing) {
        let mut jobs = self.lock();
        let policy = jobs.policies.get(policy).cloned().unwrap_or_else(|| Arc::from(policy));
        jobs.policies.insert(policy.clone());
        jobs.by_uid.insert(uid.into(), (policy, standing));
    }

    /// A job is gone.
    pub(crate) fn forget(&self, uid: impl Into<Uid>) {
        self.lock().by_uid.remove(&uid.into());
    }

    /// The jobs under this policy.
    pub(crate) fn of(&self, policy: &str) -> JobCounts {
        let mut counts = JobCounts::default();
        for (_, standing) in self.lock().by_uid.values().filter(|(name, _)| **name == *policy) {
            counts.selected += 1;
            match standing {
                Standing::Compliant => counts.compliant += 1,
                Standing::Remediated => counts.remediated += 1,
                Standing::Pending => counts.pending += 1,
                Standing::Held => counts.held += 1,
                Standing::Open => counts.open += 1,
                Standing::OptedOut => counts.opted_out += 1,
                Standing::Quarantined => counts.quarantined += 1,
                Standing::ModeOff | Standing::Invalid | Standing::Unknown => {}
            }
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_counts_once_where_it_stands_now() {
        let tally = Tally::default();
        tally.stands("u1", "p", Standing::Held);
        tally.stands("u1", "p", Standing::Remediated);
        tally.stands("u2", "p", Standing::OptedOut);
        tally.stands("u3", "q", Standing::Held);
        tally.stands("u4", "p", Standing::Held);
        tally.forget("u4");
        assert_eq!(tally.of("p"), JobCounts { selected: 2, remediated: 1, opted_out: 1, ..JobCounts::default() });
        tally.stands("u3", "p", Standing::Held);
        assert_eq!((tally.of("p").held, tally.of("q")), (1, JobCounts::default()));
    }
}
