use std::time::Duration;

use kube::config::{InferConfigError, Kubeconfig};
use kube::{Client, Config};

/// A watch is silent for minutes; a server that is silent for longer than a watch lasts (290 s) is gone.
const SILENCE: Duration = Duration::from_mins(5);
const CONNECT: Duration = Duration::from_secs(10);
/// Header by which a request acts as somebody else (Kubernetes authentication, user impersonation).
const IMPERSONATE: &str = "impersonate-user";

/// Why there is no way to the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither in a pod nor with a kubeconfig.
    #[error("no cluster is configured: run in a pod with a ServiceAccount, or set KUBECONFIG to a kubeconfig ({0})")]
    NoCluster(#[source] Box<InferConfigError>),
    /// A name that is no ServiceAccount.
    #[error("--as `{0}` names no ServiceAccount: write NAMESPACE/NAME")]
    NoServiceAccount(String),
    /// The configuration cannot be used.
    #[error("the cluster's configuration cannot be used: {0}")]
    Unusable(#[source] Box<kube::Error>),
}

/// A client of the cluster that we run in or that the kubeconfig names.
pub(crate) async fn connect(act_as: Option<&str>) -> Result<Client, ClientError> {
    client(configuration(act_as).await?)
}

/// The same, and what a person calls the cluster: the kubeconfig's context, if there is one, and the API server.
pub(crate) async fn connect_by_name() -> Result<(Client, String), ClientError> {
    let config = configuration(None).await?;
    let server = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
    let context = Kubeconfig::read().ok().and_then(|kubeconfig| kubeconfig.current_context);
    let name = context.map_or(server.clone(), |context| format!("{context} ({server})"));
    Ok((client(config)?, name))
}

fn client(config: Config) -> Result<Client, ClientError> {
    Client::try_from(config).map_err(|error| ClientError::Unusable(Box::new(error)))
}

async fn configuration(act_as: Option<&str>) -> Result<Config, ClientError> {
    let mut config = Config::infer().await.map_err(|error| ClientError::NoCluster(Box::new(error)))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.write_timeout = Some(CONNECT);
    // Every caller has its own, bounded way to try again, which a second one below would hide.
    config.default_retry = false;
    if let Some(account) = act_as {
        let user = user(account).ok_or_else(|| ClientError::NoServiceAccount(account.to_owned()))?;
        let value = user.parse().map_err(|_| ClientError::NoServiceAccount(account.to_owned()))?;
        config
            .headers
            .push((IMPERSONATE.parse().map_err(|_| ClientError::NoServiceAccount(account.to_owned()))?, value));
    }
    // Later errors say that the server does not answer, but not which one was asked.
    tracing::info!(server = %config.cluster_url, "API server");
    Ok(config)
}

/// The user name of a ServiceAccount.
fn user(account: &str) -> Option<String> {
    match account.split('/').collect::<Vec<_>>()[..] {
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
            Some(format!("system:serviceaccount:{namespace}:{name}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::user;

    #[test]
    fn a_service_account_is_a_namespace_and_a_name() {
        assert_eq!(user("flink/remedy").as_deref(), Some("system:serviceaccount:flink:remedy"));
        for account in ["", "remedy", "/", "a/", "/b", "a/b/c"] {
            assert_eq!(user(account), None, "{account}");
        }
    }
}
