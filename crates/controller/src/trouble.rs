//! When the API server refuses a watch or is away: how long the watch waits, and what it says.

use std::error::Error;
use std::time::Duration;

use kube::core::Status;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, DefaultBackoff};

/// Growing waits between two attempts of a watch. A watcher begins every attempt with an item that is no
/// error, which would reset the waits each time, so that they never grew; time alone resets these.
#[derive(Default)]
pub(crate) struct Waits(DefaultBackoff);

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next()
    }
}

impl Backoff for Waits {
    fn reset(&mut self) {}
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

/// What to do about a missing right: grant it, or first allow this process to act as the account that has it.
pub(crate) fn advice(status: &Status, grant: &str) -> String {
    if status.message.contains(" cannot impersonate") {
        return "allow this process's own account to impersonate the one that --as names (manifests/sidecar)"
            .to_owned();
    }
    format!("grant {grant} to the ServiceAccount (manifests/rbac)")
}

/// An error with its causes: the outer one alone often says only that something failed.
pub(crate) fn with_causes(error: &dyn Error) -> String {
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
    use super::*;

    #[test]
    fn waits_grow_though_every_attempt_begins_well() {
        let mut waits = Waits::default();
        let mut longest = Duration::ZERO;
        for _ in 0..8 {
            waits.reset();
            longest = longest.max(waits.next().unwrap());
        }
        assert!(longest > Duration::from_secs(10), "{longest:?}");
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
