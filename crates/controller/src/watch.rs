//! The watches: they fill the caches and say which jobs deserve a look.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use flink_api::{FlinkDeployment, Kind};
use futures::{Stream, StreamExt, pin_mut};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::jobs::Jobs;
use crate::reconcile::trigger::digest;
use crate::trouble::{answer, may_not_list, patient, with_causes};
use crate::troubles::Trouble;

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

    pub(crate) fn ask(&self, job: ObjectRef<FlinkDeployment>) {
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

/// Whom to ask for looks.
#[derive(Clone, Debug)]
pub(crate) struct Asks {
    /// At the jobs of one kind and namespace.
    pub(crate) queue: Queue,
    /// At all others.
    pub(crate) queues: Vec<Queue>,
    /// Who runs on whom.
    pub(crate) jobs: Jobs,
}

/// A job that deserves a look, and who else does with it.
#[derive(Debug)]
struct News {
    job: ObjectRef<FlinkDeployment>,
    related: Option<Related>,
}

#[derive(Debug)]
enum Related {
    /// The session jobs that run on it.
    SessionJobs,
    /// The session cluster that it runs on.
    Cluster(String),
}

impl Related {
    /// A session job is judged upon its cluster, and the cluster is held with its session jobs named.
    fn of(job: &FlinkDeployment, is_new_or_gone: bool) -> Option<Self> {
        let is_session_cluster = job.spec.as_result().is_ok_and(|spec| spec.job.is_none());
        match job.kind {
            Kind::Deployment if is_session_cluster => Some(Self::SessionJobs),
            Kind::SessionJob if is_new_or_gone => job.session_cluster().map(str::to_owned).map(Self::Cluster),
            Kind::Deployment | Kind::SessionJob | Kind::BlueGreenDeployment => None,
        }
    }
}

impl Asks {
    fn ask(&self, news: News) {
        let namespace = news.job.namespace.clone().unwrap_or_default();
        let name = news.job.name.clone();
        self.queue.ask(news.job);
        self.ask_related(&namespace, &name, news.related);
    }

    fn ask_related(&self, namespace: &str, name: &str, related: Option<Related>) {
        match related {
            Some(Related::SessionJobs) => {
                enqueue(self.jobs.session_jobs(namespace, name).map(|job| ObjectRef::from_obj(&*job)), &self.queues);
            }
            Some(Related::Cluster(cluster)) => {
                enqueue(std::iter::once(ObjectRef::new(&cluster).within(namespace)), &self.queues);
            }
            None => {}
        }
    }
}

/// What the watch of a kind is called when it ends.
pub(crate) fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "the watch of FlinkDeployments",
        Kind::SessionJob => "the watch of FlinkSessionJobs",
        Kind::BlueGreenDeployment => "the watch of FlinkBlueGreenDeployments",
    }
}

/// Follows the jobs of one namespace, or of the cluster, and queues those that changed in a way that matters.
pub(crate) async fn jobs(
    client: Client,
    namespace: Option<String>,
    writer: Writer<FlinkDeployment>,
    asks: Asks,
    forget: impl Forget,
) {
    let api: Api<FlinkDeployment> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let events = patient(watcher(api, Config::default())).reflect(writer);
    follow(events, &asks, &forget).await;
}

async fn follow(
    events: impl Stream<Item = watcher::Result<Event<FlinkDeployment>>>,
    asks: &Asks,
    forget: &impl Forget,
) {
    pin_mut!(events);
    let mut seen = Seen::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => seen.event(event, asks, forget),
            Err(error) => {
                complain("flinkdeployments.flink.apache.org", &error, "the verbs list and watch on that resource");
            }
        }
    }
}

/// What a watch has shown so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    digests: HashMap<String, u64>,
    listed: HashSet<String>,
    /// A store shows a new list only when it is whole: a look before that would miss the job, or see it as it was.
    waiting: Vec<News>,
}

