//! With certificates that somebody else keeps: cert-manager and the kubelet are played.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use base64::Engine as _;
use e2e::artifacts::crds_of_others;
use e2e::webhook::write_certificate;
use e2e::{await_condition, launch::free_port};
use kube::api::{DynamicObject, PostParams};
use serde_json::json;
use tempfile::TempDir;

use crate::cluster::{Cluster, INSTALL, UPGRADE};
use crate::support::{PATIENCE, job, record};

/// Mounts a new certificate as the kubelet does, in one step, and returns its authority.
fn mount(folder: &Path, version: &str) -> String {
    let data = folder.join(version);
    fs::create_dir(&data).unwrap();
    let authority = write_certificate(&data);
    symlink(version, folder.join("..new")).unwrap();
    fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        if !folder.join(file).is_symlink() {
            symlink(format!("..data/{file}"), folder.join(file)).unwrap();
        }
    }
    authority
}

impl Cluster {
    /// Puts an authority into the webhook's configuration, as cert-manager does by its annotation, and the address of this machine.
    async fn inject(&self, port: u16, authority: &str) {
        let bundle = base64::engine::general_purpose::STANDARD.encode(authority);
        let client = json!({ "url": format!("https://127.0.0.1:{port}/admit"), "caBundle": bundle });
        let patch = json!([{ "op": "replace", "path": "/webhooks/0/clientConfig", "value": client }]);
        let name = "mutatingwebhookconfiguration flink-remedy";
        self.shell.run(&format!("kubectl patch {name} --type json -p '{patch}'")).await;
    }

    /// Returns when a job would be filled on its way.
    async fn is_asked(&self, logs: impl Fn() -> String) {
        let job: DynamicObject = serde_json::from_value(job("probe")).unwrap();
        let params = PostParams { dry_run: true, ..PostParams::default() };
        await_condition("the webhook to be asked", PATIENCE, async || {
            let stored = self.jobs().await.create(&params, &job).await.unwrap();
            if record(&stored).is_null() { Err(logs()) } else { Ok(()) }
        })
        .await;
    }
}

#[tokio::test]
async fn with_cert_manager_it_serves_what_is_mounted_and_has_no_right_on_secrets() {
    let cluster = Cluster::new("cert-manager").await;
    for file in crds_of_others().unwrap() {
        cluster.plane.install_crds(&fs::read_to_string(file).unwrap()).await;
    }
    let mark = cluster.plane.audit().mark();
    cluster.follow(INSTALL, "cert-manager").await;
    let wanted = "kubectl get mutatingwebhookconfiguration flink-remedy -o jsonpath='{.metadata.annotations}'";
    let wanted = cluster.shell.run(wanted).await;
    assert!(wanted.contains(r#""cert-manager.io/inject-ca-from":"flink-remedy/flink-remedy-webhook""#), "{wanted}");

    // It starts before there is a certificate.
    let (folder, port) = (TempDir::new().unwrap(), free_port().unwrap());
    let mounted = folder.path().to_str().unwrap();
    let operator = cluster.start_pod_with(port, &[("--webhook-certificate", mounted)]).await;
    operator.wait_ready().await;
    cluster.settled("Remediated").await;
    for version in ["..1", "..2"] {
        let authority = mount(folder.path(), version);
        cluster.inject(port, &authority).await;
        cluster.is_asked(|| operator.logs()).await;
    }

    let account = "--as system:serviceaccount:flink-remedy:flink-remedy";
    for what in ["get secrets", "create secrets", "patch mutatingwebhookconfigurations/flink-remedy"] {
        let (_, said) = cluster.shell.try_run(&format!("kubectl auth can-i {what} -n flink-remedy {account}")).await;
        assert_eq!(said.lines().next(), Some("no"), "{what}: {said}");
    }
    let asked = cluster.plane.audit().query().since(mark).acting_user(crate::support::OPERATOR).entries();
    let others = ["secrets", "mutatingwebhookconfigurations"];
    let meddled: Vec<_> = asked.iter().filter(|entry| others.contains(&entry.resource.as_str())).collect();
    assert!(meddled.is_empty() && !asked.is_empty(), "{meddled:#?}");
    cluster.ends(&operator).await;
    cluster.shell.run("kubectl delete -k manifests/webhook-cert-manager --ignore-not-found").await;
    cluster.follow(UPGRADE, "remove").await;
    assert_eq!(cluster.left().await, "");
}
