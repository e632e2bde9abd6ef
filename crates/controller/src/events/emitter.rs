//! Posts each Event once. kube-runtime's Recorder merges different notes into one series, so this is our own.

use std::sync::Arc;
use std::time::Duration;

use flink_api::FIELD_MANAGER;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, warn};

use super::said::{AGAIN, Name, Said};
use super::{About, Notice, Reason};
use crate::cache::JobKey;
use crate::lease::{Clock, Fence};
use crate::looks::Queue;
use crate::metrics::Metrics;
use crate::packed::{Dictionary, NotKept, Packed};
use crate::troubles::Trouble;
use crate::unwritten::Unwritten;

/// An Event that was already there expires at a time we do not know.
const RECHECK: Duration = Duration::from_mins(15);
/// What waits to be said: of a large fleet, looked at for the first time, two Events a job.
const QUEUE: usize = 1 << 16;
const IN_FLIGHT: usize = 8;
const ATTEMPTS: u32 = 5;
const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// What is to be said, and since when.
struct Item {
    name: Name,
    reason: Reason,
    asked: Instant,
    /// As it is posted.
    event: Result<Packed, NotKept>,
}

/// Where reconciliations put what is to be said; never waits.
#[derive(Clone, Debug)]
pub struct EventSink {
    queue: mpsc::Sender<Item>,
    said: Arc<Said>,
    metrics: Metrics,
    instance: String,
    events: Dictionary,
    clock: Clock,
}

impl EventSink {
    /// Queues a notice unless it is said already. A full queue drops it; the next look at the object tries again.
    pub fn say(&self, about: About) {
        let (now, reason) = (Instant::now(), about.notice.reason);
        let name = Name::of(&about);
        if !self.said.is_news(name, now) {
            return;
        }
        // What was changed is always told: changes are bounded by themselves.
        let is_change = matches!(reason, Reason::Remediated | Reason::RemediationWithdrawn);
        let is_storm = !is_change && self.said.is_storm(name.uid, now);
        let event = event(about, &self.instance, self.clock.now());
        let item = Item { name, reason, asked: now, event: self.events.pack_json(&event) };
        if is_storm || self.queue.try_send(item).is_err() {
            self.said.set(name, None);
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
    queue: mpsc::Receiver<Item>,
    post: Poster,
}

#[derive(Clone)]
struct Poster {
    client: Client,
    fence: Fence,
    said: Arc<Said>,
    metrics: Metrics,
    /// Whoever has one that is not weak keeps the emitter running.
    queue: mpsc::WeakSender<Item>,
    unwritten: Arc<Unwritten>,
}

impl Emitter {
    /// An emitter and its sink. `instance` names this process in the Events; what gives up asks these queues for another look
    /// at the job.
    pub(crate) fn new(
        client: Client,
        fence: Fence,
        instance: String,
        metrics: Metrics,
        queues: Vec<Queue>,
    ) -> (Self, EventSink) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let said = Arc::new(Said::default());
        let (clock, unwritten) = (fence.clock().clone(), Arc::new(Unwritten::new(queues)));
        let weak = sender.downgrade();
        let post = Poster { client, fence, said: said.clone(), metrics: metrics.clone(), queue: weak, unwritten };
        let events = Dictionary::default();
        (Self { queue, post }, EventSink { queue: sender, said, metrics, instance, events, clock })
    }

    /// Posts until every sink is gone and the queue is empty.
    pub async fn run(self) {
        let post = self.post;
        let queue =
            futures::stream::unfold(self.queue, |mut queue| async { queue.recv().await.map(|item| (item, queue)) });
        queue.for_each_concurrent(IN_FLIGHT, |item| post.clone().deliver(item)).await;
    }
}

enum Failed {
    ForGood(String),
    Passing(String),
}

impl Poster {
    async fn deliver(self, Item { name, reason, asked, event }: Item) {
        for attempt in 0..ATTEMPTS {
            match self.post(event.as_ref(), asked).await {
                Ok(until) => {
                    self.metrics.event_emitted(reason);
                    self.said.set(name, Some(Instant::now() + until));
                    self.unwritten.written(name.uid);
                    return;
                }
                Err(Failed::ForGood(why)) => {
                    error!(trouble = %Trouble::EventRefused, %why, reason = reason.as_str(), "Event not posted");
                    break;
                }
                Err(Failed::Passing(why)) => {
                    warn!(trouble = %Trouble::EventDelayed, %why, reason = reason.as_str(), "Event not posted yet");
                    tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow(attempt)).await;
                }
            }
        }
        self.metrics.event_dropped(reason);
        self.said.set(name, None);
        self.look_again(event.as_ref());
    }

