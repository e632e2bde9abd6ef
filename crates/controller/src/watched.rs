//! What is watched: each kind in each namespace, with its cache and its queue.

use flink_api::{FlinkBlueGreenDeployment, FlinkSessionJob, Kind};
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Client;

use crate::cache::{Packer, Store, Writer, store};
use crate::jobs::Jobs;
use crate::kinds::{Follower, Kinds, Scope};
use crate::looks::Queue;
use crate::watch::{self as watches, Asks, Forget};

/// One kind in one namespace, or in the cluster.
pub(crate) struct Watched {
    pub(crate) kind: Kind,
    scope: Scope,
    pub(crate) cache: Cache,
    packer: Packer,
    writer: Writer,
}

/// What a watch fills, and a loop reads.
#[derive(Clone)]
pub(crate) struct Cache {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    /// Whether every cluster that we watch has the kind.
    pub(crate) is_awaited: bool,
}

impl Watched {
    /// Every kind in each of these.
    pub(crate) fn all(scopes: &[Scope]) -> Vec<Self> {
        let packer = Packer::default();
        let pairs = Kind::ALL.iter().flat_map(|kind| scopes.iter().map(|scope| (*kind, scope.clone())));
        let watched = pairs.map(|(kind, scope)| {
            let (store, writer) = store();
            Self {
                kind,
                scope,
                cache: Cache { store, queue: Queue::default(), is_awaited: kind == Kind::Deployment },
                packer: packer.clone(),
                writer,
            }
        });
        watched.collect()
    }

    /// The kinds that a cluster may not have.
    pub(crate) fn optional(all: &[Self]) -> Kinds {
        let optional = all.iter().filter(|watched| watched.kind != Kind::Deployment);
        Kinds::new(optional.map(|watched| (watched.kind, watched.scope.clone())))
    }

    /// Follows it, for ever.
    pub(crate) fn follow(
        self,
        client: Client,
        jobs: Jobs,
        queues: Vec<Queue>,
        forget: impl Forget + 'static,
        kinds: Kinds,
    ) -> BoxFuture<'static, ()> {
        let Self { kind, scope, cache, packer, writer } = self;
        let asks = Asks { queue: cache.queue, queues, jobs };
        if kind == Kind::Deployment {
            return watches::jobs(client, scope, writer, packer, asks, forget).boxed();
        }
        let follower = Follower { client, kind, scope, writer, packer, asks, forget, kinds };
        if kind == Kind::SessionJob {
            follower.follow(FlinkSessionJob::into_deployment).boxed()
        } else {
            follower.follow(FlinkBlueGreenDeployment::into_deployment).boxed()
        }
    }
}

impl Cache {
    /// Opens the queue once the cache has its first list, and asks for a look at everything there. A kind that is not
    /// installed never has one: a queue for it would grow for ever.
    pub(crate) async fn open(&self) {
        if !self.store.is_filled().await {
            // The watch has ended, and with it the process.
            std::future::pending::<()>().await;
        }
        self.queue.open();
        self.store.all().iter().for_each(|job| self.queue.ask(job.key().clone()));
    }
}