impl Seen {
    /// Takes an event in that the store shows already, and asks for the looks that it deserves.
    pub(crate) fn event(&mut self, event: Event<FlinkDeployment>, asks: &Asks, forget: &impl Forget) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(job) => {
                self.listed.insert(job.uid().to_owned());
                let news = self.news(&job);
                self.waiting.extend(news);
            }
            Event::InitDone => {
                let listed = &self.listed;
                self.digests.retain(|uid, _| {
                    let there = listed.contains(uid);
                    if !there {
                        forget.forget(uid);
                    }
                    there
                });
                self.waiting.drain(..).for_each(|news| asks.ask(news));
            }
            Event::Apply(job) => self.news(&job).into_iter().for_each(|news| asks.ask(news)),
            Event::Delete(job) => {
                self.digests.remove(job.uid());
                forget.forget(job.uid());
                asks.ask_related(job.namespace(), job.name(), Related::of(&job, true));
            }
        }
    }

    /// The job, if it has changed in a way that matters.
    fn news(&mut self, job: &FlinkDeployment) -> Option<News> {
        let digest = digest(job);
        let before = self.digests.insert(job.uid().to_owned(), digest);
        (before != Some(digest))
            .then(|| News { job: ObjectRef::from_obj(job), related: Related::of(job, before.is_none()) })
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

pub(crate) fn complain(resource: &str, error: &watcher::Error, grant: &str) {
    match answer(error) {
        Some(status) if status.is_forbidden() => {
            error!(trouble = %Trouble::MayNotWatch, "{}", may_not_list(resource, status, grant));
        }
        Some(status) if status.is_not_found() => {
            error!(trouble = %Trouble::NoFlinkOperator, "{resource} is not known to the API server; install the Flink Kubernetes Operator's CRDs");
        }
        _ => {
            warn!(trouble = %Trouble::WatchInterrupted, error = with_causes(error), resource, "watch interrupted; it goes on by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use flink_api::Parsed;
    use futures::poll;
    use kube::runtime::reflector::{Store, store};
    use serde_json::json;

    use super::*;

    struct Nobody;

    impl Forget for Nobody {
        fn forget(&self, _: &str) {}
    }

    fn asks(stores: Vec<Store<FlinkDeployment>>) -> Asks {
        let queue = Queue::default();
        Asks { queues: vec![queue.clone()], queue, jobs: Jobs::new(stores) }
    }

    #[tokio::test]
    async fn a_session_cluster_and_its_session_jobs_are_looked_at_with_each_other() {
        let read = |kind: Kind, name: &str, generation: i64| {
            let metadata = json!({"name": name, "namespace": "n", "uid": name, "generation": generation});
            let mut job: FlinkDeployment = serde_json::from_value(json!({"metadata": metadata})).unwrap();
            if let (Kind::SessionJob, Parsed::Ok(spec)) = (kind, &mut job.spec) {
                spec.session_cluster = Some("cluster".to_owned());
            }
            FlinkDeployment { kind, ..job }
        };
        let (reader, mut writer) = store();
        writer.apply_watcher_event(&Event::Apply(read(Kind::SessionJob, "job", 1)));
        let asks = asks(vec![reader]);
        let mut asked = asks.queue.open();
        let mut seen = Seen::default();
        let mut names = |event| {
            seen.event(event, &asks, &Nobody);
            std::iter::from_fn(|| asked.try_recv().ok()).map(|job| job.name).collect::<Vec<_>>()
        };
        assert_eq!(names(Event::Apply(read(Kind::SessionJob, "job", 1))), ["job", "cluster"]);
        assert_eq!(names(Event::Apply(read(Kind::SessionJob, "job", 2))), ["job"]);
        assert_eq!(names(Event::Apply(read(Kind::Deployment, "cluster", 1))), ["cluster", "job"]);
        assert_eq!(names(Event::Delete(read(Kind::SessionJob, "job", 2))), ["cluster"]);
        assert_eq!(names(Event::Delete(read(Kind::Deployment, "cluster", 1))), ["job"]);
    }

    #[tokio::test]
    async fn a_listed_job_is_queued_when_the_store_shows_the_list() {
        let (sender, events) = futures::channel::mpsc::unbounded();
        let asks = asks(Vec::new());
        let mut asked = asks.queue.open();
        let mut following = Box::pin(follow(events, &asks, &Nobody));
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
