//! `flink-remedy check` as a user runs it: the built binary, files on disk, exit codes and what is printed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use serde_json::{Value, json};
use support::{Directory, RUNNING, Ran, check, deployment};

/// RocksDB without incremental checkpoints on Flink 1.17, with nothing else configured.
const GAPS: &str = "flinkConfiguration:\n    state.backend.type: rocksdb\n";

fn app() -> String {
    deployment("app", "v1_17", GAPS)
}

/// Nothing for any rule to fill or say, on FKO without layers and log file.
fn settled() -> String {
    deployment(
        "settled",
        "v1_17",
        "flinkConfiguration:\n    pipeline.auto-generate-uids: false\n    pipeline.max-parallelism: 128\n    \
         state.backend.type: hashmap\n    taskmanager.memory.process.size: 4g\n    taskmanager.memory.managed.fraction: 0\n    metrics.reporter.x.factory.class: X\n    \
         execution.checkpointing.interval: 1 min\n    restart-strategy.type: exponential-delay\n    \
         state.checkpoints.dir: s3://acme/checkpoints\n    high-availability.type: kubernetes\n    \
         high-availability.storageDir: s3://acme/ha\n  \
         logConfiguration:\n    log4j-console.properties: rootLogger.level = INFO\n",
    )
}

fn verdict<'a>(job: &'a Value, code: &str) -> &'a str {
    let findings = job["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["code"] == code).unwrap()["verdict"].as_str().unwrap()
}

fn jobs(ran: &Ran) -> Vec<Value> {
    ran.json()["jobs"].as_array().unwrap().clone()
}

#[test]
fn exit_codes_follow_the_threshold() {
    let gaps = app();
    let advice = settled().replace("exponential-delay", "fixed-delay");
    for (manifest, fail_on, expected) in [
        (&gaps, "gap", 1),
        (&gaps, "advice", 1),
        (&gaps, "never", 0),
        (&advice, "gap", 0),
        (&advice, "advice", 1),
        (&settled(), "advice", 0),
        (&"a: b: c".to_owned(), "never", 2),
        (&format!("{gaps}---\na: b: c\n"), "gap", 2),
        (&String::new(), "advice", 0),
    ] {
        let ran = check(&["-", "--fail-on", fail_on], manifest);
        assert_eq!(ran.code, expected, "{fail_on}: {manifest}\n{}{}", ran.out, ran.err);
    }
    assert_eq!(check(&["-"], &gaps).code, 1, "gap is the default threshold");
}

