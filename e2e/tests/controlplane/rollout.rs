//! What the policy says of restarts holds them, and lets them go.

use std::io::Write as _;

use e2e::{Operator, await_condition};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::fko::Fko;
use crate::support::{PATIENCE, Scene, annotated, job, record};

const APPROVE: &str = "flink-remedy.dev/approve";

/// An operator in mode Apply with this rollout in its policy; the file has to outlive its start.
async fn operator(scene: &Scene, rollout: &str) -> (Operator, NamedTempFile) {
    // What fails is seen at once: these tests write the statuses themselves.
    let mut policy = NamedTempFile::new().unwrap();
    let head = "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata: {name: tests}\n";
    writeln!(policy, "{head}spec:\n  mode: Apply\n  rollout: {rollout}\n  verification: {{grace: 1 ms}}").unwrap();
    (scene.start(&["--policy", policy.path().to_str().unwrap()]).await, policy)
}

async fn restarts_of(scene: &Scene, names: &[&str]) -> usize {
    let mut restarts = 0;
    for name in names {
        restarts += usize::from(!record(&scene.job(name).await)["restart"].is_null());
    }
    restarts
}

#[tokio::test]
async fn under_an_unknown_flink_operator_nothing_restarts_unless_a_person_says_so() {
    let scene = Scene::new("unknown-version").await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let (operator, _policy) = operator(&scene, "{quietPeriod: 1 ms}").await;
    let note = scene.note("j", "RemediationHeld", "the Flink operator's version is unknown").await;
    assert!(note.contains("--operator-version") && note.contains("FLINK-39270"), "{note}");
    assert!(operator.logs().contains("mode Apply restarts nothing"), "{}", operator.logs());
    scene.look_again(&operator, 1).await;
    assert_eq!(scene.patches().len(), 0, "{:#?}", scene.patches());
    let approval = json!({"metadata": {"annotations": {APPROVE: "now"}}});
    scene.jobs().patch("j", &PatchParams::default(), &Patch::Merge(approval)).await.unwrap();
    scene.filled("j").await;
    scene.note("j", "Remediated", "The running job restarts once for it").await;
}

#[tokio::test]
async fn a_job_restarts_by_itself_once_its_quiet_period_is_over() {
    let scene = Scene::new("quiet").await;
    let live = scene.create_stable(Fko::V1_15, job("j")).await;
    let changed = live.metadata.creation_timestamp.unwrap().0;
    let (operator, _policy) = operator(&scene, "{operatorVersion: '1.15', quietPeriod: 30 s}").await;
    scene.note("j", "RemediationHeld", "rollout.quietPeriod ago").await;
    let filled = scene.filled("j").await;
    let at: k8s_openapi::jiff::Timestamp = record(&filled)["at"].as_str().unwrap().parse().unwrap();
    // Times of the API server are whole seconds.
    assert!(at.duration_since(changed).as_secs() >= 30, "changed at {changed}, restarted at {at}");
    scene.now_stable(Fko::V1_15, "j").await;
    scene.settle(&operator, 1).await;
    assert_eq!(scene.patches().len(), 1, "{:#?}", scene.patches());
}

#[tokio::test]
async fn a_pause_holds_what_a_person_has_approved_and_new_jobs_are_filled() {
    let scene = Scene::new("paused").await;
    scene.create_stable(Fko::V1_15, annotated(job("approved"), APPROVE, "now")).await;
    let (operator, _policy) = operator(&scene, "{operatorVersion: '1.15', quietPeriod: 1 ms, paused: true}").await;
    scene.note("approved", "RemediationHeld", "rollout.paused").await;
    scene.create(job("new")).await;
    scene.filled("new").await;
    scene.settle(&operator, 2).await;
    assert!(scene.patches().iter().all(|patch| patch.name == "new"), "{:#?}", scene.patches());
}

#[tokio::test]
async fn as_many_jobs_restart_at_a_time_as_the_policy_allows() {
    let scene = Scene::new("concurrent").await;
    let names = ["a", "b", "c"];
    for name in names {
        scene.create_stable(Fko::V1_15, job(name)).await;
    }
    let (operator, _policy) = operator(&scene, "{operatorVersion: '1.15', quietPeriod: 1 ms, maxConcurrent: 2}").await;
    await_condition("two restarts", PATIENCE, async || {
        let restarts = restarts_of(&scene, &names).await;
        if restarts == 2 { Ok(()) } else { Err(restarts) }
    })
    .await;
    scene.look_again(&operator, 3).await;
    assert_eq!(restarts_of(&scene, &names).await, 2);
    for name in names {
        scene.now_stable(Fko::V1_15, name).await;
    }
    await_condition("the third restart", PATIENCE, async || {
        let restarts = restarts_of(&scene, &names).await;
        if restarts == 3 { Ok(()) } else { Err(restarts) }
    })
    .await;
}

