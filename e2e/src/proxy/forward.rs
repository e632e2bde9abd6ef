//! Taking requests in and passing them on.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::request::{Outcome, Record, RequestInfo};
use super::{Shared, Verdict};

/// How long a connection without a request is kept; a kube-apiserver keeps it for 90 s.
const IDLE: Duration = Duration::from_secs(20);

type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// Accepts connections until dropped.
pub(super) async fn serve(listener: TcpListener, server: &str, ca: &Path, shared: Arc<Shared>) {
    let client = upstream(server, ca).await;
    loop {
        let (stream, _) = listener.accept().await.expect("a listening socket accepts");
        // Small answers must not wait for the acknowledgement of earlier ones.
        stream.set_nodelay(true).expect("a TCP socket");
        let (client, shared) = (client.clone(), Arc::clone(&shared));
        let service = service_fn(move |request| answer(request, client.clone(), Arc::clone(&shared)));
        let mut connection = hyper::server::conn::http1::Builder::new();
        connection.timer(TokioTimer::new()).header_read_timeout(IDLE);
        // Ends with the runtime. Its errors are connections that broke off, half of them on purpose.
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

/// A client without credentials of its own, which repeats nothing: the operator's are passed through.
async fn upstream(server: &str, ca: &Path) -> Client {
    let kubeconfig = serde_json::json!({
        "clusters": [{ "name": "e2e", "cluster": { "server": server, "certificate-authority": ca } }],
        "users": [{ "name": "e2e", "user": {} }],
        "contexts": [{ "name": "e2e", "context": { "cluster": "e2e", "user": "e2e" } }],
        "current-context": "e2e",
    });
    let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("the control plane's CA is readable");
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

/// An error makes hyper close the connection without an answer.
async fn answer(request: Request<Incoming>, client: Client, shared: Arc<Shared>) -> io::Result<Response<AnswerBody>> {
    shared.thawed().await;
    // From here on a cut concerns this answer, also when it comes before the answer does.
    let cuts = shared.cuts.subscribe();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let info = record(&shared, &parts, body);
    let verdict = shared.judge(&info).await;
    shared.thawed().await;
    let settle = |outcome| shared.records()[info.index].outcome = outcome;
    match verdict {
        Verdict::Respond(status, json) => {
            settle(Outcome::Responded(status));
            let body = Full::from(json.to_string()).map_err(|never| match never {}).boxed_unsync();
            let answer = Response::builder().status(status).header("content-type", "application/json").body(body);
            return answer.map_err(io::Error::other);
        }
        Verdict::Drop => {
            settle(Outcome::Dropped);
            return Err(io::Error::other("dropped by the test"));
        }
        Verdict::Forward | Verdict::ForwardThenDropConnection | Verdict::ForwardThenRun(_) => {}
    }
    // Once on its way a request is carried out to its end, also when the client goes away meanwhile: the audit
    // log says 504 of one that was broken off, whether it took effect or not.
    let request = outgoing(parts, &info);
    let sent = tokio::spawn(async move { client.send(request).await });
    let Ok(Ok(response)) = sent.await else {
        settle(Outcome::Dropped);
        return Err(io::Error::other("the API server did not answer"));
    };
    let status = response.status();
    if let Verdict::ForwardThenRun(run) = verdict {
        finish(response, status, settle).await;
        run(status);
        return Err(io::Error::other("dropped by the test after the answer"));
    }
    if matches!(verdict, Verdict::ForwardThenDropConnection) {
        finish(response, status, settle).await;
        return Err(io::Error::other("dropped by the test after the answer"));
    }
    settle(Outcome::Forwarded(status));
    shared.thawed().await;
    Ok(incoming(response, cuts, shared))
}

/// Reads a withheld answer to its end, at which the API server has certainly logged the request.
async fn finish(response: Response<Body>, status: StatusCode, settle: impl Fn(Outcome)) {
    let _ = response.into_body().collect().await;
    settle(Outcome::Forwarded(status));
}

fn record(shared: &Shared, parts: &Parts, body: Bytes) -> Arc<RequestInfo> {
    let mut records = shared.records();
    let mut info = RequestInfo::new(records.len(), parts, body);
    if info.changes() {
        info.mutating = Some(shared.mutating.fetch_add(1, Ordering::SeqCst) + 1);
    }
    let info = Arc::new(info);
    records.push(Record { request: Arc::clone(&info), outcome: Outcome::Pending });
    info
}

fn outgoing(mut parts: Parts, info: &RequestInfo) -> Request<Body> {
    strip(&mut parts.headers);
    parts.headers.remove(HOST);
    // The body is whole by now, so its length is known anew.
    parts.headers.remove(CONTENT_LENGTH);
    Request::from_parts(parts, Body::from(info.body.clone()))
}

/// Passes the answer on as it comes, held back while the proxy is frozen and broken off when it is cut.
fn incoming(response: Response<Body>, cuts: watch::Receiver<()>, shared: Arc<Shared>) -> Response<AnswerBody> {
    let (mut parts, body) = response.into_parts();
    strip(&mut parts.headers);
    let frames = stream::unfold((body, cuts, shared), |(mut body, mut cuts, shared)| async {
        let frame = tokio::select! {
            frame = body.frame() => frame?.map_err(io::Error::other),
            _ = cuts.changed() => Err(io::Error::other("cut by the test")),
        };
        shared.thawed().await;
        Some((frame, (body, cuts, shared)))
    });
    Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
}

/// Removes what concerns one connection only.
fn strip(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}
