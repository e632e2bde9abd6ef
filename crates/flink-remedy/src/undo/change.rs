//! What `undo` writes, as a merge patch of the whole change: it lands whole or not at all.

use checklist::Withdrawal;
use checklist::annotations::{FILLED, OPT_OUT, OPT_OUT_REASON, OPT_OUT_UNTIL};
use flink_api::FIELD_MANAGER;
use serde_json::{Map, Value, json};

/// Field manager of the values that nobody is to look after any more.
pub(super) const RELEASED: &str = "flink-remedy-released";
/// Field manager of the write, which the annotations then belong to: not the operator's, whose next apply would take
/// them away.
pub(super) const UNDO: &str = "flink-remedy-undo";

/// Takes the values out and opts the job out. The record stays: what it lists and is not there was taken away by
/// somebody, and no restart is spent on it again.
pub(super) fn withdrawn(live: &Value, withdrawal: &Withdrawal, reason: &str) -> Value {
    let mut patch = opted_out(live, reason);
    for target in withdrawal.leaving.keys() {
        *target.place(&mut patch["spec"]) = Value::Null;
    }
    // An empty map of log files would mean that there are none; an empty pod template would stay for nothing.
    for path in ["/logConfiguration", "/podTemplate/metadata/annotations", "/podTemplate/metadata", "/podTemplate"] {
        prune(&live["spec"], &mut patch["spec"], path);
    }
    patch
}

/// Where a patch would leave an empty map behind, it takes the map out.
fn prune(live: &Value, patch: &mut Value, map: &str) {
    let (Some(Value::Object(present)), Some(node)) = (live.pointer(map), patch.pointer_mut(map)) else { return };
    if present.keys().all(|name| node.get(name).is_some_and(Value::is_null)) {
        *node = Value::Null;
    }
}

/// Leaves every value where it is, owned by a manager that nobody writes as, and opts the job out. Only metadata change:
/// no restart. An apply by whomever leaves them alone as well, since it did not put them there.
pub(super) fn released(live: &Value, reason: &str) -> Value {
    let mut patch = opted_out(live, reason);
    patch["metadata"]["annotations"][FILLED] = Value::Null;
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    patch["metadata"]["managedFields"] = Value::Array(handed_over(entries));
    patch
}

fn opted_out(live: &Value, reason: &str) -> Value {
    json!({"metadata": {
        "uid": live["metadata"]["uid"],
        "resourceVersion": live["metadata"]["resourceVersion"],
        "annotations": {OPT_OUT: "true", OPT_OUT_REASON: reason, OPT_OUT_UNTIL: null},
    }})
}

/// The entries with what our apply owns under the neutral name.
fn handed_over(mut entries: Vec<Value>) -> Vec<Value> {
    let is_apply = |entry: &Value, manager: &str| {
        entry["manager"] == manager
            && entry["operation"] == "Apply"
            && entry.get("subresource").is_none_or(Value::is_null)
    };
    let Some(at) = entries.iter().position(|entry| is_apply(entry, FIELD_MANAGER)) else { return entries };
    let mut ours = entries.remove(at);
    if let Some(annotations) = ours.pointer_mut("/fieldsV1/f:metadata/f:annotations").and_then(Value::as_object_mut) {
        annotations.remove(&format!("f:{FILLED}"));
    }
    ours["manager"] = json!(RELEASED);
    let before = entries
        .iter_mut()
        .find(|entry| is_apply(entry, RELEASED) && entry["apiVersion"] == ours["apiVersion"])
        .and_then(|entry| entry.get_mut("fieldsV1"));
    match before {
        Some(fields) => join(fields, &ours["fieldsV1"]),
        None => entries.push(ours),
    }
    entries
}

