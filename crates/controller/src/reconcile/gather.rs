//! Reads everything that a look needs, once. All of it is cached.

use std::collections::BTreeMap;
use std::sync::Arc;

use checklist::{Platform, SessionJobs};
use flink_api::{FlinkDeployment, Kind};

use super::Context;
use crate::error::GatherError;

/// What stands around a job.
pub(super) struct Gathered {
    pub(super) platform: Arc<Platform>,
    pub(super) layers_unreadable: Option<String>,
    pub(super) namespace_annotations: BTreeMap<String, String>,
    /// Of a session job, its session cluster, if that is there.
    pub(super) session_cluster: Option<Arc<FlinkDeployment>>,
    /// The session jobs that run on it.
    pub(super) session_jobs: SessionJobs,
}

pub(super) fn gather(context: &Context, deployment: &FlinkDeployment) -> Result<Gathered, GatherError> {
    let namespace = deployment.namespace();
    let namespace_annotations =
        context.namespaces.annotations(namespace).ok_or_else(|| GatherError::UnknownNamespace(namespace.to_owned()))?;
    let (platform, layers_unreadable) = match context.platform.borrow().clone() {
        Some(Ok(platform)) => (platform, None),
        Some(Err(why)) => (Arc::default(), Some(why)),
        None => (Arc::default(), Some("it has not been read yet".to_owned())),
    };
    let session_cluster = deployment.session_cluster().and_then(|name| context.jobs.deployment(namespace, name));
    let session_jobs = session_jobs(context, deployment);
    Ok(Gathered { platform, layers_unreadable, namespace_annotations, session_cluster, session_jobs })
}

fn session_jobs(context: &Context, deployment: &FlinkDeployment) -> SessionJobs {
    let is_session_cluster = deployment.spec.as_result().is_ok_and(|spec| spec.job.is_none());
    if !is_session_cluster || !context.kinds.are_known(Kind::SessionJob, deployment.namespace()) {
        return SessionJobs::Unknown;
    }
    let jobs = context.jobs.session_jobs(deployment.namespace(), deployment.name());
    SessionJobs::Known(jobs.map(|job| job.name().to_owned()).collect())
}
