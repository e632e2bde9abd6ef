//! The reports of a cluster, read once. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use flink_api::{
    GROUP, Kind, OWN_GROUP, OWN_VERSION, REPORT_KIND, REPORT_PLURAL, RemediationReport, ReportContent, VERSION,
};
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta};
use kube::{Api, Client};
use serde::Serialize;

use super::ReportError;
use super::cell::{Cell, cells};
use crate::client::connect_by_name;
use crate::cluster::{ClusterError, Selection, is, pages};

/// What the operator reports of the jobs of a cluster.
#[derive(Debug)]
pub(super) struct Fleet {
    /// What a person calls the cluster.
    pub(super) cluster: String,
    /// When it was read.
    pub(super) read: Timestamp,
    /// In the order of namespaces and names.
    pub(super) jobs: Vec<Job>,
    /// Reports that cannot be read, and why.
    pub(super) unreadable: Vec<String>,
}

/// What the operator reports of one job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Job {
    /// `FlinkDeployment`, `FlinkSessionJob` or `FlinkBlueGreenDeployment`.
    pub(super) kind: String,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// What each rule that has something to tell makes of it, by code.
    pub(super) rules: BTreeMap<String, Cell>,
    /// The report itself.
    #[serde(flatten)]
    pub(super) content: ReportContent,
}

impl Job {
    /// The job of a report.
    pub(super) fn of(report: RemediationReport) -> Self {
        let RemediationReport { metadata, content } = report;
        let owner = metadata.owner_references.into_iter().flatten().find(|owner| Kind::of_name(&owner.kind).is_some());
        let reported = metadata.name.unwrap_or_default();
        // A report that somebody made by hand has no owner; by its name alone it is a FlinkDeployment's.
        let (kind, name) =
            owner.map_or((Kind::Deployment.name().to_owned(), reported), |owner| (owner.kind, owner.name));
        Self { kind, namespace: metadata.namespace.unwrap_or_default(), name, rules: cells(&content), content }
    }

    /// Its namespace and name, and its kind where that is not the usual one.
    pub(super) fn shown(&self) -> String {
        let name = format!("{}/{}", self.namespace, self.name);
        if self.kind == Kind::Deployment.name() {
            return name;
        }
        format!("{name} ({})", self.kind.trim_start_matches("Flink"))
    }
}

/// Reads the reports of the selected jobs.
///
/// # Errors
/// No way to the cluster, no such kind there, or no leave to list it.
pub(super) fn read(selection: &Selection, now: Timestamp) -> Result<Fleet, ReportError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ClusterError::from)?;
    runtime.block_on(async {
        let (client, cluster) = connect_by_name().await.map_err(ClusterError::from)?;
        let mut fleet = Fleet { cluster, read: now, jobs: Vec::new(), unreadable: Vec::new() };
        for report in reports(&client, selection.namespace.as_deref()).await? {
            let place = format!(
                "{}/{}",
                report.metadata.namespace.as_deref().unwrap_or_default(),
                report.metadata.name.as_deref().unwrap_or_default()
            );
            match serde_json::to_value(report).and_then(serde_json::from_value) {
                Ok(report) => fleet.jobs.push(Job::of(report)),
                Err(error) => fleet.unreadable.push(format!(
                    "the report {place} cannot be read: {error}; it is of another version, or somebody wrote it: delete it, \
                     and the operator writes it again"
                )),
            }
        }
        if selection.labels.is_some() {
            let labelled = labelled(&client, selection).await?;
            fleet.jobs.retain(|job| labelled.contains(&(job.kind.clone(), job.namespace.clone(), job.name.clone())));
        }
        let key = |job: &Job| (job.namespace.clone(), job.name.clone(), job.kind.clone());
        fleet.jobs.sort_by_cached_key(key);
        Ok(fleet)
    })
}

async fn reports(client: &Client, namespace: Option<&str>) -> Result<Vec<DynamicObject>, ReportError> {
    let kind = GroupVersionKind::gvk(OWN_GROUP, OWN_VERSION, REPORT_KIND);
    let resource = ApiResource::from_gvk_with_plural(&kind, REPORT_PLURAL);
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    pages(None, async |params| api.list(&params).await).await.map_err(|error| {
        if is(&error, 404) {
            return ReportError::NoKind;
        }
        ClusterError::List { what: format!("{REPORT_KIND}s"), source: Box::new(error) }.into()
    })
}

/// Kind, namespace and name of the selected jobs: reports do not carry the labels of their jobs.
async fn labelled(client: &Client, selection: &Selection) -> Result<BTreeSet<(String, String, String)>, ClusterError> {
    let mut labelled = BTreeSet::new();
    for kind in Kind::ALL {
        match metadata_of_jobs(client, *kind, selection).await {
            Ok(found) => {
                let key = |job: ObjectMeta| (job.namespace.unwrap_or_default(), job.name.unwrap_or_default());
                let keys = found.into_iter().map(key);
                labelled.extend(keys.map(|(namespace, name)| (kind.name().to_owned(), namespace, name)));
            }
            Err(error) if is(&error, 404) => {}
            Err(source) => {
                return Err(ClusterError::List { what: format!("{}s", kind.name()), source: Box::new(source) });
            }
        }
    }
    Ok(labelled)
}

/// The metadata of the selected jobs of a kind.
pub(super) async fn metadata_of_jobs(
    client: &Client,
    kind: Kind,
    selection: &Selection,
) -> kube::Result<Vec<ObjectMeta>> {
    let group_version_kind = GroupVersionKind::gvk(GROUP, VERSION, kind.name());
    let resource = ApiResource::from_gvk_with_plural(&group_version_kind, kind.plural());
    let api: Api<DynamicObject> = match &selection.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let jobs = pages(selection.labels.as_deref(), async |params| api.list_metadata(&params).await).await?;
    Ok(jobs.into_iter().map(|job| job.metadata).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The job of a report as the API server gives it.
    pub(in crate::report) fn job(namespace: &str, name: &str, content: &Value) -> Job {
        let mut report = json!({"metadata": {"namespace": namespace, "name": name}});
        report.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        Job::of(serde_json::from_value(report).unwrap())
    }

    #[test]
    fn a_report_names_its_job_by_its_owner() {
        let owner =
            json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkSessionJob", "name": "alerts", "uid": "u"});
        let stranger = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "v"});
        let report = json!({"metadata": {"namespace": "shop", "name": "alerts.session-job", "ownerReferences": [stranger, owner]}});
        let of_session_job = Job::of(serde_json::from_value(report).unwrap());
        assert_eq!(of_session_job.shown(), "shop/alerts (SessionJob)");
        assert_eq!(job("shop", "orders", &json!({})).shown(), "shop/orders");
    }
}
