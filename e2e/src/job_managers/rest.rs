//! The part of Flink's REST API: for every `JobManager` one answer, told apart by the `Host` that is asked for.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{JobManager, JobState, Known, Name, Savepoint, answers, lock};

/// Before the namespace and the name of a job.
pub(super) const BY_NAME: &str = "/by-name";

/// Answers until the runtime ends.
pub(super) async fn serve(listener: TcpListener, known: Arc<Mutex<Known>>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a listening socket accepts");
        let known = Arc::clone(&known);
        let service = service_fn(move |request| answer(request, Arc::clone(&known)));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>, known: Arc<Mutex<Known>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let by_host = || parts.headers.get(HOST).and_then(|host| job_of(host.to_str().ok()?));
    let (name, path) = match by_name(parts.uri.path()) {
        Some((name, path)) => (Some(name), path),
        None => (by_host(), parts.uri.path()),
    };
    let path = path.trim_start_matches("/v1");
    let (status, body) = respond(&parts.method, path, &body, name, &known);
    let response = Response::builder().status(status).header("content-type", "application/json; charset=UTF-8");
    Ok(response.body(Full::from(body.to_string())).expect("a response from checked parts"))
}

/// A path that names the job, for those that know no such host.
fn by_name(path: &str) -> Option<(Name, &str)> {
    let (namespace, rest) = path.strip_prefix(BY_NAME)?.strip_prefix('/')?.split_once('/')?;
    let (name, _) = rest.split_once('/')?;
    Some(((namespace.to_owned(), name.to_owned()), &rest[name.len()..]))
}

/// `NAME-rest.NAMESPACE:8081`
fn job_of(host: &str) -> Option<Name> {
    let (service, namespace) = host.split(':').next()?.split_once('.')?;
    Some((namespace.to_owned(), service.strip_suffix("-rest")?.to_owned()))
}

fn respond(method: &Method, path: &str, body: &Value, name: Option<Name>, known: &Mutex<Known>) -> (StatusCode, Value) {
    let mut known = lock(known);
    let Some((name, job_manager)) = name.and_then(|name| {
        let job_manager = known.present.get(&name).filter(|job_manager| job_manager.ready.is_some())?.clone();
        Some((name, job_manager))
    }) else {
        return (StatusCode::SERVICE_UNAVAILABLE, json!({ "errors": ["the JobManager is not up"] }));
    };
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), &parts[..]) {
        ("GET", ["jobs", "overview"]) => (StatusCode::OK, json!({ "jobs": [answers::job(&name.1, &job_manager)] })),
        ("GET", ["config"]) => (StatusCode::OK, answers::dashboard()),
        ("GET", ["taskmanagers"]) => (StatusCode::OK, json!({ "taskmanagers": [] })),
        ("GET", ["jobs", _, "checkpoints"]) => (StatusCode::OK, answers::checkpoints(&job_manager)),
        ("GET", ["jobs", _, "exceptions"]) => (StatusCode::OK, answers::exceptions()),
        ("GET", ["jobs", _, "execution-result"]) => (StatusCode::OK, answers::result(&job_manager)),
        ("GET", ["jobs", _, "savepoints", trigger]) => savepoint_status(&mut known, trigger),
        ("POST", ["jobs", _, action @ ("stop" | "savepoints")]) => {
            let trigger = trigger_savepoint(&mut known, name, &job_manager, body, *action == "stop");
            (StatusCode::ACCEPTED, json!({ "request-id": trigger }))
        }
        ("PATCH", ["jobs", _]) => {
            set_state(&mut known, &name, JobState::Canceled);
            (StatusCode::ACCEPTED, json!({}))
        }
        _ => (StatusCode::NOT_FOUND, json!({ "errors": [format!("the stand-in has no {method} {path}")] })),
    }
}

fn set_state(known: &mut Known, name: &Name, state: JobState) {
    if let Some(job_manager) = known.present.get_mut(name) {
        job_manager.state = state;
    }
}

fn trigger_savepoint(known: &mut Known, job: Name, job_manager: &JobManager, body: &Value, stops: bool) -> String {
    let trigger = format!("{:032x}", known.savepoints.len() + 1);
    let directory = body["targetDirectory"].as_str().or(body["target-directory"].as_str()).unwrap_or("file:///none");
    let location = format!("{directory}/savepoint-{}-{}", &job_manager.incarnation.job_id[..6], &trigger[20..]);
    known.savepoints.insert(trigger.clone(), Savepoint { job, location, stops, seen: false });
    trigger
}

/// In progress when asked first, complete afterwards: the Flink operator has to wait, as it does for a real one.
fn savepoint_status(known: &mut Known, trigger: &str) -> (StatusCode, Value) {
    let Some(savepoint) = known.savepoints.get_mut(trigger) else {
        return (StatusCode::NOT_FOUND, json!({ "errors": ["there is no such savepoint"] }));
    };
    if !std::mem::replace(&mut savepoint.seen, true) {
        return (StatusCode::OK, json!({ "status": { "id": "IN_PROGRESS" } }));
    }
    let Savepoint { job, location, stops, .. } = savepoint.clone();
    if stops {
        set_state(known, &job, JobState::Finished);
    }
    (StatusCode::OK, json!({ "status": { "id": "COMPLETED" }, "operation": { "location": location } }))
}
