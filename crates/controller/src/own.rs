//! The Deployment that we run in.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Api, Client};
use tracing::info;

/// Longest wait for the API server's answer: nothing else depends on it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A reference to the Deployment that we run in, for Events that are about no job. Without its uid, where it cannot be
/// read, `kubectl events` shows them all the same, but `kubectl describe` does not.
pub(crate) async fn own_deployment(client: &Client, namespace: &str, name: &str) -> ObjectReference {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let uid = match tokio::time::timeout(TIMEOUT, api.get_metadata(name)).await {
        Ok(Ok(found)) => found.metadata.uid,
        Ok(Err(error)) => {
            info!(%error, namespace, name, "own Deployment not read (--deployment); kubectl describe will not show our Events on it");
            None
        }
        Err(_) => None,
    };
    ObjectReference {
        api_version: Some("apps/v1".to_owned()),
        kind: Some("Deployment".to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid,
        ..ObjectReference::default()
    }
}
