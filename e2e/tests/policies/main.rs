//! What an operator of the whole cluster does with policies. It sees every namespace, so that nothing else runs beside it: the
//! tests here take turns.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/fko.rs"]
mod fko;
mod open_reports;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/support.rs"]
mod support;

use e2e::{Operator, OperatorOptions, apply, await_condition};
use futures::StreamExt as _;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::fko::Fko;
use crate::support::{OPERATOR, PATIENCE, REPORTS, Scene, annotated, job};

static TURN: Mutex<()> = Mutex::const_new(());
const POLICIES: &str = "remediationpolicies";

/// Two namespaces and an operator of the cluster.
struct Fleet {
    scene: Scene,
    other: Scene,
    _turn: MutexGuard<'static, ()>,
}

impl Fleet {
    async fn new(prefix: &str) -> Self {
        let turn = TURN.lock().await;
        let (scene, other) = (Scene::new(prefix).await, Scene::new(prefix).await);
        Self { scene, other, _turn: turn }
    }

    fn policies(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("flink-remedy.dev", "v1alpha1", "RemediationPolicy");
        Api::all_with(self.scene.admin.clone(), &ApiResource::from_gvk_with_plural(&kind, POLICIES))
    }

    async fn policy(&self, name: &str, spec: Value) {
        let policy = json!({ "apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy",
            "metadata": { "name": name }, "spec": spec });
        apply(&self.scene.admin, policy).await;
    }

    async fn without_policies(&self, names: &[&str]) {
        for name in names {
            self.policies().delete(name, &DeleteParams::default()).await.expect("the policy is there");
        }
    }

    /// Waits until a policy's status fulfils the condition, and returns it.
    async fn status(&self, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        await_condition(&format!("the status of {name}"), PATIENCE * 3, async || {
            let status = self.policies().get(name).await.expect("the policy is there").data["status"].clone();
            if is_wanted(&status) { Ok(status) } else { Err(status) }
        })
        .await
    }

    fn options(&self, token: &str) -> OperatorOptions {
        let plane = self.scene.plane;
        OperatorOptions::new(plane.kubeconfig_for(token, plane.server()))
            .args(["--lease-namespace", &self.scene.namespace])
            .policies_of_cluster()
    }

    async fn start(&self) -> Operator {
        let operator = Operator::start(&self.options(&self.scene.plane.token("flink-remedy", "flink-remedy").await));
        operator.wait_ready().await;
        operator
    }
}

