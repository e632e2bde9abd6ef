//! Writes reports, the newest of each job only, a few at a time.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flink_api::{
    FIELD_MANAGER, FlinkDeployment, GROUP, Kind, OWN_GROUP, OWN_VERSION, REPORT_KIND, REPORT_PLURAL, RemediationReport,
    ReportContent, VERSION,
};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, error};

use super::known::{Key, Reports};
use super::name;
use crate::lease::Fence;
use crate::looks::Queue;
use crate::metrics::Metrics;
use crate::packed::{Dictionary, NotKept, Packed};
use crate::trouble::with_causes;
use crate::troubles::Trouble;
use crate::unwritten::Unwritten;

/// Jobs whose report waits to be written: those of a large fleet, looked at for the first time, all at once.
const QUEUE: usize = if cfg!(test) { 1 << 10 } else { 1 << 16 };
/// Reports that are written or rest at a time; the others take no more than their content.
const BUSY: usize = 512;
const IN_FLIGHT: usize = 8;
const ATTEMPTS: u32 = 5;
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two writes of one report: a job whose state flaps is told of, but makes no storm.
const REST: Duration = Duration::from_secs(1);

/// What is to be written about one job.
#[derive(Clone, Debug)]
struct Item {
    uid: Option<String>,
    name: Option<String>,
    kind: Kind,
    asked: Instant,
    /// Its content as JSON.
    content: Result<Packed, NotKept>,
}

