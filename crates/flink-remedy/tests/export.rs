//! `flink-remedy policy export`: what a policy fills, in the words of others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use serde_json::{Value, json};
use support::{Directory, Ran, check, deployment, run};

const GAPS: &str = "flinkConfiguration:\n    state.backend: rocksdb\n    execution.checkpointing.interval: 1 min\n";
const POLICY: &str = "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata: {name: p}\nspec:\n";

fn export(form: &str, args: &[&str]) -> Ran {
    run(&[&["policy", "export", "--as", form], args].concat(), "")
}

/// The documents of a stream of YAML.
fn documents(text: &str) -> Vec<Value> {
    let parts = text.split("---\n").filter(|part| part.lines().any(|line| !line.starts_with('#')));
    parts.map(|part| serde_saphyr::from_str(part).unwrap()).collect()
}

/// The expression of one variable.
fn variable(policy: &Value, name: &str) -> Option<String> {
    let variables = policy["spec"]["variables"].as_array().unwrap();
    let found = variables.iter().find(|variable| variable["name"] == name)?;
    found["expression"].as_str().map(str::to_owned)
}

/// The lines for the Flink operator's own file.
fn lines(values: &str) -> String {
    let values: Value = serde_saphyr::from_str(values).unwrap();
    values["defaultConfiguration"]["flink-conf.yaml"].as_str().unwrap().to_owned()
}

