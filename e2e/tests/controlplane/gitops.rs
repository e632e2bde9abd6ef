//! GitOps tools over filled jobs: their own engines sync what is in Git over and over, while the operator runs.

use e2e::Operator;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::engines::{Engine, Git, command, helm, helmed, snippet};
use crate::fko::{Fko, upgrading};
use crate::owner::{INCREMENTAL, option, owned_by, settled, with};
use crate::support::{REPORTS, Scene, record};

const ROUNDS: usize = 20;
const US: &str = "flink-remedy";
const NEW: &str = "new";
const STABLE: &str = "stable";

/// A job with gaps of every sort: options, a log file and annotations of its pods.
fn gaps(scene: &Scene, name: &str) -> Value {
    let mut conf = settled(&json!({ "state.backend.type": "rocksdb" }));
    conf.as_object_mut().expect("a map").remove("metrics.reporter.slf4j.factory.class");
    scene.manifest(name, "v1_20", &conf)
}

/// Two jobs that came from Git and are filled: one that has never started, and one that runs.
struct Synced {
    scene: Scene,
    git: Git,
    operator: Operator,
}

impl Synced {
    /// `sync` brings to the cluster what is in Git.
    async fn new(prefix: &str, args: &[&str], sync: impl FnOnce(&Scene, &Git)) -> Self {
        let scene = Scene::new(prefix).await;
        let git = Git::of(&[gaps(&scene, NEW), gaps(&scene, STABLE)]);
        sync(&scene, &git);
        let operator = scene.start(&[&["--mode", "Apply"], args].concat()).await;
        for name in [NEW, STABLE] {
            let spec = &scene.filled(name).await.data["spec"];
            assert!(spec["logConfiguration"].is_object() && spec["podTemplate"].is_object(), "{spec}");
            scene.note(name, "Remediated", INCREMENTAL).await;
        }
        scene.now_stable(Fko::V1_15, STABLE).await;
        Self { scene, git, operator }
    }

    /// Both jobs as they are.
    async fn jobs(&self) -> [DynamicObject; 2] {
        [self.scene.job(NEW).await, self.scene.job(STABLE).await]
    }

    /// Syncs twenty times. Our values stay ours, generations and, after a first sync that may still take over what is Git's,
    /// whole objects stand still, and the operator writes nothing.
    async fn stand_still(&self, mut sync: impl FnMut()) {
        let before = self.jobs().await;
        sync();
        let synced = self.jobs().await;
        for round in 1..ROUNDS {
            sync();
            if round == ROUNDS / 2 {
                self.scene.look_again(&self.operator, 2).await;
            }
        }
        for name in [NEW, STABLE] {
            self.scene.settled_after(name, 1).await;
        }
        for ((before, synced), after) in before.iter().zip(&synced).zip(&self.jobs().await) {
            assert_eq!(after.metadata.generation, before.metadata.generation);
            assert_eq!(after.metadata.resource_version, synced.metadata.resource_version);
            assert_eq!((&after.data["spec"], owned_by(after, US)), (&before.data["spec"], owned_by(before, US)));
            assert!(owned_by(after, US).contains(&INCREMENTAL.to_owned()));
        }
    }

    /// The job with a value of its owner's in Git.
    fn set(&self, name: &str) -> Value {
        with(gaps(&self.scene, name), &json!({ INCREMENTAL: "false" }))
    }
}

/// An engine over jobs that it has brought to the cluster.
async fn engine(name: &str, settings: &str) -> (Synced, Engine) {
    let mut engine = None;
    let synced = Synced::new(name, &[], |scene, git| {
        let mut started = Engine::start(scene, name, settings, git);
        started.round();
        engine = Some(started);
    })
    .await;
    (synced, engine.expect("it was started"))
}

async fn values_stay_through(name: &str, settings: &str) {
    let (synced, mut engine) = engine(name, settings).await;
    synced.stand_still(|| engine.round_in_sync()).await;
}

/// Git comes to set what was filled: one sync brings it to the cluster, and the filled value is gone without a fight.
async fn git_wins_through(name: &str, settings: &str) {
    let (synced, mut engine) = engine(name, settings).await;
    synced.git.commit(&synced.set(NEW));
    let answer = engine.round();
    assert_eq!(answer["inSync"], false, "{answer}");
    synced.scene.note(NEW, "RemediationAdvised", &format!("{INCREMENTAL} is false (from the resource)")).await;
    for _ in 0..3 {
        engine.round_in_sync();
    }
    synced.scene.settled_after(NEW, 1).await;
    assert_eq!(option(&synced.scene.job(NEW).await, INCREMENTAL), Some("false"));
}

/// A setting of the tool hides from it what Git comes to say of a filled option.
async fn git_is_held_back_by(name: &str, settings: &str) {
    let (synced, mut engine) = engine(name, settings).await;
    synced.git.commit(&synced.set(NEW));
    engine.round_in_sync();
    assert_eq!(option(&synced.scene.job(NEW).await, INCREMENTAL), Some("true"));
}

