//! Who keeps the webhook's certificate: the leader makes and renews it, and every replica serves with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use flink_api::FIELD_MANAGER;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, watch_object};
use kube::runtime::{WatchStreamExt, watcher::DefaultBackoff};
use kube::{Api, Client};
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::OwnCertificate;
use super::certificate::{Certificates, Served, Wanted};
use crate::lease::{Fence, NotLeader};
use crate::trouble::{advice, answer, with_causes};
use crate::troubles::Trouble;

const AUTHORITY: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// How often it is seen to that all is as it should be; nothing is asked of the API server for that.
const EVERY: Duration = Duration::from_secs(1);
/// How often mounted files are read: kubelet replaces them about once a minute.
const FILES_EVERY: Duration = Duration::from_secs(10);
/// How soon a write that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What the API server has, as far as that is known.
#[derive(Clone, Debug)]
enum Seen<T> {
    Unknown,
    Absent,
    There(T),
}

impl<T> From<Option<T>> for Seen<T> {
    fn from(object: Option<T>) -> Self {
        object.map_or(Self::Absent, Self::There)
    }
}

/// Keeps a certificate of our own.
pub(super) struct Keeper {
    client: Client,
    fence: Fence,
    own: OwnCertificate,
    wanted: Wanted,
    secret: Seen<Secret>,
    configuration: Seen<MutatingWebhookConfiguration>,
    /// Not before this.
    wait: Option<tokio::time::Instant>,
    said: String,
}

impl Keeper {
    pub(super) fn new(client: Client, fence: Fence, own: OwnCertificate) -> Self {
        let wanted = Wanted { names: own.names.clone(), lifetime: own.lifetime };
        Self {
            client,
            fence,
            own,
            wanted,
            secret: Seen::Unknown,
            configuration: Seen::Unknown,
            wait: None,
            said: String::new(),
        }
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.own.namespace)
    }

    fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// Never ends.
    pub(super) async fn keep(mut self, served: &Served) {
        let mut secrets = std::pin::pin!(patiently(watch_object(self.secrets(), &self.own.secret)));
        let mut configurations =
            std::pin::pin!(patiently(watch_object(self.configurations(), &self.own.configuration)));
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                Some(seen) = secrets.next() => match seen {
                    Ok(secret) => {
                        self.serve(secret.as_ref(), served);
                        self.secret = secret.into();
                    }
                    Err(error) => self.complain("secrets", &error),
                },
                Some(seen) = configurations.next() => match seen {
                    Ok(configuration) => self.configuration = configuration.into(),
                    Err(error) => self.complain("mutatingwebhookconfigurations.admissionregistration.k8s.io", &error),
                },
                _ = ticks.tick() => {}
            }
            if self.wait.is_none_or(|wait| wait <= tokio::time::Instant::now()) {
                self.wait = None;
                self.act().await;
            }
        }
    }

    /// Takes the certificate in as it is in the Secret.
    fn serve(&mut self, secret: Option<&Secret>, served: &Served) {
        let Some(kept) = secret.and_then(certificates) else { return };
        let is_served = matches!(&self.secret, Seen::There(before) if certificates(before).as_ref() == Some(&kept));
        if is_served {
            return;
        }
        match served.with(kept.certificate.as_bytes(), kept.key.as_bytes()) {
            Ok(()) => info!(secret = self.own.secret, "serving the webhook with the certificate of this Secret"),
            Err(error) => self.say(
                Trouble::from(&error),
                format!("the certificate in Secret {} is not used: {error}", self.own.secret),
            ),
        }
    }

    /// Brings the Secret, and then the configuration, to where they should be, if this process leads.
    async fn act(&mut self) {
        let leads = self.fence.deadline().is_some_and(|deadline| deadline > tokio::time::Instant::now());
        let secret = match self.secret.clone() {
            _ if !leads => return,
            Seen::Unknown => return,
            Seen::Absent => None,
            Seen::There(secret) => Some(secret),
        };
        let kept = secret.as_ref().and_then(certificates);
        match self.wanted.renewed(kept.as_ref(), Timestamp::now()) {
            Ok(Some(new)) => self.write(secret, &new).await,
            Ok(None) => {
                if let Some(kept) = kept {
                    self.tell_authority(&kept.authority).await;
                }
            }
            Err(error) => self.say(Trouble::from(&error), format!("no certificate for the webhook: {error}")),
        }
    }

    async fn write(&mut self, secret: Option<Secret>, new: &Certificates) {
        let is_new = secret.is_none();
        let mut secret = secret.unwrap_or_else(|| Secret {
            metadata: ObjectMeta { name: Some(self.own.secret.clone()), ..ObjectMeta::default() },
            type_: Some("kubernetes.io/tls".to_owned()),
            ..Secret::default()
        });
        secret.data = Some(data(new));
        let (params, secrets) = (PostParams::default(), self.secrets());
        let write = async {
            if is_new {
                secrets.create(&params, &secret).await
            } else {
                secrets.replace(&self.own.secret, &params, &secret).await
            }
        };
        let written = self.fence.guard(write).await;
        if matches!(written, Ok(Ok(_))) {
            info!(secret = self.own.secret, "a new certificate for the webhook is made");
        }
        if self.is_outdated(written, "write the Secret") {
            self.secret = Seen::Unknown;
        }
    }

    /// Whether what was seen before the write is no longer so: what is there now comes through the watch.
    fn is_outdated<T>(&mut self, written: Result<kube::Result<T>, NotLeader>, what: &str) -> bool {
        match written {
            Ok(Ok(_)) => true,
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => true,
            Ok(Err(error)) => {
                self.failed(what, &error);
                false
            }
            Err(NotLeader) => false,
        }
    }

    /// The API server checks our certificate by what stands in the configuration.
    async fn tell_authority(&mut self, authority: &str) {
        let configuration = match &self.configuration {
            Seen::Unknown => return,
            Seen::Absent => {
                let name = &self.own.configuration;
                return self.say(Trouble::WebhookUnconfigured, format!(
                    "there is no MutatingWebhookConfiguration {name} (--webhook-configuration), so nobody asks the webhook; install manifests/webhook"
                ));
            }
            Seen::There(configuration) => configuration,
        };
        let webhooks = configuration.webhooks.iter().flatten();
        let knows =
            |bundle: &Option<ByteString>| bundle.as_ref().is_some_and(|bundle| bundle.0 == authority.as_bytes());
        if webhooks.clone().all(|webhook| knows(&webhook.client_config.ca_bundle)) {
            return;
        }
        let bundle = json!(ByteString(authority.as_bytes().to_vec()));
        let webhooks: Vec<Value> =
            webhooks.map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}})).collect();
        let body = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            // Without its uid an apply would make one that was deleted anew.
            "metadata": {"name": configuration.metadata.name, "uid": configuration.metadata.uid},
            "webhooks": webhooks,
        });
        let (configurations, params) = (self.configurations(), PatchParams::apply(FIELD_MANAGER).force());
        let body = Patch::Apply(body);
        let patch = configurations.patch(&self.own.configuration, &params, &body);
        let written = self.fence.guard(patch).await;
        if matches!(written, Ok(Ok(_))) {
            info!(configuration = self.own.configuration, "the API server is told the webhook's authority");
        }
        if self.is_outdated(written, "tell the API server the webhook's authority") {
            self.configuration = Seen::Unknown;
        }
    }

    fn failed(&mut self, what: &str, error: &kube::Error) {
        self.wait = Some(tokio::time::Instant::now() + AGAIN);
        let advice = if let kube::Error::Api(status) = error {
            advice(status, "what manifests/webhook grants")
        } else {
            "it is tried again".to_owned()
        };
        self.say(Trouble::CertificateUnkept, format!("cannot {what}: {}; {advice}", with_causes(error)));
    }

    fn complain(&mut self, resource: &str, error: &watcher::Error) {
        let told = match answer(error) {
            Some(status) => format!(
                "may not watch {resource}: {}; {}",
                status.message,
                advice(status, "what manifests/webhook grants")
            ),
            None => format!("the watch of {resource} is interrupted, it goes on by itself: {}", with_causes(error)),
        };
        self.say(Trouble::CertificateUnkept, told);
    }

    /// Says it once, not every second.
    fn say(&mut self, trouble: Trouble, what: String) {
        if self.said != what {
            warn!(%trouble, "{what}");
            self.said = what;
        }
    }
}

