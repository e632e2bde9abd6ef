//! A namespace whose jobs go through the admission webhook, with the configuration and the rights of the manifests.

use std::fs;

use e2e::launch::free_port;
use e2e::objects::{apply, apply_yaml};
use e2e::webhook::{Webhook, configuration};
use e2e::{Crds, Operator, OperatorOptions, await_condition};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::support::{MANIFESTS, PATIENCE, Scene, job, record};

/// Seconds that the API server waits for a review, so that on a busy machine none is left out.
const PATIENT: u64 = 30;

/// The option that another webhook adds.
pub(crate) const ADDED: &str = "web.upload.dir";

/// A namespace with a webhook.
pub(crate) struct Hooked {
    pub(crate) scene: Scene,
    pub(crate) port: u16,
    as_shipped: bool,
}

impl Hooked {
    /// Installs the webhook for a new namespace; nobody serves it yet.
    pub(crate) async fn new(crds: Crds, prefix: &str) -> Self {
        let hooked = Self::unauthorized(Scene::on(crds, prefix).await).await;
        hooked.grant().await;
        hooked
    }

    /// The same with the timeout of the manifests, for tests of what it is for.
    #[allow(dead_code, reason = "most binaries have no such test")]
    pub(crate) async fn as_shipped(crds: Crds, prefix: &str) -> Self {
        let hooked = Self { as_shipped: true, ..Self::bare(Scene::on(crds, prefix).await) };
        hooked.install(json!({ "url": hooked.url() })).await;
        hooked.grant().await;
        hooked
    }

    /// The same without any right to keep a certificate.
    pub(crate) async fn unauthorized(scene: Scene) -> Self {
        let hooked = Self::bare(scene);
        hooked.install(json!({ "url": hooked.url() })).await;
        hooked
    }

    fn bare(scene: Scene) -> Self {
        Self { scene, port: free_port().expect("a free port"), as_shipped: false }
    }

    /// Where reviews go.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/admit", self.port)
    }

    /// The manifests' configuration, for this namespace and an address in place of a Service.
    pub(crate) async fn install(&self, client_config: Value) {
        let mut configuration = configuration(&self.scene.namespace, &client_config);
        if !self.as_shipped {
            for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
                webhook["timeoutSeconds"] = json!(PATIENT);
            }
        }
        apply(&self.scene.admin, configuration).await;
    }

    /// The manifests' rights, for names of this namespace.
    async fn grant(&self) {
        let namespace = &self.scene.namespace;
        let text = fs::read_to_string(format!("{MANIFESTS}/webhook/rbac.yaml")).expect("the manifest");
        let text = text
            .replace("\n  namespace: flink-remedy\n", &format!("\n  namespace: {namespace}\n"))
            .replace("name: flink-remedy-webhook", &format!("name: webhook-{namespace}"))
            .replace("resourceNames: [flink-remedy]", &format!("resourceNames: [{namespace}]"));
        apply_yaml(&self.scene.admin, &text).await;
    }

    /// How an operator is started that serves it.
    pub(crate) async fn options(&self, args: &[&str]) -> OperatorOptions {
        let address = format!("127.0.0.1:{}", self.port);
        let serving =
            ["--webhook", &address, "--webhook-host", "127.0.0.1", "--webhook-configuration", &self.scene.namespace];
        self.scene.options(&[&serving[..], args].concat()).await
    }

    /// Starts an operator that serves it, and returns when the API server asks it.
    pub(crate) async fn start(&self, args: &[&str]) -> Operator {
        let operator = Operator::start(&self.options(args).await);
        operator.wait_ready().await;
        self.serves(&operator).await;
        operator
    }

    /// Returns when a new job would be filled at admission.
    pub(crate) async fn serves(&self, operator: &Operator) {
        await_condition("the webhook to be asked", PATIENCE, async || {
            let probed = self.dry_run(job("probe")).await;
            if record(&probed).is_null() { Err(operator.logs()) } else { Ok(()) }
        })
        .await;
    }

    /// What would be stored.
    pub(crate) async fn dry_run(&self, job: Value) -> DynamicObject {
        let job: DynamicObject = serde_json::from_value(job).expect("an object");
        let params = PostParams { dry_run: true, ..PostParams::default() };
        self.scene.jobs().create(&params, &job).await.expect("a job that is accepted")
    }

    /// Puts a webhook of somebody else's behind ours, which is asked again after it.
    pub(crate) async fn join_another(&self) {
        let other = Webhook::start(|request| {
            let is_there = request["object"]["spec"]["flinkConfiguration"].get(ADDED).is_some();
            let path = format!("/spec/flinkConfiguration/{ADDED}");
            if is_there { json!([]) } else { json!([{ "op": "add", "path": path, "value": "/tmp/up" }]) }
        })
        .await;
        let rule = json!({ "apiGroups": ["flink.apache.org"], "apiVersions": ["v1beta1"], "resources": ["flinkdeployments"],
                           "operations": ["CREATE", "UPDATE"] });
        let webhook = json!({ "name": "other.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": other.client_config(), "rules": [rule], "reinvocationPolicy": "IfNeeded",
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": self.scene.namespace } } });
        // They are asked in the order of their names.
        let name = format!("z-{}", self.scene.namespace);
        apply(
            &self.scene.admin,
            json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
                    "metadata": { "name": name }, "webhooks": [webhook] }),
        )
        .await;
        await_condition("the other webhook to be asked", PATIENCE, async || {
            let stored = self.dry_run(job("probe")).await;
            if stored.data["spec"]["flinkConfiguration"].get(ADDED).is_some() { Ok(()) } else { Err(stored) }
        })
        .await;
    }
}
