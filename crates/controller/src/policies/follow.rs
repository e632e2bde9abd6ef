//! Follows the policies that there are. Where the kind is not installed or may not be read, all else goes on under the
//! built-in policy, and it is looked for again from time to time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use checklist::Policy;
use checklist::policy::Policies;
use flink_api::OWN_GROUP;
use futures::{StreamExt, pin_mut};
use kube::core::Status;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{POLICY_PLURAL, RemediationPolicy};
use crate::trouble::{Unlisted, answer, may_not_list, patient, probe, with_causes};
use crate::troubles::Trouble;

/// How often the kind is looked for that is not there or may not be read.
const AGAIN: Duration = Duration::from_secs(30);
/// How soon after no answer at all.
const SOON: Duration = Duration::from_secs(5);

/// Every policy object by its name.
pub(crate) type Objects = BTreeMap<String, RemediationPolicy>;

/// Where what is known goes.
pub(crate) struct Follower {
    pub(crate) client: Client,
    /// What counts where no policy of the cluster does.
    pub(crate) fallback: Policy,
    /// Whether it goes on without the right to read policies: whoever has rights in some namespaces only has none in the
    /// cluster. Elsewhere a missing right is a mistake, and a policy that says Off must not be passed over for it.
    pub(crate) goes_on_unread: bool,
    pub(crate) known: watch::Sender<Option<Arc<Policies>>>,
    pub(crate) objects: watch::Sender<Objects>,
}

/// Never ends by itself.
pub(crate) async fn follow(follower: Follower) {
    let api: Api<RemediationPolicy> = Api::all(follower.client.clone());
    let mut said = None;
    loop {
        let (why, again) = match probe(&api).await {
            Ok(()) => {
                said = None;
                (follower.watch(&api).await, AGAIN)
            }
            Err(Unlisted::Refused(status)) => (refusal(&status).unwrap_or_else(|| status.message.clone()), AGAIN),
            // Whoever cannot be asked has not said that there is no policy.
            Err(Unlisted::Unanswered(why)) => {
                warn!(trouble = %Trouble::PoliciesUnanswered, "RemediationPolicies cannot be read: {why}");
                tokio::time::sleep(SOON).await;
                continue;
            }
        };
        let goes_on = follower.without(&why);
        if said.as_ref() != Some(&why) {
            if goes_on {
                info!("the policies known so far stay in force, else the built-in one: {why}");
            } else {
                error!(trouble = %Trouble::PoliciesUnread, "nothing is decided before the policies are known: {why}, or give them with --policy");
            }
            said = Some(why);
        }
        tokio::time::sleep(again).await;
    }
}

impl Follower {
    /// Follows until the server says that there is no such kind or no right to it, and returns that.
    async fn watch(&self, api: &Api<RemediationPolicy>) -> String {
        let events = patient(watcher(api.clone(), Config::default()));
        pin_mut!(events);
        let mut listing = Objects::new();
        let mut objects = Objects::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listing.clear(),
                Ok(Event::InitApply(object)) => {
                    listing.insert(object.name().to_owned(), object);
                }
                Ok(Event::InitDone) => {
                    objects = std::mem::take(&mut listing);
                    self.publish(&objects);
                }
                Ok(Event::Apply(object)) => {
                    objects.insert(object.name().to_owned(), object);
                    self.publish(&objects);
                }
                Ok(Event::Delete(object)) => {
                    objects.remove(object.name());
                    self.publish(&objects);
                }
                Err(error) => {
                    if let Some(why) = answer(&error).and_then(refusal) {
                        return why;
                    }
                    warn!(trouble = %Trouble::WatchInterrupted, error = with_causes(&error), "watch of RemediationPolicies interrupted; it goes on");
                }
            }
        }
        "their watch has ended".to_owned()
    }

    /// Puts in force what is new; a status that we have written is none.
    fn publish(&self, objects: &Objects) {
        self.objects.send_replace(objects.clone());
        let named = objects.values().map(RemediationPolicy::in_force).collect();
        // The command line, by which alone the fallback has a version, knows which operator runs here.
        let version = self.fallback.rollout.operator_version;
        let policies = Policies::new(named, self.fallback.clone()).under_operator(version);
        let is_new = self.known.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(&policies);
            if is_new {
                *known = Some(Arc::new(policies));
            }
            is_new
        });
        if is_new {
            objects.values().for_each(say);
        }
    }

    /// There are none to be seen: what is known stays, since nobody has said otherwise. Whether anything is known then.
    fn without(&self, why: &str) -> bool {
        let is_absent = why == ABSENT;
        let none = Policies::new(Vec::new(), self.fallback.clone());
        self.known.send_if_modified(|known| {
            let counts = is_absent || (known.is_none() && self.goes_on_unread);
            // It is found again and again: only the first time is a change, after which every job is looked at.
            let is_new = counts && known.as_deref() != Some(&none);
            if is_new {
                *known = Some(Arc::new(none));
            }
            if counts {
                // Objects of which none is in force may have been there.
                self.objects.send_if_modified(|objects| !std::mem::take(objects).is_empty());
            }
            is_new
        });
        self.known.borrow().is_some()
    }
}

fn say(object: &RemediationPolicy) {
    let policy = object.name();
    if let Some(problem) = object.problem() {
        warn!(trouble = %Trouble::PolicyInvalid, policy, "no policy, so that nothing is written to its jobs: {problem}");
    } else {
        let in_force = object.in_force().policy;
        info!(policy, mode = %in_force.mode, "policy in force");
        in_force.warnings().iter().for_each(|warning| warn!(trouble = %Trouble::PolicyWarning, policy, "{warning}"));
    }
}

const ABSENT: &str = "the kind RemediationPolicy is not installed (flink-remedy crd)";

/// What to do, where the server says that there is no such kind, or no right to it.
fn refusal(status: &Status) -> Option<String> {
    match status.code {
        404 => Some(ABSENT.to_owned()),
        403 => {
            let resource = format!("{POLICY_PLURAL}.{OWN_GROUP}");
            Some(may_not_list(&resource, status, "the verbs list and watch on that resource"))
        }
        _ => None,
    }
}