#[test]
fn the_json_interface_has_exactly_these_fields_in_this_order() {
    let ran = check(&["-", "-o", "json"], &app());
    let report = ran.json();
    assert_eq!(keys_of(&ran.out, 2), ["version", "jobs"]);
    assert_eq!(report["version"], 1);
    let expected = ["kind", "namespace", "name", "flinkVersion", "source", "findings", "plan"];
    assert_eq!(keys_of(&ran.out, 6), expected);
    assert_eq!(keys_of(&ran.out, 10)[..6], ["code", "rule", "verdict", "message", "fills", "disruption"]);
    assert_eq!(keys_of(&ran.out, 8), ["hash", "fills", "timing", "effect", "reason"]);
    let job = &report["jobs"][0];
    for (key, value) in [
        ("kind", "FlinkDeployment"),
        ("namespace", "default"),
        ("name", "app"),
        ("flinkVersion", "v1_17"),
        ("source", "<stdin>"),
    ] {
        assert_eq!(job[key], value);
    }
    let codes: Vec<&str> = job["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    let of_every_job = checklist::RULES.iter().filter(|rule| matches!(rule.check, checklist::Check::Item(_)));
    assert_eq!(codes, of_every_job.map(|rule| rule.code).collect::<Vec<_>>());
    let rocksdb = job["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "CKP003").unwrap();
    assert_eq!(rocksdb["fills"], json!({"state.backend.incremental": "true"}));
    assert_eq!((&rocksdb["verdict"], &rocksdb["disruption"]), (&json!("Gap"), &json!("Restart")));
    assert_eq!(job["plan"]["timing"], "Now");
    assert_eq!(job["plan"]["hash"].as_str().unwrap().len(), 12);
    assert_eq!(job["plan"]["fills"]["podTemplate.metadata.annotations:prometheus.io/scrape"], "true");
}

#[test]
fn every_offending_key_has_a_finding() {
    let spec = "flinkConfiguration:\n    taskmanager.numberOfTaskSlots: two\n    execution:\n      checkpointing:\n        \
                interval: soon\n    s3.secret-key: hunter2\n";
    let ran = check(&["-", "-o", "json"], &deployment("app", "v1_20", spec));
    let report = ran.json();
    let findings = report["jobs"][0]["findings"].as_array().unwrap().iter();
    let about_keys: Vec<_> = findings
        .filter(|finding| finding["code"].as_str().unwrap().starts_with("CFG"))
        .map(|finding| (finding["code"].as_str().unwrap(), finding["key"].as_str().unwrap()))
        .collect();
    let expected = [
        ("CFG001", "execution.checkpointing.interval"),
        ("CFG001", "taskmanager.numberOfTaskSlots"),
        ("CFG007", "s3.secret-key"),
    ];
    assert_eq!(about_keys, expected);
    assert!(!ran.out.contains("hunter2"), "{}", ran.out);
}

/// The keys at one depth of pretty-printed JSON, in the order of the text.
fn keys_of(json: &str, indent: usize) -> Vec<&str> {
    json.lines()
        .filter(|line| line.len() - line.trim_start().len() == indent)
        .filter_map(|line| line.trim_start().strip_prefix('"')?.split_once("\":"))
        .map(|(key, _)| key)
        .collect()
}

#[test]
fn nothing_found_is_still_valid_json() {
    for manifest in ["", "# nothing\n---\n", "apiVersion: v1\nkind: Secret\n"] {
        let ran = check(&["-", "-o", "json"], manifest);
        assert_eq!((ran.code, ran.json()), (0, json!({"version": 1, "jobs": []})));
        assert!(
            ran.err.starts_with(
                "note: no FlinkDeployment, FlinkSessionJob or FlinkBlueGreenDeployment of flink.apache.org in "
            ),
            "{}",
            ran.err
        );
    }
}

#[test]
fn a_broken_document_spoils_no_other_and_is_named_by_the_files_line() {
    let directory = Directory::new();
    let broken = "# one\n---\nmetadata:\n  name: x\n   kind: y\n";
    let file = directory.file("apps.yaml", &format!("{}{broken}---\n{}", app(), deployment("other", "v1_20", GAPS)));
    let ran = check(&[&file, "-o", "json"], "");
    assert_eq!(ran.code, 2);
    let names: Vec<Value> = jobs(&ran).iter().map(|job| job["name"].clone()).collect();
    assert_eq!(names, ["app", "other"]);
    let line = app().lines().count() + 5;
    let place = format!("error[input-syntax]: {file}: document 2, line {line}, column ");
    assert!(ran.err.starts_with(&place) && ran.err.contains("  kind: y\n"), "{}", ran.err);
    assert!(check(&[&file], "").out.contains("2 jobs checked"), "the table shows the others, too");
}

#[test]
fn duplicates_are_refused_with_their_line() {
    let manifest = deployment("app", "v1_17", "flinkConfiguration:\n    a: 1\n    b: 2\n    a: 3\n");
    let line = manifest.lines().position(|line| line == "    a: 3").unwrap() + 1;
    let ran = check(&["-"], &manifest);
    assert_eq!(ran.code, 2);
    let expected =
        format!("error[input-syntax]: <stdin>: document 1, line {line}, column 5: duplicate mapping key: a\n");
    assert!(ran.err.starts_with(&expected), "{}", ran.err);
}

#[test]
fn objects_that_cannot_be_judged_are_named_and_the_others_judged() {
    let good = app();
    for (change, expected) in [
        (("flinkVersion: v1_17", "flinkVersion: 1.17"), "line 6: FlinkDeployment default/app: spec cannot be read"),
        (
            ("flinkVersion: v1_17", "flinkVersion: v1.17"),
            "line 6: FlinkDeployment default/app: flinkVersion `v1.17` is not of the form v1_20",
        ),
        (("  flinkVersion: v1_17\n", ""), "line 6: FlinkDeployment default/app: spec.flinkVersion is missing"),
        (
            ("flinkConfiguration:\n    state.backend.type: rocksdb", "flinkConfiguration: rocksdb"),
            "line 7: FlinkDeployment default/app: spec.flinkConfiguration must be a map",
        ),
        (("  name: app", "  labels: {}"), "line 4: FlinkDeployment without a name: metadata.name is missing"),
        (
            ("  name: app", "  name: app\n  annotations: {x: yes}"),
            "line 5: FlinkDeployment default/app: metadata.annotations: x must be text, but true is not; put it in quotes",
        ),
        (("flink.apache.org/v1beta1", "v1"), "line 2: a FlinkDeployment without its API group"),
    ] {
        let manifest = format!("{}---\n{}", good.replace(change.0, change.1), deployment("other", "v1_20", GAPS));
        assert_ne!(good, good.replace(change.0, change.1));
        let ran = check(&["-", "-o", "json"], &manifest);
        assert_eq!((ran.code, jobs(&ran).len()), (2, 1), "{}", ran.err);
        assert!(ran.err.contains(&format!("]: <stdin>: document 1, {expected}")), "{expected}: {}", ran.err);
    }
}

#[test]
fn lists_json_and_streams_are_read() {
    let item = |name: &str| {
        json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
               "metadata": {"name": name, "creationTimestamp": null}, "spec": {"flinkVersion": "v1_20", "job": {}}})
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [item("a"), {"apiVersion": "v1", "kind": "Pod"}, item("b")]});
    let stream = format!("{}\n{}", item("a"), item("b"));
    let yaml = serde_yaml::to_string(&list).unwrap();
    for text in [list.to_string(), serde_json::to_string_pretty(&list).unwrap(), stream, yaml] {
        let found = jobs(&check(&["-", "-o", "json"], &text));
        assert_eq!(found.iter().map(|job| job["name"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"], "{text}");
    }
}

#[test]
fn yaml_says_the_same_as_json() {
    let json: Value = serde_json::from_str(&check(&["-", "-o", "json"], &app()).out).unwrap();
    let yaml: Value = serde_saphyr::from_str(&check(&["-", "-o", "yaml"], &app()).out).unwrap();
    assert_eq!(yaml, json);
    assert!(!json["jobs"][0]["findings"].as_array().unwrap().is_empty());
}

#[test]
fn the_same_kind_of_another_group_is_passed_over() {
    let ran = check(&["-"], &app().replace("flink.apache.org", "flink.example.com"));
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
}

#[test]
fn directories_are_walked_by_name_without_hidden_entries() {
    let directory = Directory::new();
    for (path, name) in [
        ("b.yml", "two"),
        ("a/z.yaml", "one"),
        ("c.json", "three"),
        (".hidden.yaml", "x"),
        (".git/x.yaml", "x"),
        ("notes.txt", "x"),
    ] {
        directory.file(path, &deployment(name, "v1_17", GAPS));
    }
    let ran = check(&[directory.path(), "-o", "json"], "");
    let names: Vec<Value> = jobs(&ran).iter().map(|job| job["name"].clone()).collect();
    assert_eq!(names, ["one", "two", "three"]);
    assert!(jobs(&ran)[0]["source"].as_str().unwrap().ends_with("a/z.yaml"));
}

#[test]
fn a_missing_file_is_told_and_the_others_are_checked() {
    let directory = Directory::new();
    let file = directory.file("app.yaml", &app());
    let ran = check(&["nowhere.yaml", &file, "-o", "json"], "");
    assert_eq!((ran.code, jobs(&ran).len()), (2, 1));
    assert_eq!(ran.err, "error[input-unread]: nowhere.yaml: no such file or directory; check the path\n");
}

#[test]
fn bad_usage_is_2() {
    for args in
        [&[][..], &["-", "--fail-on", "gaps"], &["-", "-o", "xml"], &["-", "--mode", "apply"], &["--nonsense", "-"]]
    {
        let ran = check(args, "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
    }
}

#[test]
fn a_running_job_is_planned_by_its_status() {
    let timing = |manifest: &str, args: &[&str]| {
        let ran = check(&[&["-", "-o", "json"], args].concat(), manifest);
        let plan = jobs(&ran)[0]["plan"].clone();
        (plan["timing"].as_str().unwrap().to_owned(), plan["reason"].as_str().unwrap().to_owned())
    };
    let running = |mode: &str| {
        let conf = format!("{GAPS}    state.savepoints.dir: s3://x/y\n  job:\n    upgradeMode: {mode}\n");
        format!("{}{RUNNING}", deployment("app", "v1_17", &conf).replace("  job: {}\n", ""))
            .replace("  name: app", "  name: app\n  generation: 1")
    };
    let stable = running("savepoint");
    let restarts = ("Now".to_owned(), "the job runs stably and restarts once for it".to_owned());
    assert_eq!(timing(&stable, &["--operator-version", "1.15"]), restarts);
    let (when, why) = timing(&stable, &[]);
    assert!(
        when == "Held" && why.contains("version is unknown") && why.contains("--operator-version"),
        "{when}: {why}"
    );
    assert_eq!(timing(&stable, &["--operator-version", "1.14.0"]).0, "Held");
    let (when, why) = timing(&stable, &["--mode", "NextDeploy"]);
    assert!(when == "NextDeploy" && why.contains("mode Apply would restart it once"), "{when}: {why}");
    assert_eq!(timing(&stable, &["--mode", "Advise"]).0, "Held");
    assert_eq!(timing(&stable, &["--mode", "Off"]), ("Nothing".into(), "the mode is Off".into()));
    let (when, why) = timing(&running("stateless"), &[]);
    assert!(when == "Held" && why.contains("stateless would start the job empty"), "{when}: {why}");
    assert_eq!(timing(&stable.replace("STABLE", "UPGRADING"), &[]).0, "Held");
    assert_eq!(timing(&app(), &[]), ("Now".into(), "the job is not deployed yet, so it costs no restart".into()));
}

#[test]
fn a_session_cluster_has_no_job_rules() {
    let session = app().replace("  job: {}\n", "");
    let job = &jobs(&check(&["-", "-o", "json"], &session))[0];
    assert_eq!(verdict(job, "RST001"), "NotApplicable");
    assert_eq!(verdict(job, "MET001"), "Gap");
    let running = &jobs(&check(&["-", "-o", "json"], &format!("{session}{RUNNING}")))[0];
    assert_eq!(running["plan"]["timing"], "Held");
}

#[test]
fn secrets_are_masked_everywhere() {
    let conf = format!("{GAPS}    s3.secret-key: hunter2\n");
    for (manifest, args) in [
        (deployment("app", "v1_17", &conf), &["-", "-a"][..]),
        (deployment("app", "v1_17", &conf), &["-", "-o", "json"]),
        (deployment("app", "v1_17", &format!("{conf}    a: b: c\n")), &["-"]),
    ] {
        let ran = check(args, &manifest);
        assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{}{}", ran.out, ran.err);
    }
}

#[test]
fn the_table_is_plain_text_without_whole_files() {
    let directory = Directory::new();
    directory.file("flink-conf.yaml", "");
    directory.file("log4j-console.properties", "rootLogger.level = DEBUG\n# the platform's own file\n");
    let manifest = app().replace("name: app", "name: \"a\\e[31mpp\\n9 jobs checked\"");
    let ran = check(&["-", "--operator-config", directory.path()], &manifest);
    assert!(ran.out.contains("Gap      LOG001 log-level-not-info: "), "{}", ran.out);
    assert!(ran.out.contains("    + state.backend.incremental=true\n"), "{}", ran.out);
    assert!(!ran.out.contains("the platform's own file") && !ran.out.contains('\u{1b}'), "{}", ran.out);
    assert!(ran.out.starts_with("FlinkDeployment default/a [31mpp 9 jobs checked, Flink"), "{}", ran.out);
    let json = check(&["-", "--operator-config", directory.path(), "-o", "json"], &app());
    let file = &jobs(&json)[0]["plan"]["fills"]["logConfiguration:log4j-console.properties"];
    assert!(file.as_str().unwrap().contains("the platform's own file"), "{file}");
}
