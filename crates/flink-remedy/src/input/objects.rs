use std::collections::BTreeMap;

use flink_api::{FlinkDeployment, GROUP, Kind, VERSION};
use serde_json::Value;

use super::node::{Content, Node};
use super::{InputError, Place};

/// Where kubectl puts an object that names no namespace.
const DEFAULT_NAMESPACE: &str = "default";

/// An object of the input that matters to a check.
#[derive(Debug)]
pub(crate) enum Object {
    /// An object that rules judge.
    Job {
        /// The line of the file on which the object begins.
        place: Place,
        /// The object as it stands there.
        node: Node,
        /// The object as rules judge it, its namespace never empty.
        object: Box<FlinkDeployment>,
    },
    /// A Namespace, for what it says of the jobs in it.
    Namespace {
        /// Its name.
        name: String,
        /// Its annotations.
        annotations: BTreeMap<String, String>,
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
}

impl Object {
    /// The object's name.
    #[cfg(test)]
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Job { object, .. } => object.name(),
            Self::Namespace { name, .. } => name,
        }
    }
}

/// Collects the objects of one document, lists taken apart; other kinds are passed over.
pub(super) fn objects(node: Node, document: &Place, found: &mut Vec<Object>, errors: &mut Vec<InputError>) {
    let api = node.text("apiVersion").unwrap_or_default();
    let kind = node.text("kind").unwrap_or_default();
    let group = api.split_once('/').map_or("", |(group, _)| group);
    let judged = Kind::ALL.iter().copied().find(|judged| judged.name() == kind);
    match (group, kind) {
        (GROUP, _) if let Some(kind) = judged => match job(&node, kind, document) {
            Ok(object) => found.push(object),
            Err(error) => errors.push(error),
        },
        ("", kind) if judged.is_some() && (node.get("metadata").is_some() || node.get("spec").is_some()) => {
            errors.push(InputError::Document {
                place: document.below(node.line_of(&["kind"])),
                problem: format!("a {kind} without its API group; write `apiVersion: {GROUP}/{VERSION}`"),
            });
        }
        ("", "Namespace") => found.extend(namespace(&node)),
        (_, list) if list.ends_with("List") => {
            for item in items(node) {
                objects(item, document, found, errors);
            }
        }
        _ => {}
    }
}

fn items(node: Node) -> Vec<Node> {
    let Content::Map(entries) = node.content else { return Vec::new() };
    let items = entries.into_iter().find(|(key, _)| key == "items");
    match items.map(|(_, items)| items.content) {
        Some(Content::List(items)) => items,
        _ => Vec::new(),
    }
}

fn job(node: &Node, kind: Kind, document: &Place) -> Result<Object, InputError> {
    let place = document.below(node.line);
    let error = |path: &[&str], name: &str, problem: String| InputError::Object {
        place: document.below(node.line_of(path)),
        kind: kind.name(),
        name: name.to_owned(),
        problem,
    };
    let metadata = node.get("metadata");
    let given = |key| metadata.and_then(|metadata| metadata.text(key)).filter(|text| !text.is_empty());
    let Some(name) = given("name").or_else(|| given("generateName")) else {
        return Err(error(
            &["metadata"],
            "without a name",
            "metadata.name is missing or no text; write one".to_owned(),
        ));
    };
    let namespace = given("namespace").unwrap_or(DEFAULT_NAMESPACE);
    let full_name = format!("{namespace}/{name}");
    if let Some((path, problem)) = not_text(node) {
        return Err(error(&path, &full_name, problem));
    }
    let unreadable = |problem| error(&["metadata"], &full_name, format!("it cannot be read: {problem}"));
    let mut object = FlinkDeployment::read(kind, without_nulls(node.to_value())).map_err(unreadable)?;
    object.metadata.name = Some(name.to_owned());
    object.metadata.namespace = Some(namespace.to_owned());
    Ok(Object::Job { place, node: node.clone(), object: Box::new(object) })
}

/// An annotation or label that YAML turned into something else than text; the API server refuses it.
fn not_text(node: &Node) -> Option<([&str; 3], String)> {
    for map in ["annotations", "labels"] {
        let Some(Content::Map(entries)) = node.get("metadata").and_then(|node| node.get(map)).map(|map| &map.content)
        else {
            continue;
        };
        for (key, value) in entries {
            let found = match &value.content {
                Content::Scalar(Value::String(_) | Value::Null) => continue,
                Content::Scalar(value) => format!("{value} is"),
                Content::List(_) => "a list is".to_owned(),
                Content::Map(_) => "a map is".to_owned(),
            };
            let problem = format!("metadata.{map}: {key} must be text, but {found} not; put it in quotes");
            return Some((["metadata", map, key], problem));
        }
    }
    None
}

