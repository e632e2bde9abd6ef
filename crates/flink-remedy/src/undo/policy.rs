//! Which policy counts for the job.

use checklist::policy::{Candidate, Policies};
use checklist::{Labels, Platform, Policy, Subject};
use flink_api::FlinkDeployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use crate::cluster::policies;

/// The cluster's policies, else what counts without any, and why they could not be seen, if so: under the built-in policy no
/// running job restarts unless the command says that the Flink operator keeps its state. The operator's version that the
/// command gives wins.
pub(super) async fn of_cluster(client: &Client, given: &Policies) -> (Policies, Option<String>) {
    let built_in = given.built_in().policy.policy.clone();
    let version = built_in.rollout.operator_version;
    let (named, unseen) = match policies(client).await {
        Ok(named) => (named.unwrap_or_default(), None),
        Err(why) => (Vec::new(), Some(format!("{why}: the built-in policy counts; give another with --policy"))),
    };
    (Policies::new(named, built_in).under_operator(version), unseen)
}

/// What the platform wants of this job. Its namespace may not be ours to read: then it counts as one without labels.
pub(super) async fn chosen(client: &Client, job: &FlinkDeployment, policies: &Policies) -> Policy {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace_labels = match namespaces.get_metadata(job.namespace()).await {
        Ok(namespace) => namespace.metadata.labels.unwrap_or_default(),
        Err(_) => Labels::new(),
    };
    let labels = job.metadata.labels.clone().unwrap_or_default();
    let version = Subject::new(job, &Platform::default()).ok().map(|subject| subject.version);
    let candidate = Candidate { kind: job.kind, labels: &labels, namespace_labels: &namespace_labels, version };
    policies.choose(&candidate).policy.policy.clone()
}
