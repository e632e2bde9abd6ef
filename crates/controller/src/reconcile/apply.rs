//! The only writer of other people's objects.

use std::time::Duration;

use flink_api::{FIELD_MANAGER, FlinkBlueGreenDeployment, FlinkDeployment, FlinkSessionJob, GROUP, Kind};
use kube::api::{Patch, PatchParams};
use kube::core::Status;
use kube::{Api, Client};
use serde_json::Value;

use super::body::drop_record_body;
use super::decide::{Change, Intent};
use crate::error::Retry;
use crate::lease::{Fence, NotLeader};

/// Longest wait for the API server's answer to one write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a write did not land.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
pub enum ApplyError {
    /// Another manager owns a value.
    #[error("{fields} belongs to field manager {managers}; left as it is")]
    Conflict {
        /// The fields, in the server's notation.
        fields: String,
        /// Who owns them.
        managers: String,
    },
    /// `flinkConfiguration` is no map, so no single key can be owned.
    #[error("{0}.flinkConfiguration is not a map of options; write `key: value` lines below it")]
    NotAMap(String),
    /// The object has changed since it was planned on, or is another object by the same name.
    #[error("the object has changed since it was read: {0}")]
    Stale(String),
    /// The object is gone.
    #[error("the object was deleted in the meantime")]
    Gone,
    /// A right is missing.
    #[error(
        "may not patch {resource}.{GROUP}: {message}; grant the verb patch on that resource to the ServiceAccount (manifests/rbac)"
    )]
    Forbidden {
        /// The plural of the kind.
        resource: &'static str,
        /// The server's words.
        message: String,
    },
    /// The server, an admission webhook or a quota said no.
    #[error("refused with status {code}: {message}")]
    Rejected {
        /// HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// No answer.
    #[error("the API server did not answer: {0}")]
    Unavailable(String),
    /// Somebody else leads now.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
}

impl ApplyError {
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Stale(_) => Retry::Soon,
            Self::Conflict { .. }
            | Self::Forbidden { .. }
            | Self::Rejected { .. }
            | Self::Unavailable(_)
            | Self::NotLeader(_) => Retry::Backoff,
            Self::NotAMap(_) | Self::Gone => Retry::OnChange,
        }
    }

    /// Whether the write may have landed all the same.
    pub(crate) fn is_uncertain(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::NotLeader(_) => true,
            Self::Conflict { .. }
            | Self::NotAMap(_)
            | Self::Stale(_)
            | Self::Gone
            | Self::Forbidden { .. }
            | Self::Rejected { .. } => false,
        }
    }
}

/// The object as the server holds it after our write; only [`apply`] makes one, and reports speak of nothing else.
#[derive(Debug)]
pub struct Applied(FlinkDeployment);

impl Applied {
    /// The object after the write.
    pub fn object(&self) -> &FlinkDeployment {
        &self.0
    }
}

/// Carries an intent out; `None` when there was nothing to write.
///
/// # Errors
/// Whatever kept the write from landing; nothing is half done.
pub async fn apply(
    client: &Client,
    fence: &Fence,
    deployment: &FlinkDeployment,
    intent: &Intent,
) -> Result<Option<Applied>, ApplyError> {
    match intent {
        Intent::Nothing => Ok(None),
        Intent::DropForeignRecord => {
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            send(client, fence, deployment, &params, &Patch::Merge(drop_record_body(deployment))).await.map(Some)
        }
        Intent::Patch(change) => {
            let params = PatchParams::apply(FIELD_MANAGER);
            let write = async |change: &Change, deployment: &FlinkDeployment| {
                send(client, fence, deployment, &params, &Patch::Apply(change.body(deployment))).await
            };
            match &change.adoption {
                None => write(change, deployment).await.map(Some),
                // Broken off in between it is planned anew, on values that are owned then.
                Some(adoption) => {
                    let adopted = write(adoption, deployment).await?;
                    write(change, adopted.object()).await.map(Some)
                }
            }
        }
    }
}

async fn send(
    client: &Client,
    fence: &Fence,
    deployment: &FlinkDeployment,
    params: &PatchParams,
    patch: &Patch<Value>,
) -> Result<Applied, ApplyError> {
    let (namespace, name) = (deployment.namespace(), deployment.name());
    let patched = async {
        let client = client.clone();
        match deployment.kind {
            Kind::Deployment => Api::namespaced(client, namespace).patch(name, params, patch).await,
            Kind::SessionJob => {
                let api: Api<FlinkSessionJob> = Api::namespaced(client, namespace);
                api.patch(name, params, patch).await.map(FlinkSessionJob::into_deployment)
            }
            Kind::BlueGreenDeployment => {
                let api: Api<FlinkBlueGreenDeployment> = Api::namespaced(client, namespace);
                api.patch(name, params, patch).await.map(FlinkBlueGreenDeployment::into_deployment)
            }
        }
    };
    let turn = fence.pace().job().await;
    let write = fence.guard(turn.send(WRITE_TIMEOUT, patched)).await?;
    match write {
        Ok(Ok(object)) => Ok(Applied(object)),
        Ok(Err(error)) => Err(classify(error, deployment.kind)),
        Err(_) => Err(ApplyError::Unavailable(format!("no answer within {} s", WRITE_TIMEOUT.as_secs()))),
    }
}

fn classify(error: kube::Error, kind: Kind) -> ApplyError {
    let kube::Error::Api(status) = error else { return ApplyError::Unavailable(error.to_string()) };
    match status.code {
        409 => conflict(&status, kind),
        404 => ApplyError::Gone,
        403 if is_rbac(&status) => ApplyError::Forbidden { resource: kind.plural(), message: status.message.clone() },
        code @ 500 if is_lasting(&status) => ApplyError::Rejected { code, message: status.message.clone() },
        429 | 500..=599 => ApplyError::Unavailable(status.message.clone()),
        code => ApplyError::Rejected { code, message: status.message.clone() },
    }
}

/// Admission plugins and quotas answer 403 as well; the authorizer's message says who "cannot" do what.
fn is_rbac(status: &Status) -> bool {
    status.message.contains(" cannot patch resource ")
}

/// What the server calls an error of its own, and what asking again does not help: somebody has to make room, or to bring an
/// admission webhook back. Both come before anything is stored.
fn is_lasting(status: &Status) -> bool {
    const CAUSES: [&str; 3] =
        ["failed calling webhook", "etcdserver: request is too large", "trying to send message larger than max"];
    CAUSES.iter().any(|cause| status.message.contains(cause))
}

fn conflict(status: &Status, kind: Kind) -> ApplyError {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let owned: Vec<_> = causes.filter(|cause| cause.reason == "FieldManagerConflict").collect();
    if owned.is_empty() {
        return ApplyError::Stale(status.message.clone());
    }
    let spec = kind.spec().join(".");
    if owned.iter().any(|cause| cause.field == format!(".{spec}.flinkConfiguration")) {
        return ApplyError::NotAMap(spec);
    }
    let joined = |mut parts: Vec<&str>| {
        parts.sort_unstable();
        parts.dedup();
        parts.join(", ")
    };
    ApplyError::Conflict {
        fields: joined(owned.iter().map(|cause| cause.field.as_str()).collect()),
        managers: joined(owned.iter().filter_map(|cause| cause.message.split('"').nth(1)).collect()),
    }
}
