//! The watches: they fill the caches and say which jobs deserve a look.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use flink_api::{FlinkDeployment, Kind};
use futures::{Stream, StreamExt, TryStreamExt, pin_mut};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::cache::{CachedJob, JobKey, Packer, Writer};
use crate::jobs::Jobs;
use crate::looks::Queue;
use crate::trouble::{answer, may_not_list, paged, patient, with_causes};
use crate::troubles::Trouble;
use crate::uid::Uid;

/// Told when a job is gone, so that nothing about it is kept.
pub(crate) trait Forget: Send + Sync {
    /// The job with this uid is gone.
    fn forget(&self, uid: Uid);
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
    job: JobKey,
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
    fn of(job: &CachedJob, is_new_or_gone: bool) -> Option<Self> {
        match job.kind {
            Kind::Deployment if job.is_session_cluster() => Some(Self::SessionJobs),
            Kind::SessionJob if is_new_or_gone => job.session_cluster().map(str::to_owned).map(Self::Cluster),
            Kind::Deployment | Kind::SessionJob | Kind::BlueGreenDeployment => None,
        }
    }
}

impl Asks {
    fn ask(&self, news: News) {
        self.queue.ask(news.job.clone());
        self.ask_related(news.job.namespace(), news.job.name(), news.related);
    }

