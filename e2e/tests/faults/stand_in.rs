//! The Flink operator's part: what a change of ours makes restart is stable again a while later.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fko::{Fko, stable, upgrading};

/// How often the jobs are looked at.
const LOOK: Duration = Duration::from_millis(400);

/// What it has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The most jobs that were on their way from a change to stable at a time, by the first part of the namespace's name.
    in_flight: Mutex<BTreeMap<String, usize>>,
}

impl Seen {
    /// The most at a time in the namespaces of this group.
    pub(crate) fn most_in_flight(&self, group: &str) -> usize {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).get(group).copied().unwrap_or_default()
    }
}

/// All `FlinkDeployments`.
pub(crate) fn all_jobs(client: &kube::Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkDeployment");
    Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&kind, "flinkdeployments"))
}

/// Follows every deployed job until the channel closes. It never goes through a proxy, but its API server is killed too:
/// what fails is done with the next look.
pub(crate) async fn run(client: kube::Client, seed: u64, watched: Arc<Seen>, mut stop: watch::Receiver<()>) {
    let jobs = all_jobs(&client);
    let mut rng = Rng::with_seed(seed);
    // How many looks each upgrade still takes.
    let mut upgrades: HashMap<(String, i64), u8> = HashMap::new();
    let mut looks = 0_usize;
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        // Asks etcd: one consistent picture of all jobs.
        let Ok(list) = jobs.list(&ListParams::default()).await else { continue };
        let deployed: Vec<_> = list.items.into_iter().filter(is_running).collect();
        let behind: Vec<_> = deployed.iter().filter(|job| observed(job) != job.metadata.generation).collect();
        note(&watched, &behind);
        for job in behind {
            let key = (job.metadata.uid.clone().unwrap_or_default(), job.metadata.generation.unwrap_or_default());
            let left = upgrades.entry(key).or_insert_with(|| rng.u8(1..4));
            if *left == 0 {
                write(&client, job, stable(Fko::V1_15, job)).await;
                continue;
            }
            *left -= 1;
            if job.data["status"]["lifecycleState"] != "UPGRADING" {
                let mut status = upgrading(Fko::V1_15, job);
                // What it has acted on is the spec from before until the job is stable.
                status.as_object_mut().expect("a map").remove("observedGeneration");
                write(&client, job, status).await;
            }
        }
        looks += 1;
        // The Flink operator looks at every job from time to time, and says so in its status.
        if let Some(job) = deployed.get(looks % deployed.len().max(1)) {
            write(
                &client,
                job,
                json!({ "jobStatus": { "updateTime": Timestamp::now().as_millisecond().to_string() } }),
            )
            .await;
        }
    }
}

fn is_running(job: &DynamicObject) -> bool {
    let status = &job.data["status"];
    let is_up = status["lifecycleState"] == "UPGRADING"
        || (status["lifecycleState"] == "STABLE" && status["jobStatus"]["state"] == "RUNNING");
    is_up && job.metadata.deletion_timestamp.is_none()
}

fn observed(job: &DynamicObject) -> Option<i64> {
    job.data["status"]["observedGeneration"].as_i64()
}

fn note(seen: &Seen, behind: &[&DynamicObject]) {
    let mut now: BTreeMap<String, usize> = BTreeMap::new();
    for job in behind {
        let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
        *now.entry(namespace.split('-').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let mut most = seen.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
    for (group, count) in now {
        let before = most.entry(group).or_default();
        *before = count.max(*before);
    }
}

async fn write(client: &kube::Client, job: &DynamicObject, status: Value) {
    let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
    let api = e2e::flink_deployments(client, namespace);
    let params = PatchParams { field_manager: Some("flink-kubernetes-operator".into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "status": status }));
    // Gone, or the API server is away: the next look tells.
    let _ = api.patch_status(job.metadata.name.as_deref().unwrap_or_default(), &params, &patch).await;
}
