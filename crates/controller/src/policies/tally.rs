//! Where each job stood at its last look, and under which policy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flink_api::Standing;

use super::JobCounts;

/// Of each job, by uid, the name of its policy and where it stands; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<HashMap<String, (String, Standing)>>>);

impl Tally {
    /// A job was looked at.
    pub(crate) fn stands(&self, uid: &str, policy: &str, standing: Standing) {
        let mut jobs = self.lock();
        let same = jobs.get(uid).is_some_and(|(name, stood)| name == policy && *stood == standing);
        if !same {
            jobs.insert(uid.to_owned(), (policy.to_owned(), standing));
        }
    }

    /// A job is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// The jobs under this policy.
    pub(crate) fn of(&self, policy: &str) -> JobCounts {
        let mut counts = JobCounts::default();
        for (_, standing) in self.lock().values().filter(|(name, _)| name == policy) {
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (String, Standing)>> {
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
