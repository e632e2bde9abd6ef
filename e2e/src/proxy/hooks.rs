//! Hooks that many tests want.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::{Hook, RequestInfo, Verdict, hook};
use crate::Operator;

/// Kills an operator that is started only after the proxy that is to kill it.
#[derive(Clone, Default)]
pub struct KillSwitch(Arc<OnceLock<Arc<Operator>>>);

impl KillSwitch {
    /// A switch that kills nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the operator.
    ///
    /// # Panics
    /// When one was named before.
    pub fn arm(&self, operator: &Arc<Operator>) {
        assert!(self.0.set(Arc::clone(operator)).is_ok(), "a kill switch serves one operator");
    }

    /// SIGKILL for the operator, once it is named; returns when it has ended.
    pub fn fire(&self) {
        self.0.wait().kill9();
    }
}

impl fmt::Debug for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KillSwitch").field(&self.0.get().map(|operator| operator.pid())).finish()
    }
}

/// On which side of the API server a crash happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The API server never sees the request.
    BeforeForward,
    /// The API server has carried the request out; the operator never learns of it.
    AfterForward,
}

/// Kills the operator at the `k`-th mutating request, counted from 1.
pub fn kill_at(k: u64, moment: Moment, switch: &KillSwitch) -> Hook {
    let switch = switch.clone();
    hook(move |request: Arc<RequestInfo>| {
        let switch = switch.clone();
        async move {
            if request.mutating != Some(k) {
                return Verdict::Forward;
            }
            match moment {
                Moment::BeforeForward => {
                    switch.fire();
                    Verdict::Drop
                }
                Moment::AfterForward => Verdict::ForwardThenRun(Box::new(move |_| switch.fire())),
            }
        }
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    Closed,
    Reached,
    Open,
}

/// Holds one request until the test lets it go.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<Stage>);

impl Gate {
    /// Returns when the request has come.
    ///
    /// # Panics
    /// When it has not come after two minutes.
    pub async fn reached(&self) {
        let mut stage = self.0.subscribe();
        let reached = stage.wait_for(|stage| *stage >= Stage::Reached);
        let _ = tokio::time::timeout(Duration::from_mins(2), reached).await.expect("the request to hold never came");
    }

    /// Lets the request go on, also one that has not come yet.
    pub fn open(&self) {
        self.0.send_replace(Stage::Open);
    }

    async fn pass(&self) {
        self.0.send_if_modified(|stage| {
            let first = *stage == Stage::Closed;
            if first {
                *stage = Stage::Reached;
            }
            first
        });
        let _ = self.0.subscribe().wait_for(|stage| *stage == Stage::Open).await;
    }
}

/// Holds the first request that fulfils the condition until the gate is opened; all others pass.
pub fn hold_first(condition: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static) -> (Hook, Gate) {
    let gate = Gate(watch::Sender::new(Stage::Closed));
    let inner = gate.clone();
    let seen = Arc::new(AtomicBool::new(false));
    let hook = hook(move |request: Arc<RequestInfo>| {
        let hold = condition(&request) && !seen.swap(true, Ordering::SeqCst);
        let gate = inner.clone();
        async move {
            if hold {
                gate.pass().await;
            }
            Verdict::Forward
        }
    });
    (hook, gate)
}