/// `INSTA_UPDATE=always` writes it anew, and the difference shows in review.
#[test]
fn the_built_in_policy_is_printed_as_reviewed() {
    for form in ["mutating-admission-policy", "fko-defaults"] {
        let ran = export(form, &[]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        insta::assert_snapshot!(form, ran.out);
        assert_eq!(export(form, &[]).out, ran.out, "the same again");
    }
}

#[test]
fn a_policy_and_its_binding_are_two_documents() {
    let objects = documents(&export("mutating-admission-policy", &[]).out);
    let [policy, binding] = objects.as_slice() else { panic!("{objects:?}") };
    for (object, kind) in [(policy, "MutatingAdmissionPolicy"), (binding, "MutatingAdmissionPolicyBinding")] {
        assert_eq!((&object["apiVersion"], &object["kind"]), (&json!("admissionregistration.k8s.io/v1"), &json!(kind)));
    }
    assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
    assert_eq!(policy["spec"]["failurePolicy"], "Ignore");
    assert_eq!(policy["spec"]["matchConstraints"]["resourceRules"][0]["operations"], json!(["CREATE"]));
}

#[test]
fn templates_parameters_and_settings_of_a_policy_are_exported() {
    let directory = Directory::new();
    let spec = "  cluster: eu-1\n  storage: {savepoints: 's3://acme/{cluster}/{namespace}/{name}/sp'}\n  \
                rules: {no-metrics-reporter: {port: 9300}}\n  settings:\n    \
                - {key: execution.checkpointing.unaligned, value: 'true'}\n    \
                - {key: rest.flamegraph.enabled, value: 'true', when: kind == 'Application'}\n    \
                - {key: parallelism.default, value: '3'}\n";
    let file = directory.file("policy.yaml", &format!("{POLICY}{spec}"));
    let ran = export("mutating-admission-policy", &["--policy", &file]);
    let policy = documents(&ran.out).remove(0);
    let savepoints = variable(&policy, "CKP004").unwrap();
    assert!(
        savepoints.contains("'s3://acme/eu-1/' + request.namespace + '/' + variables.name + '/sp'"),
        "{savepoints}"
    );
    assert!(variable(&policy, "MET001").unwrap().contains("'metrics.reporter.prom.port': '9300'"));
    let setting = variable(&policy, "PLT001_1").unwrap();
    for key in ["'execution.checkpointing.unaligned': 'true'", "'execution.checkpointing.unaligned.enabled': 'true'"] {
        assert!(setting.contains(key), "{setting}");
    }
    assert_eq!((variable(&policy, "PLT001_2"), variable(&policy, "PLT001_3")), (None, None));
    for told in [
        "(rest.flamegraph.enabled): its `when`",
        "(parallelism.default): a rule depends on it",
        "HA001 no-job-manager-ha: no high-availability",
    ] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
}

#[test]
fn what_the_flink_operator_gives_is_asked_of_but_never_shown() {
    let directory = Directory::new();
    let config = "state.backend: rocksdb\nstate.checkpoints.dir: s3://key:hunter2@acme/cp\nteam.other: x\n\
                  kubernetes.operator.default-configuration.namespace.payments.state.backend: hashmap\n";
    let file = directory.file("flink-conf.yaml", config);
    let ran = export("mutating-admission-policy", &["--operator-config", &file]);
    let policy = documents(&ran.out).remove(0);
    let defaults = variable(&policy, "defaults").unwrap();
    assert!(
        defaults.contains("'state.backend': 'rocksdb'") && defaults.contains("'state.checkpoints.dir': 's3:'"),
        "{defaults}"
    );
    assert!(!ran.out.contains("hunter2") && !ran.out.contains("team.other"), "{}", ran.out);
    let conditions = policy["spec"]["matchConditions"].as_array().unwrap();
    assert!(conditions.iter().any(|condition| condition["expression"] == "!(request.namespace in ['payments'])"));
    assert!(ran.out.contains("namespaces with defaults of their own: payments"), "{}", ran.out);
}

#[test]
fn defaults_close_the_gaps_that_they_say_they_close() {
    let directory = Directory::new();
    let exported = lines(&export("fko-defaults", &[]).out);
    let (before, after) = (directory.file("before.yaml", "a: b\n"), directory.file("after.yaml", &exported));
    let verdicts = |config: &str, version: &str| {
        let report = check(&["-", "-o", "json", "--operator-config", config], &deployment("app", version, GAPS)).json();
        let findings = report["jobs"][0]["findings"].as_array().unwrap().clone();
        let of = |code: &str| findings.iter().find(|finding| finding["code"] == code).unwrap()["verdict"].clone();
        (of("CKP003"), of("MET001"))
    };
    let (gap, pass) = (json!("Gap"), json!("Pass"));
    for version in ["v1_16", "v1_17", "v1_19", "v1_20"] {
        assert_eq!(verdicts(&before, version), (gap.clone(), gap.clone()), "{version}");
        assert_eq!(verdicts(&after, version), (pass.clone(), pass.clone()), "{version}");
    }
    assert_eq!(verdicts(&after, "v2_1"), (gap, pass));
    // What is there already is not said again.
    let again = export("fko-defaults", &["--operator-config", &after]);
    assert_eq!((again.code, again.out.as_str()), (2, ""));
    assert!(again.err.contains("nothing that the policy fills can be said there"), "{}", again.err);
}

#[test]
fn settings_become_defaults_unless_a_namespace_has_its_own() {
    let directory = Directory::new();
    let spec = "  settings:\n    - {key: execution.checkpointing.timeout, value: 20 min}\n    \
                - {key: rest.flamegraph.enabled, value: 'true'}\n    \
                - {key: execution.checkpointing.unaligned, value: 'true'}\n";
    let policy = directory.file("policy.yaml", &format!("{POLICY}{spec}"));
    let namespace = "kubernetes.operator.default-configuration.namespace.dev.rest.flamegraph.enabled: false\n";
    let config = directory.file("flink-conf.yaml", namespace);
    let ran = export("fko-defaults", &["--policy", &policy, "--operator-config", &config]);
    let said = lines(&ran.out);
    assert!(said.contains("\nexecution.checkpointing.timeout: 20 min\n"), "{said}");
    assert!(!said.contains("flamegraph"), "{said}");
    assert!(ran.out.contains("(rest.flamegraph.enabled): not for"), "{}", ran.out);
    // Two names: on Flink 2 neither is safe.
    assert!(said.contains("flink-version.v1_20.execution.checkpointing.unaligned: true\n"), "{said}");
    assert!(!said.contains("flink-version.v2_"), "{said}");
}

#[test]
fn what_cannot_be_exported_is_bad_input() {
    let directory = Directory::new();
    let off = directory.file("off.yaml", &format!("{POLICY}  mode: Advise\n"));
    for (args, told) in [
        (vec!["--policy", off.as_str()], "the mode of the policy is Advise, which fills nothing"),
        (vec!["--policy", "nowhere.yaml"], "policy file nowhere.yaml: cannot be read"),
        (vec!["--operator-config", "nowhere"], "--operator-config: nowhere: no such file"),
    ] {
        for form in ["mutating-admission-policy", "fko-defaults"] {
            let ran = export(form, &args);
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
            assert!(ran.err.starts_with("error[") && ran.err.contains(told), "{}", ran.err);
        }
    }
    assert_eq!(run(&["policy", "export"], "").code, 2);
}

#[test]
fn a_guardrail_lists_what_rules_write_and_the_settings_of_every_policy() {
    let directory = Directory::new();
    let setting = |name: &str, key: &str| {
        format!("{}  settings: [{{key: {key}, value: 'true'}}]\n", POLICY.replace("name: p", &format!("name: {name}")))
    };
    let policies = [setting("a", "execution.checkpointing.unaligned"), setting("b", "acme.audit")].join("---\n");
    let file = directory.file("policies.yaml", &policies);
    let ran = export("guardrail", &["--policy", &file]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let objects = documents(&ran.out);
    let [policy, binding] = objects.as_slice() else { panic!("{objects:?}") };
    assert_eq!(
        (&policy["kind"], &binding["kind"]),
        (&json!("ValidatingAdmissionPolicy"), &json!("ValidatingAdmissionPolicyBinding"))
    );
    assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
    assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    assert_eq!(
        variable(policy, "settings").unwrap(),
        "['acme.audit', 'execution.checkpointing.unaligned', 'execution.checkpointing.unaligned.enabled']"
    );
    assert!(variable(policy, "fills").unwrap().contains("'state.backend.incremental'"));
    // Without a policy there is nothing beside the rules: what stands in the manifests.
    let shipped = include_str!("../../../manifests/guardrail/policy.yaml");
    assert_eq!(documents(&export("guardrail", &[]).out), documents(shipped));
    let ran = export("guardrail", &["--operator-config", "none"]);
    assert!(ran.code == 2 && ran.err.contains("does not depend on it"), "{}", ran.err);
}
