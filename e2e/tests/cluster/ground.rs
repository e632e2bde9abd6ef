//! The cluster with the Flink operator in it, and jobs that it has taken to STABLE.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::flink::Flink;
use crate::support::{Scene, operator_config, plane};
use e2e::cluster::{Cluster, in_cluster};
use e2e::{Crds, OPERATOR_LOG, Operator, apply, apply_yaml, await_condition, flink_operator_class_path, policy_beside};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// How long the Flink operator and Flink may take with a job: a start is two JVMs on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);
const MANIFEST: &str = include_str!("../../cluster/flink-operator.yaml");
/// Where jobs keep their state, in every pod.
const VOLUME: &str = "/flink-data";
/// Lines of each container's log that a failed test shows.
const TOLD: usize = 25;

/// Of the Flink operator, and of all jobs: without delays that are meant for a busy cluster, and with what lets a JVM start
/// on few cores.
const SETTINGS: &str = "\
kubernetes.operator.reconcile.interval: 3 s
kubernetes.operator.observer.progress-check.interval: 1 s
kubernetes.operator.observer.rest-ready.delay: 1 s
kubernetes.operator.resource.lifecycle.metrics.enabled: false
kubernetes.operator.health.probe.enabled: false
kubernetes.jobmanager.cpu.limit-factor: 10
kubernetes.taskmanager.cpu.limit-factor: 10
metrics.fetcher.update-interval: 1000
";

static FLINK_OPERATOR: OnceCell<()> = OnceCell::const_new();

/// One test's part of the cluster.
pub(crate) struct Ground {
    /// Its namespace.
    pub(crate) scene: Scene,
    pub(crate) cluster: &'static Cluster,
    folder: TempDir,
}

/// Runs the body of the test of this name in a namespace of its own, and lets no job go on when it has passed.
pub(crate) fn on_ground(test: &str, body: impl AsyncFnOnce(&Ground)) {
    in_cluster(test, async |cluster| {
        let ground = Ground::new(cluster).await;
        body(&ground).await;
        ground.scene.jobs().delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    });
}

impl Ground {
    /// A namespace in which jobs can run, in a cluster with the Flink operator.
    async fn new(cluster: &'static Cluster) -> Self {
        FLINK_OPERATOR
            .get_or_init(async || {
                // With a configuration of its own, which gives way.
                plane(Crds::Typed).await;
                install_flink_operator(cluster, "").await;
            })
            .await;
        Self::around(cluster, Scene::new("jobs").await).await
    }

    /// The same in a namespace that is there.
    pub(crate) async fn around(cluster: &'static Cluster, scene: Scene) -> Self {
        let folder = cluster.folder(&scene.namespace).unwrap();
        for object in surroundings(&scene.namespace, folder.to_str().unwrap()) {
            apply(&scene.admin, object).await;
        }
        Self { scene, cluster, folder: TempDir::new().unwrap() }
    }

    /// Starts our operator for the namespace, seeing what the Flink operator is configured with, and returns when it is
    /// ready.
    pub(crate) async fn start(&self) -> Operator {
        self.start_under(|_| {}).await
    }

    /// The same under a policy whose spec is edited.
    pub(crate) async fn start_under(&self, edit: impl FnOnce(&mut Value)) -> Operator {
        let mut policy = policy_beside(1);
        edit(&mut policy["spec"]);
        let file = self.folder.path().join("policy.yaml");
        std::fs::write(&file, policy.to_string()).unwrap();
        let config = "flink-operator/flink-operator-config";
        let options = self.scene.options(&["--operator-config", config, "--policy", file.to_str().unwrap()]).await;
        let operator = Operator::start(&self.cluster.as_pod(&self.scene.namespace, options).unwrap());
        operator.wait_ready().await;
        operator
    }

    /// Creates a job and returns its JobManager when the job has completed a checkpoint and is stable.
    pub(crate) async fn create_checkpointed(&self, job: Value) -> Flink {
        let name = job["metadata"]["name"].as_str().unwrap().to_owned();
        self.scene.create(job).await;
        self.stable(&name).await;
        let flink = self.flink(&name).await;
        self.until("a checkpoint", async || flink.checkpointed().await).await;
        // A JobManager that is slow to answer while others start is no more stable to the Flink operator.
        self.stable(&name).await;
        flink
    }

    /// Returns when the Flink operator has acted on the job's present spec and calls it stable.
    pub(crate) async fn stable(&self, name: &str) -> DynamicObject {
        self.until(&format!("{name} to be stable"), async || {
            let job = self.scene.job(name).await;
            let status = &job.data["status"];
            let state = [&status["lifecycleState"], &status["jobStatus"]["state"], &status["error"]];
            let is_stable = state[0] == "STABLE" && state[1] == "RUNNING";
            if is_stable && reconciled_generation(status) == job.metadata.generation {
                return Ok(job);
            }
            Err(format!("{state:?} at generation {:?}", job.metadata.generation))
        })
        .await
    }

