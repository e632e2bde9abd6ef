use std::collections::BTreeSet;

use crate::ownership::LAST_APPLIED;
use crate::{FIELD_MANAGER, FlinkDeployment, GROUP, ManagedByReport};

/// Argo CD's mark: `APPLICATION:GROUP/KIND:NAMESPACE/NAME`, the application with its namespace and `_` before it where that
/// is not Argo CD's own.
const ARGO_CD: &str = "argocd.argoproj.io/tracking-id";
/// Argo CD's other mark, where it tracks by label; other tools set it too.
const INSTANCE: &str = "app.kubernetes.io/instance";
/// How Argo CD's field managers begin.
const ARGO_CD_MANAGER: &str = "argocd";
const FLUX: [(&str, &str); 2] =
    [("Kustomization", "kustomize.toolkit.fluxcd.io"), ("HelmRelease", "helm.toolkit.fluxcd.io")];
const HELM: &str = "meta.helm.sh/release";
const KUBECTL_MANAGER: &str = "kubectl";
/// Most managers that are listed.
const MOST: usize = 10;

impl ManagedByReport {
    /// Who manages the job beside us, by its labels, annotations and `managedFields`; `None` where nobody is to be seen.
    pub fn of(deployment: &FlinkDeployment) -> Option<Self> {
        let managers: BTreeSet<&str> = managers(deployment).collect();
        let (tool, kind, name) = argo_cd(deployment, &managers)
            .or_else(|| flux(deployment))
            .or_else(|| helm(deployment))
            .or_else(|| kubectl(deployment, &managers))
            .unwrap_or_default();
        let managers: Vec<String> = managers.into_iter().take(MOST).map(str::to_owned).collect();
        if tool.is_empty() && managers.is_empty() {
            return None;
        }
        Some(Self { tool: tool.to_owned(), kind: kind.to_owned(), name, managers })
    }

    /// Whether it reads the value of this annotation.
    pub fn reads(annotation: &str) -> bool {
        annotation == ARGO_CD || annotation == LAST_APPLIED || annotation.starts_with(HELM)
    }

    /// Where a lasting change of the job belongs, for people; `None` where no tool is to be seen that would set it back.
    pub fn lasting_place(&self) -> Option<String> {
        let Self { tool, kind, name, .. } = self;
        match (tool.as_str(), kind.as_str()) {
            ("", _) => None,
            (_, "") => Some(format!("the manifest that {tool} applies")),
            _ => Some(format!("the {tool} {kind} {name}")),
        }
    }
}

type Tool = (&'static str, &'static str, String);

/// Others who write the object itself.
fn managers(deployment: &FlinkDeployment) -> impl Iterator<Item = &str> {
    let entries = deployment.metadata.managed_fields.iter().flatten();
    let of_object = entries.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    of_object.filter_map(|entry| entry.manager.as_deref()).filter(|manager| !manager.starts_with(FIELD_MANAGER))
}

fn argo_cd(deployment: &FlinkDeployment, managers: &BTreeSet<&str>) -> Option<Tool> {
    let named = |name: &str| ("Argo CD", "application", name.replacen('_', "/", 1));
    if let Some((application, object)) = deployment.annotation(ARGO_CD).and_then(|id| id.split_once(':')) {
        let (kind, namespace, name) = (deployment.kind.name(), deployment.namespace(), deployment.name());
        // On a copy of a manifest the mark names another object, which Argo CD does not take for its own either.
        return (object == format!("{GROUP}/{kind}:{namespace}/{name}")).then(|| named(application));
    }
    let is_there = managers.iter().any(|manager| manager.starts_with(ARGO_CD_MANAGER));
    is_there.then(|| label(deployment, INSTANCE).map_or(("Argo CD", "", String::new()), named))
}

fn flux(deployment: &FlinkDeployment) -> Option<Tool> {
    FLUX.iter().find_map(|(kind, group)| {
        let name = label(deployment, &format!("{group}/name"))?;
        let namespace = label(deployment, &format!("{group}/namespace"))?;
        Some(("Flux", *kind, format!("{namespace}/{name}")))
    })
}

