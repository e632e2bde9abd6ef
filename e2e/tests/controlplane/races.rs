//! What happens between a plan and its write: the proxy holds the write, the world goes on, and the old plan
//! must not land.

use e2e::proxy::{Gate, hold_first};
use e2e::{Operator, Proxy, await_condition};
use hyper::Method;
use kube::api::DeleteParams;
use serde_json::json;

use crate::owner::{INCREMENTAL, OPT_OUT, option, owned_by};
use crate::support::{PATIENCE, Scene};

/// A job with a gap, an operator whose patch of that job is under way, and the gate that holds it.
struct Held {
    scene: Scene,
    gate: Gate,
    _proxy: Proxy,
    _operator: Operator,
}

impl Held {
    async fn new(prefix: &str) -> Self {
        let scene = Scene::new(prefix).await;
        let (hook, gate) = hold_first(|request| request.method == Method::PATCH && request.name == "job");
        let proxy = Proxy::with_hook(scene.plane, hook);
        scene.create(scene.one_gap("job")).await;
        let operator = scene.start_via(&proxy.server(), &[]).await;
        gate.reached().await;
        assert_eq!(scene.asked("job"), []);
        Self { scene, gate, _proxy: proxy, _operator: operator }
    }

    /// Once the operator has seen what happened meanwhile, lets the patch go and returns the code with which the server
    /// answered it.
    async fn release(&self) -> u16 {
        // It sees changes in their order.
        self.scene.create(self.scene.one_gap("later")).await;
        self.scene.filled("later").await;
        self.gate.open();
        let first = async || self.scene.asked("job").first().map(|entry| entry.code);
        await_condition("an answer to the patch", PATIENCE, first).await
    }

    async fn delete(&self) {
        self.scene.jobs().delete("job", &DeleteParams::default()).await.expect("a deletion");
        await_condition("the job to be gone", PATIENCE, async || match self.scene.jobs().get_opt("job").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
}

#[tokio::test]
async fn a_job_deleted_after_the_plan_is_not_made_anew() {
    let held = Held::new("deleted").await;
    held.delete().await;
    let code = held.release().await;
    assert!([404, 409].contains(&code), "{code}");
    held.scene.all_seen().await;
    assert_eq!(held.scene.jobs().get_opt("job").await.expect("an answer").map(|job| job.data), None);
    assert_eq!(held.scene.asked("job").len(), 1);
}

#[tokio::test]
async fn a_job_made_anew_under_the_same_name_is_not_hit_by_the_plan_for_the_old_one() {
    let held = Held::new("recreated").await;
    held.delete().await;
    // Nothing is missing in the new one.
    let complete = crate::owner::with(held.scene.one_gap("job"), &json!({ INCREMENTAL: "false" }));
    held.scene.create(complete.clone()).await;
    assert_eq!(held.release().await, 409);
    held.scene.note("job", "RemediationAdvised", "is false (from the resource)").await;
    held.scene.all_seen().await;
    let job = held.scene.job("job").await;
    assert_eq!(job.data["spec"], complete["spec"]);
    assert_eq!((owned_by(&job, "flink-remedy"), held.scene.asked("job").len()), (vec![], 1));
}

#[tokio::test]
async fn an_opt_out_set_after_the_plan_wins() {
    let held = Held::new("optedout").await;
    held.scene.annotate("job", json!({ OPT_OUT: "true" })).await;
    assert_eq!(held.release().await, 409);
    held.scene.note("job", "OptedOut", "1 gaps stay open").await;
    held.scene.all_seen().await;
    assert_eq!(option(&held.scene.job("job").await, INCREMENTAL), None);
    assert_eq!(held.scene.asked("job").len(), 1);
}

#[tokio::test]
async fn a_value_that_another_manager_sets_after_the_plan_stays_and_the_manager_is_named() {
    let held = Held::new("conflict").await;
    let theirs = json!({ "flinkConfiguration": { INCREMENTAL: "false" } });
    held.scene.apply_as("argocd", "job", false, &theirs).await.expect("nobody owns it yet");
    assert_eq!(held.release().await, 409);
    let event = held.scene.event("job", "RemediationConflict", "belongs to field manager argocd").await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert!(event.note.is_some_and(|note| note.contains(INCREMENTAL) && note.contains("left as it is")));
    held.scene.all_seen().await;
    assert_eq!(option(&held.scene.job("job").await, INCREMENTAL), Some("false"));
    assert_eq!(held.scene.asked("job").len(), 1);
}

#[tokio::test]
async fn a_change_of_something_else_after_the_plan_is_planned_upon_anew() {
    let held = Held::new("changed").await;
    held.scene.merge("job", json!({ "spec": { "image": "flink:other" } })).await;
    assert_eq!(held.release().await, 409);
    let job = held.scene.has("job", INCREMENTAL, Some("true")).await;
    assert_eq!(job.data["spec"]["image"], "flink:other");
    held.scene.all_seen().await;
    let codes: Vec<_> = held.scene.asked("job").iter().map(|entry| entry.code).collect();
    assert_eq!(codes, [409, 200]);
}
