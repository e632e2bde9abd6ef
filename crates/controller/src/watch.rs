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
use crate::trouble::{advice, answer, patient, with_causes};

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
    let events = patient(watcher(api, Config::default())).reflect(writer);
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
    // A store shows a new list only when it is whole: a look before that would miss the job, or see it as it was.
    let mut waiting = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(job)) => {
                listed.insert(job.uid().to_owned());
                waiting.extend(news(&job, &mut digests));
            }
            Ok(Event::InitDone) => {
                digests.retain(|uid, _| {
                    let there = listed.contains(uid);
                    if !there {
                        forget.forget(uid);
                    }
                    there
                });
                waiting.drain(..).for_each(|job| queue.ask(job));
            }
            Ok(Event::Apply(job)) => news(&job, &mut digests).into_iter().for_each(|job| queue.ask(job)),
            Ok(Event::Delete(job)) => {
                digests.remove(job.uid());
                forget.forget(job.uid());
            }
            Err(error) => complain("flinkdeployments.flink.apache.org", &error),
        }
    }
}

/// The job, if it has changed in a way that matters.
fn news(job: &FlinkDeployment, digests: &mut HashMap<String, u64>) -> Option<ObjectRef<FlinkDeployment>> {
    let digest = digest(job);
    (digests.insert(job.uid().to_owned(), digest) != Some(digest)).then(|| ObjectRef::from_obj(job))
}

/// Follows every namespace's annotations and queues the jobs of those that changed.
pub(crate) async fn namespaces(
    client: Client,
    writer: Writer<PartialObjectMeta<Namespace>>,
    jobs: Jobs,
    queues: Vec<Queue>,
) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    let events = patient(watcher(api, Config::default())).reflect(writer);
    pin_mut!(events);
    let mut annotations = HashMap::new();
    let look_at = |name: &str| enqueue(jobs.in_namespace(name).map(|job| ObjectRef::from_obj(&*job)), &queues);
    // As with jobs: before the list is whole the store still shows the annotations as they were.
    let mut waiting = Vec::new();
    while let Some(event) = events.next().await {
        let listed = matches!(event, Ok(Event::InitApply(_)));
        match event {
            Ok(Event::InitApply(namespace) | Event::Apply(namespace)) => {
                let name = namespace.metadata.name.unwrap_or_default();
                let now = namespace.metadata.annotations;
                if annotations.get(&name) == Some(&now) {
                    continue;
                }
                annotations.insert(name.clone(), now);
                if listed {
                    waiting.push(name);
                } else {
                    look_at(&name);
                }
            }
            Ok(Event::InitDone) => waiting.drain(..).for_each(|name| look_at(&name)),
            Ok(Event::Delete(namespace)) => {
                annotations.remove(&namespace.metadata.name.unwrap_or_default());
            }
            Ok(Event::Init) => {}
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
    match answer(error) {
        Some(status) if status.is_forbidden() => error!(
            "may not list and watch {resource}: {}; {}",
            status.message,
            advice(status, "the verbs list and watch on that resource")
        ),
        Some(status) if status.is_not_found() => {
            error!("{resource} is not known to the API server; install the Flink Kubernetes Operator's CRDs");
        }
        _ => warn!(error = with_causes(error), resource, "watch interrupted; it goes on by itself"),
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use serde_json::json;

    use super::*;

    struct Nobody;

    impl Forget for Nobody {
        fn forget(&self, _: &str) {}
    }

    #[tokio::test]
    async fn a_listed_job_is_queued_when_the_store_shows_the_list() {
        let (sender, events) = futures::channel::mpsc::unbounded();
        let queue = Queue::default();
        let mut asked = queue.open();
        let mut following = Box::pin(follow(events, &queue, &Nobody));
        let job: FlinkDeployment = serde_json::from_value(json!({"metadata": {"name": "a", "uid": "u"}})).unwrap();
        for event in [Event::Init, Event::InitApply(job.clone())] {
            sender.unbounded_send(Ok(event)).unwrap();
        }
        assert!(poll!(&mut following).is_pending() && asked.try_recv().is_err());
        // Broken off in the middle and begun anew: what was seen before is not forgotten.
        for event in [Event::Init, Event::InitApply(job), Event::InitDone] {
            sender.unbounded_send(Ok(event)).unwrap();
        }
        assert!(poll!(&mut following).is_pending());
        assert_eq!(asked.try_recv().map(|job| job.name), Ok("a".to_owned()));
        assert!(asked.try_recv().is_err());
    }
}
