//! Whose value is whose: what an owner sets wins in whatever way it is set, and nothing of theirs is ever
//! changed or taken out.

use e2e::{Crds, await_condition};
use serde_json::{Value, json};

use crate::owner::{BOTH, INCREMENTAL, OPT_OUT, conf, merged, option, own_log, owned_by, recorded, settled, with};
use crate::support::{PATIENCE, Scene, annotated};

const KUBECTL: &str = "kubectl-client-side-apply";
const US: &str = "flink-remedy";

/// A job that its owner made with `kubectl apply` and in which we have closed the only gap.
async fn filled(scene: &Scene, name: &str) -> Value {
    let manifest = scene.one_gap(name);
    scene.kubectl_apply(&manifest).await;
    scene.note(name, "Remediated", INCREMENTAL).await;
    assert_eq!(owned_by(&scene.job(name).await, US), [INCREMENTAL]);
    manifest
}

#[tokio::test]
async fn another_value_under_the_same_key_is_the_owners_and_stays() {
    for crds in BOTH {
        let scene = Scene::on(crds, "flat").await;
        let _operator = scene.start(&[]).await;
        let manifest = filled(&scene, "job").await;
        scene.kubectl_apply(&with(manifest.clone(), &json!({ INCREMENTAL: "false" }))).await;
        scene.note("job", "RemediationAdvised", &format!("{INCREMENTAL} is false (from the resource)")).await;
        scene.settled_after("job", 1).await;
        let job = scene.job("job").await;
        assert_eq!(option(&job, INCREMENTAL), Some("false"));
        assert_eq!(owned_by(&job, US), Vec::<String>::new());

        // Taken out again by its owner, it is a gap again.
        scene.kubectl_apply(&manifest).await;
        scene.has("job", INCREMENTAL, Some("true")).await;
        scene.settled_after("job", 2).await;
    }
}

/// Somebody else keeps taking our value away from a job that it costs nothing to fill.
#[tokio::test]
async fn a_tug_of_war_is_given_up_and_the_other_manager_named() {
    let scene = Scene::new("tug").await;
    let operator = scene.start(&[]).await;
    filled(&scene, "job").await;
    let take_away = async |patches| {
        scene.merge("job", json!({ "spec": { "flinkConfiguration": { INCREMENTAL: null } } })).await;
        scene.settled_after("job", patches).await;
    };
    take_away(2).await;
    scene.has("job", INCREMENTAL, Some("true")).await;
    take_away(3).await;
    scene.has("job", INCREMENTAL, None).await;
    let note = scene.note("job", "RemediationConflict", "twice within an hour").await;
    assert!(note.contains("field manager "), "{note}");
    assert!(!note.contains("field manager somebody"), "{note}");
    scene.look_again(&operator, 1).await;
    scene.settled_after("job", 3).await;

    let approve = json!({ "metadata": { "annotations": { "flink-remedy.dev/approve": "now" } } });
    scene.merge("job", approve).await;
    scene.has("job", INCREMENTAL, Some("true")).await;
}

/// The owner sets the option in another spelling: ours leaves with one patch and there is no fight.
async fn ours_leaves_when_the_owner_writes(crds: Crds, option_as: &Value) {
    let scene = Scene::on(crds, "spelling").await;
    let _operator = scene.start(&[]).await;
    let manifest = filled(&scene, "job").await;
    let owners = with(manifest, option_as);
    scene.kubectl_apply(&owners).await;
    scene.has("job", INCREMENTAL, None).await;
    scene.note("job", "Remediated", "Withdrew filled values that their owner now sets in another spelling").await;
    scene.note("job", "RemediationAdvised", "is false (from the resource)").await;
    scene.settled_after("job", 2).await;
    let job = scene.job("job").await;
    assert_eq!(conf(&job), &owners["spec"]["flinkConfiguration"]);
    assert_eq!((owned_by(&job, US), recorded(&job)), (vec![], vec![]));

    scene.kubectl_apply(&owners).await;
    scene.settled_after("job", 2).await;
}

#[tokio::test]
async fn a_nested_value_of_the_owner_drives_ours_out() {
    let nested = json!({ "execution": { "checkpointing": { "incremental": false } } });
    ours_leaves_when_the_owner_writes(Crds::Untyped, &nested).await;
}

#[tokio::test]
async fn an_older_spelling_of_the_owner_drives_ours_out() {
    let alias = json!({ "state.backend.incremental": "false" });
    for crds in BOTH {
        ours_leaves_when_the_owner_writes(crds, &alias).await;
    }
}

#[tokio::test]
async fn an_older_spelling_that_came_through_the_api_drives_ours_out() {
    let scene = Scene::new("apispelling").await;
    scene.create(scene.one_gap("job")).await;
    let _operator = scene.start(&[]).await;
    scene.has("job", INCREMENTAL, Some("true")).await;
    scene.merge("job", json!({ "spec": { "flinkConfiguration": { "state.backend.incremental": "false" } } })).await;
    let job = scene.has("job", INCREMENTAL, None).await;
    assert_eq!(option(&job, "state.backend.incremental"), Some("false"));
    scene.settled_after("job", 2).await;
}

