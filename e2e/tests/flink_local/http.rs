//! Questions to the cluster; an error is the state in words.

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Flink's default, as every pod has it.
const REST: u16 = 8081;

/// What the JobManager's REST API says.
pub(crate) async fn rest(path: &str) -> Result<Value, String> {
    let text = get(REST, path).await?;
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error} in {text}"))
}

/// What a port of this machine answers with 200.
pub(crate) async fn get(port: u16, path: &str) -> Result<String, String> {
    let uri: Uri = format!("http://127.0.0.1:{port}{path}").parse().expect("an address");
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(uri).await.map_err(|error| format!("{port}{path}: {error}"))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| format!("{port}{path}: {error}"))?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    if status == StatusCode::OK { Ok(text) } else { Err(format!("{port}{path}: {status}: {text}")) }
}
