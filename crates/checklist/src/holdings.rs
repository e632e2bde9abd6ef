use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use flink_api::{FieldOwners, FlinkDeployment, FlinkDeploymentSpec, last_applied_spec};
use serde_json::Value;

use crate::annotations::QUARANTINED;
use crate::quarantine::job_digest;
use crate::{Filled, Quarantine, Target};

/// What is ours on one object, derived from the object alone.
///
/// A value is ours only while our record lists it with its live value, no other manager owns it, and the
/// manifest that a client-side apply last sent does not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Our record, if there is one.
    pub filled: Option<Filled>,
    /// Whether somebody else's record stands in the place of ours.
    pub foreign_record: bool,
    /// Values that are ours.
    pub ours: BTreeMap<Target, String>,
    /// Those of them that nobody owns in `managedFields`, since they were filled at admission: leaving them out of an apply
    /// does not remove them.
    pub unowned: BTreeSet<Target>,
    /// Values that our apply alone holds in place though they are not ours: a user has pinned them. Leaving
    /// them out of an apply would remove them.
    pub pinned: BTreeMap<Target, String>,
    /// Values of ours that others own as well: leaving them out of an apply only gives up our share.
    pub shared: BTreeSet<Target>,
    /// Values that we filled and somebody has taken away since.
    pub removed: BTreeSet<Target>,
    /// Digest of what the job is beside our values; empty where no restart of ours and no quarantine is on record.
    pub job: String,
    /// What the job has not come back with, while the annotation names it.
    pub quarantine: Option<Quarantine>,
}

impl Holdings {
    /// Reads what is ours on this object.
    pub fn of(deployment: &FlinkDeployment) -> Self {
        let Ok(spec) = deployment.spec.as_result() else { return Self::default() };
        let owners = FieldOwners::of(deployment);
        let filled = Filled::of(deployment, &owners);
        let last_applied = last_applied_spec(deployment).unwrap_or_default();
        let mut holdings = Self { foreign_record: Filled::is_foreign(deployment, &owners), ..Self::default() };
        let targets = owners.ours.iter().filter_map(|field| Some((field, Target::of_field(field)?)));
        for (field, target) in targets {
            let Some(value) = live(spec, &target) else { continue };
            let listed = filled.as_ref().and_then(|filled| filled.values.get(&target));
            let as_filled = listed.is_some_and(|listed| listed.is(&target, &value));
            if owners.others.contains_key(field) {
                holdings.shared.insert(target);
            } else if as_filled && !is_pinned(&last_applied, &target) {
                holdings.ours.insert(target, value.into_owned());
            } else {
                holdings.pinned.insert(target, value.into_owned());
            }
        }
        for (target, listed) in filled.iter().flat_map(|filled| &filled.values) {
            let Some(value) = live(spec, target) else {
                holdings.removed.insert(target.clone());
                continue;
            };
            let field = target.field();
            let is_owned = owners.ours.contains(&field) || owners.others.contains_key(&field);
            if !is_owned && listed.is(target, &value) && !is_pinned(&last_applied, target) {
                holdings.unowned.insert(target.clone());
                holdings.ours.insert(target.clone(), value.into_owned());
            }
        }
        // Of most jobs nobody asks for it.
        let is_compared = |filled: &&Filled| filled.restart.is_some() || filled.quarantine.is_some();
        if let Some(filled) = filled.as_ref().filter(is_compared) {
            holdings.job = job_digest(spec, |target| filled.has_written(target));
        }
        let named = deployment.annotation(QUARANTINED).map(str::trim);
        let recorded = filled.as_ref().and_then(|filled| filled.quarantine.clone());
        holdings.quarantine = recorded.filter(|kept| named == Some(&kept.plan));
        holdings.filled = filled;
        holdings
    }

    /// The same of an object from which somebody has taken our record as well, as whoever replaces the whole object does.
    /// Of the record that stood there last counts what was lost with it, and to whom we left the job; what it tells of
    /// restarts, and of values that are there, is over.
    #[must_use]
    pub fn without_record(mut self, deployment: &FlinkDeployment, last: &str) -> Self {
        let (Ok(spec), None) = (deployment.spec.as_result(), &self.filled) else { return self };
        let Ok(last) = serde_json::from_str::<Filled>(last) else { return self };
        let gone: BTreeMap<_, _> = last.values.into_iter().filter(|(target, _)| live(spec, target).is_none()).collect();
        if gone.is_empty() && last.left_to.is_none() {
            return self;
        }
        let mut record = Filled::new(String::new(), last.at, gone);
        (record.lost, record.left_to, record.approval_used) = (last.lost, last.left_to, last.approval_used);
        self.removed = record.values.keys().cloned().collect();
        self.filled = Some(record);
        self
    }

    /// Whether somebody has taken away, or changed, a value that our record lists.
    pub fn has_lost(&self) -> bool {
        let is_changed = |(target, value): (&Target, &String)| {
            let listed = self.filled.as_ref().and_then(|filled| filled.values.get(target));
            listed.is_some_and(|listed| !listed.is(target, value))
        };
        !self.removed.is_empty() || self.pinned.iter().any(is_changed)
    }

