//! `flink-remedy diff`: what would be filled, and the patch that brings it into Git.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Directory, RUNNING, Ran, check, deployment, run};

const GAPS: &str =
    "flinkConfiguration:\n    state.backend.type: rocksdb\n    execution.checkpointing.interval: 1 min\n";

/// Nested, with a log file, pod annotations and a secret of its own.
const NESTED: &str = "flinkConfiguration:\n    state: {backend: {type: rocksdb}}\n    execution: {checkpointing: {interval: 1 min}}\n    \
                      s3: {secret-key: hunter2}\n  podTemplate:\n    metadata:\n      annotations: {team: shop}\n";

fn diff(args: &[&str], stdin: &str) -> Ran {
    run(&[&["diff"], args].concat(), stdin)
}

/// The documents of a stream of YAML.
fn documents(text: &str) -> Vec<Value> {
    let parts = text.split("---\n").filter(|part| !part.trim().is_empty());
    parts.map(|part| serde_saphyr::from_str(part).unwrap()).collect()
}

/// RFC 7386.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else { return *target = patch };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// Every value of a document by its path.
fn leaves(value: &Value, path: &str) -> Vec<(String, Value)> {
    let Value::Object(fields) = value else { return vec![(path.to_owned(), value.clone())] };
    fields.iter().flat_map(|(key, value)| leaves(value, &format!("{path}/{key}"))).collect()
}

#[test]
fn the_patched_manifest_has_no_gap_and_every_value_of_its_owner() {
    let running = format!("{}{RUNNING}", deployment("running", "v1_18", GAPS));
    let stream = [
        deployment("one", "v1_17", GAPS),
        deployment("nested", "v1_20", NESTED),
        deployment("two", "v2_1", GAPS),
        deployment("bare", "v1_19", "image: x\n"),
        running,
    ]
    .map(|manifest| manifest.replace("  name:", "  namespace: shop\n  name:"));
    let ran = diff(&["-", "-o", "patch", "--new-jobs"], &stream.join("---\n"));
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    let patches = documents(&ran.out);
    assert_eq!(patches.len(), stream.len());
    for (manifest, patch) in stream.iter().zip(patches) {
        let before = documents(manifest).remove(0);
        assert_eq!((&patch["apiVersion"], &patch["kind"]), (&before["apiVersion"], &before["kind"]));
        assert_eq!(patch["metadata"], before["metadata"]);
        let mut after = before.clone();
        merge(&mut after, patch);
        let after_text = after.to_string();
        let advised = |manifest: &str| -> Vec<String> {
            let report = check(&["-", "--fail-on", "never", "-o", "json"], manifest).json();
            let findings = report["jobs"][0]["findings"].as_array().unwrap().clone();
            let advice = findings.iter().filter(|finding| finding["verdict"] == "Advice");
            advice.map(|finding| finding["code"].to_string()).collect()
        };
        assert_eq!(advised(&after_text), advised(manifest), "a patch gives nobody more to decide");
        let ran = check(&["-", "--fail-on", "gap", "-o", "json"], &after_text);
        assert_eq!(ran.code, 0, "{}", ran.out);
        assert_eq!(ran.json()["jobs"][0]["plan"]["fills"], serde_json::json!({}), "{}", ran.out);
        let after = leaves(&after, "");
        for leaf in leaves(&before, "") {
            assert!(after.contains(&leaf), "{leaf:?} is gone");
        }
        let settled = diff(&["-"], &after_text);
        assert_eq!((settled.code, settled.out.as_str()), (0, ""));
    }
}

