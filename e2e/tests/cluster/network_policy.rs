//! `manifests/security/network-policy` by connections between pods, where kube-router enforces it.

use std::process::Command;

use e2e::{apply, binary, http};
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::flink::Flink;
use crate::ground::{Ground, job, on_ground};
use crate::support::MANIFESTS;

const REST: u16 = 8081;
/// RPC and blobs, for which Flink's own pods have a service, and metrics.
const OTHERS: [u16; 3] = [6123, 6124, 9249];
/// Opens a connection to an address and a port, and says so.
const CONNECT: &str = "exec 3<>/dev/tcp/$0/$1 && echo open";
/// A pod that does nothing: it waits for something to be said that nobody says.
const IDLE: &str = "read -r <> <(:)";

/// Somebody in the cluster.
struct Place {
    namespace: String,
    pod: String,
}

impl Place {
    /// A pod in a namespace of its own, which runs.
    async fn new(ground: &Ground, prefix: &str) -> Self {
        let namespace = ground.scene.plane.namespace(prefix).await;
        let container = json!({
            "name": "idle", "image": "localhost/flink:1.18", "imagePullPolicy": "Never", "command": ["bash", "-c", IDLE],
        });
        let spec = json!({ "containers": [container], "terminationGracePeriodSeconds": 0 });
        let metadata = json!({ "name": "idle", "namespace": namespace });
        let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
        // The account that pods run as by default comes a moment after the namespace.
        let accounts: Api<ServiceAccount> = Api::namespaced(ground.scene.admin.clone(), &namespace);
        ground.until("a service account", async || accounts.get("default").await.map_err(|e| e.to_string())).await;
        apply(&ground.scene.admin, object).await;
        let pods: Api<Pod> = Api::namespaced(ground.scene.admin.clone(), &namespace);
        ground
            .until("the pod to run", async || {
                let status = pods.get("idle").await.unwrap().status.unwrap_or_default();
                if status.phase.as_deref() == Some("Running") { Ok(()) } else { Err(format!("{status:?}")) }
            })
            .await;
        Self { namespace, pod: "idle".to_owned() }
    }

    /// The one pod of these labels.
    async fn of(ground: &Ground, namespace: &str, labels: &str) -> Self {
        let pods: Api<Pod> = Api::namespaced(ground.scene.admin.clone(), namespace);
        let pods = pods.list(&ListParams::default().labels(labels)).await.unwrap().items;
        let [pod] = &pods[..] else { panic!("{pods:?}") };
        Self { namespace: namespace.to_owned(), pod: pod.metadata.name.clone().unwrap() }
    }

    /// Whether it gets through to an address, by a connection from inside the pod; an error when the pod could not try.
    async fn reaches(&self, ground: &Ground, address: &str, port: u16) -> Result<bool, String> {
        let (port, namespace) = (port.to_string(), format!("--namespace={}", self.namespace));
        let args = ["exec", &namespace, &self.pod, "--", "bash", "-c", CONNECT, address, &port];
        let output = ground.scene.plane.run_kubectl(&args, "").await;
        let is_open = output.status.success() && output.stdout == "open\n";
        // kubectl itself did its part, and the pod was refused.
        if is_open || output.stderr.contains("Connection refused") { Ok(is_open) } else { Err(format!("{output:?}")) }
    }

    /// Returns when it gets through, or no longer does.
    async fn until(&self, ground: &Ground, address: &str, port: u16, is_open: bool) {
        let what = format!("port {port} of {address} from {}: {is_open}", self.namespace);
        ground
            .until(&what, async || {
                let reached = self.reaches(ground, address, port).await?;
                if reached == is_open { Ok(()) } else { Err(reached.to_string()) }
            })
            .await;
    }
}

/// Where a job's `JobManager` is: its pod, and the service that Flink makes for everybody who wants its REST API.
struct JobManager {
    pod: String,
    service: String,
}

impl JobManager {
    async fn of(ground: &Ground, name: &str) -> Self {
        let pods = ground.pods(name, "jobmanager").await;
        let [pod] = &pods[..] else { panic!("{pods:?}") };
        let services: Api<Service> = Api::namespaced(ground.scene.admin.clone(), &ground.scene.namespace);
        let service = services.get(&format!("{name}-rest")).await.unwrap().spec.unwrap();
        Self { pod: pod.status.clone().unwrap().pod_ip.unwrap(), service: service.cluster_ip.unwrap() }
    }

    /// Everything that somebody may reach who may not reach the REST API.
    async fn lets_in_elsewhere(&self, ground: &Ground, place: &Place) {
        for port in OTHERS {
            place.until(ground, &self.pod, port, true).await;
        }
    }

