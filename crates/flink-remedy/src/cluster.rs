//! The jobs of a cluster, read once, for `check --cluster` and `diff --cluster`; what other commands read it with. Nothing is
//! written.

use std::collections::{BTreeMap, BTreeSet};

use checklist::policy::NamedPolicy;
use checklist::{Neighbours, Platform};
use clap::Args;
use controller::RemediationPolicy;
use controller::operator_config::{Source, platform_from_files};
use flink_api::{GROUP, VERSION};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, ObjectList};
use kube::{Api, Client};
use serde_json::Value;

use crate::client::{ClientError, connect};

/// Objects asked for at a time.
const PAGE: u32 = 500;

/// Which jobs to look at.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Namespace of the jobs
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,

    /// Jobs of all namespaces (the default)
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,

    /// Jobs with these labels
    #[arg(short = 'l', long = "selector", value_name = "SELECTOR")]
    pub(crate) labels: Option<String>,
}

/// What a cluster shows.
#[derive(Debug)]
pub(crate) struct Found {
    /// Jobs and Namespaces, as the server gives them.
    pub(crate) objects: Vec<Value>,
    /// What else stands around jobs.
    pub(crate) neighbours: Neighbours,
    /// Session clusters of selected session jobs, and session jobs of selected session clusters, that are not selected
    /// themselves.
    pub(crate) context: Vec<Value>,
    /// Whether every session job of a selected session cluster is among all these.
    pub(crate) knows_session_jobs: bool,
    /// What FKO gives to jobs, or why it cannot be read.
    pub(crate) platform: Result<Platform, String>,
    /// The cluster's policies; `None` where there is no such kind, or it does not tell.
    pub(crate) policies: Option<Vec<NamedPolicy>>,
    /// What could not be seen, and what that means.
    pub(crate) unseen: Vec<String>,
}

/// Why a cluster shows nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// No way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The process cannot be set up.
    #[error("the process cannot be set up: {0}")]
    Setup(#[from] std::io::Error),
    /// It has no such kind.
    #[error("the cluster has no FlinkDeployments: the Flink Kubernetes Operator is not installed there")]
    NoFlink,
    /// It does not tell.
    #[error("{what} cannot be listed: {}", said(.source))]
    List {
        /// What was asked for.
        what: String,
        /// The answer.
        source: Box<kube::Error>,
    },
}

/// Kinds with jobs in them. Only the first must be there.
const JOBS: &[&str] = &["FlinkDeployment", SESSION_JOB, "FlinkBlueGreenDeployment"];
const SESSION_JOB: &str = "FlinkSessionJob";

/// A kind of what stands around jobs.
struct Around {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    /// What is not seen without it.
    unseen: &'static str,
}

const NAMESPACES: Around =
    Around { group: "", version: "v1", kind: "Namespace", unseen: "opt-outs and modes set on namespaces are not seen" };
const NETWORK_POLICIES: Around = Around {
    group: "networking.k8s.io",
    version: "v1",
    kind: "NetworkPolicy",
    unseen: "SEC001 cannot tell who reaches the REST port",
};
const PROMETHEUS_RULES: Around = Around {
    group: "monitoring.coreos.com",
    version: "v1",
    kind: "PrometheusRule",
    unseen: "MET002 cannot tell which alerts there are",
};

/// Kinds that concern the jobs of a namespace wherever they are.
const EVERYWHERE: &[&str] = &[NAMESPACES.kind, PROMETHEUS_RULES.kind];

/// Reads the selected jobs and what stands around them.
///
/// # Errors
/// No way to the cluster, or no leave to list its `FlinkDeployment`s.
pub(crate) fn read(selection: &Selection, operator_config: &Source) -> Result<Found, ClusterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = connect(None).await?;
        Reader { client: &client, selection }.read(operator_config).await
    })
}

struct Reader<'a> {
    client: &'a Client,
    selection: &'a Selection,
}