impl Item {
    fn uid(&self) -> &str {
        self.uid.as_deref().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Queued {
    /// The newest of each job.
    waiting: HashMap<Key, Item>,
    /// Jobs that are in the channel, being written or resting.
    busy: HashSet<Key>,
    contents: Dictionary,
}

type Shared = Arc<Mutex<Queued>>;

fn lock(queued: &Shared) -> std::sync::MutexGuard<'_, Queued> {
    queued.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where looks put what a report shall say; never waits.
#[derive(Clone, Debug)]
pub(crate) struct ReportSink {
    channel: mpsc::Sender<Key>,
    queued: Shared,
    reports: Reports,
    metrics: Metrics,
}

impl ReportSink {
    /// What reports there are.
    pub(crate) fn reports(&self) -> &Reports {
        &self.reports
    }

    /// Queues a report if it says anything new. False if there was no room: try again soon.
    pub(crate) fn tell(&self, job: &FlinkDeployment, content: &ReportContent, now: Timestamp) -> bool {
        let key = name::key(job);
        if !self.reports.is_news(&key, job.uid(), content, now, Instant::now()) {
            return true;
        }
        let mut queued = lock(&self.queued);
        let metadata = &job.metadata;
        let item = Item {
            uid: metadata.uid.clone(),
            name: metadata.name.clone(),
            kind: job.kind,
            asked: Instant::now(),
            content: queued.contents.pack_json(content),
        };
        let has_room = queued.waiting.len() < QUEUE || queued.waiting.contains_key(&key);
        // Whoever is busy with this job takes the newest when it is done.
        if has_room && (queued.busy.contains(&key) || self.channel.try_send(key.clone()).is_ok()) {
            queued.busy.insert(key.clone());
            queued.waiting.insert(key, item);
            return true;
        }
        drop(queued);
        self.reports.not_written(&key);
        self.metrics.report_failed("QueueFull");
        false
    }
}

/// The task that writes what the sinks queue.
pub(crate) struct ReportWriter {
    channel: mpsc::Receiver<Key>,
    write: Writing,
}

#[derive(Clone)]
struct Writing {
    client: Client,
    fence: Fence,
    queued: Shared,
    reports: Reports,
    metrics: Metrics,
    permits: Arc<Semaphore>,
    unwritten: Arc<Unwritten>,
    /// Whether it was said that reports are not written, and none was since.
    troubled: Arc<AtomicBool>,
}

impl ReportWriter {
    /// A writer and its sink. What gives up asks these queues for another look at the job.
    pub(crate) fn new(
        client: Client,
        fence: Fence,
        reports: Reports,
        metrics: Metrics,
        looks: Vec<Queue>,
    ) -> (Self, ReportSink) {
        let (sender, channel) = mpsc::channel(QUEUE);
        let queued = Shared::default();
        let sink =
            ReportSink { channel: sender, queued: queued.clone(), reports: reports.clone(), metrics: metrics.clone() };
        let (permits, unwritten) = (Arc::new(Semaphore::new(IN_FLIGHT)), Arc::new(Unwritten::new(looks)));
        let write = Writing { client, fence, queued, reports, metrics, permits, unwritten, troubled: Arc::default() };
        (Self { channel, write }, sink)
    }

    /// Writes until every sink is gone and nothing waits any more.
    pub(crate) async fn run(self) {
        let Self { channel, write } = self;
        let (closing, closed) = watch::channel(());
        // The end of the channel drops `closing` as well, and with it every rest.
        let jobs = futures::stream::unfold((channel, closing), |(mut channel, closing)| async {
            channel.recv().await.map(|key| (key, (channel, closing)))
        });
        jobs.for_each_concurrent(BUSY, |key| write.clone().keep(key, closed.clone())).await;
    }
}

enum Failed {
    ForGood(&'static str, String),
    Passing(String),
}

impl Writing {
    /// Writes what waits about one job, the newest only, with a rest between two writes.
    async fn keep(self, key: Key, mut closed: watch::Receiver<()>) {
        while let Some(item) = self.next(&key) {
            self.deliver(&key, item).await;
            tokio::select! {
                () = tokio::time::sleep(REST) => {}
                _ = closed.changed() => {}
            }
        }
    }

    /// What waits about this job; if nothing does, nobody is busy with it any more.
    fn next(&self, key: &Key) -> Option<Item> {
        let mut queued = lock(&self.queued);
        let item = queued.waiting.remove(key);
        if item.is_none() {
            queued.busy.remove(key);
            if queued.busy.is_empty() {
                // Of a fleet that was met for the first time, megabytes.
                queued.waiting.shrink_to_fit();
                queued.busy.shrink_to_fit();
            }
        }
        item
    }

    async fn deliver(&self, key: &Key, mut item: Item) {
        let mut reason = "Unavailable";
        for attempt in 0..ATTEMPTS {
            match self.write(key, &item).await {
                Ok(()) => {
                    debug!(namespace = key.0, name = key.1, "report written");
                    self.metrics.report_written();
                    self.unwritten.written(item.uid());
                    self.troubled.store(false, Ordering::Relaxed);
                    return;
                }
                Err(Failed::ForGood(label, why)) => {
                    reason = label;
                    self.complain(&why);
                    break;
                }
                Err(Failed::Passing(why)) if attempt + 1 == ATTEMPTS => self.complain(&why),
                Err(Failed::Passing(why)) => {
                    debug!(%why, namespace = key.0, name = key.1, "report not written yet");
                    tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow(attempt)).await;
                }
            }
            if let Some(newer) = lock(&self.queued).waiting.remove(key) {
                item = newer;
            }
        }
        self.metrics.report_failed(reason);
        self.reports.not_written(key);
        self.unwritten.look_again(item.uid(), name::job_keys(key));
    }

    /// Said once until a report is written again: what fails for one, fails for a fleet.
    fn complain(&self, why: &str) {
        if !self.troubled.swap(true, Ordering::Relaxed) {
            error!(trouble = %Trouble::ReportUnwritten, "a RemediationReport is not written: {why}; it is tried again with another look at the job, later each time");
        }
    }

    async fn write(&self, key: &Key, item: &Item) -> Result<(), Failed> {
        let Ok(_permit) = self.permits.acquire().await else { return Err(Failed::Passing("ending".to_owned())) };
        // The room that a request takes is for the few in flight, not for all that wait or rest: 7 kB each.
        Box::pin(self.apply(key, item)).await
    }

    /// One server-side apply. The report is ours, so it is forced: whoever edited it loses that.
    async fn apply(&self, key: &Key, item: &Item) -> Result<(), Failed> {
        let resource = ApiResource::erase::<RemediationReport>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &key.0, &resource);
        let body = body(key, item)
            .map_err(|error| Failed::ForGood("NotKept", format!("{error}; it was not kept as it was")))?;
        let body = Patch::Apply(body);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let turn = self.fence.pace().telling(item.asked, || lock(&self.queued).waiting.len() > QUEUE / 2).await;
        let written = self.fence.guard(turn.send(WRITE_TIMEOUT, api.patch_metadata(&key.1, &params, &body)));
        match written.await.map_err(|error| Failed::Passing(error.to_string()))? {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) => Err(match status.code {
                403 => Failed::ForGood("Forbidden", forbidden(&status.message)),
                404 => Failed::ForGood("NotFound", format!("{} (is its kind still installed?)", status.message)),
                400 | 422 => Failed::ForGood("Rejected", rejected(&status.message)),
                _ => Failed::Passing(status.message.clone()),
            }),
            Ok(Err(error)) => Err(Failed::Passing(with_causes(&error))),
            Err(_) => Err(Failed::Passing("the API server did not answer".to_owned())),
        }
    }
}

fn forbidden(message: &str) -> String {
    format!(
        "{message}; the verbs create and patch on {REPORT_PLURAL}.{OWN_GROUP} must be granted to the ServiceAccount \
         (manifests/rbac), unless the namespace is being deleted"
    )
}

fn rejected(message: &str) -> String {
    format!("{message}; install the definition that belongs to this version: `flink-remedy crd | kubectl apply -f -`")
}

/// The report as it is applied.
fn body((namespace, name): &Key, item: &Item) -> Result<Value, NotKept> {
    let Item { uid, name: job, kind, asked: _, content } = item;
    let job = OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: kind.name().to_owned(),
        name: job.clone().unwrap_or_default(),
        uid: uid.clone().unwrap_or_default(),
        ..OwnerReference::default()
    };
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: Some(namespace.clone()),
        owner_references: Some(vec![job]),
        ..ObjectMeta::default()
    };
    let mut body: Value = content.as_ref().map_err(NotKept::clone)?.unpack_json()?;
    body["metadata"] = json!(metadata);
    body["apiVersion"] = json!(format!("{OWN_GROUP}/{OWN_VERSION}"));
    body["kind"] = json!(REPORT_KIND);
    Ok(body)
}

#[cfg(test)]
mod tests;
