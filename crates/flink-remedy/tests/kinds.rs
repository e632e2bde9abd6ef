//! `flink-remedy check` of session jobs and blue/green deployments.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use serde_json::Value;
use support::check;

const SESSION_CLUSTER: &str = "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata:\n  name: analytics\n  \
    namespace: shop\nspec:\n  flinkVersion: VERSION\n  flinkConfiguration:\n    state.backend: rocksdb\n";

const SESSION_JOB: &str = "apiVersion: flink.apache.org/v1beta1\nkind: FlinkSessionJob\nmetadata:\n  name: top-sellers\n  \
    namespace: shop\nspec:\n  deploymentName: analytics\n  job:\n    jarURI: https://repo.example.com/top-sellers.jar\n";

const BLUE_GREEN: &str = "apiVersion: flink.apache.org/v1beta1\nkind: FlinkBlueGreenDeployment\nmetadata:\n  name: pricing\n\
    spec:\n  template:\n    spec:\n      flinkVersion: v1_20\n      flinkConfiguration:\n        state.backend.type: rocksdb\n\
    \x20     job:\n        jarURI: local:///opt/flink/usrlib/pricing.jar\n";

fn jobs(manifest: &str) -> Vec<Value> {
    check(&["-", "-o", "json", "--fail-on", "never"], manifest).json()["jobs"].as_array().unwrap().clone()
}

fn finding<'a>(job: &'a Value, code: &str) -> &'a Value {
    job["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code).unwrap()
}

#[test]
fn rules_of_the_job_look_at_the_session_job_and_rules_of_the_cluster_at_its_cluster() {
    let [cluster, job] = &jobs(&format!("{}---\n{SESSION_JOB}", SESSION_CLUSTER.replace("VERSION", "v1_20")))[..]
    else {
        panic!("two jobs");
    };
    assert_eq!((&job["kind"], &job["flinkVersion"]), (&"FlinkSessionJob".into(), &"v1_20".into()));
    assert_eq!(
        (&finding(job, "CKP003")["verdict"], &finding(cluster, "CKP003")["verdict"]),
        (&"Gap".into(), &"NotApplicable".into())
    );
    assert_eq!(
        (&finding(job, "MET001")["verdict"], &finding(cluster, "MET001")["verdict"]),
        (&"NotApplicable".into(), &"Gap".into())
    );
    assert_eq!((&job["plan"]["timing"], &cluster["plan"]["timing"]), (&"Now".into(), &"Now".into()));
}

#[test]
fn before_flink_1_17_a_session_jobs_options_belong_to_its_cluster() {
    let [_, job] = &jobs(&format!("{}---\n{SESSION_JOB}", SESSION_CLUSTER.replace("VERSION", "v1_16")))[..] else {
        panic!("two jobs");
    };
    let finding = finding(job, "CKP003");
    assert_eq!(finding["verdict"], "Advice");
    assert!(finding["message"].as_str().unwrap().contains("reads it on the session cluster only"), "{finding}");
    assert!(job["plan"]["fills"].get("state.backend.incremental").is_none());
}

#[test]
fn a_session_job_without_its_cluster_cannot_be_judged() {
    let ran = check(&["-"], SESSION_JOB);
    assert_eq!(ran.code, 2);
    let expected = "error[input-object]: <stdin>: document 1, line 7: FlinkSessionJob shop/top-sellers: its session cluster analytics is not \
                    among the input";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
}

#[test]
fn a_session_job_whose_cluster_is_broken_says_so() {
    let ran = check(&["-"], &format!("{}---\n{SESSION_JOB}", SESSION_CLUSTER.replace("VERSION", "flink-1")));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("its session cluster analytics cannot be judged: flinkVersion `flink-1`"), "{}", ran.err);
}

#[test]
fn what_would_go_down_with_a_session_cluster_is_counted_and_named() {
    let cluster = format!("{}{}", SESSION_CLUSTER.replace("VERSION", "v1_20"), support::RUNNING)
        .replace("namespace: shop\n", "namespace: shop\n  generation: 1\n");
    let other = SESSION_JOB.replace("top-sellers", "adhoc");
    let elsewhere = SESSION_JOB.replace("top-sellers", "elsewhere").replace("namespace: shop", "namespace: other");
    let there = SESSION_CLUSTER.replace("VERSION", "v1_20").replace("namespace: shop", "namespace: other");
    let all = jobs(&[cluster.as_str(), SESSION_JOB, &other, &elsewhere, &there].join("---\n"));
    let plan = &all[0]["plan"];
    assert_eq!(plan["timing"], "Held");
    assert!(plan["reason"].as_str().unwrap().contains("down: 2 FlinkSessionJobs (adhoc, top-sellers)"), "{plan}");
}

#[test]
fn a_blue_green_deployment_is_judged_through_its_template() {
    let [job] = &jobs(BLUE_GREEN)[..] else { panic!("one job") };
    assert_eq!(finding(job, "CKP003")["fills"]["execution.checkpointing.incremental"], "true");
    assert_eq!(job["plan"]["timing"], "Now");
    let ran = check(&["-"], &BLUE_GREEN.replace("v1_20", "flink-1"));
    assert!(
        ran.err.starts_with(
            "error[input-object]: <stdin>: document 1, line 8: FlinkBlueGreenDeployment default/pricing: flinkVersion"
        ),
        "{}",
        ran.err
    );
}
