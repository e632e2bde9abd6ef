//! What holds of the webhook under load: by itself, since a load is no neighbour for tests that wait for seconds.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/hooked.rs"]
mod hooked;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/support.rs"]
mod support;

use std::time::Duration;

use e2e::webhook::be_strict;
use e2e::{Crds, await_condition};
use kube::api::DynamicObject;

use crate::hooked::Hooked;
use crate::support::{job, record};

/// Certificates of some seconds, and of their authority of not much longer, under a load that never ends meanwhile.
#[tokio::test]
async fn certificates_are_renewed_without_a_call_that_fails() {
    /// At least, and until some certificates have been made.
    const CALLS: usize = 10_000;
    const CERTIFICATES: usize = 3;
    const CLIENTS: usize = 16;
    let hooked = Hooked::new(Crds::Typed, "admit-rotate").await;
    let operator = hooked.start(&["--webhook-certificate-lifetime", "15s"]).await;
    let configurations: kube::Api<DynamicObject> = kube::Api::all_with(
        hooked.scene.admin.clone(),
        &kube::api::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(
            "admissionregistration.k8s.io",
            "v1",
            "MutatingWebhookConfiguration",
        )),
    );
    let bundle = async || {
        let configuration = configurations.get(&hooked.scene.namespace).await.expect("the configuration");
        configuration.data["webhooks"][0]["clientConfig"]["caBundle"].clone()
    };
    be_strict(&hooked.scene.admin, &hooked.scene.namespace).await;
    let first = bundle().await;
    let made = || operator.logs().matches("a new certificate for the webhook is made").count();
    let calls = (0..CLIENTS).map(|client| {
        let (hooked, made) = (&hooked, &made);
        async move {
            for call in 0.. {
                if call >= CALLS / CLIENTS && made() >= CERTIFICATES {
                    break;
                }
                let stored = hooked.dry_run(job(&format!("j-{client}-{call}"))).await;
                assert!(!record(&stored).is_null(), "unfilled");
            }
        }
    });
    futures::future::join_all(calls).await;
    assert!(made() >= CERTIFICATES, "{} certificates: {}", made(), operator.logs());
    await_condition("the authority to be renewed", Duration::from_mins(2), async || {
        if bundle().await == first { Err(()) } else { Ok(()) }
    })
    .await;
    hooked.serves(&operator).await;
}
