//! One way through, in every form.

use std::io::{self, Write as _};
use std::time::Instant;

use e2e::artifacts::image_archive;
use e2e::cluster::{Cluster, in_cluster};
use e2e::shell::Shell;
use e2e::{apply, policy_beside};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

use crate::flink::SAVEPOINTS;
use crate::forms::Form;
use crate::ground::{Ground, install_flink_operator, job, reconciled_generation};
use crate::pods::Pods;
use crate::support::{Scene, record};

#[test]
fn what_is_installed_fills_a_running_job_though_its_leader_goes_in_between() {
    in_cluster("what_is_installed_fills_a_running_job_though_its_leader_goes_in_between", async |cluster| {
        cluster.import(&image_archive().unwrap()).unwrap();
        install_flink_operator(cluster, "").await;
        for form in Form::chosen() {
            let start = Instant::now();
            // Past libtest: which one it was is worth knowing of a run that passes, too.
            let _ = writeln!(io::stderr(), "installed: {}", form.name());
            through(form, cluster).await;
            let _ = writeln!(io::stderr(), "installed: {} took {:.0?}", form.name(), start.elapsed());
        }
    });
}

async fn through(form: Form, cluster: &'static Cluster) {
    let shell = Shell::new(cluster.plane.kubeconfig());
    let ground = Ground::around(cluster, Scene::bare(cluster.plane, form.name()).await).await;
    // It is slow to come back, so that its leader goes before that.
    let before = ground.create_checkpointed(job("running", &["--main-takes", "30000"])).await;
    let count = ground.until("the job to count", async || before.count().await).await;

    form.install(cluster, &shell).await;
    let pods = Pods { ground: &ground, form };
    let created = new_job_is_filled_as_it_is_created(&ground).await;
    held_by_what_is_shipped(&ground).await;

    let mut policy = policy_beside(1);
    policy["spec"]["verification"] = json!({ "askJobManager": true });
    apply(&ground.scene.admin, policy).await;
    let gone = leader_goes_between_write_and_verification(&pods).await;
    ground.told_with("running", "RemediationVerified", "has completed a checkpoint since").await;
    ground.stable("running").await;
    let after = ground.flink("running").await;
    ground.until("the job to be restored", async || after.goes_on(count, SAVEPOINTS).await).await;
    ground.stable("new").await;
    pods.look_again(&pods.successor(&gone).await, 2).await;
    nothing_was_done_twice(&pods, &gone, &created).await;

    let stand = stand(&ground).await;
    shell.run("kubectl delete remediationpolicies --all").await;
    form.remove(cluster, &shell).await;
    ground.stable("running").await;
    assert_eq!(self::stand(&ground).await, stand);
    ground.until("the job to go on", async || after.goes_on(count, SAVEPOINTS).await).await;
    ground.scene.jobs().delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
}

/// The API server finds the webhook behind its Service as soon as a pod answers there.
async fn new_job_is_filled_as_it_is_created(ground: &Ground) -> DynamicObject {
    let mut object = job("new", &[]);
    object["metadata"]["namespace"] = json!(ground.scene.namespace);
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    ground
        .until("the webhook to answer", async || {
            let answer = ground.scene.jobs().create(&dry_run, &object).await.map_err(|error| error.to_string())?;
            if record(&answer).is_null() { Err("not filled".to_owned()) } else { Ok(()) }
        })
        .await;
    let created = ground.scene.create(job("new", &[])).await;
    let filled = &created.data["spec"]["flinkConfiguration"];
    assert!(!record(&created).is_null() && filled["state.backend.incremental"] == "true", "{filled}");
    created
}

/// In mode `NextDeploy` a gap of a running job waits.
async fn held_by_what_is_shipped(ground: &Ground) {
    ground.told_with("running", "RemediationHeld", "").await;
    assert!(ground.scene.patches().is_empty(), "{:#?}", ground.scene.patches());
}