    /// Waits for a condition; in vain, it shows what the pods have logged.
    pub(crate) async fn until<T>(&self, what: &str, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
        let start = Instant::now();
        await_condition(what, PATIENCE, async || {
            let seen = probe().await;
            seen.map_err(|state| {
                // Logs are long, and only the last state is shown.
                let is_late = start.elapsed() + Duration::from_secs(10) > PATIENCE;
                Told(if is_late { format!("{state}\n{}", self.logs()) } else { state })
            })
        })
        .await
    }

    /// What the pods of the namespace and the Flink operator have logged last.
    pub(crate) fn logs(&self) -> String {
        let namespaces = [self.scene.namespace.as_str(), "flink-operator"];
        namespaces.map(|namespace| self.cluster.logs(&format!("{namespace}_"), TOLD)).join("\n")
    }

    /// All that the pods of a job have logged that are still there.
    pub(crate) fn logs_of(&self, name: &str) -> String {
        self.cluster.logs(&format!("{}_{name}-", self.scene.namespace), usize::MAX)
    }

    /// The jobs' volume, as a folder of this machine.
    pub(crate) fn volume(&self) -> PathBuf {
        self.cluster.folder(&self.scene.namespace).unwrap()
    }

    /// The job's JobManager, by the service that Flink makes for it.
    pub(crate) async fn flink(&self, name: &str) -> Flink {
        let services: Api<Service> = Api::namespaced(self.scene.admin.clone(), &self.scene.namespace);
        let service = services.get(&format!("{name}-rest")).await.expect("a deployed job has a service");
        let address = service.spec.unwrap().cluster_ip.expect("an address");
        Flink::new(&format!("http://{address}:8081"))
    }

    /// A job's pods that are not on their way out, by `component`: `jobmanager` or `taskmanager`.
    pub(crate) async fn pods(&self, name: &str, component: &str) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.scene.admin.clone(), &self.scene.namespace);
        let of_job = ListParams::default().labels(&format!("app={name},component={component}"));
        let pods = pods.list(&of_job).await.unwrap().items.into_iter();
        pods.filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
    }

    /// The uid of the Deployment in which a job's JobManager runs.
    pub(crate) async fn job_manager(&self, name: &str) -> String {
        let deployments: Api<Deployment> = Api::namespaced(self.scene.admin.clone(), &self.scene.namespace);
        deployments.get(name).await.expect("a deployed job").metadata.uid.unwrap()
    }

    /// Stops the job's JobManager where it is, or lets it go on.
    pub(crate) async fn freeze_job_manager(&self, name: &str, frozen: bool) {
        let pods = self.pods(name, "jobmanager").await;
        let [pod] = &pods[..] else { panic!("{pods:?}") };
        self.cluster.freeze(pod.metadata.uid.as_deref().unwrap(), frozen).unwrap();
    }

    /// How many times the Flink operator has made a Deployment for a JobManager here.
    pub(crate) fn deployments_made(&self) -> usize {
        let made = self.scene.audited().into_iter();
        made.filter(|entry| entry.resource == "deployments" && entry.verb == "create" && entry.code < 300).count()
    }

    /// The note of an Event on a job that holds the text, once it is there: pods take their time.
    pub(crate) async fn told_with(&self, name: &str, reason: &str, text: &str) -> String {
        self.until(&format!("Event {reason} on {name} with `{text}`"), async || {
            let mut notes = self.scene.notes(name, reason).await.into_iter();
            match notes.rfind(|note| note.contains(text)) {
                Some(note) => Ok(note),
                None => Err(format!("{:#?}", self.scene.said().await)),
            }
        })
        .await
    }

    /// The reasons of our Events in the order in which they were told, without advice.
    pub(crate) fn told(&self) -> Vec<String> {
        let writes = self.scene.writes().into_iter();
        let events = writes.filter(|entry| entry.resource == "events" && entry.verb == "create" && entry.code < 300);
        let reasons = events.map(|entry| entry.request_object["reason"].as_str().unwrap_or_default().to_owned());
        reasons.filter(|reason| reason != "RemediationAdvised").collect()
    }
}

/// A text that is shown as it is.
struct Told(String);

impl fmt::Debug for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The generation of the spec that the Flink operator has acted on, as 1.7 keeps it.
pub(crate) fn reconciled_generation(status: &Value) -> Option<i64> {
    let kept = status["reconciliationStatus"]["lastReconciledSpec"].as_str()?;
    let kept: Value = serde_json::from_str(kept).ok()?;
    kept["resource_metadata"]["metadata"]["generation"].as_i64()
}

