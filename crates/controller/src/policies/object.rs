use std::borrow::Cow;

use checklist::policy::{NamedPolicy, Selector};
use checklist::{Mode, Policy};
use flink_api::{OWN_GROUP, OWN_VERSION};
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind's name.
pub(crate) const POLICY_KIND: &str = "RemediationPolicy";
/// The name of its resource in paths and rights.
pub const POLICY_PLURAL: &str = "remediationpolicies";

/// A policy in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemediationPolicy {
    /// Name and generation.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the platform wants, which may be no policy all the same: the API server checks its form only.
    #[serde(default)]
    pub spec: Value,
    /// What has become of it.
    #[serde(default)]
    pub status: Option<PolicyStatus>,
}

/// What has become of a policy. Written by flink-remedy alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyStatus {
    /// The generation of the policy that this is about.
    pub observed_generation: Option<i64>,
    /// `Ready`: whether the policy can be read, and so is in force.
    #[schemars(with = "Vec<super::crd::ConditionSchema>")]
    pub conditions: Vec<Condition>,
    /// The jobs for which this policy counts, by where they stand.
    pub jobs: JobCounts,
}

/// Jobs by where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobCounts {
    /// All for which the policy counts.
    pub selected: u32,
    /// Nothing to fill, and nothing was filled.
    pub compliant: u32,
    /// Nothing left to fill, since flink-remedy filled it.
    pub remediated: u32,
    /// There is something to fill, and the next free moment or the next look does so.
    pub pending: u32,
    /// There is something to fill, and something stands in the way.
    pub held: u32,
    /// Gaps that flink-remedy may not or cannot fill.
    pub open: u32,
    /// Left alone by annotation.
    pub opted_out: u32,
    /// A change failed on the job and is not made again.
    pub quarantined: u32,
}

impl Resource for RemediationPolicy {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        POLICY_KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        OWN_GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        OWN_VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        POLICY_PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What a problem may have, in bytes.
const LONGEST_PROBLEM: usize = 1024;

impl RemediationPolicy {
    /// Its name; empty where it has none.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Why it is no policy, if so: shortly and on one line, since it goes into its status, answers, Events and reports, and
    /// quotes what somebody has written.
    pub fn problem(&self) -> Option<String> {
        self.policy().err().map(|problem| checklist::cut(problem, LONGEST_PROBLEM))
    }

    /// What is in force by it. Of one that is no policy this is: that nothing is written to the jobs that it selects, or to
    /// none at all where it cannot be told which; neither what it says nor what a broader one does is meant for them.
    pub fn in_force(&self) -> NamedPolicy {
        let policy = self.policy().unwrap_or_else(|_| Policy {
            selector: self.selector(),
            mode: Mode::Advise,
            ..Policy::default()
        });
        NamedPolicy { name: self.name().to_owned(), policy, problem: self.problem() }
    }

    fn policy(&self) -> Result<Policy, String> {
        if self.spec.is_null() {
            return Ok(Policy::default());
        }
        Policy::deserialize(&self.spec).map_err(|error| error.to_string())
    }

    fn selector(&self) -> Selector {
        self.spec.get("selector").and_then(|selector| Selector::deserialize(selector).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(spec: Value) -> RemediationPolicy {
        let metadata = ObjectMeta { name: Some("p".into()), ..ObjectMeta::default() };
        RemediationPolicy { metadata, spec, status: None }
    }

    #[test]
    fn what_is_wrong_is_told_shortly_and_on_one_line() {
        let problem = policy(json!({"mode": "Apply\n\u{1b}[2J".repeat(1000)})).problem().unwrap();
        assert!(problem.len() <= LONGEST_PROBLEM && !problem.contains(char::is_control), "{problem:?}");
        assert!(problem.starts_with("unknown variant `Apply__[2J"), "{problem}");
    }

    #[test]
    fn one_that_is_no_policy_keeps_its_jobs_from_being_written_to() {
        let readable = policy(json!({"mode": "Apply"}));
        assert_eq!((readable.problem(), readable.in_force().policy.mode), (None, Mode::Apply));
        assert_eq!(policy(Value::Null).in_force().policy, Policy::default());
        let selector = json!({"jobs": {"matchLabels": {"tier": "gold"}}});
        let refused = json!({"key": "env.java.opts", "value": "x"});
        let broken = policy(json!({"selector": selector, "mode": "Apply", "settings": [refused]})).in_force();
        assert_eq!((broken.policy.mode, broken.policy.selector.jobs.is_empty()), (Mode::Advise, false));
        assert!(broken.problem.unwrap().contains("env.java.opts is refused"));
        let without_selector = policy(json!({"selector": 1, "mode": "Apply"})).in_force();
        assert_eq!(
            (without_selector.policy.mode, without_selector.policy.selector),
            (Mode::Advise, Selector::default())
        );
    }
}