#[tokio::test]
async fn values_stay_through_argo_cds_client_side_syncs() {
    values_stay_through("argo", "").await;
}

#[tokio::test]
async fn values_stay_through_argo_cds_forced_syncs() {
    values_stay_through("argo", "spec: {syncPolicy: {syncOptions: [Force=true]}}").await;
}

#[tokio::test]
async fn values_stay_through_argo_cds_server_side_syncs() {
    values_stay_through("argo", "spec: {syncPolicy: {syncOptions: [ServerSideApply=true]}}").await;
}

#[tokio::test]
async fn values_stay_through_argo_cds_server_side_diff() {
    values_stay_through("argo", &snippet("argocd-server-side.yaml")).await;
}

#[tokio::test]
async fn values_stay_with_argo_cd_ignoring_our_fields() {
    values_stay_through("argo", &snippet("argocd-ignore-manager.yaml")).await;
}

#[tokio::test]
async fn values_stay_through_a_flux_kustomization() {
    values_stay_through("flux", "").await;
}

#[tokio::test]
async fn values_stay_with_flux_ignoring_a_path() {
    values_stay_through("flux", &snippet("flux-ignore.yaml")).await;
}

#[tokio::test]
async fn git_wins_through_argo_cd_and_flux() {
    git_wins_through("argo", "").await;
    git_wins_through("argo", &snippet("argocd-server-side.yaml")).await;
    git_wins_through("flux", "").await;
}

#[tokio::test]
async fn a_setting_that_ignores_our_fields_hides_gits_own_change() {
    git_is_held_back_by("argo", &snippet("argocd-ignore-manager.yaml")).await;
    git_is_held_back_by("flux", &snippet("flux-ignore.yaml")).await;
}

const INSTALL: [&str; 4] = ["upgrade", "orders", "./chart", "--install"];

async fn values_stay_through_helm(how: &str) {
    let args = [&INSTALL[..], &[how]].concat();
    let synced = Synced::new("helm", &[], |scene, git| helmed(scene, git, &args)).await;
    synced.stand_still(|| helmed(&synced.scene, &synced.git, &args)).await;
}

#[tokio::test]
async fn values_stay_through_helms_server_side_upgrades() {
    values_stay_through_helm("--server-side=true").await;
}

#[tokio::test]
async fn values_stay_through_helms_three_way_merges() {
    values_stay_through_helm("--server-side=false").await;
}

#[tokio::test]
async fn values_stay_through_fluxs_correction_of_a_releases_drift() {
    let synced = Synced::new("drift", &[], |scene, git| helmed(scene, git, &INSTALL)).await;
    let mut engine = Engine::start(&synced.scene, "drift", &snippet("flux-helmrelease.yaml"), &synced.git);
    synced.stand_still(|| engine.round_in_sync()).await;
    // What the chart renders is corrected.
    synced.scene.merge(NEW, json!({ "spec": { "image": "flink:other" } })).await;
    assert_eq!(engine.round()["inSync"], false);
    engine.round_in_sync();
    assert_eq!(synced.scene.job(NEW).await.data["spec"]["image"], "flink:1.18");
}

#[tokio::test]
async fn helms_upgrade_with_another_value_names_us_and_wins_by_force() {
    let synced = Synced::new("helm", &[], |scene, git| helmed(scene, git, &INSTALL)).await;
    let (scene, git) = (&synced.scene, &synced.git);
    git.commit(&synced.set(NEW));
    let forced = command("helm upgrade");
    let forced: Vec<&str> = forced.iter().map(String::as_str).skip(1).collect();
    let (last, plain) = forced.split_last().expect("arguments");
    assert_eq!(*last, "--force-conflicts");
    let refused = helm(scene, git, plain);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("\"flink-remedy\""), "{told}");
    helmed(scene, git, &forced);
    scene.note(NEW, "RemediationAdvised", "is false (from the resource)").await;
    scene.settled_after(NEW, 1).await;
}

#[tokio::test]
async fn a_client_side_upgrade_with_another_value_wins() {
    let client_side = [&INSTALL[..], &["--server-side=false"]].concat();
    let synced = Synced::new("helm", &[], |scene, git| helmed(scene, git, &client_side)).await;
    synced.git.commit(&synced.set(NEW));
    helmed(&synced.scene, &synced.git, &client_side);
    synced.scene.note(NEW, "RemediationAdvised", "is false (from the resource)").await;
    synced.scene.settled_after(NEW, 1).await;
}

