//! A proxy before the API server that counts, holds, drops and freezes.
//!
//! It speaks plain HTTP to the operator and TLS to the API server, passes credentials and impersonation
//! through, and streams answers. It runs in a thread of its own, so that a busy test does not slow it.

mod forward;
mod hooks;
mod request;

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use hyper::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

pub use hooks::{Gate, KillSwitch, Moment, hold_first, kill_at};
pub use request::{Outcome, Record, RequestInfo};

use crate::ControlPlane;

/// What happens to a request.
pub enum Verdict {
    /// It goes to the API server, the answer to the client.
    Forward,
    /// It goes to the API server, but the client sees its connection end instead of an answer.
    ForwardThenDropConnection,
    /// It goes to the API server; when the answer has come, this is run with its status, and then the
    /// client sees its connection end.
    ForwardThenRun(Box<dyn FnOnce(StatusCode) + Send>),
    /// The API server never sees it, and the client sees its connection end.
    Drop,
    /// The API server never sees it, and the client gets this answer.
    Respond(StatusCode, Value),
}

impl Verdict {
    /// An answer in the API server's own form of a refusal.
    pub fn refuse(status: StatusCode, reason: &str, message: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": reason, "message": message, "code": status.as_u16(),
        });
        Self::Respond(status, body)
    }
}

/// A verdict on its way.
pub type VerdictFuture = Pin<Box<dyn Future<Output = Verdict> + Send>>;
/// Asked once for every request; it may take its time.
pub type Hook = Arc<dyn Fn(Arc<RequestInfo>) -> VerdictFuture + Send + Sync>;

/// Makes a [`Hook`] of an ordinary function.
pub fn hook<F, Fut>(judge: F) -> Hook
where
    F: Fn(Arc<RequestInfo>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Verdict> + Send + 'static,
{
    Arc::new(move |request| Box::pin(judge(request)))
}

struct Shared {
    hook: RwLock<Hook>,
    records: Mutex<Vec<Record>>,
    mutating: AtomicU64,
    frozen: watch::Sender<bool>,
    cuts: watch::Sender<()>,
}

impl Shared {
    fn judge(&self, request: &Arc<RequestInfo>) -> VerdictFuture {
        self.hook.read().unwrap_or_else(PoisonError::into_inner)(Arc::clone(request))
    }

    fn records(&self) -> std::sync::MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns while nothing is frozen.
    async fn thawed(&self) {
        // The sender lives in `self`, so the channel cannot be closed.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }
}

/// A running proxy; dropped, it ends with all its connections.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy before that control plane which forwards everything until told otherwise.
    pub fn start(plane: &ControlPlane) -> Self {
        Self::with_hook(plane, hook(async |_| Verdict::Forward))
    }

    /// A proxy before that control plane which asks `hook` about every request.
    pub fn with_hook(plane: &ControlPlane, hook: Hook) -> Self {
        let shared = Arc::new(Shared {
            hook: RwLock::new(hook),
            records: Mutex::default(),
            mutating: AtomicU64::new(0),
            frozen: watch::Sender::new(false),
            cuts: watch::Sender::new(()),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let address = listener.local_addr().expect("a bound socket");
        let (stop, stopped) = oneshot::channel();
        let (serving, server, ca) = (Arc::clone(&shared), plane.server().to_owned(), plane.ca());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listening socket");
                tokio::select! {
                    () = forward::serve(listener, &server, &ca, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { shared, address, stop: Some(stop), thread: Some(thread) }
    }

    /// The proxy's address, `http://127.0.0.1:PORT`, for [`ControlPlane::kubeconfig_for`].
    pub fn server(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on `hook` is asked.
    pub fn set_hook(&self, hook: Hook) {
        *self.shared.hook.write().unwrap_or_else(PoisonError::into_inner) = hook;
    }

    /// From now on nothing passes in either direction; connections stay open, new ones are accepted.
    pub fn freeze(&self) {
        self.shared.frozen.send_replace(true);
    }

    /// What was held by [`freeze`](Self::freeze) goes on.
    pub fn thaw(&self) {
        self.shared.frozen.send_replace(false);
    }

    /// Breaks off every answer that is still on its way, which watches always are; what comes later passes.
    pub fn cut(&self) {
        self.shared.cuts.send_replace(());
    }

    /// How many mutating requests have come in; see [`RequestInfo::mutating`].
    pub fn mutating(&self) -> u64 {
        self.shared.mutating.load(Ordering::SeqCst)
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Record> {
        self.shared.records().clone()
    }

    /// How many requests so far fulfil the condition.
    pub fn count(&self, condition: impl Fn(&RequestInfo) -> bool) -> usize {
        self.shared.records().iter().filter(|record| condition(&record.request)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed when it happened; a second one here would abort the test.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "Forward",
            Self::ForwardThenDropConnection => "ForwardThenDropConnection",
            Self::ForwardThenRun(_) => "ForwardThenRun",
            Self::Drop => "Drop",
            Self::Respond(..) => "Respond",
        })
    }
}
