//! `flink-remedy check -o sarif`: valid, pointing at the right lines, stable.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use serde_json::{Value, json};
use support::{Directory, Ran, check, deployment};

const SCHEMA: &str = include_str!("data/sarif-schema-2.1.0.json");

/// RocksDB with a gap, a nested choice that needs advice, and nothing else.
const SPEC: &str = "flinkConfiguration:\n    state.backend.type: rocksdb\n    execution:\n      checkpointing:\n        \
                    interval: 1 min\n    restart-strategy:\n      type: fixed-delay\n";

/// The standard's schema, with the slip in the pattern of `run.language` (a bracket that opens nowhere) corrected as
/// the standard's errata do: it is no regular expression.
fn validator() -> jsonschema::Validator {
    let slip = "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$";
    assert!(SCHEMA.contains(slip));
    let schema: Value = serde_json::from_str(&SCHEMA.replace(slip, "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$")).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// The log of a run, which the standard's schema accepts.
fn log(ran: &Ran) -> Value {
    let validator = validator();
    let log = ran.json();
    let errors: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    log
}

fn results(log: &Value) -> Vec<Value> {
    log["runs"][0]["results"].as_array().unwrap().clone()
}

fn result(log: &Value, code: &str) -> Value {
    results(log).into_iter().find(|result| result["ruleId"] == code).unwrap()
}

fn place(result: &Value) -> (&str, u64) {
    let place = &result["locations"][0]["physicalLocation"];
    (place["artifactLocation"]["uri"].as_str().unwrap(), place["region"]["startLine"].as_u64().unwrap())
}

#[test]
fn the_schema_would_refuse_a_wrong_log() {
    let validator = validator();
    let mut log = check(&["-", "-o", "sarif"], &deployment("app", "v1_17", SPEC)).json();
    assert!(validator.is_valid(&log));
    log["runs"][0]["results"][0]["level"] = json!("fatal");
    assert!(!validator.is_valid(&log));
}

#[test]
fn every_rule_is_described_and_only_findings_are_results() {
    let log = log(&check(&["-", "-o", "sarif"], &deployment("app", "v1_17", SPEC)));
    let driver = &log["runs"][0]["tool"]["driver"];
    assert_eq!((&driver["name"], &driver["version"]), (&json!("flink-remedy"), &json!(env!("CARGO_PKG_VERSION"))));
    let rules = driver["rules"].as_array().unwrap();
    for (rule, described) in checklist::RULES.iter().zip(rules) {
        assert_eq!((&described["id"], &described["name"]), (&json!(rule.code), &json!(rule.name)));
        assert_eq!(described["shortDescription"]["text"], rule.summary());
        assert!(described["help"]["markdown"].as_str().unwrap().contains("\n## What is filled\n"), "{described}");
        let full = described["fullDescription"]["text"].as_str().unwrap();
        assert!(!full.is_empty() && !full.contains(['#', '\n']), "{full}");
    }
    assert_eq!(rules.len(), checklist::RULES.len());
    let json = check(&["-", "-o", "json"], &deployment("app", "v1_17", SPEC)).json();
    let findings = json["jobs"][0]["findings"].as_array().unwrap();
    let expected: Vec<(&Value, &str)> = findings
        .iter()
        .filter_map(|finding| match finding["verdict"].as_str().unwrap() {
            "Gap" => Some((&finding["code"], "error")),
            "Advice" => Some((&finding["code"], "warning")),
            "Implicit" => Some((&finding["code"], "note")),
            _ => None,
        })
        .collect();
    let results = results(&log);
    let found: Vec<(&Value, &str)> =
        results.iter().map(|result| (&result["ruleId"], result["level"].as_str().unwrap())).collect();
    assert_eq!(found, expected);
    for result in &results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    let message = result(&log, "CKP003")["message"]["text"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("FlinkDeployment default/app: RocksDB without ")
            && message.ends_with("; would fill state.backend.incremental=true"),
        "{message}"
    );
}

#[test]
fn a_finding_points_at_its_key_else_at_its_object() {
    let directory = Directory::new();
    let flat = SPEC.replace("restart-strategy:\n      type: fixed-delay", "restart-strategy.type:\n      fixed-delay");
    let two = format!("# one\n{}---\n{}", deployment("one", "v1_17", SPEC), deployment("two", "v1_17", &flat));
    let file = directory.file("a b/äpps.yaml", &two);
    let log = log(&check(&[&file, "-o", "sarif"], ""));
    let advice: Vec<Value> = results(&log).into_iter().filter(|result| result["ruleId"] == "RST001").collect();
    let line_of = |text: &str| 1 + two.lines().position(|line| line.contains(text)).unwrap() as u64;
    assert_eq!(place(&advice[0]).1, line_of("      type: fixed-delay"));
    assert_eq!(place(&advice[1]).1, line_of("restart-strategy.type:"));
    let gap = result(&log, "CKP003");
    let (uri, line) = place(&gap);
    assert_eq!(line, line_of("apiVersion"));
    assert!(uri.ends_with("/a%20b/%C3%A4pps.yaml"), "{uri}");
    let message = advice[0]["message"]["text"].as_str().unwrap();
    assert!(message.contains("restart-strategy.type is fixed-delay"), "{message}");
    let stdin = check(&["-", "-o", "sarif"], &two);
    assert_eq!(place(&result(&stdin.json(), "CKP003")).0, "-");
}

#[test]
fn findings_of_one_rule_point_at_a_key_each() {
    let spec =
        "flinkConfiguration:\n    rest.port: many\n    execution:\n      checkpointing:\n        interval: soon\n";
    let text = deployment("app", "v1_20", spec);
    let log = log(&check(&["-", "-o", "sarif"], &text));
    let unreadable: Vec<Value> = results(&log).into_iter().filter(|result| result["ruleId"] == "CFG001").collect();
    let lines: Vec<u64> = unreadable.iter().map(|result| place(result).1).collect();
    let line_of = |part: &str| 1 + text.lines().position(|line| line.contains(part)).unwrap() as u64;
    assert_eq!(lines, [line_of("interval:"), line_of("rest.port:")]);
    assert_ne!(unreadable[0]["partialFingerprints"], unreadable[1]["partialFingerprints"]);
}

#[test]
fn a_fingerprint_is_of_the_finding_and_not_of_its_line() {
    let fingerprints = |text: &str| -> Vec<String> {
        let log = log(&check(&["-", "-o", "sarif"], text));
        let found = results(&log);
        found.iter().map(|result| result["partialFingerprints"]["flinkRemedy/v1"].to_string()).collect()
    };
    let app = deployment("app", "v1_17", SPEC);
    let before = fingerprints(&app);
    assert_eq!(before, fingerprints(&format!("# a\n# b\n{app}")));
    assert!(before.contains(&"\"FlinkDeployment/default/app/RST001/restart-strategy.type\"".to_owned()), "{before:?}");
    let two = fingerprints(&format!("{app}---\n{}", deployment("other", "v1_17", SPEC)));
    let distinct: std::collections::BTreeSet<&String> = two.iter().collect();
    assert_eq!((distinct.len(), two.len()), (2 * before.len(), 2 * before.len()));
}

#[test]
fn unreadable_input_is_a_notification_of_a_failed_run() {
    let directory = Directory::new();
    let file = directory.file("apps.yaml", &format!("{}---\na: b: c\n", deployment("app", "v1_17", SPEC)));
    let ran = check(&[&file, "nowhere.yaml", "-o", "sarif"], "");
    assert_eq!(ran.code, 2);
    let log = log(&ran);
    assert!(!results(&log).is_empty());
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!((&invocation["executionSuccessful"], &invocation["exitCode"]), (&json!(false), &json!(2)));
    let told = invocation["toolExecutionNotifications"].as_array().unwrap();
    let lines = std::fs::read_to_string(&file).unwrap().lines().count() as u64;
    let mut places: Vec<(&str, Option<u64>)> = told
        .iter()
        .map(|told| &told["locations"][0]["physicalLocation"])
        .map(|place| (place["artifactLocation"]["uri"].as_str().unwrap(), place["region"]["startLine"].as_u64()))
        .collect();
    places.sort_unstable_by_key(|(_, line)| *line);
    assert_eq!(places[0], ("nowhere.yaml", None));
    assert!(places[1].0.ends_with("/apps.yaml") && places[1].1 == Some(lines), "{places:?}");
    assert!(told.iter().any(|told| told["message"]["text"].as_str().unwrap().contains(": document 2, line ")));
    assert!(ran.err.contains("error[input-unread]: nowhere.yaml"), "{}", ran.err);
}

#[test]
fn nothing_found_is_a_valid_log() {
    for text in ["", "a: b: c"] {
        let log = log(&check(&["-", "-o", "sarif"], text));
        assert_eq!(results(&log), Vec::<Value>::new());
        assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], json!(text.is_empty()));
    }
}
