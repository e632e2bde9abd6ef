//! A job's report in the format of openreports.io/v1alpha1, for viewers that know no other. Pure.

use checklist::{URGENT, find};
use flink_api::{FIELD_MANAGER, FlinkDeployment, GROUP, ReportContent, Standing, VERSION};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::report;

/// API group of the format.
pub(super) const OPEN_GROUP: &str = "openreports.io";
/// Its version.
pub(super) const OPEN_VERSION: &str = "v1alpha1";
/// The kind.
pub(super) const OPEN_KIND: &str = "Report";
/// The kind's plural.
pub(super) const OPEN_PLURAL: &str = "reports";
/// What our reports can be selected by.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Tells whether a report that is there says the same.
pub(super) const DIGEST: &str = "flink-remedy.dev/digest";

const CATEGORY: &str = "Flink production checklist";

/// The report as it is applied, with the digest of what it says on it.
pub(super) fn body(job: &FlinkDeployment, content: &ReportContent) -> (Value, String) {
    let (namespace, name) = report::key(job);
    let subject = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": job.kind.name(), "namespace": namespace,
        "name": job.name(), "uid": job.uid(),
    });
    let results = results(content);
    let count = |result: &str| results.iter().filter(|entry| entry["result"] == result).count();
    let summary = json!({ "pass": count("pass"), "fail": count("fail"), "warn": count("warn"),
        "error": count("error"), "skip": count("skip") });
    let mut body = json!({
        "apiVersion": format!("{OPEN_GROUP}/{OPEN_VERSION}"),
        "kind": OPEN_KIND,
        "metadata": {
            "name": format!("flink-remedy-{name}"), "namespace": namespace,
            "labels": { MANAGED_BY: FIELD_MANAGER },
            "ownerReferences": [{ "apiVersion": format!("{GROUP}/{VERSION}"), "kind": job.kind.name(), "name": job.name(),
                "uid": job.uid() }],
        },
        "source": FIELD_MANAGER,
        "scope": subject,
        "summary": summary,
        "results": results,
    });
    let digest =
        Sha256::digest(body.to_string()).iter().take(8).fold(0_u64, |digest, byte| digest << 8 | u64::from(*byte));
    let digest = format!("{digest:016x}");
    body["metadata"]["annotations"] = json!({ DIGEST: digest });
    (body, digest)
}

fn results(content: &ReportContent) -> Vec<Value> {
    let found = content.findings.items.iter().map(|finding| {
        let result = match finding.verdict.as_str() {
            "Gap" => "fail",
            "Advice" => "warn",
            _ => "pass",
        };
        result_of(content, &finding.rule, result, &finding.message, finding.key.as_deref())
    });
    let mut results: Vec<Value> = found.collect();
    let is_found = |rule: &str, results: &[Value]| results.iter().any(|entry| entry["properties"]["code"] == rule);
    for value in &content.filled {
        if !is_found(&value.rule, &results) {
            results.push(result_of(content, &value.rule, "pass", "filled by flink-remedy", None));
        }
    }
    for rule in content.opt_out.iter().flat_map(|opt_out| &opt_out.rules) {
        let reason = content.opt_out.as_ref().and_then(|opt_out| opt_out.reason.as_deref()).unwrap_or("opted out");
        results.push(result_of(content, rule, "skip", reason, None));
    }
    if content.standing == Standing::Invalid {
        results.push(result_of(content, "", "error", &content.message, None));
    }
    results
}

fn result_of(content: &ReportContent, code: &str, result: &str, message: &str, key: Option<&str>) -> Value {
    let rule = find(code).map_or(code, |rule| rule.name);
    let severity = match result {
        "fail" | "warn" if URGENT.contains(&code) => "high",
        "fail" | "error" => "medium",
        _ => "low",
    };
    let standing = serde_json::to_value(content.standing).unwrap_or_default();
    let mut entry = json!({
        "source": FIELD_MANAGER, "policy": content.policy.name, "rule": rule, "category": CATEGORY,
        "severity": severity, "result": result, "scored": true, "message": message,
        "properties": { "code": code, "standing": standing },
    });
    if let Some(key) = key {
        entry["properties"]["key"] = json!(key);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> FlinkDeployment {
        serde_json::from_value(json!({"metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"}})).unwrap()
    }

    fn content() -> ReportContent {
        serde_json::from_value(json!({
            "standing": "Held", "policy": {"name": "production"},
            "findings": {"gaps": 1, "advice": 1, "implicit": 1, "items": [
                {"rule": "MET001", "name": "no-metrics-reporter", "verdict": "Gap", "message": "no reporter"},
                {"rule": "CKP002", "name": "no-durable-checkpoint-storage", "verdict": "Advice", "message": "no storage"},
                {"rule": "RST002", "name": "full-failover", "verdict": "Implicit", "message": "region by default"}]},
            "filled": [{"target": "state.backend.incremental", "shown": "x", "rule": "CKP003", "change": "c"}],
            "optOut": {"rules": ["SEC001"], "reason": "behind a proxy"},
        }))
        .unwrap()
    }

    #[test]
    fn each_finding_is_a_result_and_the_summary_counts_them() {
        let (body, _) = body(&job(), &content());
        let told: Vec<_> = body["results"].as_array().unwrap().iter().collect();
        let short = |entry: &Value| {
            [&entry["rule"], &entry["result"], &entry["severity"]]
                .map(|field| field.as_str().unwrap().to_owned())
                .join(" ")
        };
        let told: Vec<String> = told.into_iter().map(short).collect();
        assert_eq!(
            told,
            [
                "no-metrics-reporter fail medium",
                "no-durable-checkpoint-storage warn high",
                "full-failover pass low",
                "rocksdb-full-checkpoints pass low",
                "rest-api-exposed skip low",
            ]
        );
        assert_eq!(body["summary"], json!({"pass": 2, "fail": 1, "warn": 1, "error": 0, "skip": 1}));
        assert_eq!(
            (&body["metadata"]["name"], &body["results"][0]["policy"]),
            (&json!("flink-remedy-orders"), &json!("production"))
        );
        assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], "u-1");
    }

    #[test]
    fn the_digest_changes_with_what_is_said_alone() {
        let digest = |content: &ReportContent| body(&job(), content).1;
        let (one, mut other) = (content(), content());
        assert_eq!(digest(&one), digest(&other));
        other.findings.items[0].message.push('!');
        assert_ne!(digest(&one), digest(&other));
    }
}
