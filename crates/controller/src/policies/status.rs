//! Writes what has become of each policy onto it, while we lead.

use std::time::Duration;

use flink_api::{FIELD_MANAGER, OWN_GROUP, OWN_VERSION};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use super::follow::Objects;
use super::object::POLICY_KIND;
use super::{PolicyStatus, RemediationPolicy, Tally};
use crate::lease::Fence;
use crate::trouble::with_causes;
use crate::troubles::Trouble;

/// How often counts may change: a rollout changes them with every job.
const EVERY: Duration = Duration::from_secs(5);

/// Keeps the policies' statuses up to date.
pub(crate) struct StatusWriter {
    pub(crate) client: Client,
    pub(crate) fence: Fence,
    pub(crate) objects: watch::Receiver<Objects>,
    pub(crate) tally: Tally,
}

impl StatusWriter {
    /// Ends when `stop` turns true: what has changed since the last look is written by whoever leads next.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.keep() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn keep(self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refused = None;
        loop {
            ticks.tick().await;
            let objects = self.objects.borrow().clone();
            for object in objects.values() {
                let status = status(object, &self.tally, self.fence.clock().now());
                if object.status.as_ref() == Some(&status) {
                    continue;
                }
                match self.write(object, &status).await {
                    Ok(()) => refused = None,
                    Err(why) if refused.as_ref() == Some(&why) => {}
                    Err(why) => {
                        warn!(trouble = %Trouble::PolicyStatusUnwritten, policy = object.name(), "the policy's status is not written, all else goes on: {why}");
                        refused = Some(why);
                    }
                }
            }
        }
    }

    async fn write(&self, object: &RemediationPolicy, status: &PolicyStatus) -> Result<(), String> {
        let api: Api<RemediationPolicy> = Api::all(self.client.clone());
        let body = json!({
            "apiVersion": format!("{OWN_GROUP}/{OWN_VERSION}"),
            "kind": POLICY_KIND,
            "metadata": { "name": object.name(), "uid": object.metadata.uid },
            "status": status,
        });
        // Nobody else has a say in it.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = self.fence.guard(api.patch_status(object.name(), &params, &Patch::Apply(body))).await;
        match written {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => Ok(()),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The status of a policy now.
fn status(object: &RemediationPolicy, tally: &Tally, now: Timestamp) -> PolicyStatus {
    let generation = object.metadata.generation;
    let (status, reason, message) = match object.problem() {
        None => ("True", "InForce", in_force(object)),
        Some(problem) => (
            "False",
            "Invalid",
            format!("{problem}. Nothing is written to the jobs that it selects until it is corrected."),
        ),
    };
    let before =
        object.status.iter().flat_map(|status| &status.conditions).find(|condition| condition.type_ == "Ready");
    let since = before.filter(|before| before.status == status).map(|before| before.last_transition_time.clone());
    let ready = Condition {
        type_: "Ready".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: checklist::cut(message, 1024),
        observed_generation: generation,
        last_transition_time: since.unwrap_or(Time(now)),
    };
    PolicyStatus { observed_generation: generation, conditions: vec![ready], jobs: tally.of(object.name()) }
}

/// That it is, and what about it is worth a second look.
fn in_force(object: &RemediationPolicy) -> String {
    let warnings = object.in_force().policy.warnings();
    std::iter::once("The policy is in force.".to_owned())
        .chain(warnings.into_iter().map(|warning| format!(" Warning: {warning}.")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(spec: serde_json::Value, status: Option<PolicyStatus>) -> RemediationPolicy {
        let metadata = kube::core::ObjectMeta { name: Some("p".into()), generation: Some(3), ..Default::default() };
        RemediationPolicy { metadata, spec, status }
    }

    #[test]
    fn the_condition_changes_its_time_with_its_status_alone() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let tally = Tally::default();
        let first = status(&policy(json!({}), None), &tally, at(1));
        assert_eq!((first.conditions[0].status.as_str(), first.observed_generation), ("True", Some(3)));
        let same = status(&policy(json!({"mode": "Apply"}), Some(first.clone())), &tally, at(2));
        assert_eq!(same, first);
        let broken = status(&policy(json!({"mode": "apply"}), Some(first)), &tally, at(3));
        let ready = &broken.conditions[0];
        assert!(ready.status == "False" && ready.message.contains("unknown variant `apply`"), "{ready:?}");
        assert_eq!(ready.last_transition_time, Time(at(3)));
    }
}