    /// The manager to whom we leave the job, after a tug-of-war.
    pub fn is_left_to(&self) -> Option<&str> {
        self.filled.as_ref()?.left_to.as_deref()
    }

    /// What is not tried again: the job's owner has changed nothing since the job did not come back with it.
    pub fn quarantine_in_force(&self) -> Option<&Quarantine> {
        self.quarantine.as_ref().filter(|quarantine| quarantine.job == self.job)
    }
}

/// The value that stands under exactly this target, options under their flat key.
fn live<'a>(spec: &'a FlinkDeploymentSpec, target: &Target) -> Option<Cow<'a, str>> {
    match target {
        Target::Option(key) => match spec.flink_configuration.get(key.as_str())? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            scalar @ (Value::Bool(_) | Value::Number(_) | Value::Null) => Some(Cow::Owned(scalar.to_string())),
            Value::Array(_) | Value::Object(_) => None,
        },
        Target::LogFile(name) => spec.log_configuration.as_ref()?.get(name).map(Cow::from),
        Target::PodAnnotation(key) => spec.pod_annotations()?.get(key).map(Cow::from),
    }
}

/// Whether the manifest has the value under this very key. An option that its owner sets in another spelling does
/// not pin ours: the two would stand side by side, so ours leaves.
fn is_pinned(last_applied: &Value, target: &Target) -> bool {
    target.find(last_applied).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FilledValue;
    use crate::annotations::FILLED;

    fn record(pairs: &[(&str, &str)]) -> String {
        let values = pairs
            .iter()
            .map(|(target, value)| {
                let target = target.parse().unwrap();
                let value = FilledValue::remembered(&target, value);
                (target, FilledValue { value, rule: "R".into(), change: "c".into() })
            })
            .collect();
        Filled::new("c".into(), "2026-01-02T03:04:05Z".parse().unwrap(), values).to_text()
    }

    fn holdings(conf: &Value, filled: &[(&str, &str)], others: &Value, last_applied: &Value) -> Holdings {
        let ours: serde_json::Map<String, Value> = filled
            .iter()
            .filter(|(key, _)| conf.get(*key).is_some())
            .map(|(key, _)| (format!("f:{key}"), json!({})))
            .collect();
        let annotations = json!({format!("f:{FILLED}"): {}});
        let deployment: FlinkDeployment = serde_json::from_value(json!({
            "metadata": {
                "annotations": {
                    FILLED: record(filled),
                    "kubectl.kubernetes.io/last-applied-configuration": json!({"spec": {"flinkConfiguration": last_applied}}).to_string(),
                },
                "managedFields": [
                    {"manager": "flink-remedy", "operation": "Apply",
                     "fieldsV1": {"f:metadata": {"f:annotations": annotations}, "f:spec": {"f:flinkConfiguration": ours}}},
                    {"manager": "argocd", "operation": "Apply", "fieldsV1": {"f:spec": {"f:flinkConfiguration": others}}},
                ]},
            "spec": {"flinkVersion": "v1_17", "flinkConfiguration": conf},
        }))
        .unwrap();
        Holdings::of(&deployment)
    }

    const KEY: &str = "state.backend.incremental";

    #[test]
    fn a_listed_live_unshared_value_is_ours() {
        let held = holdings(&json!({KEY: "true"}), &[(KEY, "true")], &json!({}), &json!({}));
        assert_eq!(held.ours, BTreeMap::from([(Target::option(KEY), "true".to_owned())]));
        assert!(held.pinned.is_empty() && held.shared.is_empty() && held.removed.is_empty());
    }

    #[test]
    fn a_changed_shared_pinned_or_removed_value_is_not() {
        let changed = holdings(&json!({KEY: "false"}), &[(KEY, "true")], &json!({}), &json!({}));
        assert!(changed.ours.is_empty() && changed.pinned.contains_key(&Target::option(KEY)));
        let shared = holdings(&json!({KEY: "true"}), &[(KEY, "true")], &json!({format!("f:{KEY}"): {}}), &json!({}));
        assert!(shared.ours.is_empty() && shared.shared.contains(&Target::option(KEY)));
        let pinned = holdings(&json!({KEY: "true"}), &[(KEY, "true")], &json!({}), &json!({KEY: "true"}));
        assert!(pinned.ours.is_empty() && pinned.pinned.contains_key(&Target::option(KEY)));
        let retyped = holdings(&json!({KEY: true}), &[(KEY, "false")], &json!({}), &json!({}));
        assert!(retyped.removed.is_empty() && retyped.pinned[&Target::option(KEY)] == "true");
        let removed = holdings(&json!({}), &[(KEY, "true")], &json!({}), &json!({}));
        assert_eq!(removed.removed, BTreeSet::from([Target::option(KEY)]));
    }

    #[test]
    fn a_value_stays_ours_beside_the_owners_other_spelling() {
        for manifest in [
            json!({"state": {"backend": {"incremental": true}}}),
            json!({"execution.checkpointing.incremental": "true"}),
        ] {
            let held = holdings(&json!({KEY: "true"}), &[(KEY, "true")], &json!({}), &manifest);
            assert!(held.ours.contains_key(&Target::option(KEY)) && held.pinned.is_empty(), "{manifest}");
        }
    }
}
