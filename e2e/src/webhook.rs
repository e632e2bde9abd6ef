//! A mutating webhook of somebody else's, which does what a test wants.

use std::convert::Infallible;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::PostParams;
use kube::{Api, Client};
use rcgen::{Certificate, CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::wait::await_condition;

/// What the API server sent -> the operations of a JSON patch; none changes nothing.
type Answer = Arc<dyn Fn(&Value) -> Value + Send + Sync>;

/// A running webhook; it ends with the runtime of the test.
#[derive(Debug)]
pub struct Webhook {
    address: SocketAddr,
    authority: String,
}

impl Webhook {
    /// Starts one on a loopback address of its own.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        let answer: Answer = Arc::new(answer);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let (acceptor, authority) = acceptor();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a listening socket accepts");
                tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&answer)));
            }
        });
        Self { address, authority }
    }

    /// How a webhook configuration names it.
    pub fn client_config(&self) -> Value {
        let bundle = ByteString(self.authority.clone().into_bytes());
        json!({ "url": format!("https://{}/", self.address), "caBundle": bundle })
    }
}

/// Has the API server refuse a job that the webhook in this configuration does not answer for, and say why.
///
/// # Panics
/// When it cannot be changed.
pub async fn be_strict(admin: &Client, configuration: &str) {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(admin.clone());
    await_condition("a strict webhook configuration", Duration::from_mins(2), async || {
        let mut live = configurations.get(configuration).await?;
        let of_jobs = live.webhooks.iter_mut().flatten().next().expect("the shipped webhooks");
        of_jobs.failure_policy = Some("Fail".to_owned());
        configurations.replace(configuration, &PostParams::default(), &live).await
    })
    .await;
}

/// A certificate for this machine that is its own authority.
fn certificate() -> (Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![Ipv4Addr::LOCALHOST.to_string()]).expect("an address is a name");
    (params.self_signed(&key).expect("a certificate"), key)
}

/// Writes such a certificate as `tls.crt` and `tls.key`, as Kubernetes mounts them, and returns its authority.
///
/// # Panics
/// When the folder is not writable.
pub fn write_certificate(folder: &Path) -> String {
    let (certificate, key) = certificate();
    fs::write(folder.join("tls.key"), key.serialize_pem()).expect("the folder is writable");
    fs::write(folder.join("tls.crt"), certificate.pem()).expect("the folder is writable");
    certificate.pem()
}

/// The manifests' webhook configuration for one namespace, by whose name it goes, and this server.
///
/// # Panics
/// When the manifest cannot be read.
pub fn configuration(namespace: &str, client_config: &Value) -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/webhook/configuration.yaml");
    let text = fs::read_to_string(manifest).expect("the manifest");
    let mut configuration: Value = serde_saphyr::from_str(&text).expect("YAML");
    configuration["metadata"]["name"] = json!(namespace);
    for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
        webhook["clientConfig"] = client_config.clone();
    }
    let of_namespace = json!({ "matchLabels": { "kubernetes.io/metadata.name": namespace } });
    configuration["webhooks"][0]["namespaceSelector"] = of_namespace;
    // Policies are in no namespace: the label tells those of one test.
    configuration["webhooks"][1]["objectSelector"] = json!({ "matchLabels": { "e2e": namespace } });
    configuration
}

fn acceptor() -> (TlsAcceptor, String) {
    let (certificate, key) = certificate();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions that the provider has")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::from(key))
        .expect("a key of the certificate");
    (TlsAcceptor::from(Arc::new(config)), certificate.pem())
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, answer: Answer) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| respond(request, Arc::clone(&answer)));
    // A connection that breaks off is the API server's business.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: Request<Incoming>, answer: Answer) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut response = json!({ "uid": review["request"]["uid"], "allowed": true });
    let patch = answer(&review["request"]);
    if patch.as_array().is_some_and(|operations| !operations.is_empty()) {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(ByteString(patch.to_string().into_bytes()));
    }
    let answer = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
    Ok(Response::new(Full::from(answer.to_string())))
}
