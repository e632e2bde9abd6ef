//! An operator of one team, with the rights of `manifests/tenant` and none in the cluster.

use e2e::{Operator, await_condition};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::fko::Fko;
use crate::owner::OPT_OUT;
use crate::support::{MANIFESTS, PATIENCE, Scene, job, record};

/// Starts it with these rights, its namespace's own kind left out of them or not.
async fn start(scene: &Scene, sees_namespace: bool) -> Operator {
    let namespace = &scene.namespace;
    let mut rendered = scene.plane.run_kubectl(&["kustomize", &format!("{MANIFESTS}/tenant")], "").await.stdout;
    assert!(rendered.contains("  - namespaces\n"), "{rendered}");
    if !sees_namespace {
        rendered = rendered.replace("  - namespaces\n", "  - nothings\n");
    }
    let applied = scene.plane.run_kubectl(&["apply", "-n", namespace, "-f", "-"], &rendered).await;
    assert!(applied.status.success(), "{}", applied.stderr);
    scene.until_may("flink-remedy", "get", "apps", "deployments", true).await;
    scene.until_may("flink-remedy", "get", "", "namespaces", sees_namespace).await;
    let token = scene.plane.token(namespace, "flink-remedy").await;
    let options = scene.options_as(&token, scene.plane.server(), &["--operator-config", "none"]);
    Operator::start(&options.policies_of_cluster())
}

async fn logged(operator: &Operator, words: &str) {
    await_condition(words, PATIENCE, async || {
        let log = operator.logs();
        if log.contains(words) { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test]
async fn a_team_without_rights_in_the_cluster_has_what_needs_none_and_is_told_of_the_rest() {
    let scene = Scene::new("tenant").await;
    scene.create(job("new")).await;
    scene.create_stable(Fko::V1_15, job("held")).await;
    let operator = start(&scene, true).await;
    operator.wait_ready().await;
    scene.filled("new").await;
    scene.note("new", "Remediated", "It cost no restart.").await;
    scene.note("held", "RemediationHeld", "the mode is NextDeploy").await;
    let report = scene.report("held", |report| report["standing"] == "Held").await;
    assert_eq!(report["policy"]["name"], "built-in");
    logged(&operator, "may not list and watch remediationpolicies.flink-remedy.dev").await;
    logged(&operator, "the watched namespaces are asked for again and again").await;
    // What the namespace says is obeyed all the same.
    let namespaces: Api<Namespace> = Api::all(scene.admin.clone());
    let opted_out = Patch::Merge(json!({ "metadata": { "annotations": { OPT_OUT: "true" } } }));
    namespaces.patch(&scene.namespace, &PatchParams::default(), &opted_out).await.expect("an annotation");
    scene.report("held", |report| report["standing"] == "OptedOut").await;
    scene.create(job("later")).await;
    scene.note("later", "OptedOut", "").await;
    assert!(record(&scene.job("later").await).is_null());
    // Nothing was tried that would take more.
    let refused =
        scene.audited().into_iter().filter(|entry| entry.user.ends_with(":flink-remedy") && entry.code == 403);
    let refused: Vec<_> = refused.filter(|entry| entry.verb != "list" && entry.verb != "watch").collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test]
async fn without_a_look_at_its_namespace_a_team_waits_and_is_told_what_to_grant() {
    let scene = Scene::new("blind").await;
    scene.create(job("j")).await;
    let operator = start(&scene, false).await;
    logged(&operator, "or the verb get in a Role of each watched namespace").await;
    assert_eq!(operator.get("/ready").await.expect("an answer").0, 503);
}
