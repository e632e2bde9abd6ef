//! The opt-outs of a cluster, read once. Nothing is written.

use std::collections::BTreeSet;

use flink_api::Kind;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ObjectMeta;
use kube::{Api, Client};

use super::{Entry, Found};
use crate::client::connect;
use crate::cluster::{ClusterError, Selection, is, pages, said};
use crate::report::fleet::metadata_of_jobs;

/// The `FlinkDeployment`s that FKO makes of one carry its annotations.
const PARENT: &str = "FlinkBlueGreenDeployment";

/// Reads the opt-outs of the selected jobs and of their namespaces.
///
/// # Errors
/// No way to the cluster, or no leave to list its `FlinkDeployment`s.
pub(in crate::report) fn read(selection: &Selection, now: Timestamp) -> Result<Found, ClusterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = connect(None).await?;
        let mut found = Found::default();
        let mut namespaces = BTreeSet::new();
        for kind in Kind::ALL {
            for job in jobs(&client, *kind, selection, &mut found.unseen).await? {
                namespaces.extend(job.namespace.clone());
                let is_made = job.owner_references.iter().flatten().any(|owner| owner.kind == PARENT);
                found.opt_outs.extend(Entry::of(kind.name(), &job, now).filter(|_| !is_made));
            }
        }
        match namespace_metadata(&client, selection.namespace.as_deref()).await {
            Ok(read) => {
                // Selected by label are jobs, and a namespace is shown for their sake.
                let is_shown = |name: &Option<String>| {
                    selection.labels.is_none() || name.as_ref().is_some_and(|name| namespaces.contains(name))
                };
                let shown = read.iter().filter(|namespace| is_shown(&namespace.name));
                found.opt_outs.extend(shown.filter_map(|namespace| Entry::of("Namespace", namespace, now)));
            }
            Err(error) => found
                .unseen
                .push(format!("Namespaces cannot be read ({}): opt-outs set on namespaces are not seen", said(&error))),
        }
        found.opt_outs.sort_by(Entry::order);
        Ok(found)
    })
}

/// The metadata of the selected jobs of a kind. Only `FlinkDeployment`s must be there.
async fn jobs(
    client: &Client,
    kind: Kind,
    selection: &Selection,
    unseen: &mut Vec<String>,
) -> Result<Vec<ObjectMeta>, ClusterError> {
    let is_needed = kind == Kind::Deployment;
    match metadata_of_jobs(client, kind, selection).await {
        Ok(jobs) => return Ok(jobs),
        Err(error) if is(&error, 404) && is_needed => return Err(ClusterError::NoFlink),
        Err(error) if is(&error, 404) => {}
        Err(error) if is(&error, 403) && !is_needed => {
            unseen.push(format!("{}s cannot be listed ({}): their opt-outs are not seen", kind.name(), said(&error)));
        }
        Err(source) => {
            return Err(ClusterError::List { what: format!("{}s", kind.name()), source: Box::new(source) });
        }
    }
    Ok(Vec::new())
}

/// One namespace, which takes no right to others, or all.
async fn namespace_metadata(client: &Client, name: Option<&str>) -> kube::Result<Vec<ObjectMeta>> {
    let api: Api<Namespace> = Api::all(client.clone());
    if let Some(name) = name {
        return Ok(api.get_metadata_opt(name).await?.into_iter().map(|namespace| namespace.metadata).collect());
    }
    let namespaces = pages(None, async |params| api.list_metadata(&params).await).await?;
    Ok(namespaces.into_iter().map(|namespace| namespace.metadata).collect())
}