/// The union of two sets of fields.
fn join(fields: &mut Value, more: &Value) {
    let (Some(fields), Some(more)) = (fields.as_object_mut(), more.as_object()) else { return };
    for (name, below) in more {
        join(fields.entry(name).or_insert_with(|| Value::Object(Map::new())), below);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use checklist::Target;

    use super::*;

    fn withdrawal(targets: &[Target]) -> Withdrawal {
        Withdrawal {
            leaving: targets.iter().map(|target| (target.clone(), String::new())).collect(),
            staying: BTreeMap::new(),
            restarts: true,
            held: None,
        }
    }

    #[test]
    fn what_leaves_leaves_no_empty_map_behind_and_what_others_set_stays() {
        let targets = [
            Target::option("a.b"),
            Target::LogFile("log4j-console.properties".into()),
            Target::PodAnnotation("prometheus.io/port".into()),
        ];
        let live = |more: Value| {
            let mut live = json!({"metadata": {"uid": "u", "resourceVersion": "7"}, "spec": {
                "flinkConfiguration": {"a.b": "1"}, "logConfiguration": {"log4j-console.properties": "x"},
                "podTemplate": {"metadata": {"annotations": {"prometheus.io/port": "9249"}}}}});
            if let Some(template) = more.as_object() {
                live["spec"]["podTemplate"].as_object_mut().unwrap().extend(template.clone());
            }
            live
        };
        let patch = withdrawn(&live(json!({})), &withdrawal(&targets), "why");
        let spec = json!({"flinkConfiguration": {"a.b": null}, "logConfiguration": null, "podTemplate": null});
        assert_eq!(patch["spec"], spec);
        let annotations = json!({OPT_OUT: "true", OPT_OUT_REASON: "why", OPT_OUT_UNTIL: null});
        assert_eq!(patch["metadata"], json!({"uid": "u", "resourceVersion": "7", "annotations": annotations}));
        let patch = withdrawn(&live(json!({"spec": {"containers": []}})), &withdrawal(&targets), "why");
        assert_eq!(patch["spec"]["podTemplate"], json!({"metadata": null}));
        let patch = withdrawn(&live(json!({})), &withdrawal(&targets[..1]), "why");
        assert_eq!(patch["spec"], json!({"flinkConfiguration": {"a.b": null}}));
    }

    #[test]
    fn what_is_released_changes_its_manager_and_nothing_else() {
        let entry = |manager: &str, operation: &str, fields: Value| json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields});
        let filled = format!("f:{FILLED}");
        let ours =
            json!({"f:metadata": {"f:annotations": {filled: {}}}, "f:spec": {"f:flinkConfiguration": {"f:a": {}}}});
        let owner = entry("kubectl", "Update", json!({"f:spec": {"f:image": {}}}));
        let update = entry(FIELD_MANAGER, "Update", json!({"f:metadata": {}}));
        let live = |entries: Value| json!({"metadata": {"uid": "u", "resourceVersion": "7", "managedFields": entries}});
        let patch = released(&live(json!([owner, entry(FIELD_MANAGER, "Apply", ours.clone()), update])), "why");
        let handed = json!({"f:metadata": {"f:annotations": {}}, "f:spec": {"f:flinkConfiguration": {"f:a": {}}}});
        assert_eq!(
            patch["metadata"]["managedFields"],
            json!([owner, update, entry(RELEASED, "Apply", handed.clone())])
        );
        assert_eq!((&patch["metadata"]["annotations"][FILLED], patch.get("spec")), (&Value::Null, None));
        // A second time: what was released before stays so.
        let before = entry(RELEASED, "Apply", json!({"f:spec": {"f:flinkConfiguration": {"f:b": {}}}}));
        let patch = released(&live(json!([before, entry(FIELD_MANAGER, "Apply", ours)])), "why");
        let fields = &patch["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:flinkConfiguration"];
        assert_eq!(fields, &json!({"f:a": {}, "f:b": {}}));
        assert_eq!(patch["metadata"]["managedFields"].as_array().map(Vec::len), Some(1));
    }
}