#[test]
fn a_patch_holds_flat_quoted_values_of_the_fills_alone() {
    let ran =
        diff(&["-", "-o", "patch", "--new-jobs", "--operator-config", "none"], &deployment("app", "v1_17", NESTED));
    assert!(ran.out.contains("\n    state.backend.incremental: \"true\"\n"), "{}", ran.out);
    assert!(
        !ran.out.contains("hunter2") && !ran.out.contains("namespace:") && !ran.out.contains("team"),
        "{}",
        ran.out
    );
    let json = check(&["-", "-o", "json", "--operator-config", "none"], &deployment("app", "v1_17", NESTED)).json();
    let fills = json["jobs"][0]["plan"]["fills"].as_object().unwrap().clone();
    let patch = documents(&ran.out).remove(0);
    let configuration = patch["spec"]["flinkConfiguration"].as_object().unwrap();
    let annotations = patch["spec"]["podTemplate"]["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(configuration.len() + annotations.len(), fills.len());
    for (key, value) in configuration {
        assert_eq!(fills[key], *value);
    }
    assert!(configuration.values().chain(annotations.values()).all(Value::is_string));
}

#[test]
fn the_diff_adds_lines_below_the_owners_own_and_masks_secrets() {
    let ran = diff(&["-", "--operator-config", "none"], &deployment("app", "v1_17", NESTED));
    assert_eq!(ran.code, 1);
    let body: Vec<&str> = ran.out.lines().collect();
    assert_eq!(body[0], "# FlinkDeployment default/app, Flink v1_17, <stdin>:1");
    assert!(body[1].starts_with("# CKP003 rocksdb-full-checkpoints, "), "{}", ran.out);
    assert_eq!(body[2], "# In the cluster: fill now: the job is not deployed yet, so it costs no restart");
    let left_out = "# Not shown, for a job that never ran only: JOB002 implicit-max-parallelism; --new-jobs adds it";
    assert_eq!(body[3..6], [left_out, "--- default/app", "+++ default/app (filled)"]);
    assert!(body.contains(&"+    state.backend.incremental: 'true'"), "{}", ran.out);
    assert!(body.contains(&"         team: shop"), "{}", ran.out);
    assert!(!body[6..].iter().any(|line| line.starts_with('-')), "{}", ran.out);
    assert!(!ran.out.contains("hunter2") && ran.out.contains("secret-key: '******'"), "{}", ran.out);
}

#[test]
fn a_held_plan_is_shown_whole_with_its_reason() {
    let held = format!("{}{RUNNING}", deployment("app", "v1_20", GAPS));
    let fills = |manifest: &str| {
        let patch = documents(&diff(&["-", "-o", "patch"], manifest).out).remove(0);
        leaves(&patch["spec"], "")
    };
    assert_eq!(fills(&held), fills(&deployment("app", "v1_20", GAPS)), "right by default is written down, too");
    for format in ["diff", "patch"] {
        let ran = diff(&["-", "-o", format], &held);
        assert!(ran.out.contains("\n# In the cluster: hold: "), "{}", ran.out);
        assert!(ran.out.contains("The log file derives from the Flink operator chart's"), "{}", ran.out);
    }
}

#[test]
fn what_is_opted_out_is_no_diff_and_what_cannot_be_filled_is_told() {
    let annotated = |annotation: &str| {
        deployment("app", "v1_17", GAPS)
            .replace("  name: app\n", &format!("  name: app\n  annotations: {{{annotation}}}\n"))
    };
    let ran = diff(&["-"], &annotated("flink-remedy.dev/opt-out: 'true'"));
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    let ran = diff(&["-"], &annotated("flink-remedy.dev/opt-out: nonsense"));
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("do nothing: nothing is filled before an unreadable annotation"), "{}", ran.out);
    assert!(ran.err.starts_with("warning: <stdin>: document 1, line 1: "), "{}", ran.err);
}

