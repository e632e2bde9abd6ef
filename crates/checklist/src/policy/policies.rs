use std::cmp::Reverse;
use std::sync::Arc;

use super::selector::FIELDS;
use super::{Candidate, OperatorVersion, Policy};

/// Name of the policy that is in force where no other selects a job.
pub const BUILT_IN: &str = "built-in";

/// A policy and what it is called.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPolicy {
    /// Its name.
    pub name: String,
    /// What it says.
    pub policy: Policy,
    /// Why it is no policy; what counts instead is in `policy`.
    pub problem: Option<String>,
}

/// The policies of a cluster or a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Policies {
    /// The most specific first, of equals the first by name.
    listed: Vec<Arc<NamedPolicy>>,
    fallback: Arc<NamedPolicy>,
}

/// The policy that counts for a job.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The policy.
    pub policy: Arc<NamedPolicy>,
    /// The field of the policy that made it the one: of its selector, or its name.
    pub decided_by: &'static str,
}

impl Default for Policies {
    fn default() -> Self {
        Self::new(Vec::new(), Policy::default())
    }
}

impl Policies {
    /// These, and for jobs that none of them selects the fallback.
    pub fn new(policies: Vec<NamedPolicy>, fallback: Policy) -> Self {
        let mut listed: Vec<Arc<NamedPolicy>> = policies.into_iter().map(Arc::new).collect();
        listed.sort_by(|one, other| {
            let order = |named: &NamedPolicy| Reverse(named.policy.selector.specificity());
            order(one).cmp(&order(other)).then_with(|| one.name.cmp(&other.name))
        });
        Self { listed, fallback: Arc::new(NamedPolicy { name: BUILT_IN.to_owned(), policy: fallback, problem: None }) }
    }

    /// The one that counts for this job, alone: what another says of the same job is not merged in.
    pub fn choose(&self, job: &Candidate) -> Chosen {
        let mut selecting = self.listed.iter().filter(|named| named.policy.selector.selects(job));
        let Some(first) = selecting.next() else {
            return self.built_in();
        };
        let first_specificity = first.policy.selector.specificity();
        let decided_by = match selecting.next() {
            None => field(|index| first_specificity[index]).unwrap_or("selector"),
            Some(second) => {
                let second = second.policy.selector.specificity();
                field(|index| first_specificity[index] != second[index]).unwrap_or("metadata.name")
            }
        };
        Chosen { policy: Arc::clone(first), decided_by }
    }

    /// These, and the fallback of others.
    #[must_use]
    pub fn with_fallback(self, other: &Self) -> Self {
        Self { fallback: Arc::clone(&other.fallback), ..self }
    }

    /// These, with others added, which replace those by the same name.
    #[must_use]
    pub fn with(&self, others: Vec<NamedPolicy>) -> Self {
        let is_kept = |named: &&Arc<NamedPolicy>| others.iter().all(|other| other.name != named.name);
        let kept: Vec<NamedPolicy> =
            self.listed.iter().filter(is_kept).map(|named| NamedPolicy::clone(named)).collect();
        Self::new([kept, others].concat(), self.fallback.policy.clone())
    }

    /// What counts for a job that none of them selects.
    pub fn built_in(&self) -> Chosen {
        Chosen { policy: Arc::clone(&self.fallback), decided_by: "" }
    }

    /// All of them and the fallback, the most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &NamedPolicy> {
        self.listed.iter().chain([&self.fallback]).map(AsRef::as_ref)
    }

    /// The same under this version of FKO, where one is known by other means: it wins over what they say.
    #[must_use]
    pub fn under_operator(self, version: Option<OperatorVersion>) -> Self {
        self.map(|policy| policy.rollout.operator_version = version.or(policy.rollout.operator_version))
    }

    /// The same policies, each as this makes it.
    #[must_use]
    pub fn map(self, change: impl Fn(&mut Policy)) -> Self {
        let changed = |named: Arc<NamedPolicy>| {
            let mut named = Arc::unwrap_or_clone(named);
            change(&mut named.policy);
            Arc::new(named)
        };
        Self { listed: self.listed.into_iter().map(changed).collect(), fallback: changed(self.fallback) }
    }
}

/// The most specific field of which this holds.
fn field(holds: impl Fn(usize) -> bool) -> Option<&'static str> {
    (0..FIELDS.len()).find(|index| holds(*index)).map(|index| FIELDS[index])
}
