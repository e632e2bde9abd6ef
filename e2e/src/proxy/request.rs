//! What the proxy knows of a request.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::Value;

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// Its place among all requests, from 0.
    pub index: usize,
    /// Its place among the mutating ones, from 1; `None` if it changes nothing. Dry runs, access reviews
    /// and token requests change nothing.
    pub mutating: Option<u64>,
    /// The HTTP method.
    pub method: Method,
    /// The path without the query.
    pub path: String,
    /// The query, empty if there is none.
    pub query: String,
    /// The plural of the resource; empty if the path names none.
    pub resource: String,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub namespace: String,
    /// Empty for collections.
    pub name: String,
    /// For example `status`; empty for the object itself.
    pub subresource: String,
    /// Whom the client asks to act as.
    pub impersonated_user: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl RequestInfo {
    pub(super) fn new(index: usize, parts: &Parts, body: Bytes) -> Self {
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let [resource, namespace, name, subresource] = target(&path);
        let header = |name| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        Self {
            index,
            mutating: None,
            method: parts.method.clone(),
            resource,
            namespace,
            name,
            subresource,
            impersonated_user: header("impersonate-user"),
            path,
            query,
            body,
        }
    }

    /// Whether the request changes something that is stored.
    pub(super) fn changes(&self) -> bool {
        let only_asks = ["/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/"];
        [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(&self.method)
            && self.query_value("dryRun").is_none()
            && self.subresource != "token"
            && !only_asks.iter().any(|prefix| self.path.starts_with(prefix))
    }

    /// Whether the request changes something; see [`mutating`](Self::mutating).
    pub fn is_mutating(&self) -> bool {
        self.mutating.is_some()
    }

    /// Whether the request is a watch.
    pub fn is_watch(&self) -> bool {
        matches!(self.query_value("watch"), Some("true" | "1"))
    }

    /// The undecoded value of a query parameter.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Resource, namespace, name and subresource of a path below `/api/V` or `/apis/G/V`.
fn target(path: &str) -> [String; 4] {
    let mut parts = path.split('/').skip(1);
    let skip = match parts.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return Default::default(),
    };
    let parts: Vec<&str> = parts.skip(skip).collect();
    let (namespace, rest) = match parts.as_slice() {
        // A namespace itself and its subresources are no resources inside it.
        ["namespaces", namespace, rest @ ..] if !matches!(rest, [] | ["status" | "finalize"]) => (*namespace, rest),
        rest => ("", rest),
    };
    let at = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
    [at(0), namespace.to_owned(), at(1), at(2)]
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No verdict yet, or no answer yet, or the client went away before.
    Pending,
    /// The API server answered, whether the client got to see it or not.
    Forwarded(StatusCode),
    /// The proxy answered.
    Responded(StatusCode),
    /// Nobody answered.
    Dropped,
}

/// A request and what became of it.
#[derive(Debug, Clone)]
pub struct Record {
    /// The request.
    pub request: Arc<RequestInfo>,
    /// What became of it.
    pub outcome: Outcome,
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_path_names_its_target() {
        let cases = [
            ("/api/v1/namespaces/a", ["namespaces", "", "a", ""]),
            ("/api/v1/namespaces/a/status", ["namespaces", "", "a", "status"]),
            ("/api/v1/namespaces/a/events", ["events", "a", "", ""]),
            ("/apis/flink.apache.org/v1beta1/flinkdeployments", ["flinkdeployments", "", "", ""]),
            (
                "/apis/flink.apache.org/v1beta1/namespaces/a/flinkdeployments/j/status",
                ["flinkdeployments", "a", "j", "status"],
            ),
            ("/apis/flink.apache.org/v1beta1", ["", "", "", ""]),
            ("/readyz", ["", "", "", ""]),
        ];
        for (path, expected) in cases {
            assert_eq!(target(path), expected, "{path}");
        }
    }
}
