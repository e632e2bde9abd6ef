//! A cluster in which flink-remedy is installed, upgraded and removed by what the guides say. What starts pods is played.

use e2e::shell::{Shell, commands};
use e2e::{ControlPlane, Crds, Operator, OperatorOptions, apply, await_condition, flink_deployments};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::fko::{Fko, stable};
use crate::support::{PATIENCE, job, looks, operator_config, record};

/// The guide to installation.
pub(crate) const INSTALL: &str = include_str!("../../../docs/guides/install.md");
/// The guide to upgrade and removal.
pub(crate) const UPGRADE: &str = include_str!("../../../docs/guides/upgrade.md");
/// An installation is of the whole cluster.
static TURN: Mutex<()> = Mutex::const_new(());

/// A cluster with two jobs: one that has never run, and one that runs.
pub(crate) struct Cluster {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) shell: Shell,
    pub(crate) namespace: String,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    pub(crate) async fn new(prefix: &str) -> Self {
        let turn = TURN.lock().await;
        let plane = ControlPlane::shared(Crds::Typed).await;
        let admin = plane.admin().await;
        let metadata = json!({ "name": "flink-operator" });
        apply(&admin, json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata })).await;
        apply(&admin, operator_config("flink-operator", "")).await;
        let namespace = plane.namespace(prefix).await;
        let cluster = Self { plane, shell: Shell::new(plane.kubeconfig()), namespace, _turn: turn };
        assert_eq!(cluster.left().await, "", "another test has failed");
        for name in ["new", "running"] {
            cluster.create(name).await;
        }
        let jobs = cluster.jobs().await;
        let live = jobs.get("running").await.unwrap();
        e2e::patch_status(&jobs, "running", stable(Fko::V1_15, &live)).await;
        cluster
    }

    pub(crate) async fn jobs(&self) -> Api<DynamicObject> {
        flink_deployments(&self.plane.admin().await, &self.namespace)
    }

    pub(crate) async fn create(&self, name: &str) -> DynamicObject {
        let mut job = job(name);
        job["metadata"]["namespace"] = json!(self.namespace);
        apply(&self.plane.admin().await, job).await
    }

    /// The jobs to the last byte: whoever writes to one changes its resource version.
    pub(crate) async fn stand(&self) -> Vec<DynamicObject> {
        self.jobs().await.list(&ListParams::default()).await.unwrap().items
    }

    /// Types the commands of a guide.
    pub(crate) async fn follow(&self, guide: &str, part: &str) -> String {
        let mut said = String::new();
        for command in commands(guide, part) {
            said += &self.shell.run(command).await;
        }
        said
    }

    /// What the Deployment's pod would run, by its arguments and its ServiceAccount, with an address of this machine.
    pub(crate) async fn start_pod(&self) -> Operator {
        self.start_pod_with(e2e::launch::free_port().unwrap(), &[]).await
    }

    /// The same with the webhook at this port, and with other values of some arguments.
    pub(crate) async fn start_pod_with(&self, port: u16, instead: &[(&str, &str)]) -> Operator {
        let deployment = self.shell.output("kubectl get deployment -n flink-remedy flink-remedy -o json").await;
        let deployment: Value = serde_json::from_str(&deployment).unwrap();
        let pod = deployment.pointer("/spec/template/spec").unwrap();
        let args: Vec<String> = serde_json::from_value(pod.pointer("/containers/0/args").unwrap().clone()).unwrap();
        let address = format!("127.0.0.1:{port}");
        let instead = [&[("--webhook", address.as_str())], instead].concat();
        let args = args.into_iter().skip(1).map(|arg| {
            let (name, _) = arg.split_once('=').unwrap_or((&arg, ""));
            let other = instead.iter().find(|(flag, _)| *flag == name);
            other.map_or(arg.clone(), |(name, value)| format!("{name}={value}"))
        });
        let token = self.plane.token("flink-remedy", pod["serviceAccountName"].as_str().unwrap()).await;
        let options = OperatorOptions::new(self.plane.kubeconfig_for(&token, self.plane.server()));
        let options = options.args(args).env("POD_NAMESPACE", "flink-remedy").policies_of_cluster();
        Operator::start(&options)
    }

    /// The same, until it leads and both jobs have their report.
    pub(crate) async fn start(&self) -> Operator {
        let operator = self.start_pod().await;
        operator.wait_ready().await;
        self.leads(&operator).await;
        self.settled("Remediated").await;
        operator
    }

    /// Returns when one job is filled and both have a report.
    pub(crate) async fn settled(&self, standing: &str) {
        let get = format!("kubectl get remediationreports -n {} -o json", self.namespace);
        await_condition("both reports", PATIENCE, async || {
            let (_, said) = self.shell.try_run(&get).await;
            let reports: Value = serde_json::from_str(&said).map_err(|_| said)?;
            let of = |name: &str| {
                let mut items = reports["items"].as_array().into_iter().flatten();
                let report = items.find(|report| report["metadata"]["name"] == name);
                report.map(|report| report["standing"].clone()).unwrap_or_default()
            };
            let told = (of("new"), of("running"));
            if told == (json!(standing), json!("Held")) { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }

    /// Ends the operator as Kubernetes does: nothing keeps it waiting.
    pub(crate) async fn ends(&self, operator: &Operator) {
        assert_eq!(operator.terminate().await.code(), Some(0), "{}", operator.logs());
        let logs = operator.logs();
        assert!(!logs.contains("not everything in progress ended"), "{logs}");
    }

    /// Returns when the operator leads.
    pub(crate) async fn leads(&self, operator: &Operator) {
        await_condition("it to lead", PATIENCE, async || {
            if operator.metric("flink_remedy_leader").await == Some(1.0) { Ok(()) } else { Err(operator.logs()) }
        })
        .await;
    }

    /// Returns when the operator has looked at both jobs.
    pub(crate) async fn has_looked(&self, operator: &Operator) {
        await_condition("its looks", PATIENCE, async || {
            let looks = looks(operator).await;
            if looks >= 2.0 { Ok(()) } else { Err(looks) }
        })
        .await;
    }

    /// What of ours is there, by kind and name.
    pub(crate) async fn left(&self) -> String {
        let kinds =
            "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,customresourcedefinitions,namespaces";
        let of_cluster = self.shell.output(&format!("kubectl get {kinds} -o name")).await;
        let of_operator = self.shell.output("kubectl get roles,rolebindings,services -n flink-operator -o name").await;
        let ours = |line: &&str| line.contains("flink-remedy");
        let mut left: Vec<_> = of_cluster.lines().chain(of_operator.lines()).filter(ours).collect();
        left.sort_unstable();
        left.join("\n")
    }

    /// The owner goes on as if nothing had been there.
    pub(crate) async fn goes_on(&self) {
        let before = self.jobs().await.get("new").await.unwrap();
        let patch = r#"{"spec":{"job":{"parallelism":3}}}"#;
        let namespace = &self.namespace;
        self.shell.run(&format!("kubectl patch -n {namespace} flinkdeployment new --type merge -p '{patch}'")).await;
        let after = self.jobs().await.get("new").await.unwrap();
        let mut expected = before.data["spec"].clone();
        expected["job"]["parallelism"] = json!(3);
        assert_eq!(after.data["spec"], expected);
        let created = self.create("later").await;
        assert!(record(&created).is_null());
    }
}