/// Returns who has led before.
async fn leader_goes_between_write_and_verification(pods: &Pods<'_>) -> Pod {
    let ground = pods.ground;
    ground
        .until("the write", async || {
            let patches = ground.scene.patches();
            if patches.is_empty() { Err(format!("{:#?}", ground.scene.said().await)) } else { Ok(()) }
        })
        .await;
    if pods.form == Form::Sidecar {
        // With its pod the Flink operator goes, which never ends a deployment that it has begun.
        is_deployed(ground, "running").await;
    }
    let leader = ground.until("a leader", async || pods.leader().await).await;
    if pods.form == Form::Chart {
        // It gives no Lease back: as on a node that has lost its network, the Lease has to run out.
        ground.cluster.freeze(leader.metadata.uid.as_deref().unwrap(), true).unwrap();
    }
    let start = Instant::now();
    let api: Api<Pod> = Api::namespaced(ground.scene.admin.clone(), pods.form.place().0);
    api.delete(leader.metadata.name.as_deref().unwrap(), &DeleteParams::default()).await.unwrap();
    pods.successor(&leader).await;
    let _ = writeln!(io::stderr(), "installed: {} led by another pod after {:.1?}", pods.form.name(), start.elapsed());
    assert!(ground.scene.notes("running", "RemediationVerified").await.is_empty(), "it was in mid-flight no more");
    leader
}

/// Returns when the Flink operator has deployed the job's present spec, whether or not it runs.
async fn is_deployed(ground: &Ground, name: &str) {
    ground
        .until(&format!("{name} to be deployed"), async || {
            let job = ground.scene.job(name).await;
            let (status, generation) = (&job.data["status"], job.metadata.generation);
            let state = &status["reconciliationStatus"]["state"];
            let is_deployed = state == "DEPLOYED" && reconciled_generation(status) == generation;
            if is_deployed { Ok(()) } else { Err(format!("{state} at generation {generation:?}")) }
        })
        .await;
}

/// By the audit log: one write, by the identity of the manifests, one restart, and each word once; the rest by another than
/// who wrote.
async fn nothing_was_done_twice(pods: &Pods<'_>, gone: &Pod, created: &DynamicObject) {
    let (ground, form) = (pods.ground, pods.form);
    let patches = ground.scene.patches();
    let [patch] = &patches[..] else { panic!("{patches:#?}") };
    assert_eq!((patch.name.as_str(), patch.user.as_str()), ("running", form.account()));
    // Two of the job that ran, and one of the new one.
    assert_eq!(ground.deployments_made(), 3);
    for reason in ["Remediated", "RemediationVerified"] {
        assert_eq!(ground.scene.notes("running", reason).await.len(), 1, "{:#?}", ground.scene.said().await);
    }
    let events = ground.scene.events().await.into_iter();
    let verified = events.filter(|event| event.reason.as_deref() == Some("RemediationVerified"));
    let instances: Vec<_> = verified.filter_map(|event| event.reporting_instance).collect();
    let name = gone.metadata.name.as_deref().unwrap();
    assert!(instances.len() == 1 && !instances[0].starts_with(name), "{instances:?}, and {name} has gone");
    let new = ground.scene.job("new").await;
    // Not the generation: the Flink operator sometimes writes defaults of its own into the rest.
    let options = |job: &DynamicObject| job.data["spec"]["flinkConfiguration"].clone();
    assert_eq!(options(&new), options(created));
    // A pod that has come since was let in under it.
    pods.are_two().await;
    assert_eq!(pods.are_restricted().await, form != Form::Sidecar);
}

/// What people and we have to say about the jobs, without what the Flink operator says.
async fn stand(ground: &Ground) -> Vec<(Option<i64>, Value, Value)> {
    let jobs = ground.scene.jobs().list(&ListParams::default()).await.unwrap().items;
    let of = |job: DynamicObject| (job.metadata.generation, job.data["spec"].clone(), json!(job.metadata.annotations));
    jobs.into_iter().map(of).collect()
}
