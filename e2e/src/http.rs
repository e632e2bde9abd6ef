//! Plain HTTP requests of a test; an error is the state in words.

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Status and body of a GET.
///
/// # Errors
/// When nobody answers.
pub async fn get(url: &str) -> Result<(u16, String), String> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(url).body(Empty::new()).map_err(|error| format!("{url}: {error}"))?;
    let response = client.request(request).await.map_err(|error| format!("{url}: {error}"))?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| format!("{url}: {error}"))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The JSON that a POST of JSON is answered with.
///
/// # Errors
/// When nobody answers, or something else than 200.
pub async fn post(url: &str, body: &Value) -> Result<Value, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{url}: {error}");
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::post(url).body(Full::from(body.to_string())).map_err(|error| failed(&error))?;
    let response = client.request(request).await.map_err(|error| failed(&error))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    if status != 200 {
        return Err(format!("{url}: {status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|error| format!("{url}: {error} in {text}"))
}

/// What is answered with 200.
///
/// # Errors
/// When nobody answers, or something else.
pub async fn text(url: &str) -> Result<String, String> {
    match get(url).await? {
        (200, text) => Ok(text),
        (status, text) => Err(format!("{url}: {status}: {text}")),
    }
}

/// The JSON that is answered with 200.
///
/// # Errors
/// When nobody answers, or something else.
pub async fn json(url: &str) -> Result<Value, String> {
    let text = text(url).await?;
    serde_json::from_str(&text).map_err(|error| format!("{url}: {error} in {text}"))
}
