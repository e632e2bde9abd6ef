//! Doing to the cluster what the schedule says.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use e2e::{ControlPlane, apply, await_condition, crds, http};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::replicas::Replica;
use crate::schedule::Action;
use crate::support::{PATIENCE, operator_config};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// How long the Flink operator's configuration is broken.
const BROKEN: Duration = Duration::from_secs(2);
/// How long a kind is missing.
const MISSING: Duration = Duration::from_secs(1);

/// What actions need.
pub(crate) struct World<'a> {
    pub(crate) plane: &'a ControlPlane,
    pub(crate) admin: Client,
    pub(crate) replicas: &'a [Replica],
    /// The file with the clock of some replicas.
    pub(crate) clock: PathBuf,
    /// Namespace and name of the lease that two replicas share.
    pub(crate) lease: (&'a str, &'a str),
}

/// Tries again until it succeeds: the API server may be away.
pub(crate) async fn persist<T>(what: &str, attempt: impl AsyncFn() -> kube::Result<T>) -> T {
    await_condition(what, PATIENCE * 2, async || attempt().await).await
}

/// Deletes something that may be gone already.
pub(crate) async fn delete(client: &Client, path: &str) {
    persist(&format!("{path} to be deleted"), async || match send(client, "DELETE", path, &Value::Null).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        deleted => deleted.map(drop),
    })
    .await;
}

pub(crate) async fn send(client: &Client, method: &str, path: &str, body: &Value) -> kube::Result<Value> {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = hyper::Request::builder().method(method).uri(path).header("content-type", "application/json");
    client.request(request.body(bytes).expect("a request of checked parts")).await
}

impl World<'_> {
    pub(crate) async fn carry_out(&self, action: Action) {
        match action {
            Action::Cut { replica } => self.replicas[replica].proxy.cut(),
            Action::Freeze { replica, milliseconds } => {
                let proxy = &self.replicas[replica].proxy;
                proxy.freeze();
                sleep(Duration::from_millis(milliseconds)).await;
                proxy.thaw();
            }
            Action::Pause { replica, milliseconds } => {
                if let Some(process) = self.replicas[replica].process() {
                    process.pause();
                    sleep(Duration::from_millis(milliseconds)).await;
                    process.resume();
                }
            }
            Action::KillServer { compact } => self.restart_server(compact).await,
            Action::StallServer { milliseconds } => {
                let server = self.plane.process("kube-apiserver");
                server.signal(Signal::STOP);
                sleep(Duration::from_millis(milliseconds)).await;
                server.signal(Signal::CONT);
            }
            Action::Compact => self.compact().await,
            Action::TakeLease => self.take_lease().await,
            Action::DeleteLease => {
                let (namespace, name) = self.lease;
                let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}");
                delete(&self.admin, &path).await;
            }
            Action::Clock(clock) => fs::write(&self.clock, format!("{clock}\n")).expect("a writable file"),
            Action::BreakConfig => {
                let broken = json!({ "data": { "flink-conf.yaml": "a: [\n\t}: :" } });
                self.patch_config(&broken).await;
                sleep(BROKEN).await;
                self.patch_config(&json!({ "data": { "flink-conf.yaml": "" } })).await;
            }
            Action::DeleteConfig => {
                delete(&self.admin, "/api/v1/namespaces/flink-operator/configmaps/flink-operator-config").await;
                sleep(BROKEN).await;
                let config = operator_config("flink-operator", "");
                let path = "/api/v1/namespaces/flink-operator/configmaps";
                persist("the configuration to be back", async || {
                    is_there(send(&self.admin, "POST", path, &config).await)
                })
                .await;
            }
            Action::DeleteNamespace(number) => {
                let api: Api<Namespace> = Api::all(self.admin.clone());
                let name = format!("doomed-{number}");
                persist("a namespace to be deleted", async || {
                    match api.delete(&name, &DeleteParams::default()).await {
                        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
                        deleted => deleted.map(drop),
                    }
                })
                .await;
            }
            Action::DeleteKind(name) => self.replace_kind(name).await,
        }
    }

    async fn restart_server(&self, compact: bool) {
        let server = self.plane.process("kube-apiserver");
        server.signal(Signal::KILL);
        if compact {
            self.compact().await;
        }
        await_condition("the API server to be back", PATIENCE * 2, async || {
            let ready = hyper::Request::get("/readyz").body(Vec::new()).expect("a GET of a path");
            self.admin.request_text(ready).await
        })
        .await;
    }

    /// Drops everything before etcd's present revision, through the gateway that etcd serves beside gRPC.
    async fn compact(&self) {
        let process = self.plane.process("etcd");
        let command = fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).expect("etcd runs");
        let url =
            command.split('\0').find_map(|arg| arg.strip_prefix("--listen-client-urls=")).expect("etcd's address");
        let any_key = json!({ "key": "YQ==" });
        let range = http::post(&format!("{url}/v3/kv/range"), &any_key).await.expect("etcd answers");
        let revision = range["header"]["revision"].clone();
        let compaction = json!({ "revision": revision, "physical": true });
        http::post(&format!("{url}/v3/kv/compaction"), &compaction).await.expect("etcd compacts");
    }

    /// As one whose clock and manners are other than ours: he takes what is held.
    async fn take_lease(&self) {
        let (namespace, name) = self.lease;
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}");
        persist("the lease to be taken", async || {
            let mut lease = match send(&self.admin, "GET", &path, &Value::Null).await {
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                lease => lease?,
            };
            lease["spec"]["holderIdentity"] = json!("stranger");
            lease["spec"]["leaseDurationSeconds"] = json!(3);
            // Microseconds, as the API has it.
            lease["spec"]["renewTime"] = json!(format!("{:.6}", Timestamp::now()));
            send(&self.admin, "PUT", &path, &lease).await.map(drop)
        })
        .await;
    }

    async fn patch_config(&self, patch: &Value) {
        let api: Api<ConfigMap> = Api::namespaced(self.admin.clone(), "flink-operator");
        persist("the configuration to be changed", async || {
            api.patch("flink-operator-config", &PatchParams::default(), &Patch::Merge(patch)).await
        })
        .await;
    }

    /// Deletes a definition, and with it all objects of the kind, and brings it back as it was.
    pub(crate) async fn replace_kind(&self, name: &str) {
        let path = format!("{CRDS}/{name}");
        let mut definition =
            persist("a kind to be read", async || send(&self.admin, "GET", &path, &Value::Null).await).await;
        delete(&self.admin, &path).await;
        await_condition("a kind to be gone", PATIENCE * 2, async || {
            match send(&self.admin, "GET", &path, &Value::Null).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => Err(other.map(|_| "still there").map_err(|error| error.to_string())),
            }
        })
        .await;
        sleep(MISSING).await;
        let annotations = definition["metadata"]["annotations"].take();
        definition["metadata"] = json!({ "name": name, "annotations": annotations });
        definition.as_object_mut().expect("an object").remove("status");
        crds::install(&self.admin, definition).await;
    }
}

/// A creation whose answer was lost may have succeeded.
pub(crate) fn is_there<T>(created: kube::Result<T>) -> kube::Result<()> {
    match created {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
        created => created.map(drop),
    }
}

/// Creates an object of a kind that everybody knows, or replaces it.
pub(crate) async fn namespace(plane: &ControlPlane, admin: &Client, name: &str) {
    let metadata = json!({ "name": name, "labels": { "group": name.split('-').next() } });
    apply(admin, json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata })).await;
    plane.service_account(name, "unused").await;
}