    async fn lets_in(&self, ground: &Ground, place: &Place) {
        for address in [&self.pod, &self.service] {
            place.until(ground, address, REST, true).await;
        }
    }

    async fn keeps_out(&self, ground: &Ground, place: &Place) {
        for address in [&self.pod, &self.service] {
            place.until(ground, address, REST, false).await;
        }
    }
}

/// With metrics for Prometheus, as MET001 fills them.
fn measured(name: &str) -> Value {
    let mut job = job(name, &[]);
    let conf = &mut job["spec"]["flinkConfiguration"];
    conf["metrics.reporter.prom.factory.class"] =
        json!("org.apache.flink.metrics.prometheus.PrometheusReporterFactory");
    conf["metrics.reporter.prom.port"] = json!("9249");
    job
}

#[test]
fn the_rest_port_is_open_to_those_on_the_list_and_every_other_port_to_everybody() {
    on_ground("the_rest_port_is_open_to_those_on_the_list_and_every_other_port_to_everybody", async |ground| {
        let flink = ground.create_checkpointed(measured("j")).await;
        let job_manager = JobManager::of(ground, "j").await;
        let [stranger, guest] = [Place::new(ground, "stranger").await, Place::new(ground, "guest").await];
        for place in [&stranger, &guest] {
            job_manager.lets_in(ground, place).await;
        }
        assert_eq!(judged(ground)["verdict"], "Advice");

        let (namespace, folder) = (ground.scene.namespace.as_str(), format!("{MANIFESTS}/security/network-policy"));
        kubectl(ground, &["apply", "--validate=strict", "-n", namespace, "-k", &folder]).await;
        for place in [&stranger, &guest] {
            job_manager.keeps_out(ground, place).await;
            job_manager.lets_in_elsewhere(ground, place).await;
        }
        let judged = judged(ground);
        assert!(judged["verdict"] == "Pass" && judged["message"].to_string().contains("flink-rest"), "{judged}");
        works_for_its_own(ground, &job_manager, &flink).await;

        let listed = "/spec/ingress/0/from/1/namespaceSelector/matchExpressions/0/values/-";
        let patch = json!([{ "op": "add", "path": listed, "value": guest.namespace }]).to_string();
        kubectl(ground, &["patch", "-n", namespace, "networkpolicy/flink-rest", "--type=json", "-p", &patch]).await;
        job_manager.lets_in(ground, &guest).await;
        job_manager.keeps_out(ground, &stranger).await;
    });
}

/// The Flink operator and the job's own pods reach it, and do their work.
async fn works_for_its_own(ground: &Ground, job_manager: &JobManager, flink: &Flink) {
    let namespace = &ground.scene.namespace;
    let own = [
        Place::of(ground, "flink-operator", "app.kubernetes.io/name=flink-kubernetes-operator").await,
        Place::of(ground, namespace, "app=j,component=taskmanager").await,
    ];
    for place in &own {
        job_manager.lets_in(ground, place).await;
    }
    let completed = async || flink.checkpointed().await.map(|all| all["counts"]["completed"].as_u64().unwrap());
    let before = ground.until("the checkpoints so far", completed).await;
    ground
        .until("a checkpoint more", async || {
            let now = completed().await?;
            if now > before { Ok(()) } else { Err(format!("{now}")) }
        })
        .await;
    // The Flink operator asks the JobManager for one, over its REST API.
    ground.scene.merge("j", json!({ "spec": { "job": { "savepointTriggerNonce": 1 } } })).await;
    ground
        .until("a savepoint by the Flink operator", async || {
            let status = ground.scene.job("j").await.data["status"].clone();
            let saved = status.pointer("/jobStatus/savepointInfo/lastSavepoint/location");
            if saved.is_some_and(Value::is_string) { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    ground.stable("j").await;
    for component in ["jobmanager", "taskmanager"] {
        let pods = ground.pods("j", component).await;
        let address = pods[0].status.clone().unwrap().pod_ip.unwrap();
        let page = format!("http://{address}:9249/metrics");
        ground.until("metrics", async || http::text(&page).await).await;
    }
}

/// What SEC001 finds on the job, among what stands around it.
fn judged(ground: &Ground) -> Value {
    let mut check = Command::new(binary());
    check.args(["check", "--cluster", "-n", &ground.scene.namespace, "-o", "json"]);
    let output = check.env("KUBECONFIG", ground.scene.plane.kubeconfig()).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let findings = report["jobs"][0]["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["code"] == "SEC001").cloned().unwrap()
}

async fn kubectl(ground: &Ground, args: &[&str]) {
    let output = ground.scene.plane.run_kubectl(args, "").await;
    assert!(output.status.success(), "{output:?}");
}