/// An annotation or label without a value is empty to the API server.
fn without_nulls(mut object: Value) -> Value {
    for map in ["/metadata/annotations", "/metadata/labels"] {
        let entries = object.pointer_mut(map).and_then(Value::as_object_mut).into_iter().flatten();
        for (_, value) in entries.filter(|(_, value)| value.is_null()) {
            *value = Value::String(String::new());
        }
    }
    object
}

fn namespace(node: &Node) -> Option<Object> {
    let metadata = node.get("metadata")?;
    let name = metadata.text("name")?.to_owned();
    let texts = |map: &str| match metadata.get(map).map(|map| &map.content) {
        Some(Content::Map(entries)) => entries
            .iter()
            .filter_map(|(key, node)| match &node.content {
                Content::Scalar(Value::String(text)) => Some((key.clone(), text.clone())),
                Content::Scalar(_) | Content::List(_) | Content::Map(_) => None,
            })
            .collect(),
        _ => BTreeMap::new(),
    };
    Some(Object::Namespace { name, annotations: texts("annotations"), labels: texts("labels") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Object>, Vec<String>) {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        let document = Place { file: "f".into(), document: 1, line: 10 };
        objects(Node::parse(text).unwrap(), &document, &mut found, &mut errors);
        (found, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_are_taken_apart_and_other_kinds_passed_over() {
        let (found, errors) = read(
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret}\n\
             - {apiVersion: flink.apache.org/v1beta1, kind: FlinkDeployment, metadata: {name: a, namespace: shop}}\n\
             - {apiVersion: flink.example.com/v1, kind: FlinkDeployment, metadata: {name: b}}\n\
             - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n",
        );
        assert_eq!(found.iter().map(Object::name).collect::<Vec<_>>(), ["a", "shop"]);
        assert!(matches!(&found[0], Object::Job { place, .. } if place.line == 14));
        assert!(errors.is_empty());
    }

    #[test]
    fn every_kind_of_job_is_read() {
        let (found, errors) = read(
            "apiVersion: v1\nkind: List\nitems:\n\
             - {apiVersion: flink.apache.org/v1beta1, kind: FlinkSessionJob, metadata: {name: a}, spec: {deploymentName: c}}\n\
             - {apiVersion: flink.apache.org/v1beta1, kind: FlinkBlueGreenDeployment, metadata: {name: b}, \
                spec: {template: {spec: {flinkVersion: v1_20}}}}\n\
             - {apiVersion: flink.apache.org/v1beta1, kind: FlinkStateSnapshot, metadata: {name: d}}\n",
        );
        assert!(errors.is_empty(), "{errors:?}");
        let kinds: Vec<_> = found
            .iter()
            .filter_map(|object| match object {
                Object::Job { object, .. } => Some((object.kind.name(), object.namespace(), object.name())),
                Object::Namespace { .. } => None,
            })
            .collect();
        assert_eq!(kinds, [("FlinkSessionJob", "default", "a"), ("FlinkBlueGreenDeployment", "default", "b")]);
        let Object::Job { object: deployment, .. } = &found[1] else { panic!("{found:?}") };
        assert_eq!(deployment.spec.as_result().unwrap().flink_version.as_deref(), Some("v1_20"));
    }

    #[test]
    fn what_is_no_deployment_though_it_says_so_is_told() {
        for (text, expected) in [
            (
                "kind: FlinkDeployment\nspec: {}",
                "line 10: a FlinkDeployment without its API group; write `apiVersion: flink.apache.org/v1beta1`",
            ),
            (
                "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment",
                "line 10: FlinkDeployment without a name: metadata.name is missing",
            ),
            (
                "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata:\n  name: a\n  annotations:\n    x: true\n",
                "line 15: FlinkDeployment default/a: metadata.annotations: x must be text, but true is not; put it in quotes",
            ),
        ] {
            let (found, errors) = read(text);
            assert!(found.is_empty() && errors[0].contains(expected), "{errors:?}");
        }
    }
}
