//! Kinds that a cluster may not have: where one is not installed or may not be read, all else goes on, and it is looked
//! for again from time to time.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use flink_api::{FlinkDeployment, GROUP, Kind};
use futures::{StreamExt, pin_mut};
use k8s_openapi::NamespaceResourceScope;
use kube::core::Status;
use kube::runtime::watcher::{Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::cache::{Packer, Writer};
use crate::trouble::{Unlisted, answer, may_not_list, paged, patient, probe, with_causes};
use crate::troubles::Trouble;
use crate::watch::{Asks, Forget, Seen, converted};

/// How often a kind is looked for that is not there or may not be read.
const AGAIN: Duration = Duration::from_mins(2);
/// How soon after no answer at all.
const SOON: Duration = Duration::from_secs(10);

/// A watched namespace; `None` is all.
pub(crate) type Scope = Option<String>;

/// Whether the objects of a kind are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Not known yet.
    Unknown,
    /// There is no such kind.
    Absent,
    /// They are not, and why.
    Unseen(String),
    /// They are.
    Seen,
}

/// Of each kind that a cluster may not have, and each watched namespace, whether its objects are seen; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Kinds(Arc<watch::Sender<BTreeMap<(Kind, Scope), State>>>);

impl Kinds {
    /// Of these; nothing is known yet.
    pub(crate) fn new(watched: impl Iterator<Item = (Kind, Scope)>) -> Self {
        Self(Arc::new(watch::Sender::new(watched.map(|watched| (watched, State::Unknown)).collect())))
    }

    /// Waits until it is known of each whether its objects are seen.
    pub(crate) async fn looked_for(&self) {
        let mut states = self.0.subscribe();
        let _ = states.wait_for(|states| states.values().all(|state| *state != State::Unknown)).await;
    }

    /// Whether all objects of this kind in the namespace are known, be it that there can be none.
    pub(crate) fn are_known(&self, kind: Kind, namespace: &str) -> bool {
        let states = self.0.borrow();
        let state = states.get(&(kind, None)).or_else(|| states.get(&(kind, Some(namespace.to_owned()))));
        matches!(state, Some(State::Seen | State::Absent))
    }

    /// Notes how it stands, and says so if that is new.
    fn set(&self, kind: Kind, scope: &Scope, state: &State) {
        let (name, namespace) = (kind.name(), scope.as_deref());
        let is_new = self.0.send_if_modified(|states| {
            states.insert((kind, scope.clone()), state.clone()).is_none_or(|old| old != *state)
        });
        match state {
            _ if !is_new => {}
            State::Unknown => {}
            State::Absent => info!(namespace, "the kind {name} is not installed; it is looked for from time to time"),
            State::Unseen(why) => {
                warn!(trouble = %Trouble::KindUnread, namespace, "{name}s are left alone, all else goes on: {why}");
            }
            State::Seen => info!(namespace, "{name}s are looked at"),
        }
    }
}

/// What following one kind in one namespace needs.
pub(crate) struct Follower<F> {
    pub(crate) client: Client,
    pub(crate) kind: Kind,
    pub(crate) scope: Scope,
    pub(crate) writer: Writer,
    pub(crate) packer: Packer,
    pub(crate) asks: Asks,
    pub(crate) forget: F,
    pub(crate) kinds: Kinds,
}

impl<F: Forget> Follower<F> {
    /// Follows the objects of the kind, each turned into a deployment. Never ends by itself.
    pub(crate) async fn follow<K>(mut self, into: fn(K) -> FlinkDeployment)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let api: Api<K> = match &self.scope {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let mut seen = Seen::default();
        loop {
            let (state, again) = match probe(&api).await {
                Ok(()) => (self.watch(&api, into, &mut seen).await, AGAIN),
                Err(why) => unlisted(why, self.kind),
            };
            self.kinds.set(self.kind, &self.scope, &state);
            tokio::time::sleep(again).await;
        }
    }

    /// Follows until the server says that there is no such kind or no right to it, and returns that.
    async fn watch<K>(&mut self, api: &Api<K>, into: fn(K) -> FlinkDeployment, seen: &mut Seen) -> State
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let events = patient(watcher(api.clone(), paged()));
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event.map(|event| converted(event, |object| self.packer.pack(into(object)))) {
                Ok(event) => {
                    self.writer.apply(&event);
                    let is_whole = matches!(event, Event::InitDone);
                    seen.event(event, &self.asks, &self.forget);
                    if is_whole {
                        self.kinds.set(self.kind, &self.scope, &State::Seen);
                    }
                }
                Err(error) => {
                    if let Some(state) = answer(&error).and_then(|status| refusal(status, self.kind)) {
                        return state;
                    }
                    warn!(trouble = %Trouble::WatchInterrupted, error = with_causes(&error), resource = self.kind.plural(), "watch interrupted; it goes on");
                }
            }
        }
        State::Unseen("their watch has ended".to_owned())
    }
}

/// How it stands with a kind that cannot be listed, and when to look again.
fn unlisted(unlisted: Unlisted, kind: Kind) -> (State, Duration) {
    match unlisted {
        Unlisted::Refused(status) => match refusal(&status, kind) {
            Some(state) => (state, AGAIN),
            None => (State::Unseen(status.message.clone()), SOON),
        },
        Unlisted::Unanswered(why) => (State::Unseen(why), SOON),
    }
}

/// How it stands, where the server says that there is no such kind, or no right to it.
fn refusal(status: &Status, kind: Kind) -> Option<State> {
    match status.code {
        404 => Some(State::Absent),
        403 => {
            let resource = format!("{}.{GROUP}", kind.plural());
            Some(State::Unseen(may_not_list(&resource, status, "the verbs list, watch and patch on that resource")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_known_what_there_is_once_each_was_looked_for() {
        let watched = ["a", "b"].map(|namespace| (Kind::SessionJob, Some(namespace.to_owned())));
        let kinds = Kinds::new(watched.iter().cloned());
        assert!(futures::poll!(std::pin::pin!(kinds.looked_for())).is_pending());
        kinds.set(Kind::SessionJob, &watched[0].1, &State::Absent);
        assert!(futures::poll!(std::pin::pin!(kinds.looked_for())).is_pending());
        kinds.set(Kind::SessionJob, &watched[1].1, &State::Unseen("no right".to_owned()));
        kinds.looked_for().await;
        let known = |namespace| kinds.are_known(Kind::SessionJob, namespace);
        assert!(known("a") && !known("b") && !known("c"));
        kinds.set(Kind::SessionJob, &watched[1].1, &State::Seen);
        assert!(known("b") && !kinds.are_known(Kind::BlueGreenDeployment, "b"));
    }

    #[test]
    fn a_missing_kind_is_told_from_a_missing_right_and_from_trouble() {
        let answer = |code| refusal(&Status::failure("words", "").with_code(code), Kind::SessionJob);
        assert_eq!(answer(404), Some(State::Absent));
        let Some(State::Unseen(why)) = answer(403) else { panic!("{:?}", answer(403)) };
        assert!(why.contains("flinksessionjobs.flink.apache.org: words; grant the verbs"), "{why}");
        assert_eq!(answer(503), None);
    }
}
