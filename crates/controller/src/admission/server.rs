//! HTTPS for the API server's calls.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::Admission;
use super::certificate::Served;
use crate::troubles::Trouble;

/// Where reviews are sent to.
pub const PATH: &str = "/admit";
/// Largest body: an object of the largest size that etcd takes, new and old, with room for its text.
const LARGEST_BODY: usize = 7 << 20;
/// Connections at the same time; more wait.
const CONNECTIONS: usize = 256;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a connection may take to send the head of its next request, and so how long an idle one is kept: longer than the
/// API server keeps it, which is 90 s, so that no call meets a connection that is just being closed.
const HEAD: Duration = Duration::from_mins(5);
/// After no connection could be accepted: too many files are open.
const BREATH: Duration = Duration::from_millis(100);

/// Answers until `stop` turns true; then what is asked already is still answered.
pub(crate) async fn serve(
    listener: TcpListener,
    served: Arc<Served>,
    admission: Arc<Admission>,
    stop: watch::Receiver<bool>,
) {
    let Some(acceptor) = acceptor(served) else { return };
    let mut connections = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&admission), stop.clone()));
            }
            Err(error) => {
                warn!(trouble = %Trouble::WebhookUnreachable, %error, "no connection to the webhook can be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    connections.join_all().await;
}

fn acceptor(served: Arc<Served>) -> Option<TlsAcceptor> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder.with_safe_default_protocol_versions().ok()?.with_no_client_auth().with_cert_resolver(served);
    Some(TlsAcceptor::from(Arc::new(config)))
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    admission: Arc<Admission>,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small, and the API server waits for each.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, "no TLS handshake"),
        Err(_) => return debug!("no TLS handshake in time"),
    };
    let service = service_fn(move |request| answer(request, Arc::clone(&admission)));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let asked_to_end = async move { drop(stop.wait_for(|stop| *stop).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = asked_to_end => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the webhook has broken off");
    }
}

async fn answer(request: Request<Incoming>, admission: Arc<Admission>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != PATH {
        return Ok(text(StatusCode::NOT_FOUND, format!("reviews are taken at {PATH}")));
    }
    if request.method() != Method::POST {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "reviews are sent by POST".to_owned()));
    }
    let body = match read(request.into_body()).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            let text_of = format!("the review is larger than {LARGEST_BODY} bytes");
            return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, text_of));
        }
        Err(error) => return Ok(text(StatusCode::BAD_REQUEST, format!("the review cannot be read: {error}"))),
    };
    Ok(match admission.review(&body).await {
        Ok(answer) => {
            let mut response = Response::new(Full::from(answer));
            response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
    })
}

/// The body, or `None` where it is too large. A little more than that is read, and forgotten: who is still sending when the
/// connection closes does not see the answer.
async fn read(mut body: Incoming) -> hyper::Result<Option<Vec<u8>>> {
    let (mut kept, mut size) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        size += data.len();
        if size > LARGEST_BODY {
            kept = Vec::new();
        } else {
            kept.extend_from_slice(&data);
        }
        if size > 2 * LARGEST_BODY {
            break;
        }
    }
    Ok((size <= LARGEST_BODY).then_some(kept))
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text + "\n"));
    *response.status_mut() = status;
    response
}
