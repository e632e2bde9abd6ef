//! The watches: they fill the caches and say which jobs deserve a look.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use flink_api::FlinkDeployment;
use futures::{Stream, StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::jobs::Jobs;
use crate::reconcile::trigger::digest;

/// Asks for looks at the jobs of one watched namespace. Closed until this process leads: whoever begins to lead
/// looks at everything, and a queue that nobody reads would grow for ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue(Arc<OnceLock<mpsc::UnboundedSender<ObjectRef<FlinkDeployment>>>>);

impl Queue {
    /// Opens the queue, once; what is asked for from now on comes out of the receiver.
    pub(crate) fn open(&self) -> mpsc::UnboundedReceiver<ObjectRef<FlinkDeployment>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let _ = self.0.set(sender);
        receiver
    }

    fn ask(&self, job: ObjectRef<FlinkDeployment>) {
        if let Some(sender) = self.0.get() {
            // The receiver goes only when the process ends.
            let _ = sender.send(job);
        }
    }
}

/// Told when a job is gone, so that nothing about it is kept.
pub(crate) trait Forget: Send + Sync {
    /// The job with this uid is gone.
    fn forget(&self, uid: &str);
}

/// Follows the jobs of one namespace, or of the cluster, and queues those that changed in a way that matters.
pub(crate) async fn jobs(
    client: Client,
    namespace: Option<String>,
    writer: Writer<FlinkDeployment>,
    queue: Queue,
    forget: impl Forget,
) {
    let api: Api<FlinkDeployment> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let events = watcher(api, Config::default()).default_backoff().reflect(writer);
    follow(events, &queue, &forget).await;
}

async fn follow(
    events: impl Stream<Item = watcher::Result<Event<FlinkDeployment>>>,
    queue: &Queue,
    forget: &impl Forget,
) {
    pin_mut!(events);
    let mut digests: HashMap<String, u64> = HashMap::new();
    let mut listed: HashSet<String> = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(job)) => {
                listed.insert(job.uid().to_owned());
                changed(&job, &mut digests, queue);
            }
            Ok(Event::Apply(job)) => changed(&job, &mut digests, queue),
            Ok(Event::Delete(job)) => {
                digests.remove(job.uid());
                forget.forget(job.uid());
            }
            Ok(Event::InitDone) => digests.retain(|uid, _| {
                let there = listed.contains(uid);
                if !there {
                    forget.forget(uid);
                }
                there
            }),
            Err(error) => complain("flinkdeployments.flink.apache.org", &error),
        }
    }
}

fn changed(job: &FlinkDeployment, digests: &mut HashMap<String, u64>, queue: &Queue) {
    let digest = digest(job);
    if digests.insert(job.uid().to_owned(), digest) != Some(digest) {
        queue.ask(ObjectRef::from_obj(job));
    }
}

/// Follows every namespace's annotations and queues the jobs of those that changed.
pub(crate) async fn namespaces(
    client: Client,
    writer: Writer<PartialObjectMeta<Namespace>>,
    jobs: Jobs,
    queues: Vec<Queue>,
) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    let events = watcher(api, Config::default()).default_backoff().reflect(writer);
    pin_mut!(events);
    let mut annotations = HashMap::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::InitApply(namespace) | Event::Apply(namespace)) => {
                let name = namespace.metadata.name.unwrap_or_default();
                let now = namespace.metadata.annotations;
                if annotations.get(&name) != Some(&now) {
                    enqueue(jobs.in_namespace(&name).map(|job| ObjectRef::from_obj(&*job)), &queues);
                    annotations.insert(name, now);
                }
            }
            Ok(Event::Delete(namespace)) => {
                annotations.remove(&namespace.metadata.name.unwrap_or_default());
            }
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => complain("namespaces", &error),
        }
    }
}

/// Asks for a look at each of these jobs. A queue drops what its store does not hold.
pub(crate) fn enqueue(jobs: impl Iterator<Item = ObjectRef<FlinkDeployment>>, queues: &[Queue]) {
    for job in jobs {
        for queue in queues {
            queue.ask(job.clone());
        }
    }
}

fn complain(resource: &str, error: &watcher::Error) {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => None,
    };
    match status {
        Some(status) if status.is_forbidden() => error!(
            "may not list and watch {resource}: {}; grant the verbs list and watch on that resource to the ServiceAccount (manifests/rbac)",
            status.message
        ),
        Some(status) if status.is_not_found() => {
            error!("{resource} is not known to the API server; install the Flink Kubernetes Operator's CRDs");
        }
        _ => warn!(%error, resource, "watch interrupted; it goes on by itself"),
    }
}
