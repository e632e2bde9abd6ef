//! The part of kubelet and of Flink's start: pods of `JobManager`s become ready, jobs begin to run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{Fault, Incarnation, JobManager, JobState, Known, Name, lock};

/// How often it looks.
const POLL: Duration = Duration::from_millis(200);
/// How long a job takes from a ready `JobManager` until it runs.
const JOB_START: Duration = Duration::from_millis(500);
const CONTAINER: &str = "flink-main-container";

/// Looks after the pods until the runtime ends.
pub(super) async fn run(client: Client, known: Arc<Mutex<Known>>) {
    let mut ticks = tokio::time::interval(POLL);
    loop {
        ticks.tick().await;
        // What the API server refuses this time is due again next time.
        let _ = look(&client, &known).await;
    }
}

async fn look(client: &Client, known: &Mutex<Known>) -> kube::Result<()> {
    let labelled = |labels: &str| ListParams::default().labels(labels);
    let deployments = Api::<Deployment>::all(client.clone()).list(&labelled("type=flink-native-kubernetes")).await?;
    let present: Vec<Deployment> =
        deployments.into_iter().filter(|deployment| deployment.metadata.deletion_timestamp.is_none()).collect();
    forget_others(&present, known);
    for deployment in &present {
        if !lock(known).present.contains_key(&name_of(deployment)) {
            // One that cannot be read, since its Flink operator was killed over it, is nothing to the others.
            let _ = take_in(client, deployment, known).await;
        }
    }
    let pods = labelled("type=flink-native-kubernetes,component=jobmanager");
    for pod in Api::<Pod>::all(client.clone()).list(&pods).await? {
        // A pod whose namespace goes is nothing to the others.
        let _ = look_after(client, &pod, known).await;
    }
    start_jobs(known);
    Ok(())
}

fn name_of(deployment: &Deployment) -> Name {
    (deployment.namespace().unwrap_or_default(), deployment.name_any())
}

fn forget_others(present: &[Deployment], known: &Mutex<Known>) {
    let uids: BTreeSet<String> = present.iter().filter_map(ResourceExt::uid).collect();
    lock(known).present.retain(|_, job_manager| uids.contains(&job_manager.incarnation.uid));
}

/// A Deployment of which nothing was known.
async fn take_in(client: &Client, deployment: &Deployment, known: &Mutex<Known>) -> kube::Result<()> {
    let name = name_of(deployment);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &name.0);
    let map = maps.get(&format!("flink-config-{}", name.1)).await?;
    let text = map.data.as_ref().and_then(|data| data.get("flink-conf.yaml")).cloned().unwrap_or_default();
    // As Flink reads it (`GlobalConfiguration`): a line without a value means nothing.
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let configuration: BTreeMap<String, String> =
        lines.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
    let job_id = configuration.get("$internal.pipeline.job-id").cloned().unwrap_or_else(|| "0".repeat(32));
    let uid = deployment.uid().unwrap_or_default();
    let created = deployment.metadata.creation_timestamp.as_ref();
    let incarnation = Incarnation { uid, job_id, configuration };
    let job_manager = JobManager {
        fault: Fault::of(&incarnation.configuration),
        state: JobState::Created,
        started: created.map_or(0, |time| time.0.as_millisecond()),
        ready: None,
        incarnation: incarnation.clone(),
    };
    let mut known = lock(known);
    known.history.entry(name.clone()).or_default().push(incarnation);
    known.present.insert(name, job_manager);
    Ok(())
}

/// Reports a `JobManager`'s pod as its fault has it.
async fn look_after(client: &Client, pod: &Pod, known: &Mutex<Known>) -> kube::Result<()> {
    let name = (pod.namespace().unwrap_or_default(), pod.labels().get("app").cloned().unwrap_or_default());
    let Some(job_manager) = lock(known).present.get(&name).cloned() else { return Ok(()) };
    let container = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref()?.first());
    let status = match (job_manager.fault, container) {
        _ if pod.metadata.deletion_timestamp.is_some() => return Ok(()),
        (Some(Fault::Crashes), Some(container)) if container.ready && has_been_up(client, &name).await? => crash_loop(),
        (Some(Fault::CrashLoop), None) if never_up(client, &name).await? => crash_loop(),
        (_, Some(_)) | (Some(Fault::NeverReady | Fault::CrashLoop), None) => return Ok(()),
        (Some(Fault::NotRunning | Fault::Fails | Fault::Crashes) | None, None) => ready(),
    };
    let crashes = matches!(job_manager.fault, Some(Fault::CrashLoop | Fault::Crashes));
    if !crashes {
        keep_metadata(client, &name, &job_manager.incarnation).await?;
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), &name.0);
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(json!({ "status": status }))).await?;
    if let Some(job_manager) = lock(known).present.get_mut(&name).filter(|_| !crashes) {
        job_manager.ready = Some(Instant::now());
    }
    Ok(())
}