/// Twenty replacements: what can be filled at no cost is filled once more and then given up, and no restart is spent on the
/// job that runs.
async fn a_war_is_given_up(synced: &Synced, manager: &str, mut replace: impl FnMut()) {
    let scene = &synced.scene;
    replace();
    scene.has(NEW, INCREMENTAL, Some("true")).await;
    assert_eq!(option(&scene.job(STABLE).await, INCREMENTAL), None);
    // The Flink operator restarts it.
    scene.now_stable(Fko::V1_15, STABLE).await;
    scene.note(STABLE, "RemediationHeld", "somebody removed a value that was filled before").await;
    scene.settled_after(NEW, 2).await;
    replace();
    let note = scene.note(NEW, "RemediationConflict", "twice within an hour").await;
    assert!(note.contains(&format!("field manager {manager} has")), "{note}");
    let generations = synced.jobs().await.map(|job| job.metadata.generation);
    for round in 2..ROUNDS {
        replace();
        if round == ROUNDS / 2 {
            scene.look_again(&synced.operator, 2).await;
        }
    }
    // The last request only notes to whom the job is left.
    scene.settled_after(NEW, 3).await;
    scene.settled_after(STABLE, 1).await;
    let jobs = synced.jobs().await;
    assert_eq!(jobs.each_ref().map(|job| job.metadata.generation), generations);
    assert_eq!(jobs.each_ref().map(|job| option(job, INCREMENTAL)), [None; 2]);
}

#[tokio::test]
async fn a_war_with_argo_cds_replace_is_given_up() {
    let (synced, mut engine) = engine("argo", "spec: {syncPolicy: {syncOptions: [Replace=true]}}").await;
    a_war_is_given_up(&synced, "argocd-application-controller", || engine.round_in_sync()).await;
}

#[tokio::test]
async fn a_war_with_helms_replace_is_given_up() {
    let replace = [&INSTALL[..], &["--force-replace", "--server-side=false"]].concat();
    let synced = Synced::new("helm", &[], |scene, git| helmed(scene, git, &replace)).await;
    a_war_is_given_up(&synced, "helm", || helmed(&synced.scene, &synced.git, &replace)).await;
}

#[tokio::test]
async fn a_war_with_flux_overriding_us_is_given_up() {
    let (synced, mut engine) = engine("flux", "overrideManagers: [flink-remedy]").await;
    a_war_is_given_up(&synced, "kustomize-controller", || {
        engine.round();
    })
    .await;
}

#[tokio::test]
async fn a_replacement_keeps_what_it_is_told_to() {
    let (synced, mut engine) = engine("argo", &snippet("argocd-replace.yaml")).await;
    engine.round_in_sync();
    for name in [NEW, STABLE] {
        let job = synced.scene.job(name).await;
        assert_eq!(option(&job, INCREMENTAL), Some("true"));
        assert!(owned_by(&job, US).contains(&INCREMENTAL.to_owned()) && !record(&job).is_null());
    }
}

#[tokio::test]
async fn the_report_and_the_event_say_where_a_lasting_change_belongs() {
    let (synced, _engine) = engine("argo", "").await;
    let note = synced.scene.note(NEW, "Remediated", INCREMENTAL).await;
    assert!(note.contains(" Lasting place: the Argo CD application orders. "), "{note}");
    let args = ["get", REPORTS, NEW, "-n", &synced.scene.namespace, "-o", "jsonpath={.managedBy}"];
    let printed = synced.scene.plane.run_kubectl(&args, "").await.stdout;
    let managed: Value = serde_json::from_str(&printed).expect("JSON");
    let expected =
        json!({ "tool": "Argo CD", "kind": "application", "name": "orders", "managers": ["argocd-controller"] });
    assert_eq!(managed, expected);
}

/// What Argo CD shows of a job, by its own check and by the guide's.
fn healths(job: &DynamicObject) -> [Value; 2] {
    let line = serde_json::to_string(job).expect("JSON");
    [String::new(), snippet("argocd-cm.yaml")].map(|settings| Engine::health(&settings).answer(&line)["status"].take())
}

#[tokio::test]
async fn argo_cd_shows_progress_while_a_job_restarts_and_by_the_guides_check_health_where_it_is_for_us() {
    let scene = Scene::new("health").await;
    scene.create_stable(Fko::V1_15, scene.one_gap(STABLE)).await;
    scene.annotate(STABLE, json!({ "flink-remedy.dev/approve": "now" })).await;
    assert_eq!(healths(&scene.job(STABLE).await), ["Healthy", "Healthy"]);
    let _operator = scene.start(&["--mode", "Apply"]).await;
    let restarted = scene.filled(STABLE).await;
    assert!(record(&restarted)["restart"].is_object(), "{restarted:?}");
    assert_eq!(healths(&restarted), ["Healthy", "Healthy"]);
    let suspended = scene.status(STABLE, upgrading(Fko::V1_15, &restarted)).await;
    assert_eq!(healths(&suspended), ["Progressing", "Healthy"]);
    let deployed = scene.now_stable(Fko::V1_15, STABLE).await;
    assert_eq!(healths(&deployed), ["Healthy", "Healthy"]);

    // The owner's own upgrade is no restart of ours, and a job manager that fails is shown in any.
    scene.merge(STABLE, json!({ "spec": { "image": "flink:other" } })).await;
    let upgraded = scene.status(STABLE, upgrading(Fko::V1_15, &scene.job(STABLE).await)).await;
    assert_eq!(healths(&upgraded), ["Progressing", "Progressing"]);
    let failed = scene.status(STABLE, json!({ "jobManagerDeploymentStatus": "ERROR", "error": "no such image" })).await;
    assert_eq!(healths(&failed), ["Degraded", "Degraded"]);
}
