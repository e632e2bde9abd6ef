use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{FIELD_MANAGER, FlinkDeployment, Kind};

pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A field that we may write, named as on a `FlinkDeployment`; the template of a `FlinkBlueGreenDeployment` has the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `spec.flinkConfiguration[key]`, the key flat.
    Option(String),
    /// `spec.logConfiguration[file]`.
    LogFile(String),
    /// `spec.podTemplate.metadata.annotations[key]`.
    PodAnnotation(String),
    /// `metadata.annotations[key]`.
    Annotation(String),
}

/// Who owns the fields that we may write, by `metadata.managedFields`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldOwners {
    /// What our server-side apply owns.
    pub ours: BTreeSet<Field>,
    /// What others own, with the last manager named.
    pub others: BTreeMap<Field, String>,
}

impl FieldOwners {
    /// Reads the owners of one object.
    pub fn of(object: &FlinkDeployment) -> Self {
        let mut owners = Self::default();
        for entry in object.metadata.managed_fields.iter().flatten() {
            let manager = entry.manager.as_deref().unwrap_or("unknown");
            for field in fields(entry, object.kind) {
                if is_our_apply(entry) {
                    owners.ours.insert(field);
                } else {
                    owners.others.insert(field, manager.to_owned());
                }
            }
        }
        owners
    }
}

/// Who owns an annotation of any object, and since when at the latest, by `metadata.managedFields`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnnotationOwner {
    /// The field managers, in the order of names.
    pub managers: BTreeSet<String>,
    /// When the first of them last changed the object: it may have set the annotation before.
    pub since: Option<Timestamp>,
}

impl AnnotationOwner {
    /// Reads the owners of an annotation.
    pub fn of(metadata: &ObjectMeta, annotation: &str) -> Self {
        let mut owner = Self::default();
        for entry in metadata.managed_fields.iter().flatten().filter(|entry| owns(entry, annotation)) {
            owner.managers.extend(entry.manager.clone());
            let time = entry.time.as_ref().map(|time| time.0);
            owner.since = owner.since.into_iter().chain(time).min();
        }
        owner
    }
}

fn owns(entry: &ManagedFieldsEntry, annotation: &str) -> bool {
    let Some(fields) = &entry.fields_v1 else { return false };
    let annotations = fields.0.get("f:metadata").and_then(|metadata| metadata.get("f:annotations"));
    annotations.is_some_and(|annotations| annotations.get(format!("f:{annotation}")).is_some())
}

fn is_our_apply(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
        && entry.operation.as_deref() == Some("Apply")
        && entry.subresource.as_deref().unwrap_or_default().is_empty()
}

fn fields(entry: &ManagedFieldsEntry, kind: Kind) -> Vec<Field> {
    let Some(root) = entry.fields_v1.as_ref().map(|fields| &fields.0) else { return Vec::new() };
    let spec = kind.spec().iter().try_fold(root, |node, step| node.get(format!("f:{step}")));
    let mut found = Vec::new();
    for (within, path, field) in [
        (spec, &["f:flinkConfiguration"][..], Field::Option as fn(String) -> Field),
        (spec, &["f:logConfiguration"], Field::LogFile),
        (spec, &["f:podTemplate", "f:metadata", "f:annotations"], Field::PodAnnotation),
        (Some(root), &["f:metadata", "f:annotations"], Field::Annotation),
    ] {
        let node = path.iter().try_fold(within, |node, step| Some(node?.get(step)));
        let names = node.flatten().and_then(Value::as_object).into_iter().flat_map(serde_json::Map::keys);
        found.extend(names.filter_map(|name| name.strip_prefix("f:")).map(|name| field(name.to_owned())));
    }
    found
}

impl FlinkDeployment {
    /// Leaves of its `managedFields` only which of these fields each manager owns, of those that we may write.
    pub fn retain_owned_fields(&mut self, keep: impl Fn(&Field) -> bool) {
        let kind = self.kind;
        for entry in self.metadata.managed_fields.iter_mut().flatten() {
            let kept = fields(entry, kind).into_iter().filter(&keep);
            let mut root = Value::Null;
            kept.for_each(|field| *place(&field, kind, &mut root) = Value::Object(Map::new()));
            entry.fields_v1 = Some(root).filter(Value::is_object).map(FieldsV1);
        }
    }

    /// Leaves of the manifest that a client-side `kubectl apply` last sent only what `keep` makes of the part that rules
    /// judge; that there was one still shows.
    pub fn retain_last_applied(&mut self, keep: impl Fn(&Value) -> Value) {
        let spec = last_applied_spec(self).map(|spec| keep(&spec));
        let Some(text) = self.metadata.annotations.as_mut().and_then(|all| all.get_mut(LAST_APPLIED)) else { return };
        let mut manifest = Value::Object(Map::new());
        if let Some(spec) = spec.filter(|spec| !spec.is_null()) {
            *self.kind.spec().iter().fold(&mut manifest, |node, step| &mut node[step]) = spec;
        }
        *text = manifest.to_string();
    }
}