impl Reader<'_> {
    async fn read(&self, operator_config: &Source) -> Result<Found, ClusterError> {
        let platform = platform(self.client, operator_config).await;
        let mut found = Found {
            objects: Vec::new(),
            neighbours: Neighbours::default(),
            context: Vec::new(),
            knows_session_jobs: true,
            platform,
            policies: None,
            unseen: Vec::new(),
        };
        match policies(self.client).await {
            Ok(policies) => found.policies = policies,
            Err(why) => found.unseen.push(format!("{why}: jobs are judged under the built-in policy")),
        }
        for (rank, kind) in JOBS.iter().enumerate() {
            let labels = self.selection.labels.as_deref();
            match self.list(GROUP, VERSION, kind, labels).await {
                Ok(objects) => found.objects.extend(objects),
                Err(error) if is(&error, 404) && rank > 0 => {}
                Err(error) if is(&error, 404) => return Err(ClusterError::NoFlink),
                Err(error) if is(&error, 403) && rank > 0 => {
                    found.knows_session_jobs &= *kind != SESSION_JOB;
                    found.unseen.push(format!("{kind}s cannot be listed ({}): they are not judged", said(&error)));
                }
                Err(error) => return Err(ClusterError::List { what: format!("{kind}s"), source: Box::new(error) }),
            }
        }
        found.objects.extend(self.around(&NAMESPACES, &mut found.unseen).await.into_iter().flatten());
        let network_policies = self.around(&NETWORK_POLICIES, &mut found.unseen).await;
        let prometheus_rules = self.around(&PROMETHEUS_RULES, &mut found.unseen).await;
        found.neighbours = Neighbours::new(network_policies.as_deref(), prometheus_rules.as_deref());
        found.context = self.session_clusters(&found.objects).await?;
        if self.selection.labels.is_some() && found.knows_session_jobs {
            match self.list(GROUP, VERSION, SESSION_JOB, None).await {
                Ok(objects) => found.context.extend(objects),
                Err(error) => found.knows_session_jobs = is(&error, 404),
            }
        }
        Ok(found)
    }

    /// All objects of a kind around jobs; `None` where the cluster has no such kind or does not tell.
    async fn around(&self, around: &Around, unseen: &mut Vec<String>) -> Option<Vec<Value>> {
        let Around { group, version, kind, unseen: meaning } = around;
        match self.list(group, version, kind, None).await {
            Ok(objects) => return Some(objects),
            Err(error) if is(&error, 404) => {}
            Err(error) => unseen.push(format!("{kind} cannot be listed ({}): {meaning}", said(&error))),
        }
        None
    }

    /// All objects of a kind, page by page.
    async fn list(&self, group: &str, version: &str, kind: &str, labels: Option<&str>) -> kube::Result<Vec<Value>> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match &self.selection.namespace {
            Some(namespace) if !EVERYWHERE.contains(&kind) => {
                Api::namespaced_with(self.client.clone(), namespace, &resource)
            }
            _ => Api::all_with(self.client.clone(), &resource),
        };
        let objects = pages(labels, async |params| api.list(&params).await).await?;
        Ok(objects.iter().map(|object| as_value(object, &resource)).collect())
    }

    /// The session clusters that selected session jobs run on, as far as they are not among the objects.
    async fn session_clusters(&self, objects: &[Value]) -> Result<Vec<Value>, ClusterError> {
        let text =
            |object: &Value, path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let named = |kind: &str, name: &str| -> BTreeSet<(String, String)> {
            let of_kind = objects.iter().filter(|object| object["kind"] == kind);
            of_kind.map(|object| (text(object, "/metadata/namespace"), text(object, name))).collect()
        };
        let there = named("FlinkDeployment", "/metadata/name");
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, "FlinkDeployment"));
        let mut clusters = Vec::new();
        for (namespace, name) in named("FlinkSessionJob", "/spec/deploymentName").difference(&there) {
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
            let cluster = api.get_opt(name).await.map_err(|source| ClusterError::List {
                what: format!("the session cluster {namespace}/{name}"),
                source: Box::new(source),
            })?;
            clusters.extend(cluster.map(|cluster| as_value(&cluster, &resource)));
        }
        Ok(clusters)
    }
}

/// The cluster's policies as they are in force; `None` where it has no such kind.
///
/// # Errors
/// In words.
pub(crate) async fn policies(client: &Client) -> Result<Option<Vec<NamedPolicy>>, String> {
    match Api::<RemediationPolicy>::all(client.clone()).list(&ListParams::default()).await {
        Ok(listed) => Ok(Some(listed.items.iter().map(RemediationPolicy::in_force).collect())),
        Err(error) if is(&error, 404) => Ok(None),
        Err(error) => Err(format!("RemediationPolicies cannot be listed ({})", said(&error))),
    }
}

/// Everything that a list shows, page by page.
///
/// # Errors
/// The server does not give a page.
pub(crate) async fn pages<T: Clone>(
    labels: Option<&str>,
    mut list: impl AsyncFnMut(ListParams) -> kube::Result<ObjectList<T>>,
) -> kube::Result<Vec<T>> {
    let mut objects = Vec::new();
    let mut params = ListParams { label_selector: labels.map(str::to_owned), ..ListParams::default().limit(PAGE) };
    loop {
        let page = list(params.clone()).await?;
        objects.extend(page.items);
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            return Ok(objects);
        }
    }
}

/// What FKO gives to jobs by its ConfigMap, or why that cannot be read.
///
/// # Errors
/// In words.
pub(crate) async fn platform(client: &Client, source: &Source) -> Result<Platform, String> {
    let (namespace, name) = match source {
        Source::None => return Ok(Platform::default()),
        Source::Directory(path) => return Err(format!("{} is no ConfigMap of the cluster", path.display())),
        Source::ConfigMap { namespace, name } => (namespace, name),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let map = api.get(name).await.map_err(|error| format!("ConfigMap {namespace}/{name}: {}", said(&error)))?;
    let data = map.data.get("data").and_then(Value::as_object).into_iter().flatten();
    let files: BTreeMap<String, String> =
        data.filter_map(|(file, text)| Some((file.clone(), text.as_str()?.to_owned()))).collect();
    platform_from_files(&files).map_err(|error| format!("ConfigMap {namespace}/{name}: {error}"))
}

/// The object with its kind, which items of a list may lack.
pub(crate) fn as_value(object: &DynamicObject, resource: &ApiResource) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    value["apiVersion"] = Value::from(resource.api_version.clone());
    value["kind"] = Value::from(resource.kind.clone());
    value
}

/// Whether the server answered with this status.
pub(crate) fn is(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

/// The server's words, or what kept them from coming.
pub(crate) fn said(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error { status.message.clone() } else { controller::with_causes(error) }
}
