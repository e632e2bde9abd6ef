//! Posts each Event once. kube-runtime's Recorder merges different notes into one series, so this is our own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flink_api::FIELD_MANAGER;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, warn};

use super::{About, Notice, Reason};
use crate::lease::Fence;
use crate::metrics::Metrics;
use crate::troubles::Trouble;

/// Clusters keep Events about an hour: what still holds is said again then.
const AGAIN: Duration = Duration::from_mins(61);
/// An Event that was already there expires at a time we do not know.
const RECHECK: Duration = Duration::from_mins(15);
const QUEUE: usize = 4096;
const IN_FLIGHT: usize = 8;
const ATTEMPTS: u32 = 5;
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Notes about one object within [`AGAIN`]; a changing note must not become a storm.
const BURST: u32 = 25;

/// Which Events are said, by name, and until when that is enough.
#[derive(Debug, Default)]
pub struct Said {
    until: Mutex<HashMap<String, HashMap<String, Instant>>>,
    counts: Mutex<HashMap<String, (Instant, u32)>>,
}

impl Said {
    /// Whether a notice has to be posted; it then counts as said until the emitter knows better.
    fn is_news(&self, uid: &str, name: &str, now: Instant) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let of_object = until.entry(uid.to_owned()).or_default();
        of_object.retain(|_, until| *until > now);
        if of_object.contains_key(name) {
            return false;
        }
        of_object.insert(name.to_owned(), now + AGAIN);
        true
    }

    fn is_storm(&self, uid: &str, now: Instant) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = counts.entry(uid.to_owned()).or_insert((now, 0));
        if now.duration_since(*since) > AGAIN {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > BURST
    }

    fn set(&self, uid: &str, name: &str, until: Option<Instant>) {
        let mut said = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_object) = said.get_mut(uid) else { return };
        match until {
            Some(until) => of_object.insert(name.to_owned(), until),
            None => of_object.remove(name),
        };
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// Where reconciliations put what is to be said; never waits.
#[derive(Clone, Debug)]
pub struct EventSink {
    queue: mpsc::Sender<(String, About)>,
    said: Arc<Said>,
    metrics: Metrics,
}

impl EventSink {
    /// Queues a notice unless it is said already. A full queue drops it; the next look at the object tries again.
    pub fn say(&self, about: About) {
        let uid = about.regarding.uid.clone().unwrap_or_default();
        let name = event_name(&about);
        let now = Instant::now();
        if !self.said.is_news(&uid, &name, now) {
            return;
        }
        let reason = about.notice.reason;
        // What was changed is always told: changes are bounded by themselves.
        let is_change = matches!(reason, Reason::Remediated | Reason::RemediationWithdrawn);
        let is_storm = !is_change && self.said.is_storm(&uid, now);
        if is_storm || self.queue.try_send((name.clone(), about)).is_err() {
            self.said.set(&uid, &name, None);
            self.metrics.event_dropped(reason);
        }
    }

    /// What is said so far. Holding it does not keep the emitter running, as holding a sink does.
    pub fn said(&self) -> Arc<Said> {
        self.said.clone()
    }
}

/// The task that posts what the sinks queue.
pub struct Emitter {
    queue: mpsc::Receiver<(String, About)>,
    post: Poster,
}

#[derive(Clone)]
struct Poster {
    client: Client,
    fence: Fence,
    instance: String,
    said: Arc<Said>,
    metrics: Metrics,
}

impl Emitter {
    /// An emitter and its sink. `instance` names this process in the Events.
    pub fn new(client: Client, fence: Fence, instance: String, metrics: Metrics) -> (Self, EventSink) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let said = Arc::new(Said::default());
        let post = Poster { client, fence, instance, said: said.clone(), metrics: metrics.clone() };
        (Self { queue, post }, EventSink { queue: sender, said, metrics })
    }

    /// Posts until every sink is gone and the queue is empty.
    pub async fn run(self) {
        let post = self.post;
        let queue =
            futures::stream::unfold(self.queue, |mut queue| async { queue.recv().await.map(|item| (item, queue)) });
        queue.for_each_concurrent(IN_FLIGHT, |(name, about)| post.clone().deliver(name, about)).await;
    }
}

enum Failed {
    ForGood(String),
    Passing(String),
}

impl Poster {
    async fn deliver(self, name: String, about: About) {
        let uid = about.regarding.uid.clone().unwrap_or_default();
        for attempt in 0..ATTEMPTS {
            match self.post(&name, &about).await {
                Ok(until) => {
                    self.metrics.event_emitted(about.notice.reason);
                    self.said.set(&uid, &name, Some(Instant::now() + until));
                    return;
                }
                Err(Failed::ForGood(why)) => {
                    error!(trouble = %Trouble::EventRefused, %why, reason = about.notice.reason.as_str(), "Event not posted");
                    break;
                }
                Err(Failed::Passing(why)) => {
                    warn!(trouble = %Trouble::EventDelayed, %why, reason = about.notice.reason.as_str(), "Event not posted yet");
                    tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow(attempt)).await;
                }
            }
        }
        self.metrics.event_dropped(about.notice.reason);
        self.said.set(&uid, &name, None);
    }

    /// Posts one Event and says for how long that is enough.
    async fn post(&self, name: &str, about: &About) -> Result<Duration, Failed> {
        let namespace = about.regarding.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let event = self.event(name, about);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let posted = self.fence.guard(tokio::time::timeout(POST_TIMEOUT, api.create(&params, &event))).await;
        match posted.map_err(|error| Failed::Passing(error.to_string()))? {
            Ok(Ok(_)) => Ok(AGAIN),
            Ok(Err(kube::Error::Api(status))) => match status.code {
                409 if status.reason == "AlreadyExists" => Ok(RECHECK),
                403 => Err(Failed::ForGood(format!(
                    "{}; the verb create on events.events.k8s.io must be granted to the ServiceAccount (manifests/rbac), unless the namespace is being deleted",
                    status.message
                ))),
                400 | 404 | 422 => Err(Failed::ForGood(status.message.clone())),
                _ => Err(Failed::Passing(status.message.clone())),
            },
            Ok(Err(error)) => Err(Failed::Passing(error.to_string())),
            Err(_) => Err(Failed::Passing("the API server did not answer".to_owned())),
        }
    }

    fn event(&self, name: &str, about: &About) -> Event {
        let Notice { reason, note, event_type, salt: _ } = &about.notice;
        Event {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: about.regarding.namespace.clone(),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(Timestamp::now())),
            action: Some("Remediate".to_owned()),
            reason: Some(reason.as_str().to_owned()),
            type_: Some(event_type.to_string()),
            note: Some(note.clone()),
            regarding: Some(about.regarding.clone()),
            reporting_controller: Some(FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

/// The same notice about the same object has the same name, so that the server knows what is said already,
/// also to a replica that has just started.
fn event_name(about: &About) -> String {
    let Notice { reason, note, event_type, salt } = &about.notice;
    let uid = about.regarding.uid.as_deref().unwrap_or_default();
    let mut digest = Sha256::new();
    for part in [uid, event_type.into(), reason.as_str(), note, salt] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let hash = digest.finalize().iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    let object: String = about.regarding.name.as_deref().unwrap_or_default().chars().take(200).collect();
    format!("{object}.{hash:016x}")
}