#[test]
fn a_value_of_ours_that_the_owner_took_over_leaves() {
    let file = "{\"version\":1,\"change\":\"ab\",\"at\":\"2026-01-02T03:04:05Z\",\"values\":{\"state.backend.incremental\":{\"value\":\"true\",\"rule\":\"CKP003\",\"change\":\"ab\"}}}";
    let owned = "{\"f:metadata\":{\"f:annotations\":{\"f:flink-remedy.dev/filled\":{}}},\"f:spec\":{\"f:flinkConfiguration\":{\"f:state.backend.incremental\":{}}}}";
    let manifest = deployment("app", "v1_20", &format!("{GAPS}    state.backend.incremental: 'true'\n    execution.checkpointing.incremental: 'false'\n"))
        .replace("  name: app\n", &format!("  name: app\n  annotations:\n    flink-remedy.dev/filled: '{file}'\n  managedFields:\n  - {{manager: flink-remedy, operation: Apply, fieldsV1: {owned}}}\n"));
    let ran = diff(&["-"], &manifest);
    assert!(ran.out.contains("\n-    state.backend.incremental: 'true'\n"), "{}{}", ran.out, ran.err);
    let patch = documents(&diff(&["-", "-o", "patch"], &manifest).out).remove(0);
    let configuration = patch["spec"]["flinkConfiguration"].as_object().unwrap();
    assert_eq!(configuration.get("state.backend.incremental"), Some(&Value::Null));
}

#[test]
fn exit_codes_and_broken_input() {
    let directory = Directory::new();
    let file = directory.file("apps.yaml", &format!("{}---\na: b: c\n", deployment("app", "v1_17", GAPS)));
    for format in ["diff", "patch"] {
        let ran = diff(&[&file, "-o", format], "");
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("apps.yaml: document 2, line 12"), "{}", ran.err);
        assert!(ran.out.contains("state.backend.incremental"), "{}", ran.out);
        assert_eq!(diff(&["-", "-o", format], "").code, 0);
    }
    assert_eq!(diff(&["-", "--operator-config", "nowhere"], "").code, 2);
    let nameless = deployment("app", "v1_17", GAPS).replace("  name: app", "  generateName: app-");
    let ran = diff(&["-", "-o", "patch"], &nameless);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("line 1: a patch finds an object by its name"), "{}", ran.err);
}

#[test]
fn colours_are_for_terminals_or_those_who_force_them() {
    let directory = Directory::new();
    let file = directory.file("app.yaml", &deployment("app", "v1_17", GAPS));
    let out = |force: bool, no_color: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flink-remedy"));
        command.args(["diff", &file]).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        if force {
            command.env("CLICOLOR_FORCE", "1");
        }
        if no_color {
            command.env("NO_COLOR", "1");
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(out(true, false).contains("\u{1b}[32m+    state.backend.incremental"), "{}", out(true, false));
    for plain in [out(false, false), out(false, true)] {
        assert!(plain.contains("+    state.backend.incremental") && !plain.contains('\u{1b}'), "{plain}");
    }
}

#[test]
fn a_kustomization_names_the_files_that_were_read_and_warns_of_what_kustomize_does_not_read() {
    let directory = Directory::new();
    let file = directory.file("orders.yaml", &deployment("orders", "v1_20", GAPS));
    let ran = diff(&[&file, "-o", "kustomize"], "");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("kustomize reads files in and below a kustomization's own folder only"), "{}", ran.err);
    let kustomization: Value = serde_saphyr::from_str(&ran.out).unwrap();
    assert_eq!(kustomization["resources"], serde_json::json!([file]));
    let target = &kustomization["patches"][0]["target"];
    assert_eq!((&target["kind"], &target["name"]), (&"FlinkDeployment".into(), &"orders".into()));
    let patch: Value = serde_saphyr::from_str(kustomization["patches"][0]["patch"].as_str().unwrap()).unwrap();
    let patches = documents(&diff(&[&file, "-o", "patch"], "").out);
    assert_eq!(vec![patch], patches);

    let piped = diff(&["-", "-o", "kustomize"], &deployment("orders", "v1_20", GAPS));
    assert_eq!((piped.code, piped.err.as_str()), (1, ""));
    assert!(piped.out.contains("# resources: name here"), "{}", piped.out);
}