/// Whether the Deployment says that it was available later than it was created: the Flink operator takes a `JobManager` of
/// which it does not for one that never started (`FlinkUtils.jmPodNeverStarted`), and Kubernetes counts in seconds.
async fn has_been_up(client: &Client, (namespace, name): &Name) -> kube::Result<bool> {
    let deployment = Api::<Deployment>::namespaced(client.clone(), namespace).get(name).await?;
    let conditions = deployment.status.and_then(|status| status.conditions).unwrap_or_default();
    let is_available = conditions.iter().any(|condition| condition.type_ == "Available" && condition.status == "True");
    let created = deployment.metadata.creation_timestamp.map_or(0, |time| time.0.as_second());
    Ok(is_available && k8s_openapi::jiff::Timestamp::now().as_second() > created + 1)
}

/// Has the Deployment say that it was not available from its creation on, and tells whether it does. The Flink operator takes
/// only such a `JobManager` for one that never started, whole second by whole second: whether Kubernetes says so in the
/// second of the creation is chance.
async fn never_up(client: &Client, (namespace, name): &Name) -> kube::Result<bool> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let mut deployment = deployments.get(name).await?;
    let created = deployment.metadata.creation_timestamp.clone();
    let conditions = deployment.status.iter_mut().flat_map(|status| status.conditions.iter_mut().flatten());
    let Some(available) = conditions.into_iter().find(|condition| condition.type_ == "Available") else {
        return Ok(false);
    };
    if available.last_transition_time != created {
        available.last_transition_time = created;
        deployments.replace_status(name, &PostParams::default(), &deployment).await?;
    }
    Ok(true)
}

fn conditions(is_ready: bool) -> [Value; 4] {
    let condition = |kind: &str, is: bool| json!({ "type": kind, "status": if is { "True" } else { "False" }, "lastTransitionTime": now() });
    [
        condition("PodScheduled", true),
        condition("Initialized", true),
        condition("ContainersReady", is_ready),
        condition("Ready", is_ready),
    ]
}

fn ready() -> Value {
    let now = now();
    json!({
        "phase": "Running", "podIP": "127.0.0.1", "startTime": now, "conditions": conditions(true),
        "containerStatuses": [{
            "name": CONTAINER, "ready": true, "started": true, "restartCount": 0, "image": "none", "imageID": "",
            "state": { "running": { "startedAt": now } },
        }],
    })
}

fn crash_loop() -> Value {
    json!({
        "phase": "Running", "conditions": conditions(false),
        "containerStatuses": [{
            "name": CONTAINER, "ready": false, "restartCount": 3, "image": "none", "imageID": "",
            "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container" } },
        }],
    })
}

fn now() -> String {
    k8s_openapi::jiff::Timestamp::now().to_string()
}

/// Where high availability is on, the ConfigMap by which the Flink operator knows that there is metadata.
async fn keep_metadata(client: &Client, (namespace, name): &Name, incarnation: &Incarnation) -> kube::Result<()> {
    let keys = ["high-availability", "high-availability.type"];
    if !keys.iter().any(|key| incarnation.configuration.contains_key(*key)) {
        return Ok(());
    }
    let map = json!({
        "metadata": {
            "name": format!("{name}-{}-config-map", incarnation.job_id),
            "labels": { "app": name, "configmap-type": "high-availability", "type": "flink-native-kubernetes" },
        },
        "data": { "counter": "1", "checkpointID-0000000000000000001": "stand-in" },
    });
    let map: ConfigMap = serde_json::from_value(map).expect("a ConfigMap");
    match Api::namespaced(client.clone(), namespace).create(&PostParams::default(), &map).await {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
        other => other.map(drop),
    }
}

fn start_jobs(known: &Mutex<Known>) {
    for job_manager in lock(known).present.values_mut() {
        let is_due = job_manager.ready.is_some_and(|ready| ready.elapsed() >= JOB_START);
        if is_due && job_manager.state == JobState::Created && job_manager.fault != Some(Fault::NotRunning) {
            let fails = job_manager.fault == Some(Fault::Fails);
            job_manager.state = if fails { JobState::Failed } else { JobState::Running };
        }
    }
}