#[tokio::test]
async fn a_forced_apply_of_another_manager_wins_and_is_not_contested() {
    for crds in BOTH {
        let scene = Scene::on(crds, "forced").await;
        let _operator = scene.start(&[]).await;
        scene.create(scene.one_gap("job")).await;
        scene.note("job", "Remediated", INCREMENTAL).await;
        let theirs = json!({ "flinkConfiguration": { INCREMENTAL: "false" } });
        let refused = scene.apply_as("argocd", "job", false, &theirs).await.expect_err("our value is ours");
        assert!(refused.to_string().contains("flink-remedy"), "{refused}");
        scene.apply_as("argocd", "job", true, &theirs).await.expect("a forced apply");
        scene.note("job", "RemediationAdvised", "is false (from the resource)").await;
        scene.settled_after("job", 1).await;
        let job = scene.job("job").await;
        assert_eq!(
            (option(&job, INCREMENTAL), owned_by(&job, "argocd")),
            (Some("false"), vec![INCREMENTAL.to_owned()])
        );
        assert!(!scene.reasons("job").await.contains(&"RemediationConflict".to_owned()));
    }
}

#[tokio::test]
async fn a_value_that_another_manager_applies_as_well_is_let_go_and_stays() {
    for crds in BOTH {
        let scene = Scene::on(crds, "shared").await;
        let _operator = scene.start(&[]).await;
        scene.create(scene.one_gap("job")).await;
        scene.note("job", "Remediated", INCREMENTAL).await;
        let generation = scene.job("job").await.metadata.generation;
        scene
            .apply_as("argocd", "job", false, &json!({ "flinkConfiguration": { INCREMENTAL: "true" } }))
            .await
            .expect("an apply");
        await_condition("us to let go", PATIENCE, async || {
            let job = scene.job("job").await;
            if owned_by(&job, US).is_empty() { Ok(()) } else { Err(job.metadata.managed_fields) }
        })
        .await;
        scene.settled_after("job", 2).await;
        let job = scene.job("job").await;
        assert_eq!((option(&job, INCREMENTAL), job.metadata.generation), (Some("true"), generation));
        assert_eq!(recorded(&job), Vec::<String>::new());
        // Theirs alone now: they may change it without force.
        scene
            .apply_as("argocd", "job", false, &json!({ "flinkConfiguration": { INCREMENTAL: "false" } }))
            .await
            .expect("an apply");
        scene.note("job", "RemediationAdvised", "is false (from the resource)").await;
        scene.settled_after("job", 2).await;
    }
}

#[tokio::test]
async fn a_value_that_the_owners_manifest_pins_stays_whatever_we_do_next() {
    for crds in BOTH {
        let scene = Scene::on(crds, "pinned").await;
        let _operator = scene.start(&[]).await;
        let bare = merged(&settled(&json!({})), &json!({ "state.backend.type": "rocksdb" }));
        let mut manifest = annotated(scene.one_gap("job"), OPT_OUT, "MET001");
        manifest["spec"]["flinkConfiguration"] = bare.clone();
        let conf = manifest["spec"]["flinkConfiguration"].as_object_mut().expect("a map");
        conf.remove("metrics.reporter.slf4j.factory.class");
        scene.kubectl_apply(&manifest).await;
        scene.note("job", "Remediated", INCREMENTAL).await;

        let pinned = with(manifest, &json!({ INCREMENTAL: "true" }));
        scene.kubectl_apply(&pinned).await;
        // Nothing of ours any more, so an older spelling beside it drives nothing out, ...
        scene.kubectl_apply(&with(pinned.clone(), &json!({ "state.backend.incremental": "true" }))).await;
        scene.settled_after("job", 1).await;
        scene.kubectl_apply(&pinned).await;
        // ... another change of ours holds it in place, ...
        scene.annotate("job", json!({ OPT_OUT: null })).await;
        let job = scene.has("job", "metrics.reporter.prom.port", Some("9249")).await;
        assert_eq!(option(&job, INCREMENTAL), Some("true"));
        scene.settled_after("job", 2).await;
        let record = recorded(&scene.job("job").await);
        assert!(!record.is_empty() && !record.contains(&INCREMENTAL.to_owned()), "{record:?}");
        // ... and so does an opt-out. Its owner takes it out by taking it out of the manifest.
        scene.annotate("job", json!({ OPT_OUT: "true" })).await;
        scene.note("job", "OptedOut", "").await;
        scene.settled_after("job", 2).await;
        assert_eq!(option(&scene.job("job").await, INCREMENTAL), Some("true"));
        let mut without = annotated(scene.one_gap("job"), OPT_OUT, "true");
        without["spec"]["flinkConfiguration"] = bare;
        scene.kubectl_apply(&without).await;
        assert_eq!(option(&scene.job("job").await, INCREMENTAL), None);
        scene.settled_after("job", 2).await;
    }
}

