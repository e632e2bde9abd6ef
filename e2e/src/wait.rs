//! Waiting for a condition instead of for a time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use tokio::time::sleep;

const POLL: Duration = Duration::from_millis(50);

/// What a probe of [`await_condition`] may return: `Option`, or `Result` whose error says what was seen.
pub trait Outcome {
    /// What the condition yields once it holds.
    type Value;
    /// The value, or a description of the state that is not yet the wanted one.
    fn outcome(self) -> Result<Self::Value, String>;
}

impl<T> Outcome for Option<T> {
    type Value = T;
    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "not yet".to_owned())
    }
}

impl<T, E: Debug> Outcome for Result<T, E> {
    type Value = T;
    fn outcome(self) -> Result<T, String> {
        self.map_err(|state| format!("{state:?}"))
    }
}

/// Probes every 50 ms until the condition holds and returns what it yields.
///
/// # Panics
/// After `timeout`, with `what` and the last state seen. A probe that hangs counts as well.
pub async fn await_condition<O: Outcome>(what: &str, timeout: Duration, mut probe: impl AsyncFnMut() -> O) -> O::Value {
    let start = Instant::now();
    let mut last = "never answered".to_owned();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, probe()).await.map(Outcome::outcome) {
            Ok(Ok(value)) => return value,
            Ok(Err(state)) => last = state,
            Err(_) => last = format!("{last} (and the last probe did not return)"),
        }
        assert!(start.elapsed() < timeout, "waited {timeout:?} for {what}; last seen: {last}");
        sleep(POLL).await;
    }
}
