//! How the webhook is served: other kinds, other replicas, other people's certificates, missing rights.

use e2e::webhook::write_certificate;
use e2e::{Crds, Operator, await_condition, flink_blue_green_deployments, flink_session_jobs};
use k8s_openapi::ByteString;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::export::fixture::{Fixture, every_fixture};
use crate::export::{Exported, values};
use crate::fko::Fko;
use crate::hooked::Hooked;
use crate::kinds::{blue_green, cluster, session_job};
use crate::support::{PATIENCE, Scene, job, record};
use crate::undo::undo;

async fn dry_run(api: &Api<DynamicObject>, object: &Value) -> DynamicObject {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&params, &serde_json::from_value(object.clone()).unwrap()).await.expect("an object that is accepted")
}

async fn filled_at_admission(api: &Api<DynamicObject>, object: &Value) -> DynamicObject {
    await_condition("the webhook to fill it", PATIENCE, async || {
        let stored = dry_run(api, object).await;
        if record(&stored).is_null() { Err(stored) } else { Ok(stored) }
    })
    .await
}

#[tokio::test]
async fn session_jobs_and_blue_green_deployments_are_filled_where_they_keep_their_job() {
    let hooked = Hooked::new(Crds::Untyped, "admit-kinds").await;
    let scene = &hooked.scene;
    scene.install_blue_green().await;
    let _operator = hooked.start(&[]).await;
    let mut on = cluster("cluster");
    on["spec"]["flinkVersion"] = json!("v1_20");
    scene.create_stable(Fko::V1_15, on).await;
    let stored =
        filled_at_admission(&flink_session_jobs(&scene.admin, &scene.namespace), &session_job("s", "cluster")).await;
    let values = stored.data["spec"]["flinkConfiguration"].as_object().unwrap();
    assert!(
        values.contains_key("restart-strategy.type") && !values.contains_key("metrics.reporter.prom.port"),
        "{stored:#?}"
    );

    let parents = flink_blue_green_deployments(&scene.admin, &scene.namespace);
    let stored = filled_at_admission(&parents, &blue_green("b")).await;
    assert_eq!(stored.data["spec"]["template"]["spec"]["flinkConfiguration"]["metrics.reporter.prom.port"], "9249");
    assert!(stored.data["spec"].get("flinkConfiguration").is_none(), "{stored:#?}");
    let mut child = job("b-blue");
    child["metadata"]["ownerReferences"] = json!([{ "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkBlueGreenDeployment", "name": "b", "uid": "u" }]);
    assert!(record(&hooked.dry_run(child).await).is_null());
}

/// Every replica answers; the leader keeps the certificate for all.
#[tokio::test]
async fn a_replica_that_does_not_lead_answers_too_and_goes_on_when_the_leader_dies() {
    let hooked = Hooked::new(Crds::Typed, "admit-replica").await;
    let elsewhere = format!("127.0.0.1:{}", e2e::launch::free_port().unwrap());
    let leading =
        ["--webhook", &elsewhere, "--webhook-host", "127.0.0.1", "--webhook-configuration", &hooked.scene.namespace];
    let leader = hooked.scene.start(&leading).await;
    await_condition("it to lead", PATIENCE, async || {
        if leader.metric("flink_remedy_leader").await == Some(1.0) { Ok(()) } else { Err(()) }
    })
    .await;
    let replica = hooked.start(&["--lease-duration", "60"]).await;
    assert_eq!(replica.metric("flink_remedy_leader").await, Some(0.0));
    leader.kill9();
    hooked.serves(&replica).await;
    assert!(!record(&hooked.scene.create(job("j")).await).is_null());
}

/// As cert-manager has it: files that change, and an authority that somebody else writes.
#[tokio::test]
async fn mounted_certificates_are_served_and_read_again() {
    let scene = Scene::new("admit-files").await;
    let (hooked, folder) = (Hooked::unauthorized(scene).await, TempDir::new().unwrap());
    let operator = Operator::start(&hooked.options(&["--webhook-certificate", folder.path().to_str().unwrap()]).await);
    operator.wait_ready().await;
    for _ in 0..2 {
        let authority = write_certificate(folder.path());
        hooked.install(json!({ "url": hooked.url(), "caBundle": ByteString(authority.into_bytes()) })).await;
        hooked.serves(&operator).await;
    }
}

#[tokio::test]
async fn without_rights_to_its_secret_it_says_what_to_grant_and_the_loop_goes_on() {
    let hooked = Hooked::unauthorized(Scene::new("admit-rights").await).await;
    let operator = Operator::start(&hooked.options(&[]).await);
    operator.wait_ready().await;
    hooked.scene.create(job("j")).await;
    hooked.scene.filled("j").await;
    await_condition("it to be said", PATIENCE, async || {
        let logs = operator.logs();
        let is_said = logs.contains("may not watch secrets") && logs.contains("what manifests/webhook grants");
        if is_said { Ok(()) } else { Err(logs) }
    })
    .await;
}

/// Of every fixture that is judged upon nothing but itself.
#[tokio::test]
async fn an_exported_policy_stores_what_the_webhook_stores_in_what_it_covers() {
    let is_plain = |fixture: &Fixture| {
        fixture.object["kind"] == "FlinkDeployment"
            && (&fixture.policy, &fixture.operator_config) == (&None, &None)
            && fixture.object.get("status").is_none()
    };
    let hooked = Hooked::new(Crds::Untyped, "admit-export").await;
    let _operator = hooked.start(&[]).await;
    let exported = Exported::new(&[]).await;
    let mut same = 0;
    for fixture in every_fixture().into_iter().filter(is_plain) {
        let mut job = fixture.object.clone();
        let Ok((by_policy, _)) = exported.filled(&job).await else { continue };
        job["metadata"]["namespace"] = json!(hooked.scene.namespace);
        let stored = values(&hooked.dry_run(job).await.data["spec"]);
        for (target, value) in &by_policy {
            assert_eq!(stored.get(target), Some(value), "{target} of {}", fixture.name());
        }
        same += usize::from(!by_policy.is_empty());
    }
    assert!(same > 100, "{same}");
}

/// What was filled at admission has no owner, and the write that takes it out passes the webhook too.
#[tokio::test]
async fn undo_takes_out_and_gives_up_what_was_filled_at_admission() {
    let hooked = Hooked::new(Crds::Typed, "admit-undo").await;
    let operator = hooked.start(&[]).await;
    let scene = &hooked.scene;
    for (name, args) in
        [("out", &["out", "--yes", "--operator-version", "1.15"][..]), ("kept", &["kept", "--yes", "--keep-values"])]
    {
        let sent = job(name);
        let filled = scene.create_stable(Fko::V1_15, sent.clone()).await;
        assert!(!record(&filled).is_null());
        let output = undo(scene, args).await;
        assert!(output.status.success(), "{output:?}");
        let live = scene.job(name).await;
        let expected = if name == "out" { &sent["spec"] } else { &filled.data["spec"] };
        assert_eq!(&live.data["spec"], expected, "{name}: {live:#?}");
    }
    scene.settle(&operator, 2).await;
    assert!(scene.patches().is_empty(), "{:#?}", scene.patches());
}
