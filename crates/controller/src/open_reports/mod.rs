//! Reports in the format of openreports.io beside our own, where the platform asks for them and the cluster has the kind.

mod form;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flink_api::{FIELD_MANAGER, FlinkDeployment, ReportContent};
use futures::StreamExt;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::jobs::Jobs;
use crate::kinds::Scope;
use crate::lease::Fence;
use crate::looks::Queue;
use crate::pace::Turn;
use crate::report::{self, Key};
use crate::trouble::with_causes;
use crate::troubles::Trouble;
use crate::watch::enqueue;
use form::{DIGEST, MANAGED_BY, OPEN_GROUP, OPEN_KIND, OPEN_PLURAL, OPEN_VERSION};

/// Reports that wait to be written.
const QUEUE: usize = 1024;
const IN_FLIGHT: usize = 4;
/// How often the reports are listed: one that somebody has deleted is written again after that.
const AGAIN: Duration = Duration::from_mins(10);
/// How often the kind is looked for.
const SOON: Duration = Duration::from_secs(30);
const PAGE: u32 = 500;
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What each report says, by its digest; `None` while nobody knows, and nothing is written.
type Said = Arc<Mutex<Option<HashMap<Key, String>>>>;

/// A report that is to be written, and since when.
type Item = (Key, Value, Instant);

/// Where looks put what the reports shall say; never waits.
#[derive(Clone, Debug)]
pub(crate) struct OpenReportSink(Option<(mpsc::Sender<Item>, Said)>);

impl OpenReportSink {
    /// Takes nothing: nobody asked for such reports.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Whether nobody asked for such reports.
    pub(crate) fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Queues a report if it says anything new. Where there is no room, the job's next look tries again.
    pub(crate) fn tell(&self, job: &FlinkDeployment, content: &ReportContent) {
        let Self(Some((sender, said))) = self else { return };
        if lock(said).is_none() {
            return;
        }
        let key = report::key(job);
        let (body, digest) = form::body(job, content);
        let is_said = lock(said).as_ref().is_some_and(|said| said.get(&key) == Some(&digest));
        if is_said || sender.try_send((key.clone(), body, Instant::now())).is_err() {
            return;
        }
        if let Some(said) = lock(said).as_mut() {
            said.insert(key, digest);
        }
    }
}

fn lock(said: &Said) -> MutexGuard<'_, Option<HashMap<Key, String>>> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What writes them, while we lead.
pub(crate) struct OpenReportWriter {
    client: Client,
    fence: Fence,
    channel: mpsc::Receiver<Item>,
    /// Whoever has one of these keeps the writer running.
    sender: mpsc::WeakSender<Item>,
    said: Said,
    scopes: Vec<Scope>,
    jobs: Jobs,
    queues: Vec<Queue>,
}

impl OpenReportWriter {
    /// A writer and its sink.
    pub(crate) fn new(
        client: Client,
        fence: Fence,
        scopes: Vec<Scope>,
        jobs: Jobs,
        queues: Vec<Queue>,
    ) -> (Self, OpenReportSink) {
        let (sender, channel) = mpsc::channel(QUEUE);
        let said = Said::default();
        let weak = sender.downgrade();
        let sink = OpenReportSink(Some((sender, said.clone())));
        (Self { client, fence, channel, sender: weak, said, scopes, jobs, queues }, sink)
    }

    /// Writes until every sink is gone.
    pub(crate) async fn run(self) {
        let Self { client, fence, channel, sender, said, scopes, jobs, queues } = self;
        let looking = look(client.clone(), said.clone(), scopes, jobs, queues);
        let waiting =
            futures::stream::unfold(channel, |mut channel| async { channel.recv().await.map(|item| (item, channel)) });
        let written = waiting.for_each_concurrent(IN_FLIGHT, |(key, body, asked)| {
            let (client, fence, sender, said) = (client.clone(), fence.clone(), sender.clone(), said.clone());
            async move {
                // Half full, the queue waits for nobody.
                let is_pressing = || sender.upgrade().is_some_and(|sender| sender.capacity() < QUEUE / 2);
                let turn = fence.pace().telling(asked, is_pressing).await;
                if let Err(why) = write(&client, &fence, turn, &key, &body).await {
                    warn!(trouble = %Trouble::OpenReportUnwritten, namespace = key.0, name = key.1, "a report for openreports.io is not written: {why}");
                    if let Some(said) = lock(&said).as_mut() {
                        said.remove(&key);
                    }
                }
            }
        });
        tokio::select! {
            () = looking => {}
            () = written => {}
        }
    }
}

/// Lists from time to time what reports say, and has every job looked at once that is known. Never ends by itself.
async fn look(client: Client, said: Said, scopes: Vec<Scope>, jobs: Jobs, queues: Vec<Queue>) {
    let mut told = None;
    loop {
        match list(&client, &scopes).await {
            Ok(listed) => {
                let is_first = lock(&said).replace(listed).is_none();
                if is_first {
                    info!("reports for openreports.io are written");
                    told = None;
                }
                enqueue(jobs.all().map(|job| job.key().clone()), &queues);
                tokio::time::sleep(AGAIN).await;
            }
            Err(why) => {
                *lock(&said) = None;
                if told.as_ref() != Some(&why) {
                    warn!(trouble = %Trouble::OpenReportsOff, "reports for openreports.io are off, all else goes on: {why}");
                    told = Some(why);
                }
                tokio::time::sleep(SOON).await;
            }
        }
    }
}

fn api(client: Client, namespace: Option<&str>) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(OPEN_GROUP, OPEN_VERSION, OPEN_KIND);
    let resource = ApiResource::from_gvk_with_plural(&kind, OPEN_PLURAL);
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    }
}

async fn list(client: &Client, scopes: &[Scope]) -> Result<HashMap<Key, String>, String> {
    let mut listed = HashMap::new();
    for scope in scopes {
        let api = api(client.clone(), scope.as_deref());
        let mut params = ListParams::default().labels(&format!("{MANAGED_BY}={FIELD_MANAGER}")).limit(PAGE);
        loop {
            let page = api.list_metadata(&params).await.map_err(|error| refusal(&error))?;
            listed.extend(page.items.into_iter().filter_map(|object| said_by(object.metadata)));
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                break;
            }
        }
    }
    Ok(listed)
}

/// Whose report it is and the digest of what it says.
fn said_by(metadata: ObjectMeta) -> Option<(Key, String)> {
    let name = metadata.name?.strip_prefix("flink-remedy-")?.to_owned();
    Some(((metadata.namespace?, name), metadata.annotations?.remove(DIGEST)?))
}

fn refusal(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return with_causes(error) };
    match status.code {
        404 => format!("the cluster has no kind {OPEN_PLURAL}.{OPEN_GROUP}"),
        403 => format!(
            "{}; grant the verbs list, create and patch on {OPEN_PLURAL}.{OPEN_GROUP} to the ServiceAccount (manifests/rbac)",
            status.message
        ),
        _ => status.message.clone(),
    }
}

/// One server-side apply. The report is ours, so it is forced.
async fn write(client: &Client, fence: &Fence, turn: Turn, (namespace, _): &Key, body: &Value) -> Result<(), String> {
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let api = api(client.clone(), Some(namespace));
    let written = fence.guard(turn.send(WRITE_TIMEOUT, api.patch_metadata(name, &params, &Patch::Apply(body)))).await;
    match written.map_err(|error| error.to_string())?.map_err(|_| "the API server did not answer".to_owned())? {
        Ok(_) => Ok(()),
        Err(error) => Err(refusal(&error)),
    }
}