/// Installs the Flink operator anew with settings beside those that tests need, and returns when all its pods are available.
pub(crate) async fn install_flink_operator(cluster: &Cluster, settings: &str) {
    let admin = cluster.plane.admin().await;
    let class_path = flink_operator_class_path();
    let (maven, _) = class_path.split_once("/maven/").expect("jars in Maven's folder of the cache");
    let manifest = MANIFEST.replace("@CLASS_PATH@", class_path.trim()).replace("@MAVEN@", &format!("{maven}/maven"));
    apply_yaml(&admin, &manifest).await;
    let mut config = operator_config("flink-operator", &format!("{SETTINGS}{settings}"));
    config["data"]["log4j-operator.properties"] = json!(OPERATOR_LOG);
    apply(&admin, config).await;
    is_available(cluster, "flink-operator", "flink-kubernetes-operator").await;
}

/// Returns when a Deployment is rolled out: only pods as it is now, and all of them available.
pub(crate) async fn is_available(cluster: &Cluster, namespace: &str, name: &str) {
    let deployments: Api<Deployment> = Api::namespaced(cluster.plane.admin().await, namespace);
    await_condition(&format!("{namespace}/{name} to be available"), PATIENCE, async || {
        let deployment = deployments.get(name).await.unwrap();
        let (wanted, status) = (deployment.spec.unwrap().replicas, deployment.status.unwrap_or_default());
        let counts = [status.replicas, status.updated_replicas, status.available_replicas];
        let is_seen = status.observed_generation == deployment.metadata.generation;
        let is_available = is_seen && counts.iter().all(|count| *count == wanted);
        let logs = || cluster.logs(&format!("{namespace}_"), TOLD);
        if is_available { Ok(()) } else { Err(format!("{status:?}\n{}", logs())) }
    })
    .await;
}

/// What a namespace needs before a job can run in it: an account for Flink with its rights, and a volume that outlives pods.
fn surroundings(namespace: &str, folder: &str) -> Vec<Value> {
    let named = |name: &str| json!({ "namespace": namespace, "name": name });
    let rbac = "rbac.authorization.k8s.io";
    let rules = json!([
        { "apiGroups": [""], "resources": ["pods", "configmaps", "services"], "verbs": ["*"] },
        { "apiGroups": ["apps"], "resources": ["deployments", "deployments/finalizers"], "verbs": ["*"] },
    ]);
    let (size, modes) = (json!({ "storage": "1Gi" }), json!(["ReadWriteMany"]));
    let claim = json!({
        "storageClassName": "", "volumeName": namespace, "accessModes": modes, "resources": { "requests": size },
    });
    let volume = json!({
        "capacity": size, "accessModes": modes, "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": folder },
        "claimRef": { "namespace": namespace, "name": "flink-data" },
    });
    vec![
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": named("flink") }),
        json!({ "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": named("flink"), "rules": rules }),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": named("flink"),
            "roleRef": { "apiGroup": rbac, "kind": "Role", "name": "flink" },
            "subjects": [{ "kind": "ServiceAccount", "namespace": namespace, "name": "flink" }],
        }),
        json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": namespace }, "spec": volume }),
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named("flink-data"), "spec": claim }),
    ]
}

/// A job that counts in RocksDB, upgrade mode savepoint, with gaps that cost a restart: CKP003, MET001, RST001. `args` are
/// those of `cluster/image/Counting.java`.
pub(crate) fn job(name: &str, args: &[&str]) -> Value {
    let directory = |kind: &str| format!("file://{VOLUME}/{kind}");
    let mounts = json!([{ "name": "data", "mountPath": VOLUME }]);
    let volumes = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "flink-data" } }]);
    let containers = json!([{ "name": "flink-main-container", "volumeMounts": mounts }]);
    json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "metadata": { "name": name },
        "spec": {
            "image": "localhost/flink:1.18", "imagePullPolicy": "Never", "flinkVersion": "v1_18",
            "flinkConfiguration": {
                "pipeline.max-parallelism": "128",
                "pipeline.auto-generate-uids": "false",
                "state.backend.type": "rocksdb",
                // Else so little state lies in the metadata, and no file says whether checkpoints share any.
                "state.storage.fs.memory-threshold": "0",
                "execution.checkpointing.interval": "2 s",
                "state.checkpoints.dir": directory("checkpoints"),
                "state.savepoints.dir": directory("savepoints"),
                "high-availability.type": "kubernetes",
                "high-availability.storageDir": directory("ha"),
            },
            "serviceAccount": "flink",
            "podTemplate": { "spec": { "containers": containers, "volumes": volumes } },
            "jobManager": { "resource": { "memory": "1024m", "cpu": 0.1 } },
            "taskManager": { "resource": { "memory": "1024m", "cpu": 0.1 } },
            "job": {
                "jarURI": "local:///opt/flink/usrlib/counting.jar", "parallelism": 1, "upgradeMode": "savepoint",
                "args": args,
            },
        },
    })
}
