//! `flink-remedy policy default` and `validate`, and several policies for `check`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use support::{Directory, check, deployment, run};

fn policy(name: &str, spec: &str) -> String {
    format!("apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata: {{name: {name}}}\nspec:\n{spec}")
}

#[test]
fn the_default_policy_is_one_and_changes_nothing() {
    let printed = run(&["policy", "default"], "");
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    let directory = Directory::new();
    let file = directory.file("default.yaml", &printed.out);
    let validated = run(&["policy", "validate", &file], "");
    assert_eq!((validated.code, validated.err.as_str()), (0, ""), "{}", validated.out);
    assert!(validated.out.ends_with("default.yaml: policy default is valid\n"), "{}", validated.out);
    let manifest = deployment("a", "v1_18", "flinkConfiguration:\n    state.backend: rocksdb\n");
    let (with, without) =
        (check(&["-o", "json", "--policy", &file, "-"], &manifest), check(&["-o", "json", "-"], &manifest));
    assert_eq!(with.json(), without.json());
}

#[test]
fn every_file_is_validated_and_mistakes_have_their_place() {
    let directory = Directory::new();
    let good = directory.file("good.yaml", &policy("good", "  mode: Apply\n"));
    let bad = directory
        .file("bad.yaml", &policy("bad", "  mode: Apply\n  storage: {checkpoints: 's3://a/{namespace}-{name}'}\n"));
    let warned =
        directory.file("warned.yaml", &policy("warned", "  storage: {savepoints: 's3://a/{namespace}/{name}'}\n"));
    let ran = run(&["policy", "validate", &good, &bad, &warned, "/no/such/file"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("policy good is valid") && ran.out.contains("policy warned is valid"), "{}", ran.out);
    assert!(!ran.out.contains("bad"), "{}", ran.out);
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(lines[0].contains("bad.yaml: ") && lines[0].contains("nothing but `-` stands between"), "{}", ran.err);
    assert!(ran.err.contains("line 6"), "{}", ran.err);
    assert!(ran.err.contains("warned.yaml: policy warned: storage.savepoints has no {cluster}"), "{}", ran.err);
    assert!(ran.err.contains("/no/such/file: cannot be read"), "{}", ran.err);
}

#[test]
fn each_job_is_checked_under_the_policy_that_selects_it() {
    let directory = Directory::new();
    let both = policy(
        "shop",
        "  selector: {namespaces: {matchLabels: {team: shop}}}\n  rules: {no-metrics-reporter: {port: 9250}}\n",
    ) + "---\n"
        + &policy("all", "  rules: {no-metrics-reporter: {port: 9251}}\n");
    let file = directory.file("policies.yaml", &both);
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web, labels: {team: shop}}\n---\n";
    let within = deployment("a", "v1_18", "flinkConfiguration: {}\n").replace("name: a", "name: a\n  namespace: web");
    let manifests = format!("{namespace}{within}---\n{}", deployment("b", "v1_18", "flinkConfiguration: {}\n"));
    let ran = check(&["-o", "json", "--policy", &file, "-"], &manifests).json();
    let port = |job: usize| ran["jobs"][job]["plan"]["fills"]["metrics.reporter.prom.port"].clone();
    assert_eq!((port(0), port(1)), ("9250".into(), "9251".into()), "{ran:#}");
}

#[test]
fn an_opt_out_of_a_mandatory_rule_is_told_and_does_not_count() {
    let directory = Directory::new();
    let file = directory.file("policy.yaml", &policy("strict", "  mandatory: [no-metrics-reporter]\n"));
    let manifest = deployment("a", "v1_18", "flinkConfiguration: {}\n")
        .replace("name: a", "name: a\n  annotations: {flink-remedy.dev/opt-out: 'true'}");
    let ran = check(&["-o", "json", "--policy", &file, "-"], &manifest);
    assert!(ran.err.contains("no opt-out of MET001 counts, since policy strict makes it mandatory"), "{}", ran.err);
    let fills = ran.json()["jobs"][0]["plan"]["fills"].clone();
    assert_eq!(fills["metrics.reporter.prom.port"], "9249", "{fills}");
}
