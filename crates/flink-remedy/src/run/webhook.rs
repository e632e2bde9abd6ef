//! Flags of the admission webhook.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use controller::{CertificateSource, OwnCertificate, WebhookSettings};
use jiff::SignedDuration;

/// The admission webhook.
#[derive(Args, Clone, Debug)]
pub(super) struct WebhookArgs {
    /// Serve the admission webhook at this address: new jobs, and jobs that their owner changes, are filled without a
    /// restart of their own
    #[arg(long = "webhook", value_name = "ADDRESS")]
    pub(super) address: Option<SocketAddr>,
    /// The Service by which the API server calls the webhook, in the Lease's namespace: its certificate is for that name
    #[arg(long = "webhook-service", value_name = "NAME", default_value = "flink-remedy-webhook")]
    service: String,
    /// Further DNS names and addresses that the certificate is for, joined by commas
    #[arg(long = "webhook-host", value_name = "NAMES", value_delimiter = ',')]
    hosts: Vec<String>,
    /// The `MutatingWebhookConfiguration` that is told the certificate's authority
    #[arg(long = "webhook-configuration", value_name = "NAME", default_value = "flink-remedy")]
    configuration: String,
    /// The Secret that keeps the certificate, in the Lease's namespace
    #[arg(long = "webhook-secret", value_name = "NAME", default_value = "flink-remedy-webhook")]
    secret: String,
    /// How long a certificate is valid; it is renewed when a third of that is left
    #[arg(long = "webhook-certificate-lifetime", value_name = "DURATION", default_value = "2160h", value_parser = lifetime)]
    lifetime: SignedDuration,
    /// Serve with tls.crt and tls.key of this folder, as cert-manager mounts them, instead of making a certificate; whoever
    /// makes them puts their authority into the webhook's configuration
    #[arg(long = "webhook-certificate", value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Whose changes of jobs the webhook passes as they are, joined by commas: `ServiceAccount`s of the Flink operator, by name
    /// or NAMESPACE/NAME, or user names
    #[arg(long = "operator-account", value_name = "ACCOUNTS", value_delimiter = ',', default_value = "flink-operator")]
    accounts: Vec<String>,
}

impl WebhookArgs {
    /// As the controller takes them.
    pub(super) fn settings(self, namespace: &str) -> WebhookSettings {
        let certificate = match self.folder {
            Some(folder) => CertificateSource::Files(folder),
            None => CertificateSource::Own(OwnCertificate {
                namespace: namespace.to_owned(),
                secret: self.secret,
                configuration: self.configuration,
                names: std::iter::once(format!("{}.{namespace}.svc", self.service)).chain(self.hosts).collect(),
                lifetime: self.lifetime,
            }),
        };
        WebhookSettings { certificate, operator_accounts: self.accounts }
    }
}

fn lifetime(text: &str) -> Result<SignedDuration, String> {
    let lifetime: SignedDuration = text.parse().map_err(|error| format!("{error}; write for example 2160h"))?;
    if lifetime.is_positive() { Ok(lifetime) } else { Err("it has to be longer than nothing".to_owned()) }
}
