//! Reads everything that a look needs, once. All of it is cached.

use std::collections::BTreeMap;
use std::sync::Arc;

use checklist::Platform;
use flink_api::FlinkDeployment;

use super::Context;
use crate::error::GatherError;

/// What stands around a job.
pub(super) struct Gathered {
    pub(super) platform: Arc<Platform>,
    pub(super) layers_unreadable: Option<String>,
    pub(super) namespace_annotations: BTreeMap<String, String>,
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
    Ok(Gathered { platform, layers_unreadable, namespace_annotations })
}
