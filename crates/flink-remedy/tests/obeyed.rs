//! What `flink-remedy check` obeys beside the manifest's spec: annotations, namespaces, FKO's configuration.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use serde_json::Value;
use support::{Directory, Ran, check, deployment};

const GAPS: &str = "flinkConfiguration:\n    state.backend.type: rocksdb\n";

fn annotated(annotations: &str) -> String {
    deployment("app", "v1_17", GAPS)
        .replace("  name: app\n", &format!("  name: app\n  annotations: {{{annotations}}}\n"))
}

fn job(ran: &Ran) -> Value {
    ran.json()["jobs"][0].clone()
}

fn finding(job: &Value, code: &str) -> Value {
    job["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code).unwrap().clone()
}

fn check_json(manifest: &str, args: &[&str]) -> Ran {
    check(&[&["-", "-o", "json"], args].concat(), manifest)
}

#[test]
fn an_opt_out_silences_its_rule() {
    let manifest = annotated("flink-remedy.dev/opt-out: CKP003, flink-remedy.dev/opt-out-reason: full on purpose");
    let ran = check_json(&manifest, &[]);
    let rocksdb = finding(&job(&ran), "CKP003");
    assert_eq!(rocksdb["verdict"], "NotApplicable");
    assert!(
        rocksdb["message"]
            .as_str()
            .unwrap()
            .starts_with("opted out by annotation flink-remedy.dev/opt-out (full on purpose); without it Gap: ")
    );
    assert_eq!(rocksdb["fills"], serde_json::json!({}));
    assert_eq!(finding(&job(&ran), "MET001")["verdict"], "Gap");
    assert!(job(&ran)["plan"]["fills"].get("state.backend.incremental").is_none());
    assert_eq!(ran.code, 1);
}

#[test]
fn a_whole_opt_out_leaves_nothing_to_do() {
    let ran = check_json(&annotated("flink-remedy.dev/opt-out: 'true'"), &["--fail-on", "advice"]);
    assert_eq!((ran.code, &job(&ran)["plan"]["timing"]), (0, &Value::from("Nothing")));
    assert_eq!(job(&ran)["plan"]["reason"], "the job is opted out by annotation");
}

#[test]
fn an_opt_out_that_is_over_is_none() {
    let over = "flink-remedy.dev/opt-out: 'true', flink-remedy.dev/opt-out-until: '2020-01-01'";
    assert_eq!(check_json(&annotated(over), &[]).code, 1);
}

#[test]
fn an_unreadable_annotation_is_told_and_hides_no_gap() {
    let ran = check_json(&annotated("flink-remedy.dev/opt-out: rocksdb-full"), &[]);
    assert_eq!(ran.code, 1);
    let expected = "warning: <stdin>: document 1, line 1: FlinkDeployment default/app: annotation flink-remedy.dev/opt-out on the job is unreadable: `rocksdb-full` is no rule";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
    let plan = &job(&ran)["plan"];
    assert_eq!((&plan["timing"], &plan["fills"]), (&Value::from("Nothing"), &serde_json::json!({})));
    assert!(plan["reason"].as_str().unwrap().contains("`rocksdb-full` is no rule"), "{plan}");
    assert_eq!(finding(&job(&ran), "CKP003")["verdict"], "Gap");
}

#[test]
fn a_namespace_in_the_input_speaks_for_its_jobs() {
    let namespace = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  annotations: {{flink-remedy.dev/opt-out: 'true'}}\n---\n"
        )
    };
    assert_eq!(check_json(&(namespace("default") + &annotated("")), &[]).code, 0);
    assert_eq!(check_json(&(namespace("other") + &annotated("")), &[]).code, 1);
}

#[test]
fn a_mode_annotation_is_obeyed() {
    let ran = check_json(&annotated("flink-remedy.dev/mode: Advise"), &[]);
    assert_eq!((ran.code, &job(&ran)["plan"]["timing"]), (1, &Value::from("Held")));
}

#[test]
fn what_the_operators_configuration_settles_is_no_gap() {
    let directory = Directory::new();
    let conf = "state.backend.incremental: true\nkubernetes.operator.default-configuration.namespace.default.metrics.reporter.x.factory.class: X\n";
    let flat = directory.file("flink-conf.yaml", conf);
    for place in [directory.path(), flat.as_str()] {
        let job = job(&check_json(&annotated(""), &["--operator-config", place]));
        assert_eq!(finding(&job, "CKP003")["verdict"], "Pass");
        assert_eq!(finding(&job, "MET001")["verdict"], "Pass");
    }
    assert_eq!(finding(&job(&check_json(&annotated(""), &[])), "CKP003")["verdict"], "Gap");
    let nested = Directory::new();
    nested.file("config.yaml", "state:\n  backend:\n    incremental: true\n");
    let job = job(&check_json(&annotated(""), &["--operator-config", nested.path()]));
    assert_eq!(finding(&job, "CKP003")["verdict"], "Pass");
}

#[test]
fn none_means_no_layers_and_no_log_file() {
    let stock = job(&check_json(&annotated(""), &[]));
    let none = job(&check_json(&annotated(""), &["--operator-config", "none"]));
    assert_ne!(finding(&stock, "LOG001")["verdict"], "Advice");
    assert_eq!(finding(&none, "LOG001")["verdict"], "Advice");
}

#[test]
fn an_operator_configuration_that_says_nothing_is_bad_input() {
    let directory = Directory::new();
    directory.file("values.yaml", "a: 1\n");
    let broken = directory.file("sub/flink-conf.yaml", "a: 1\nnonsense\n");
    for (place, expected) in [
        (
            directory.path(),
            "neither flink-conf.yaml nor config.yaml is among the Flink operator's files (found: sub, values.yaml)",
        ),
        ("nowhere", "nowhere: no such file or directory"),
        (broken.as_str(), "flink-conf.yaml: line 2 is not of the form `key: value`: nonsense"),
    ] {
        let ran = check(&["-", "--operator-config", place], &annotated(""));
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(
            ran.err.starts_with("error[operator-config-unread]: --operator-config: ") && ran.err.contains(expected),
            "{}",
            ran.err
        );
    }
}
