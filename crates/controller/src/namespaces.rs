//! What namespaces say of the jobs in them, cached.

use std::collections::{BTreeMap, HashMap};
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
use crate::trouble::{Unlisted, patient, probe};
use crate::watch::{Queue, complain, enqueue};

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
    let mut known = HashMap::new();
    let look_at = |name: &str| enqueue(jobs.in_namespace(name).map(|job| ObjectRef::from_obj(&*job)), &queues);
    // As with jobs: before the list is whole the store still shows the namespaces as they were.
    let mut waiting = Vec::new();
    while let Some(event) = events.next().await {
        let listed = matches!(event, Ok(Event::InitApply(_)));
        match event {
            Ok(Event::InitApply(namespace) | Event::Apply(namespace)) => {
                let now = NamespaceMetadata::of(&namespace);
                let name = namespace.metadata.name.unwrap_or_default();
                if known.get(&name) == Some(&now) {
                    continue;
                }
                known.insert(name.clone(), now);
                if listed {
                    waiting.push(name);
                } else {
                    look_at(&name);
                }
            }
            Ok(Event::InitDone) => waiting.drain(..).for_each(|name| look_at(&name)),
            Ok(Event::Delete(namespace)) => {
                known.remove(&namespace.metadata.name.unwrap_or_default());
            }
            Ok(Event::Init) => {}
            Err(error) => complain("namespaces", &error, GRANT),
        }
    }
}