    fn look_again(&self, event: Result<&Packed, &NotKept>) {
        let event: Option<Event> = event.ok().and_then(|event| event.unpack_json().ok());
        let Some(ObjectReference { namespace, name, uid, .. }) = event.and_then(|event| event.regarding) else {
            return;
        };
        let job = namespace.zip(name).map(|(namespace, name)| JobKey::new(&namespace, &name));
        self.unwritten.look_again(uid.as_deref().unwrap_or_default(), job.into_iter());
    }

    /// Posts one Event and says for how long that is enough.
    async fn post(&self, event: Result<&Packed, &NotKept>, asked: Instant) -> Result<Duration, Failed> {
        let not_kept = |error: &NotKept| Failed::ForGood(format!("{error}; it was not kept as it was"));
        let event: Event = event.map_err(not_kept)?.unpack_json().map_err(|error| not_kept(&error))?;
        let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let turn = self.fence.pace().telling(asked, || self.is_pressing()).await;
        let posted = self.fence.guard(turn.send(POST_TIMEOUT, api.create(&params, &event))).await;
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

    /// Half full, the queue waits for nobody: what does not fit into it is said late.
    fn is_pressing(&self) -> bool {
        self.queue.upgrade().is_some_and(|queue| queue.capacity() < QUEUE / 2)
    }
}

/// What is posted.
fn event(about: About, instance: &str, now: Timestamp) -> Event {
    let name = event_name(&about);
    let About { regarding, notice: Notice { reason, note, event_type, salt: _ } } = about;
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: regarding.namespace.clone(), ..ObjectMeta::default() },
        event_time: Some(MicroTime(now)),
        action: Some("Remediate".to_owned()),
        reason: Some(reason.as_str().to_owned()),
        type_: Some(event_type.to_string()),
        note: Some(note),
        regarding: Some(regarding),
        reporting_controller: Some(FIELD_MANAGER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
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

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tower_test::mock;

    use super::*;

    /// The jobs that are to be looked at again after the server has answered one Event so, as often as it was asked.
    async fn asked_after(code: u16) -> Vec<String> {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let (fence, queue) = (Fence::new(16), Queue::default());
        fence.open_until(Instant::now() + Duration::from_hours(1));
        queue.open();
        let queues = vec![queue.clone()];
        let client = Client::new(service, "default");
        let (emitter, sink) = Emitter::new(client, fence, "us".to_owned(), Metrics::default(), queues);
        let text = |text: &str| Some(text.to_owned());
        let job = ObjectReference {
            namespace: text("shop"),
            name: text("orders"),
            uid: text("u"),
            ..ObjectReference::default()
        };
        sink.say(About { regarding: job, notice: Notice::new(Reason::Remediated, "Filled.".to_owned()) });
        drop(sink);
        let answers = async {
            while let Some((_, send)) = server.next_request().await {
                let answer = match code {
                    201 => json!({ "metadata": { "name": "e" } }),
                    _ => json!({ "kind": "Status", "status": "Failure", "code": code, "reason": "x", "message": "no" }),
                };
                let body = Body::from(answer.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(body).unwrap());
            }
        };
        tokio::join!(answers, emitter.run());
        queue.due().into_iter().map(|(job, _)| job.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_whose_event_is_not_posted_is_looked_at_again() {
        assert_eq!(asked_after(201).await, Vec::<String>::new());
        for code in [403, 500] {
            assert_eq!(asked_after(code).await, ["shop/orders"], "{code}");
        }
    }
}