#[tokio::test]
async fn the_status_of_a_policy_counts_its_jobs_and_says_whether_it_is_in_force() {
    let fleet = Fleet::new("status").await;
    let (scene, other) = (&fleet.scene, &fleet.other);
    scene.create(job("filled")).await;
    scene.create_stable(Fko::V1_15, job("held")).await;
    scene.create(annotated(job("out"), "flink-remedy.dev/opt-out", "true")).await;
    other.create(job("j")).await;
    let there = json!({ "namespaces": { "matchLabels": { "kubernetes.io/metadata.name": other.namespace } } });
    let of_both = json!([{ "key": "kubernetes.io/metadata.name", "operator": "In",
        "values": [scene.namespace, other.namespace] }]);
    let selector = json!({ "namespaces": { "matchExpressions": of_both } });
    fleet
        .policy("wide", json!({ "selector": selector, "storage": { "checkpoints": "s3://a/{namespace}/{name}" } }))
        .await;
    fleet.policy("there", json!({ "mode": "Advise", "selector": there })).await;
    let operator = fleet.start().await;

    let wide = fleet.status("wide", |status| status["jobs"]["selected"] == 3).await;
    let jobs = json!({ "selected": 3, "compliant": 0, "remediated": 1, "pending": 0, "held": 1, "open": 0, "optedOut": 1,
        "quarantined": 0 });
    let wide = if wide["jobs"] == jobs { wide } else { fleet.status("wide", |status| status["jobs"] == jobs).await };
    let ready = &wide["conditions"][0];
    assert_eq!(
        (&ready["type"], &ready["status"], &ready["reason"]),
        (&json!("Ready"), &json!("True"), &json!("InForce"))
    );
    assert!(ready["message"].as_str().unwrap().contains("storage.checkpoints has no {cluster}"), "{ready}");
    let table = scene.plane.run_kubectl(&["get", "rempol"], "").await.stdout;
    let row = |name: &str| {
        let row = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{table}"));
        row.split_whitespace().take(8).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("wide"), "wide NextDeploy True 3 0 1 0 1", "{table}");
    fleet.status("there", |status| status["jobs"]["selected"] == 1 && status["jobs"]["held"] == 1).await;

    // What only the operator finds is told on the policy, and healed.
    let broken = json!([{ "key": "execution.checkpointing.timeout", "value": "soon" }]);
    fleet.policy("there", json!({ "mode": "Advise", "selector": there, "settings": broken })).await;
    let status = fleet.status("there", |status| status["conditions"][0]["status"] == "False").await;
    assert_eq!((&status["observedGeneration"], &status["conditions"][0]["reason"]), (&json!(2), &json!("Invalid")));
    assert!(status["conditions"][0]["message"].as_str().unwrap().contains("is refused"), "{status}");
    fleet.policy("there", json!({ "mode": "NextDeploy", "selector": there, "settings": [] })).await;
    other.filled("j").await;
    fleet
        .status("there", |status| status["conditions"][0]["status"] == "True" && status["jobs"]["remediated"] == 1)
        .await;

    // Without the policy its job counts for the other.
    fleet.without_policies(&["there"]).await;
    fleet.status("wide", |status| status["jobs"]["selected"] == 4).await;
    fleet.without_policies(&["wide"]).await;
    assert_eq!(operator.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn of_a_thousand_jobs_each_report_is_written_once_and_the_status_settles() {
    const JOBS: u32 = 1000;
    let fleet = Fleet::new("thousand").await;
    let scene = &fleet.scene;
    let here = json!({ "namespaces": { "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } } });
    fleet.policy("all", json!({ "mode": "Advise", "selector": here })).await;
    let created = futures::stream::iter(0..JOBS).map(|number| scene.create(job(&format!("j-{number}"))));
    created.buffer_unordered(16).collect::<Vec<_>>().await;
    let mark = scene.plane.audit().mark();
    let writes = |resource: &str| {
        let query = scene.plane.audit().query().since(mark).acting_user(OPERATOR).writes();
        query.resource(resource).filter(|entry| entry.code < 300).entries()
    };
    let operator = fleet.start().await;
    fleet.status("all", |status| status["jobs"]["held"] == JOBS).await;
    await_condition("all reports", PATIENCE * 3, async || {
        let written = writes(REPORTS).len();
        if written >= JOBS as usize { Ok(()) } else { Err(written) }
    })
    .await;
    scene.look_again(&operator, JOBS).await;
    assert_eq!(operator.terminate().await.code(), Some(0));
    // A second one finds nothing to write.
    let second = fleet.start().await;
    scene.look_again(&second, JOBS).await;
    assert_eq!(second.terminate().await.code(), Some(0));
    let names: std::collections::BTreeSet<String> = writes(REPORTS).into_iter().map(|entry| entry.name).collect();
    assert_eq!((writes(REPORTS).len(), names.len()), (JOBS as usize, JOBS as usize));
    assert!(scene.patches().is_empty());
    fleet.without_policies(&["all"]).await;
    // The next operator would see them.
    scene.jobs().delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn without_the_right_to_read_policies_nothing_is_decided() {
    let fleet = Fleet::new("unread").await;
    let scene = &fleet.scene;
    scene.create(job("j")).await;
    fleet.policy("off", json!({ "mode": "Off" })).await;
    let cluster_roles = Api::<k8s_openapi::api::rbac::v1::ClusterRole>::all(scene.admin.clone());
    let shipped = serde_json::to_value(cluster_roles.get("flink-remedy").await.unwrap()).unwrap();
    let rules: Vec<&Value> =
        shipped["rules"].as_array().unwrap().iter().filter(|rule| rule["resources"] != json!([POLICIES])).collect();
    scene.plane.service_account(&scene.namespace, "operator").await;
    scene.grant_lease(&scene.namespace, "operator").await;
    let (group, metadata) = ("rbac.authorization.k8s.io/v1", json!({ "name": scene.namespace }));
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": scene.namespace });
    let subjects = json!([{ "kind": "ServiceAccount", "name": "operator", "namespace": scene.namespace }]);
    apply(&scene.admin, json!({ "apiVersion": group, "kind": "ClusterRole", "metadata": metadata, "rules": rules }))
        .await;
    apply(
        &scene.admin,
        json!({ "apiVersion": group, "kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": role,
        "subjects": subjects }),
    )
    .await;
    let token = scene.plane.token(&scene.namespace, "operator").await;
    let operator = Operator::start(&fleet.options(&token).args(["--operator-config", "none"]));
    let words =
        "nothing is decided before the policies are known: may not list and watch remediationpolicies.flink-remedy.dev";
    await_condition(words, PATIENCE, async || {
        let log = operator.logs();
        if log.contains(words) { Ok(()) } else { Err(log) }
    })
    .await;
    assert!(operator.logs().contains("give them with --policy"));
    assert_eq!(operator.get("/ready").await.unwrap().0, 503);
    assert!(
        scene.audited().iter().all(|entry| entry.resource != "flinkdeployments" || !entry.user.ends_with(":operator"))
    );
    fleet.without_policies(&["off"]).await;
}