fn helm(deployment: &FlinkDeployment) -> Option<Tool> {
    let name = deployment.annotation(&format!("{HELM}-name"))?;
    let namespace = deployment.annotation(&format!("{HELM}-namespace"))?;
    Some(("Helm", "release", format!("{namespace}/{name}")))
}

fn kubectl(deployment: &FlinkDeployment, managers: &BTreeSet<&str>) -> Option<Tool> {
    let has_applied = deployment.annotation(LAST_APPLIED).is_some();
    let is_there = has_applied || managers.iter().any(|manager| manager.starts_with(KUBECTL_MANAGER));
    is_there.then(|| ("kubectl", "", String::new()))
}

fn label<'a>(deployment: &'a FlinkDeployment, key: &str) -> Option<&'a str> {
    deployment.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(metadata: Value) -> Option<ManagedByReport> {
        let mut metadata = metadata;
        metadata["name"] = json!("orders");
        metadata["namespace"] = json!("shop");
        ManagedByReport::of(&serde_json::from_value(json!({"metadata": metadata})).unwrap())
    }

    fn place(metadata: Value) -> Option<String> {
        seen(metadata)?.lasting_place()
    }

    #[test]
    fn each_tool_is_known_by_its_marks() {
        let id = |id: &str| json!({"annotations": {ARGO_CD: id}});
        let argo = place(id("orders:flink.apache.org/FlinkDeployment:shop/orders"));
        assert_eq!(argo.as_deref(), Some("the Argo CD application orders"));
        let elsewhere = place(id("team_orders:flink.apache.org/FlinkDeployment:shop/orders"));
        assert_eq!(elsewhere.as_deref(), Some("the Argo CD application team/orders"));
        let by_label = json!({"labels": {INSTANCE: "orders"}, "managedFields": [{"manager": "argocd-controller"}]});
        assert_eq!(place(by_label).as_deref(), Some("the Argo CD application orders"));
        let flux =
            |group: &str| json!({"labels": {format!("{group}/name"): "apps", format!("{group}/namespace"): "flux"}});
        assert_eq!(place(flux("kustomize.toolkit.fluxcd.io")).as_deref(), Some("the Flux Kustomization flux/apps"));
        let release = json!({"annotations": {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "n"}});
        assert_eq!(place(release.clone()).as_deref(), Some("the Helm release n/r"));
        // Flux's Helm releases are Helm's as well.
        let mut both = flux("helm.toolkit.fluxcd.io");
        both["annotations"] = release["annotations"].clone();
        assert_eq!(place(both).as_deref(), Some("the Flux HelmRelease flux/apps"));
        let applied = json!({"annotations": {LAST_APPLIED: "{}"}});
        assert_eq!(place(applied).as_deref(), Some("the manifest that kubectl applies"));
    }

    #[test]
    fn what_says_nothing_of_a_tool_names_none() {
        assert_eq!(place(json!({"labels": {INSTANCE: "orders"}})), None);
        let copied = json!({"annotations": {ARGO_CD: "orders:flink.apache.org/FlinkDeployment:shop/other"}});
        assert_eq!(place(copied), None);
        assert_eq!(seen(json!({"managedFields": [{"manager": FIELD_MANAGER, "operation": "Apply"}]})), None);
    }

    #[test]
    fn others_who_write_the_object_are_listed_once() {
        let entry = |manager: &str, subresource: &str| json!({"manager": manager, "subresource": subresource});
        let managers = json!([
            entry("team", ""),
            entry("flink-remedy", ""),
            entry("flink-remedy-undo", ""),
            entry("flink-kubernetes-operator", "status"),
            entry("editor", ""),
            entry("team", ""),
        ]);
        let seen = seen(json!({"managedFields": managers})).unwrap();
        assert_eq!((seen.tool.as_str(), seen.managers), ("", vec!["editor".to_owned(), "team".to_owned()]));
    }
}
