//! A fleet as a large platform has it: jobs of several teams and tools, each with pod templates, log files, a status and the
//! bookkeeping of whoever applied it, so that what a job costs in memory and time is told of jobs of a real size.

mod job;

pub use job::{manager, spec, status};

use std::ops::Range;

use futures::StreamExt as _;
use kube::Client;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::objects::{apply, flink_deployments};

/// Requests at a time: what an API server of this size takes.
const IN_FLIGHT: usize = 16;

/// Jobs by number, the same ones each time, spread over namespaces.
#[derive(Clone, Debug)]
pub struct Fleet {
    namespaces: Vec<String>,
}

impl Fleet {
    /// Over so many namespaces.
    pub fn new(namespaces: usize) -> Self {
        assert!(namespaces > 0, "a fleet needs a namespace");
        Self { namespaces: (0..namespaces).map(|number| format!("team-{number:03}")).collect() }
    }

    /// Creates the namespaces.
    pub async fn create_namespaces(&self, client: &Client) {
        for name in &self.namespaces {
            let labels = json!({"team": name, "environment": "production"});
            let metadata = json!({"name": name, "labels": labels});
            apply(client, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await;
        }
    }

    /// Creates the jobs, each by the tool that it belongs to; none is deployed yet.
    pub async fn create(&self, client: &Client, jobs: Range<usize>) {
        let created = futures::stream::iter(jobs).map(|number| async move {
            let namespace = self.namespace(number);
            let (name, api) = (job::name(number), flink_deployments(client, namespace));
            let params = PatchParams::apply(manager(number)).force();
            let object = job::object(namespace, number);
            let applied = api.patch(&name, &params, &Patch::Apply(&object)).await;
            applied.unwrap_or_else(|error| panic!("cannot create {namespace}/{name}: {error}"));
        });
        created.buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
    }

    /// Writes the status of a job that runs and is stable, by the spec that each has now.
    pub async fn deploy(&self, client: &Client, jobs: Range<usize>) {
        let deployed = futures::stream::iter(jobs).map(|number| async move {
            let (name, api) = (job::name(number), flink_deployments(client, self.namespace(number)));
            let stored = api.get(&name).await.unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
            let status = status(number, stored.metadata.generation.unwrap_or_default(), &stored.data["spec"]);
            let params = PatchParams { field_manager: Some("okhttp".into()), ..PatchParams::default() };
            let patch = Patch::Merge(json!({"status": status}));
            let patched = api.patch_status(&name, &params, &patch).await;
            patched.unwrap_or_else(|error| panic!("cannot patch the status of {name}: {error}"));
        });
        deployed.buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
    }

    /// The sizes of the first jobs as the API server sends them, in bytes: the least and the mean.
    pub async fn sizes(&self, client: &Client) -> (usize, usize) {
        let api = flink_deployments(client, &self.namespaces[0]);
        let listed = api.list(&ListParams::default().limit(100)).await.expect("jobs can be listed");
        let sizes = listed
            .items
            .iter()
            .map(|job: &DynamicObject| serde_json::to_vec(job).expect("an object that was JSON").len());
        let sizes: Vec<usize> = sizes.collect();
        (sizes.iter().copied().min().unwrap_or_default(), sizes.iter().sum::<usize>() / sizes.len().max(1))
    }

    /// The name of a job.
    pub fn name(number: usize) -> String {
        job::name(number)
    }

    /// What one job has and no other.
    pub fn marks(number: usize) -> [String; 5] {
        job::marks(number)
    }

    /// The namespace of a job.
    pub fn namespace(&self, number: usize) -> &str {
        &self.namespaces[number % self.namespaces.len()]
    }
}

/// The text of FKO's `lastReconciledSpec`: the spec with the generation beside it.
pub(crate) fn reconciled(generation: i64, spec: &Value) -> String {
    let mut kept = spec.clone();
    kept["resource_metadata"] = json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "metadata": {"generation": generation},
        "firstDeployment": false,
    });
    kept.to_string()
}
