//! What namespaces say of the jobs in them, cached.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;
use std::time::Duration;

use checklist::Labels;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client};
use tracing::info;

use crate::jobs::Jobs;
use crate::kinds::Scope;
use crate::looks::Queue;
use crate::trouble::{Unlisted, patient, probe};
use crate::watch::{complain, enqueue};

/// What is missing where namespaces cannot be read.
const GRANT: &str = "the verbs list and watch on that resource, or the verb get in a Role of each watched namespace,";
/// How often namespaces are asked for that may not be watched.
const EVERY: Duration = Duration::from_secs(15);

/// What a namespace says of the jobs in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamespaceMetadata {
    /// Its annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Its labels.
    pub(crate) labels: Labels,
}

impl NamespaceMetadata {
    /// Of this namespace.
    pub(crate) fn of(namespace: &PartialObjectMeta<Namespace>) -> Self {
        let metadata = &namespace.metadata;
        Self {
            annotations: metadata.annotations.clone().unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
        }
    }
}

/// Read access to what every namespace says.
#[derive(Clone, Debug)]
pub(crate) struct Namespaces(Store<PartialObjectMeta<Namespace>>);

impl Namespaces {
    /// Over this store.
    pub(crate) fn new(store: Store<PartialObjectMeta<Namespace>>) -> Self {
        Self(store)
    }

    /// What a namespace says; `None` while the namespace is not known.
    pub(crate) fn metadata(&self, namespace: &str) -> Option<NamespaceMetadata> {
        self.0.get(&ObjectRef::new(namespace)).map(|object| NamespaceMetadata::of(&object))
    }
}

type Events = BoxStream<'static, watcher::Result<Event<PartialObjectMeta<Namespace>>>>;

/// All namespaces as they change; or, without the right to list what belongs to the cluster, the watched ones again and
/// again, which takes the right to get each of them, that a Role in it can give.
async fn events(client: Client, scopes: &[Scope]) -> Events {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    let watched: Option<Vec<String>> = scopes.iter().cloned().collect();
    match (watched, probe(&Api::<Namespace>::all(client.clone())).await) {
        (Some(watched), Err(Unlisted::Refused(status))) if status.is_forbidden() => {
            info!("the watched namespaces are asked for again and again: {}", status.message);
            polled(Api::all(client), watched)
        }
        _ => patient(watcher(api, Config::default())),
    }
}

/// Each of these, as often as it has to be.
fn polled(api: Api<Namespace>, namespaces: Vec<String>) -> Events {
    let rounds = stream::unfold((api, namespaces, Duration::ZERO), |(api, namespaces, wait)| async move {
        tokio::time::sleep(wait).await;
        let mut round = vec![Ok(Event::Init)];
        for name in &namespaces {
            match api.get_metadata(name).await {
                Ok(namespace) => round.push(Ok(Event::InitApply(namespace))),
                Err(error) => {
                    round = vec![Err(watcher::Error::InitialListFailed(error))];
                    break;
                }
            }
        }
        if round.last().is_some_and(Result::is_ok) {
            round.push(Ok(Event::InitDone));
        }
        Some((stream::iter(round), (api, namespaces, EVERY)))
    });
    rounds.flatten().boxed()
}

/// Follows what namespaces say and queues the jobs of those that changed.
pub(crate) async fn follow(
    client: Client,
    scopes: &[Scope],
    writer: Writer<PartialObjectMeta<Namespace>>,
    jobs: Jobs,
    queues: Vec<Queue>,
) {
    let events = events(client, scopes).await.reflect(writer);
    pin_mut!(events);
    let mut said = Said::default();
    let look_at = |name: &str| enqueue(jobs.in_namespace(name).map(|job| job.key().clone()), &queues);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => said.after(event).iter().for_each(|name| look_at(name)),
            Err(error) => complain("namespaces", &error, GRANT),
        }
    }
}

/// What each namespace said last.
#[derive(Debug, Default)]
struct Said {
    known: HashMap<String, NamespaceMetadata>,
    /// Those that the list under way has shown so far.
    listed: HashSet<String>,
    /// Those of them that say something else than before.
    waiting: Vec<String>,
}

impl Said {
    /// The namespaces whose jobs are to be looked at after this event. As with jobs: before the list is whole the store still
    /// shows the namespaces as they were.
    fn after(&mut self, event: Event<PartialObjectMeta<Namespace>>) -> Vec<String> {
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(namespace) => {
                self.listed.extend(namespace.metadata.name.clone());
                let news = self.news(namespace);
                self.waiting.extend(news);
                Vec::new()
            }
            Event::InitDone => {
                // Who has gone while nobody watched says nothing any more, and is new when it comes back.
                self.known.retain(|name, _| self.listed.contains(name));
                mem::take(&mut self.waiting)
            }
            Event::Apply(namespace) => self.news(namespace).into_iter().collect(),
            Event::Delete(namespace) => {
                self.known.remove(&namespace.metadata.name.unwrap_or_default());
                Vec::new()
            }
        }
    }

    /// The name, if it says something else than before.
    fn news(&mut self, namespace: PartialObjectMeta<Namespace>) -> Option<String> {
        let now = NamespaceMetadata::of(&namespace);
        let name = namespace.metadata.name.unwrap_or_default();
        if self.known.get(&name) == Some(&now) {
            return None;
        }
        self.known.insert(name.clone(), now);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str, team: &str) -> PartialObjectMeta<Namespace> {
        let mut namespace = PartialObjectMeta::default();
        namespace.metadata.name = Some(name.to_owned());
        namespace.metadata.labels = Some([("team".to_owned(), team.to_owned())].into());
        namespace
    }

    #[test]
    fn what_a_list_says_anew_is_looked_at_once_the_list_is_whole() {
        let mut said = Said::default();
        assert!(said.after(Event::Init).is_empty());
        assert!(said.after(Event::InitApply(namespace("n", "a"))).is_empty());
        assert_eq!(said.after(Event::InitDone), ["n"]);
        assert!(said.after(Event::Apply(namespace("n", "a"))).is_empty(), "it says the same as before");
        assert_eq!(said.after(Event::Apply(namespace("n", "b"))), ["n"]);
    }

    #[test]
    fn a_namespace_that_went_while_nobody_watched_is_new_when_it_comes_back() {
        let mut said = Said::default();
        for event in [Event::Init, Event::InitApply(namespace("n", "a")), Event::InitDone] {
            said.after(event);
        }
        for event in [Event::Init, Event::InitApply(namespace("other", "a")), Event::InitDone] {
            said.after(event);
        }
        assert_eq!(said.known.len(), 1);
        assert_eq!(said.after(Event::Apply(namespace("n", "a"))), ["n"]);
    }
}