/// The place of a field in the tree of a manager; what is not there yet is made.
fn place<'a>(field: &Field, kind: Kind, root: &'a mut Value) -> &'a mut Value {
    let in_metadata: &[&str] = &["metadata", "annotations"];
    let (above, path, name) = match field {
        Field::Option(name) => (kind.spec(), &["flinkConfiguration"][..], name),
        Field::LogFile(name) => (kind.spec(), &["logConfiguration"][..], name),
        Field::PodAnnotation(name) => (kind.spec(), &["podTemplate", "metadata", "annotations"][..], name),
        Field::Annotation(name) => (&[][..], in_metadata, name),
    };
    let steps = above.iter().chain(path).copied().chain([name.as_str()]);
    steps.fold(root, |node, step| &mut node[format!("f:{step}")])
}

/// The part that rules judge of the manifest that a client-side `kubectl apply` last sent: a user who pins our value that
/// way changes nothing in `managedFields` (tried on Kubernetes 1.36).
pub fn last_applied_spec(object: &FlinkDeployment) -> Option<Value> {
    let text = object.annotation(LAST_APPLIED)?;
    let mut manifest: Value = serde_json::from_str(text).ok()?;
    object.kind.spec().iter().try_fold(&mut manifest, |node, step| node.get_mut(step)).map(Value::take)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: Kind, metadata: &Value) -> FlinkDeployment {
        let object: FlinkDeployment = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        FlinkDeployment { kind, ..object }
    }

    #[test]
    fn owners_are_read_per_field() {
        let owners = FieldOwners::of(&object(
            Kind::Deployment,
            &json!({"managedFields": [
                {"manager": "flink-remedy", "operation": "Apply", "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:flink-remedy.dev/filled": {}}},
                    "f:spec": {"f:flinkConfiguration": {"f:a.b": {}, "f:c": {}},
                               "f:podTemplate": {"f:metadata": {"f:annotations": {"f:prometheus.io/port": {}}}}}}},
                {"manager": "argocd", "operation": "Apply", "fieldsV1": {"f:spec": {"f:flinkConfiguration": {".": {}, "f:c": {}}}}},
                {"manager": "flink-remedy", "operation": "Update", "fieldsV1": {"f:spec": {"f:logConfiguration": {"f:x": {}}}}},
            ]}),
        ));
        let ours = [
            Field::Option("a.b".into()),
            Field::PodAnnotation("prometheus.io/port".into()),
            Field::Annotation("flink-remedy.dev/filled".into()),
        ];
        for field in ours {
            assert!(owners.ours.contains(&field) && !owners.others.contains_key(&field), "{field:?}");
        }
        assert_eq!(owners.others[&Field::Option("c".into())], "argocd");
        assert!(!owners.ours.contains(&Field::LogFile("x".into())));
    }

    #[test]
    fn the_owner_of_an_annotation_is_named_with_its_time() {
        let entry = |manager: &str, time: &str, annotation: &str| {
            json!({"manager": manager, "operation": "Update", "time": time,
                   "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, format!("f:{annotation}"): {}}}}})
        };
        let metadata: ObjectMeta = serde_json::from_value(json!({"managedFields": [
            entry("kubectl", "2026-03-01T00:00:00Z", "a/b"),
            entry("argocd", "2026-02-01T00:00:00Z", "a/b"),
            entry("helm", "2026-01-01T00:00:00Z", "a/c"),
            {"manager": "x", "operation": "Update"},
        ]}))
        .unwrap();
        let owner = AnnotationOwner::of(&metadata, "a/b");
        assert_eq!(owner.managers, BTreeSet::from(["argocd".to_owned(), "kubectl".to_owned()]));
        assert_eq!(owner.since, Some("2026-02-01T00:00:00Z".parse().unwrap()));
        assert_eq!(AnnotationOwner::of(&metadata, "a"), AnnotationOwner::default());
    }

    #[test]
    fn the_last_applied_spec_is_found() {
        let manifest = json!({"spec": {"flinkConfiguration": {"a": "1"}}}).to_string();
        let metadata = json!({"annotations": {LAST_APPLIED: manifest}});
        let spec = Some(json!({"flinkConfiguration": {"a": "1"}}));
        assert_eq!(last_applied_spec(&object(Kind::Deployment, &metadata)), spec);
        assert_eq!(last_applied_spec(&object(Kind::SessionJob, &metadata)), spec);
        assert_eq!(last_applied_spec(&object(Kind::Deployment, &json!({}))), None);
        assert_eq!(last_applied_spec(&object(Kind::BlueGreenDeployment, &metadata)), None);
        let manifest = json!({"spec": {"template": {"spec": {"flinkConfiguration": {"a": "1"}}}}}).to_string();
        let template = json!({"annotations": {LAST_APPLIED: manifest}});
        assert_eq!(last_applied_spec(&object(Kind::BlueGreenDeployment, &template)), spec);
    }

    #[test]
    fn of_a_blue_green_deployment_the_template_counts() {
        let owners = FieldOwners::of(&object(
            Kind::BlueGreenDeployment,
            &json!({"managedFields": [{"manager": "flink-remedy", "operation": "Apply", "fieldsV1": {
                "f:metadata": {"f:annotations": {"f:flink-remedy.dev/filled": {}}},
                "f:spec": {"f:flinkConfiguration": {"f:no": {}},
                           "f:template": {"f:spec": {"f:flinkConfiguration": {"f:a.b": {}}}}}}}]}),
        ));
        let ours = [Field::Option("a.b".into()), Field::Annotation("flink-remedy.dev/filled".into())];
        assert_eq!(owners.ours, BTreeSet::from(ours));
    }
}
