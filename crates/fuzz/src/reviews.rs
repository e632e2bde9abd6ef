use base64::Engine as _;
use checklist::Platform;
use checklist::policy::Policies;
use controller::OfflineWebhook;
use flink_conf::is_steering;
use serde_json::{Value, json};

/// Any bytes as the body of a call of the webhook: a review is answered by its uid, a job is always let in, what is changed in
/// it can be applied, and asked again the webhook changes nothing more.
pub fn review(body: &[u8]) {
    let Some((response, sent)) = answered(body) else { return };
    assert_eq!(response["uid"], sent["request"]["uid"]);
    let warnings = response["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_of_policy = sent["request"]["kind"]["kind"] == "RemediationPolicy";
    if is_of_policy {
        let message = response["status"]["message"].as_str().unwrap_or_default();
        assert!(message.len() <= 1024 && !message.contains(is_steering), "{} bytes: {message}", message.len());
        return;
    }
    assert_eq!(response["allowed"], true);
    assert!(warnings.len() <= 3, "{warnings:?}");
    for warning in warnings.iter().filter_map(Value::as_str) {
        assert!(warning.len() <= 256 && !warning.contains(is_steering), "{warning:?}");
    }
    let Some(patch) = response["patch"].as_str() else { return };
    let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut again = sent;
    json_patch::patch(&mut again["request"]["object"], &patch).unwrap();
    let (response, _) = answered(again.to_string().as_bytes()).expect("it was a review before");
    assert_eq!(response["patch"], Value::Null, "changed again: {}", shown(&response));
}

/// Any JSON as the spec of a policy that somebody creates.
pub fn policy(spec: &Value) {
    let object = json!({ "apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy", "spec": spec });
    let request =
        json!({ "uid": "u", "kind": { "kind": "RemediationPolicy" }, "operation": "CREATE", "object": object });
    let review = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request });
    self::review(review.to_string().as_bytes());
}

/// The response, and the review as JSON; `None` where it is none.
fn answered(body: &[u8]) -> Option<(Value, Value)> {
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let answer = OfflineWebhook::new(Platform::stock(), Policies::default()).review(body, now).ok()?;
    let mut answer: Value = serde_json::from_slice(&answer).unwrap();
    // What is not read may be no JSON: a code point that is none in a field that nobody looks at.
    let sent = serde_json::from_slice(body).ok()?;
    Some((answer["response"].take(), sent))
}

fn shown(response: &Value) -> String {
    let patch = response["patch"].as_str().unwrap_or_default();
    let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap_or_default();
    String::from_utf8_lossy(&patch).into_owned()
}
