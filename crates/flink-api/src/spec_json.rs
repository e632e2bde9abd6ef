//! Specs as raw JSON, compared as FKO compares them after it has read them.

use serde_json::Value;

use crate::Kind;

/// The spec that FKO last acted on, as far as rules judge it, from the object's status as the API server holds it.
pub fn last_reconciled_spec(kind: Kind, object: &Value) -> Option<Value> {
    let kept = match kind {
        Kind::Deployment | Kind::SessionJob => "/status/reconciliationStatus/lastReconciledSpec",
        Kind::BlueGreenDeployment => "/status/lastReconciledSpec",
    };
    let mut kept: Value = serde_json::from_str(object.pointer(kept)?.as_str()?).ok()?;
    spec_of(kind, &mut kept).map(Value::take)
}

/// What rules judge of an object.
pub fn spec_in(kind: Kind, object: &Value) -> Option<&Value> {
    kind.spec().iter().try_fold(object, |node, step| node.get(step))
}

/// The same, to be written.
pub fn spec_of(kind: Kind, object: &mut Value) -> Option<&mut Value> {
    kind.spec().iter().try_fold(object, |node, step| node.get_mut(step))
}

/// Whether everything that the part says stands in the whole, which may say more: FKO writes defaults down.
pub fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Null, _) => true,
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(key, part)| is_within(part, whole.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_within(part, whole))
        }
        (Value::Object(part), Value::Null) => part.values().all(|part| is_within(part, &Value::Null)),
        (Value::Array(part), Value::Null) => part.is_empty(),
        (part, whole) => is_same_scalar(part, whole),
    }
}

/// Whether FKO reads the same from both: an absent value, `null` and an empty map or list are one.
pub fn is_same(one: &Value, other: &Value) -> bool {
    is_within(one, other) && is_within(other, one)
}

/// What YAML wrote as a number, FKO may keep as text, and as another number of the same value.
fn is_same_scalar(one: &Value, other: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (one, other) = (text(one), text(other));
    let number = |text: &str| text.parse::<f64>().ok().map(f64::to_bits);
    one == other || number(&one).is_some_and(|one| Some(one) == number(&other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fko_reads_alike_is_the_same() {
        let one = json!({"args": [], "cpu": 1, "podTemplate": {"metadata": {"creationTimestamp": null}}});
        assert!(is_same(&one, &json!({"cpu": "1.0"})));
        assert!(!is_same(&one, &json!({"cpu": 2})));
        assert!(!is_same(&json!({"image": "a"}), &json!({})) && !is_same(&json!({}), &json!({"image": "a"})));
        assert!(!is_same(&json!(["a"]), &json!(["a", "b"])));
    }

    #[test]
    fn the_last_reconciled_spec_is_where_each_kind_keeps_it() {
        let spec = json!({"image": "a"});
        let kept = json!({"spec": spec, "resource_metadata": {}}).to_string();
        let of = |kind, status: Value| last_reconciled_spec(kind, &json!({ "status": status }));
        let reconciled = json!({"reconciliationStatus": {"lastReconciledSpec": kept}});
        assert_eq!(of(Kind::Deployment, reconciled.clone()), Some(spec.clone()));
        assert_eq!(of(Kind::SessionJob, reconciled.clone()), Some(spec.clone()));
        assert_eq!(of(Kind::BlueGreenDeployment, reconciled), None);
        let kept = json!({"spec": {"template": {"spec": spec}}}).to_string();
        assert_eq!(of(Kind::BlueGreenDeployment, json!({"lastReconciledSpec": kept})), Some(spec));
        assert_eq!(of(Kind::Deployment, json!({"reconciliationStatus": {"lastReconciledSpec": "{"}})), None);
    }
}
