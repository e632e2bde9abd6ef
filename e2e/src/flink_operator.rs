//! The real Flink Kubernetes Operator, as a process of the test's on a control plane without nodes.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::artifacts::{cache, hex};
use crate::flink_dist::jdk;
use crate::job_managers::JobManagers;
use crate::objects::apply;
use crate::plane::ControlPlane;

/// Namespace and name of its `ServiceAccount`.
const ACCOUNT: &str = "flink-operator";

/// Of the reconciler: without delays that are meant for a busy cluster. A new Deployment must not meet the old one on its
/// way out, so that deletion is in the background: in the foreground it waits for pods, which here nobody ends.
const SETTINGS: &str = "\
kubernetes.operator.reconcile.interval: 3 s
kubernetes.operator.observer.progress-check.interval: 500 ms
kubernetes.operator.observer.rest-ready.delay: 500 ms
kubernetes.operator.jm-deployment.startup.probe.enabled: false
kubernetes.operator.resource.lifecycle.metrics.enabled: false
kubernetes.operator.health.probe.enabled: false
kubernetes.operator.reconcile.parallelism: 20
kubernetes.operator.rate-limiter.limit: 0
kubernetes.operator.resource.deletion.propagation: Background
";

/// Its `log4j-console.properties`.
pub const OPERATOR_LOG: &str = "\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = ConsoleAppender
appender.console.name = ConsoleAppender
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
";

/// A policy in mode Apply under which jobs restart as soon as they are stable, so many at a time. This Flink operator is older
/// than 1.15, which has to be said.
pub fn policy_beside(max_concurrent: usize) -> Value {
    let rollout = json!({
        "operatorVersion": "1.7", "acceptedOperatorVersions": ["1.7"], "quietPeriod": "1 ms",
        "maxConcurrent": max_concurrent, "perHour": 1_000,
    });
    json!({
        "apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy", "metadata": {"name": "tests"},
        "spec": {"mode": "Apply", "rollout": rollout},
    })
}

/// A Flink operator; it ends with this value or with the test's process.
#[derive(Debug)]
pub struct FlinkOperator {
    running: Mutex<Option<Running>>,
    folder: PathBuf,
    kubeconfig: PathBuf,
    hosts: PathBuf,
}

/// A process that ends when this does.
#[derive(Debug)]
struct Running {
    child: Child,
    hold: Option<ChildStdin>,
}

impl FlinkOperator {
    /// Starts it for all namespaces, as the `ServiceAccount` that its chart gives it, with every right.
    ///
    /// # Panics
    /// When it has not been fetched: run `make fko` first.
    pub async fn start(plane: &ControlPlane, job_managers: &JobManagers) -> Self {
        plane.service_account(ACCOUNT, ACCOUNT).await;
        let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" });
        let account = json!({ "kind": "ServiceAccount", "namespace": ACCOUNT, "name": ACCOUNT });
        let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": "flink-operator" }, "roleRef": role, "subjects": [account] });
        apply(&plane.admin().await, binding).await;
        let kubeconfig = plane.kubeconfig_for(&plane.token(ACCOUNT, ACCOUNT).await, plane.server());
        let folder = plane.dir().join("flink-operator");
        fs::create_dir_all(&folder).expect("the folder is writable");
        fs::write(folder.join("flink-conf.yaml"), SETTINGS).expect("the folder is writable");
        fs::write(folder.join("log4j-console.properties"), OPERATOR_LOG).expect("the folder is writable");
        let hosts = job_managers.hosts().to_path_buf();
        let operator = Self { running: Mutex::default(), folder, kubeconfig, hosts };
        operator.start_again();
        operator
    }

    /// Ends the process at once, as a node does that is lost.
    pub fn stop(&self) {
        *self.running.lock().expect("no test has panicked here") = None;
    }

    /// Starts the process anew, with the same configuration.
    pub fn start_again(&self) {
        *self.running.lock().expect("no test has panicked here") = Some(self.process());
    }

    fn process(&self) -> Running {
        let folder = &self.folder;
        let log = File::options().create(true).append(true).open(folder.join("log")).expect("the folder is writable");
        let mut child = Command::new("sh")
            // It ends when nobody holds the pipe any more: with the test's process, however that ends.
            .args(["-c", "\"$@\" & cat >/dev/null; kill -KILL $!; wait $!", "sh"])
            .arg(jdk("java"))
            .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", &class_path()])
            .arg(format!("-Djdk.net.hosts.file={}", self.hosts.display()))
            .arg(format!("-Dlog4j.configurationFile={}", folder.join("log4j-console.properties").display()))
            .arg("org.apache.flink.kubernetes.operator.FlinkOperator")
            .env("KUBECONFIG", &self.kubeconfig)
            .env("FLINK_CONF_DIR", folder)
            .env("FLINK_PLUGINS_DIR", folder.join("plugins"))
            .env("OPERATOR_NAMESPACE", "flink-operator")
            .env("OPERATOR_NAME", "flink-kubernetes-operator")
            // Outside a pod it would look for every JobManager at localhost.
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", "1")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("a shell starts");
        let hold = child.stdin.take();
        Running { child, hold }
    }

    /// The folder with its configuration, as `flink-remedy run --operator-config` reads it.
    pub fn configuration(&self) -> String {
        self.folder.display().to_string()
    }

    /// What it has written so far.
    pub fn logs(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hold = None;
        self.child.wait().expect("a child can be waited for");
    }
}

/// The class path of the Flink Kubernetes Operator that `make fko` fetches.
pub fn class_path() -> String {
    let key = hex(&Sha256::digest(include_bytes!("../flink/fko/pom.xml"))[..8]);
    let file = cache().expect("a cache").join("fko").join(format!("{key}.classpath"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}; run `make fko` first", file.display()))
}