    fn ask_related(&self, namespace: &str, name: &str, related: Option<Related>) {
        match related {
            Some(Related::SessionJobs) => {
                enqueue(self.jobs.session_jobs(namespace, name).map(|job| job.key().clone()), &self.queues);
            }
            Some(Related::Cluster(cluster)) => {
                enqueue(std::iter::once(JobKey::new(namespace, &cluster)), &self.queues);
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
    mut writer: Writer,
    packer: Packer,
    asks: Asks,
    forget: impl Forget,
) {
    let api: Api<FlinkDeployment> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let events = patient(watcher(api, paged()));
    let events = events.map_ok(|event| converted(event, |job| packer.pack(job)));
    let events = events.inspect_ok(|event| writer.apply(event));
    follow(events, &asks, &forget).await;
}

/// The event about the object as it is kept.
pub(crate) fn converted<K, T>(event: Event<K>, into: impl Fn(K) -> T) -> Event<T> {
    match event {
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(into(object)),
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(into(object)),
        Event::Delete(object) => Event::Delete(into(object)),
    }
}

async fn follow(events: impl Stream<Item = watcher::Result<Event<Arc<CachedJob>>>>, asks: &Asks, forget: &impl Forget) {
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
    digests: HashMap<Uid, u64>,
    listed: HashSet<Uid>,
    /// A store shows a new list only when it is whole: a look before that would miss the job, or see it as it was.
    waiting: Vec<News>,
}

impl Seen {
    /// Takes an event in that the store shows already, and asks for the looks that it deserves.
    pub(crate) fn event(&mut self, event: Event<Arc<CachedJob>>, asks: &Asks, forget: &impl Forget) {
        match event {
            Event::Init => self.listed = HashSet::new(),
            Event::InitApply(job) => {
                self.listed.insert(job.uid().into());
                let news = self.news(&job);
                self.waiting.extend(news);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.digests.retain(|uid, _| {
                    let there = listed.contains(uid);
                    if !there {
                        forget.forget(*uid);
                    }
                    there
                });
                // As large as the fleet, and not needed again.
                for news in std::mem::take(&mut self.waiting) {
                    asks.ask(news);
                }
            }
            Event::Apply(job) => self.news(&job).into_iter().for_each(|news| asks.ask(news)),
            Event::Delete(job) => {
                let uid = job.uid().into();
                self.digests.remove(&uid);
                forget.forget(uid);
                asks.ask_related(job.namespace(), job.name(), Related::of(&job, true));
            }
        }
    }

    /// The job, if it has changed in a way that matters.
    fn news(&mut self, job: &CachedJob) -> Option<News> {
        let digest = job.digest();
        let before = self.digests.insert(job.uid().into(), digest);
        (before != Some(digest)).then(|| News { job: job.key().clone(), related: Related::of(job, before.is_none()) })
    }
}

/// Asks for a look at each of these jobs. A queue drops what its store does not hold.
pub(crate) fn enqueue(jobs: impl Iterator<Item = JobKey>, queues: &[Queue]) {
    let now = Instant::now();
    enqueue_by(jobs, queues, now);
}

/// Asks for looks by then at the latest.
pub(crate) fn enqueue_by(jobs: impl Iterator<Item = JobKey>, queues: &[Queue], at: Instant) {
    for job in jobs {
        for queue in queues {
            queue.ask_by(job.clone(), at);
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
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower_test::mock;

    use super::*;
    use crate::cache::{Store, store};

    struct Nobody;

    impl Forget for Nobody {
        fn forget(&self, _: Uid) {}
    }

    fn asks(stores: Vec<Store>) -> Asks {
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
            Packer::default().pack(FlinkDeployment { kind, ..job })
        };
        let (reader, mut writer) = store();
        writer.apply(&Event::Apply(read(Kind::SessionJob, "job", 1)));
        let asks = asks(vec![reader]);
        asks.queue.open();
        let mut seen = Seen::default();
        let mut names = |event| {
            seen.event(event, &asks, &Nobody);
            asks.queue.asked().iter().map(|job| job.name().to_owned()).collect::<Vec<_>>()
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
        asks.queue.open();
        let mut following = Box::pin(follow(events, &asks, &Nobody));
        let job: FlinkDeployment = serde_json::from_value(json!({"metadata": {"name": "a", "uid": "u"}})).unwrap();
        let job = Packer::default().pack(job);
        for event in [Event::Init, Event::InitApply(job.clone())] {
            sender.unbounded_send(Ok(event)).unwrap();
        }
        assert!(poll!(&mut following).is_pending() && asks.queue.asked().is_empty());
        // Broken off in the middle and begun anew: what was seen before is not forgotten.
        for event in [Event::Init, Event::InitApply(job), Event::InitDone] {
            sender.unbounded_send(Ok(event)).unwrap();
        }
        assert!(poll!(&mut following).is_pending());
        assert_eq!(asks.queue.asked().iter().map(JobKey::name).collect::<Vec<_>>(), ["a"]);
    }

    /// A page of a list.
    fn page(name: &str, next: &str) -> (u16, Value) {
        let metadata = json!({"name": name, "namespace": "n", "uid": name, "resourceVersion": "7"});
        let listed = json!({"resourceVersion": "9", "continue": next});
        (200, json!({"metadata": listed, "items": [{"metadata": metadata, "spec": {"job": {}}}]}))
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_whose_next_page_has_expired_is_begun_anew() {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let (reader, writer) = store();
        let asks = asks(vec![reader.clone()]);
        asks.queue.open();
        let client = Client::new(service, "default");
        let following = jobs(client, None, writer, Packer::default(), asks.clone(), Nobody);
        let expired =
            json!({"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"});
        let serving = async {
            let mut asked = Vec::new();
            for (code, answer) in [page("a", "x"), (410, expired), page("b", "y"), page("c", "")] {
                let (request, send) = server.next_request().await.unwrap();
                asked.push(request.uri().query().unwrap_or_default().trim_start_matches('&').to_owned());
                assert!(reader.all().is_empty() && asks.queue.asked().is_empty(), "no part of a list counts");
                let body = Body::from(answer.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(body).unwrap());
            }
            let (request, _send) = server.next_request().await.unwrap();
            assert!(request.uri().query().unwrap().contains("watch=true"), "{}", request.uri());
            asked
        };
        let asked = tokio::select! {
            asked = serving => asked,
            () = following => unreachable!("the watch goes on"),
        };
        assert_eq!(asked, ["limit=50", "limit=50&continue=x", "limit=50", "limit=50&continue=y"]);
        let mut names: Vec<_> = reader.all().iter().map(|job| job.name().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["b", "c"]);
        let mut asked: Vec<_> = asks.queue.asked().iter().map(|job| job.name().to_owned()).collect();
        asked.sort();
        // The queue drops the one that its store does not hold.
        assert_eq!(asked, ["a", "b", "c"]);
    }
}
