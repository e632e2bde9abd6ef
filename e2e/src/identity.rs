//! Who talks to the API server: kubeconfig files, clients, service accounts and their tokens.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

fn kubeconfig(server: &str, ca: Option<&Path>, token: &str) -> Value {
    let mut cluster = json!({ "server": server });
    if let Some(ca) = ca {
        cluster["certificate-authority"] = ca.display().to_string().into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "e2e", "cluster": cluster }],
        "users": [{ "name": "e2e", "user": { "token": token } }],
        "contexts": [{ "name": "e2e", "context": { "cluster": "e2e", "user": "e2e" } }],
        "current-context": "e2e",
    })
}

/// Writes a kubeconfig; as JSON, which every reader of YAML reads.
pub(crate) fn write_kubeconfig(file: &Path, server: &str, ca: Option<&Path>, token: &str) -> Result<()> {
    fs::write(file, serde_json::to_vec_pretty(&kubeconfig(server, ca, token))?)
        .with_context(|| format!("cannot write {}", file.display()))
}

/// A client bound to the current runtime.
pub(crate) async fn client(server: &str, ca: Option<&Path>, token: &str) -> Result<Client> {
    client_of(kubeconfig(server, ca, token)).await
}

/// The same that asks to act as somebody else.
pub(crate) async fn client_acting_as(
    server: &str,
    ca: Option<&Path>,
    token: &str,
    user: &str,
    groups: &[&str],
) -> Result<Client> {
    let mut kubeconfig = kubeconfig(server, ca, token);
    kubeconfig["users"][0]["user"]["as"] = json!(user);
    kubeconfig["users"][0]["user"]["as-groups"] = json!(groups);
    client_of(kubeconfig).await
}

async fn client_of(kubeconfig: Value) -> Result<Client> {
    let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // kube repeats a request on 429, 503 and 504; a test wants to see them.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// A token of a service account for an hour.
pub(crate) async fn token(admin: Client, namespace: &str, name: &str) -> Result<String> {
    let spec = TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    Api::<ServiceAccount>::namespaced(admin, namespace)
        .create_token_request(name, &PostParams::default(), &request)
        .await?
        .status
        .map(|status| status.token)
        .context("the API server answered without a token")
}
