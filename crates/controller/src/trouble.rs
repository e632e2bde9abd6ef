//! When the API server refuses a watch or is away: how long the watch waits, and what it says.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, future};
use kube::Api;
use kube::api::ListParams;
use kube::core::Status;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, DefaultBackoff, Event};
use serde::de::DeserializeOwned;

/// Objects in one answer to a list. An answer is in memory as a whole, twice while it is read: at the largest size that
/// Kubernetes takes, this many are some hundred megabytes.
const PAGE: u32 = 50;

/// How everything is listed that there may be thousands of.
pub(crate) fn paged() -> Config {
    Config::default().page_size(PAGE)
}

/// Waits longer after every attempt that brings nothing, up to a minute. A watcher begins each attempt with
/// [`Event::Init`], which a backoff takes for a success, so that its waits would never grow: the event is held
/// back until something follows it.
pub(crate) fn patient<'a, K: Send + 'a>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'a,
) -> BoxStream<'a, watcher::Result<Event<K>>> {
    let held = events.scan(false, |begun, event| {
        let follows = match event {
            Ok(Event::Init) => {
                *begun = true;
                [None, None]
            }
            Ok(event) => [std::mem::take(begun).then_some(Ok(Event::Init)), Some(Ok(event))],
            Err(error) => [None, Some(Err(error))],
        };
        future::ready(Some(stream::iter(follows.into_iter().flatten())))
    });
    held.flatten().backoff(DefaultBackoff::default()).boxed()
}

/// The API server's answer, if it gave one.
pub(crate) fn answer(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => None,
    }
}

/// Longest wait for the answer to [`probe`].
const PATIENCE: Duration = Duration::from_secs(10);

/// What keeps a kind from being listed.
pub(crate) enum Unlisted {
    /// The API server says no.
    Refused(Box<Status>),
    /// It says nothing, or nothing that can be read; and what it was instead.
    Unanswered(String),
}

/// Whether there is such a kind and it may be read.
pub(crate) async fn probe<K>(api: &Api<K>) -> Result<(), Unlisted>
where
    K: Clone + Debug + DeserializeOwned,
{
    match tokio::time::timeout(PATIENCE, api.list_metadata(&ListParams::default().limit(1))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) => Err(Unlisted::Refused(status)),
        Ok(Err(error)) => Err(Unlisted::Unanswered(with_causes(&error))),
        Err(_) => Err(Unlisted::Unanswered("the API server did not answer".to_owned())),
    }
}

/// That a right to a kind is missing, with what to grant: "the verbs ... on that resource".
pub(crate) fn may_not_list(resource: &str, status: &Status, grant: &str) -> String {
    format!("may not list and watch {resource}: {}; {}", status.message, advice(status, grant))
}

/// What to do about a missing right: grant it, or first allow this process to act as the account that has it.
pub(crate) fn advice(status: &Status, grant: &str) -> String {
    if status.message.contains(" cannot impersonate") {
        return "allow this process's own account to impersonate the one that --as names (manifests/sidecar)"
            .to_owned();
    }
    format!("grant {grant} to the ServiceAccount (manifests/rbac)")
}

/// An error with its causes: the outer one alone often says only that something failed.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    /// How long after the attempt's failure each further attempt begins.
    async fn waits(attempts: Vec<Vec<watcher::Result<Event<()>>>>) -> Vec<Duration> {
        let began = std::sync::Mutex::new(Vec::new());
        let events = stream::iter(attempts).flat_map(|attempt| {
            began.lock().unwrap().push(Instant::now());
            stream::iter(attempt)
        });
        patient(events).for_each(|_| future::ready(())).await;
        began.into_inner().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn failed() -> Vec<watcher::Result<Event<()>>> {
        vec![Ok(Event::Init), Err(watcher::Error::NoResourceVersion)]
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_while_nothing_comes_and_begin_anew_when_something_does() {
        let waits = waits(vec![
            failed(),
            failed(),
            failed(),
            failed(),
            failed(),
            vec![Ok(Event::Init), Ok(Event::InitDone), Err(watcher::Error::NoResourceVersion)],
            failed(),
        ])
        .await;
        assert!(waits[4] > Duration::from_secs(10), "{waits:?}");
        assert!(waits[5] < Duration::from_secs(2), "{waits:?}");
    }

    #[tokio::test]
    async fn what_a_watcher_says_comes_through_in_its_order() {
        let events = vec![Ok(Event::Init), Ok(Event::InitApply(1)), Ok(Event::InitDone), Ok(Event::Apply(2))];
        let seen: Vec<_> = patient(stream::iter(events)).map(|event| format!("{:?}", event.unwrap())).collect().await;
        assert_eq!(seen, ["Init", "InitApply(1)", "InitDone", "Apply(2)"]);
    }

    #[test]
    fn advice_tells_a_missing_right_from_a_missing_leave_to_impersonate() {
        let status = |message: &str| Status::failure(message, "Forbidden");
        assert!(advice(&status("User \"a\" cannot list resource \"x\""), "list").contains("grant list"));
        for verb in ["impersonate", "impersonate-on:serviceaccount:list"] {
            let message = format!("User \"a\" cannot {verb} resource \"x\"");
            assert!(advice(&status(&message), "list").contains("manifests/sidecar"));
        }
    }
}