#[tokio::test]
async fn as_many_jobs_restart_within_an_hour_as_the_policy_allows() {
    let scene = Scene::new("hourly").await;
    let names = ["a", "b"];
    for name in names {
        scene.create_stable(Fko::V1_15, job(name)).await;
    }
    let (operator, _policy) = operator(&scene, "{operatorVersion: '1.15', quietPeriod: 1 ms, perHour: 1}").await;
    let (first, second) = await_condition("one restart", PATIENCE, async || {
        match [restarts_of(&scene, &["a"]).await, restarts_of(&scene, &["b"]).await] {
            [1, 0] => Ok(("a", "b")),
            [0, 1] => Ok(("b", "a")),
            neither => Err(neither),
        }
    })
    .await;
    scene.now_stable(Fko::V1_15, first).await;
    scene.note(second, "RemediationHeld", "rollout.perHour").await;
    scene.settle(&operator, 2).await;
    assert_eq!(restarts_of(&scene, &names).await, 1);
}

#[tokio::test]
async fn what_has_come_of_a_restart_is_told_and_slowness_is_no_failure() {
    let scene = Scene::new("outcome").await;
    let live = scene.create_stable(Fko::V1_15, job("j")).await;
    let (operator, _policy) = operator(&scene, "{operatorVersion: '1.15', quietPeriod: 1 ms}").await;
    let filled = scene.filled("j").await;
    assert!(filled.metadata.generation > live.metadata.generation);
    let upgraded = |lifecycle: &str, state: &str| json!({"lifecycleState": lifecycle, "jobStatus": {"state": state}, "observedGeneration": filled.metadata.generation});
    scene.status("j", upgraded("DEPLOYED", "RESTARTING")).await;
    scene.look_again(&operator, 1).await;
    assert_eq!(scene.notes("j", "RemediationFailed").await, Vec::<String>::new());
    scene.status("j", upgraded("FAILED", "FAILED")).await;
    let note = scene.note("j", "RemediationWithdrawn", "the job has failed").await;
    assert!(note.contains("metrics.reporter.prom.port"), "{note}");
    scene.settle(&operator, 1).await;
    assert_eq!(scene.patches().len(), 2, "{:#?}", scene.patches());
    let after = scene.job("j").await;
    assert_eq!(after.data["spec"], live.data["spec"], "exactly as before");
    assert!(after.metadata.annotations.unwrap().contains_key("flink-remedy.dev/quarantined"));
}

#[tokio::test]
async fn a_job_that_is_stable_again_is_told_of() {
    let scene = Scene::new("stable-again").await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let (operator, _policy) = operator(&scene, "{operatorVersion: '1.15', quietPeriod: 1 ms}").await;
    scene.filled("j").await;
    scene.now_stable(Fko::V1_15, "j").await;
    let note = scene.note("j", "RemediationUnverified", "The job is stable again").await;
    assert!(note.contains("metrics.reporter.prom.port"), "{note}");
    scene.settle(&operator, 1).await;
    assert_eq!(scene.patches().len(), 1, "{:#?}", scene.patches());
}

#[tokio::test]
async fn a_savepoint_comes_before_the_restart_where_the_policy_asks_for_it() {
    let scene = Scene::new("savepoint-first").await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let rollout = "{operatorVersion: '1.15', quietPeriod: 1 ms, savepointFirst: true}";
    let (operator, _policy) = operator(&scene, rollout).await;
    scene.note("j", "RemediationHeld", "a savepoint is written before the restart").await;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkStateSnapshot"));
    let snapshots: Api<DynamicObject> = Api::namespaced_with(scene.admin.clone(), &scene.namespace, &kind);
    let [snapshot] = &snapshots.list(&ListParams::default()).await.unwrap().items[..] else { panic!("not one") };
    assert_eq!(snapshot.data["spec"]["jobReference"], json!({"kind": "FlinkDeployment", "name": "j"}));
    assert_eq!(snapshot.data["spec"]["savepoint"], json!({"disposeOnDelete": false}));
    scene.look_again(&operator, 1).await;
    assert_eq!(scene.patches().len(), 0, "{:#?}", scene.patches());

    let status = json!({"status": {"state": "COMPLETED", "path": "s3://flink/savepoints/1"}});
    let name = snapshot.metadata.name.as_deref().unwrap();
    snapshots.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    scene.filled("j").await;
    scene.settle(&operator, 1).await;
    assert_eq!(scene.patches().len(), 1, "{:#?}", scene.patches());
    assert_eq!(snapshots.list(&ListParams::default()).await.unwrap().items.len(), 1);
}
