use std::collections::BTreeSet;

use flink_conf::options::spelled;
use flink_conf::{FlinkVersion, Key, Origin};

use crate::{Holdings, Subject, Target};

/// First version for which FKO writes nested YAML, where no key may be a prefix of another.
pub(crate) const NESTED_YAML: FlinkVersion = FlinkVersion::new(2, 0);

/// Values of ours that have to go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaving {
    /// The owner now sets their option in another spelling.
    pub(crate) taken_over: BTreeSet<Target>,
    /// Beside another key they would stop the job on Flink 2: the owner raised the version, or set a key above
    /// or below ours. What they were for is filled again, under a name that this version accepts.
    pub(crate) overlapping: BTreeSet<Target>,
}

impl Leaving {
    pub(crate) fn of(subject: &Subject, holdings: &Holdings) -> Self {
        let mut leaving = Self::default();
        for target in holdings.ours.keys() {
            let Target::Option(key) = target else { continue };
            if is_taken_over(key, subject, holdings) {
                leaving.taken_over.insert(target.clone());
            } else if is_overlapping(key, subject, holdings) {
                leaving.overlapping.insert(target.clone());
            }
        }
        leaving
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeSet<Target> {
        self.taken_over.union(&self.overlapping).cloned().collect()
    }

    /// The subject without what is to be filled again under another name.
    pub(crate) fn respelled(&self, subject: &Subject) -> Subject {
        let mut subject = subject.clone();
        for target in &self.overlapping {
            if let Target::Option(key) = target {
                subject.conf.remove(key);
            }
        }
        subject
    }
}

fn is_ours(key: &str, holdings: &Holdings) -> bool {
    holdings.ours.contains_key(&Target::option(key))
}

fn is_taken_over(key: &Key, subject: &Subject, holdings: &Holdings) -> bool {
    let by_owner = |other: &str| {
        other != key.as_str()
            && !is_ours(other, holdings)
            && subject.conf.get(other).is_some_and(|setting| setting.origin == Origin::Resource)
    };
    subject.spelled_twice.contains(key)
        || spelled(key.as_str()).is_some_and(|option| option.spellings().into_iter().any(by_owner))
}

/// Of two keys of ours, the one under an old name goes.
fn is_overlapping(key: &Key, subject: &Subject, holdings: &Holdings) -> bool {
    let is_old_name = || spelled(key.as_str()).is_some_and(|option| option.key(subject.version) != *key);
    subject.version >= NESTED_YAML
        && subject
            .conf
            .iter()
            .any(|(other, _)| key.overlaps(other.as_str()) && (!is_ours(other.as_str(), holdings) || is_old_name()))
}