fn patiently<K: Send>(
    watch: impl Stream<Item = watcher::Result<Option<K>>> + Send,
) -> impl Stream<Item = watcher::Result<Option<K>>> + Send {
    watch.backoff(DefaultBackoff::default())
}

fn certificates(secret: &Secret) -> Option<Certificates> {
    let data = secret.data.as_ref()?;
    let text = |name: &str| String::from_utf8(data.get(name)?.0.clone()).ok();
    Some(Certificates {
        authority: text(AUTHORITY)?,
        authority_key: text(AUTHORITY_KEY)?,
        certificate: text(CERTIFICATE)?,
        key: text(KEY)?,
    })
}

fn data(certificates: &Certificates) -> BTreeMap<String, ByteString> {
    let entry = |name: &str, text: &str| (name.to_owned(), ByteString(text.as_bytes().to_vec()));
    BTreeMap::from([
        entry(AUTHORITY, &certificates.authority),
        entry(AUTHORITY_KEY, &certificates.authority_key),
        entry(CERTIFICATE, &certificates.certificate),
        entry(KEY, &certificates.key),
    ])
}

/// Serves with files that somebody else keeps, such as cert-manager.
pub(super) struct Files {
    folder: PathBuf,
    served: Option<(Vec<u8>, Vec<u8>)>,
    said: String,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, served: None, said: String::new() }
    }

    /// Never ends.
    pub(super) async fn follow(mut self, served: &Served) {
        let mut ticks = tokio::time::interval(FILES_EVERY);
        loop {
            ticks.tick().await;
            if let Err(why) = self.read(served).await
                && self.said != why
            {
                error!(trouble = %Trouble::CertificateUnusable, "no certificate for the webhook in {}: {why}", self.folder.display());
                self.said = why;
            }
        }
    }

    async fn read(&mut self, served: &Served) -> Result<(), String> {
        let read = async |name: &str| {
            tokio::fs::read(self.folder.join(name)).await.map_err(|error| format!("{name}: {error}"))
        };
        let files = (read(CERTIFICATE).await?, read(KEY).await?);
        if self.served.as_ref() == Some(&files) {
            return Ok(());
        }
        served.with(&files.0, &files.1).map_err(|error| error.to_string())?;
        info!(folder = %self.folder.display(), "serving the webhook with the certificate in this folder");
        self.served = Some(files);
        Ok(())
    }
}