#[tokio::test]
async fn a_value_that_its_owner_applies_client_side_over_and_over_is_never_written_again() {
    let scene = Scene::new("reapply").await;
    let _operator = scene.start(&[]).await;
    let manifest = filled(&scene, "job").await;
    for image in ["flink:a", "flink:b", "flink:c"] {
        let mut changed = manifest.clone();
        changed["spec"]["image"] = json!(image);
        scene.kubectl_apply(&changed).await;
        scene.settled_after("job", 1).await;
    }
    assert_eq!(option(&scene.job("job").await, INCREMENTAL), Some("true"));
}

#[tokio::test]
async fn what_we_filled_is_respelled_with_one_patch_when_its_owner_raises_the_version() {
    let scene = Scene::on(Crds::Untyped, "raised").await;
    let _operator = scene.start(&[]).await;
    let conf = json!({
        "execution.checkpointing.interval": "1 min",
        "metrics.reporter.slf4j.factory.class": "org.apache.flink.metrics.slf4j.Slf4jReporterFactory",
    });
    let mut manifest = own_log(scene.manifest("job", "v1_16", &conf));
    scene.kubectl_apply(&manifest).await;
    scene.has("job", "restart-strategy", Some("exponential-delay")).await;
    manifest["spec"]["flinkVersion"] = json!("v2_1");
    scene.kubectl_apply(&manifest).await;
    // On Flink 2 the old name beside the delays below it would stop the job.
    let job = scene.has("job", "restart-strategy.type", Some("exponential-delay")).await;
    assert_eq!(option(&job, "restart-strategy"), None);
    assert_eq!(option(&job, "restart-strategy.exponential-delay.jitter-factor"), Some("0.1"));
    scene.settled_after("job", 2).await;
}

/// What a person copies from a cluster to make another job of it: `kubectl get -o yaml`, with a new name.
async fn copied(scene: &Scene, name: &str, as_name: &str) -> Value {
    let got =
        scene.plane.run_kubectl(&["get", "flinkdeployment", name, "-n", &scene.namespace, "-o", "json"], "").await;
    let mut copy: Value = serde_json::from_str(&got.stdout).expect("JSON");
    copy["metadata"]["name"] = json!(as_name);
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"] {
        copy["metadata"].as_object_mut().expect("a map").remove(field);
    }
    copy["metadata"]["annotations"]
        .as_object_mut()
        .expect("a map")
        .remove("kubectl.kubernetes.io/last-applied-configuration");
    copy.as_object_mut().expect("a map").remove("status");
    copy
}

#[tokio::test]
async fn a_copied_manifest_is_its_owners_and_the_record_in_it_is_replaced() {
    for crds in BOTH {
        let scene = Scene::on(crds, "copied").await;
        let _operator = scene.start(&[]).await;
        let _ = filled(&scene, "original").await;
        let copy = copied(&scene, "original", "copy").await;
        assert!(copy["metadata"]["annotations"]["flink-remedy.dev/filled"].is_string(), "{copy}");
        // One gap is opened again, so that there is something to fill.
        let mut copy = copy;
        copy["spec"]["flinkConfiguration"]
            .as_object_mut()
            .expect("a map")
            .remove("metrics.reporter.slf4j.factory.class");
        scene.kubectl_apply(&copy).await;
        scene.note("copy", "Remediated", "MET001").await;
        let job = scene.job("copy").await;
        let ours = ["metrics.reporter.prom.factory.class", "metrics.reporter.prom.port"];
        assert_eq!(owned_by(&job, US), ours);
        assert!(!recorded(&job).contains(&INCREMENTAL.to_owned()), "{:?}", recorded(&job));
        // One request takes the foreign record out, one fills.
        scene.settled_after("copy", 2).await;

        // What the manifest carried is its owner's: an older spelling beside it drives nothing out.
        scene.merge("copy", json!({ "spec": { "flinkConfiguration": { "state.backend.incremental": "true" } } })).await;
        scene.settled_after("copy", 2).await;
        assert_eq!(option(&scene.job("copy").await, INCREMENTAL), Some("true"));
        assert!(owned_by(&scene.job("copy").await, KUBECTL).contains(&INCREMENTAL.to_owned()));
        scene.settled_after("original", 1).await;
    }
}

#[tokio::test]
async fn a_copied_manifest_without_a_gap_is_left_as_it_is() {
    let scene = Scene::new("whole").await;
    let _operator = scene.start(&[]).await;
    let _ = filled(&scene, "original").await;
    let copy = copied(&scene, "original", "copy").await;
    scene.kubectl_apply(&copy).await;
    scene.settled_after("copy", 0).await;
    // The record is not ours, so it tells of no change of ours.
    assert_eq!(scene.reasons("copy").await, Vec::<String>::new());
}
