//! Reads everything that a look needs, once. All of it is cached.

use std::sync::Arc;

use checklist::{Platform, SessionJobs};
use flink_api::{FlinkDeployment, Kind};

use tokio::sync::watch;

use crate::cache::CachedJob;
use crate::error::GatherError;
use crate::jobs::{Jobs, shown};
use crate::kinds::Kinds;
use crate::namespaces::{NamespaceMetadata, Namespaces};
use crate::operator_config::Known;
use crate::policies::KnownPolicies;

/// The caches of what stands around jobs; clones share them.
#[derive(Clone)]
pub(crate) struct Around {
    /// FKO's layers as they are known.
    pub(crate) platform: watch::Receiver<Option<Known>>,
    /// What the platform wants.
    pub(crate) policies: KnownPolicies,
    /// What namespaces say.
    pub(crate) namespaces: Namespaces,
    /// Every job.
    pub(crate) jobs: Jobs,
    /// Which kinds of them are seen.
    pub(crate) kinds: Kinds,
}

/// What stands around a job.
pub(crate) struct Gathered {
    pub(crate) platform: Arc<Platform>,
    pub(crate) layers_unreadable: Option<String>,
    pub(crate) namespace: NamespaceMetadata,
    /// Of a session job, its session cluster, if that is there.
    pub(crate) session_cluster: Option<FlinkDeployment>,
    /// The session jobs that run on it.
    pub(crate) session_jobs: SessionJobs,
}

pub(crate) fn gather(around: &Around, deployment: &FlinkDeployment) -> Result<Gathered, GatherError> {
    let namespace = deployment.namespace();
    let metadata =
        around.namespaces.metadata(namespace).ok_or_else(|| GatherError::UnknownNamespace(namespace.to_owned()))?;
    gather_in(around, deployment, metadata)
}

/// A job of the cache, whole.
pub(crate) fn whole(job: &CachedJob) -> Result<FlinkDeployment, GatherError> {
    job.read().map_err(|error| GatherError::NotKept(shown(job), error))
}

/// The same where it is known what the namespace says.
pub(crate) fn gather_in(
    around: &Around,
    deployment: &FlinkDeployment,
    metadata: NamespaceMetadata,
) -> Result<Gathered, GatherError> {
    let namespace = deployment.namespace();
    let (platform, layers_unreadable) = match around.platform.borrow().clone() {
        Some(Ok(platform)) => (platform, None),
        Some(Err(why)) => (Arc::default(), Some(why)),
        None => (Arc::default(), Some("it has not been read yet".to_owned())),
    };
    let session_cluster = deployment.session_cluster().and_then(|name| around.jobs.deployment(namespace, name));
    let session_cluster = session_cluster.map(|cluster| whole(&cluster)).transpose()?;
    let session_jobs = session_jobs(around, deployment);
    Ok(Gathered { platform, layers_unreadable, namespace: metadata, session_cluster, session_jobs })
}

fn session_jobs(around: &Around, deployment: &FlinkDeployment) -> SessionJobs {
    let is_session_cluster = deployment.spec.as_result().is_ok_and(|spec| spec.job.is_none());
    if !is_session_cluster || !around.kinds.are_known(Kind::SessionJob, deployment.namespace()) {
        return SessionJobs::Unknown;
    }
    let jobs = around.jobs.session_jobs(deployment.namespace(), deployment.name());
    SessionJobs::Known(jobs.map(|job| job.name().to_owned()).collect())
}
