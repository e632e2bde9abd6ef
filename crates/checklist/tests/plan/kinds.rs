//! What decides on session jobs and blue/green deployments beside what decides on every job.

use std::collections::BTreeMap;

use checklist::{Holdings, Mode, Obedience, Plan, Platform, Policy, SessionJobs, Situation, Subject, Timing, plan};
use flink_api::{FlinkBlueGreenDeployment, FlinkDeployment, FlinkSessionJob};
use serde_json::{Value, json};

use crate::job::{running, session, set, with};
use crate::outcome;

fn planned(object: &FlinkDeployment, cluster: Option<&Value>) -> Plan {
    let cluster: Option<FlinkDeployment> = cluster.map(|cluster| serde_json::from_value(cluster.clone()).unwrap());
    let subject = Subject::of(object, cluster.as_ref(), &Platform::stock()).unwrap();
    let mut situation = Situation::of(object);
    if let Some(cluster) = &cluster {
        situation = situation.on(cluster);
    }
    situation.session_jobs = SessionJobs::Known(["a".to_owned()].into());
    let mut policy = Policy { mode: Mode::Apply, ..Policy::default() };
    policy.rollout.operator_version = Some("1.15".parse().unwrap());
    let none = BTreeMap::new();
    let obedience = Obedience::read(&none, &none, "2026-06-15T12:00:00Z".parse().unwrap());
    plan(&subject, &situation, &Holdings::of(object), &obedience, &policy)
}

/// The session cluster on which the session job below finds its state again.
fn cluster() -> Value {
    let mut cluster = session();
    cluster["spec"]["flinkConfiguration"] = running()["spec"]["flinkConfiguration"].clone();
    cluster
}

fn session_job(upgrade_mode: &str, status: &Value, cluster: &Value) -> Plan {
    let job: FlinkSessionJob = serde_json::from_value(json!({
        "metadata": {"name": "top", "namespace": "shop", "generation": 5},
        "spec": {"deploymentName": "orders", "job": {"upgradeMode": upgrade_mode}}, "status": status,
    }))
    .unwrap();
    planned(&job.into_deployment(), Some(cluster))
}

#[test]
fn a_session_job_restarts_on_a_settled_cluster_that_keeps_its_state() {
    let stable = running()["status"].clone();
    let of = |mode: &str, status: &Value, cluster: &Value| outcome(&session_job(mode, status, cluster));
    assert_eq!(of("savepoint", &stable, &cluster()), "now, restarts");
    assert_eq!(of("stateless", &stable, &cluster()), "held: Stateless");
    assert_eq!(of("last-state", &stable, &cluster()), "held: NoHighAvailability");
    let mut nowhere = cluster();
    nowhere["spec"]["flinkConfiguration"].as_object_mut().unwrap().remove("execution.checkpointing.savepoint-dir");
    assert_eq!(of("savepoint", &stable, &nowhere), "held: NoSavepointDirectory");
    for (field, value) in [("lifecycleState", json!("UPGRADING")), ("observedGeneration", json!(4))] {
        let mut unsettled = cluster();
        unsettled["status"][field] = value;
        assert_eq!(of("savepoint", &stable, &unsettled), "held: SessionClusterUnsettled", "{field}");
        // What does not run yet, or not now, costs nothing whatever its cluster does.
        assert_eq!(of("savepoint", &Value::Null, &unsettled), "now");
    }
    let mut gone = cluster();
    gone["status"].take();
    assert_eq!(of("savepoint", &stable, &gone), "held: SessionClusterUnsettled");
    let fills: Vec<String> =
        session_job("savepoint", &stable, &cluster()).fills.keys().map(ToString::to_string).collect();
    assert_eq!(fills, ["execution.checkpointing.incremental"], "what is the cluster's stays there");
}

#[test]
fn the_hold_of_a_session_cluster_names_its_jobs() {
    let cluster: FlinkDeployment = serde_json::from_value(session()).unwrap();
    let Timing::Held(reason) = planned(&cluster, None).timing else { panic!("held") };
    assert!(
        reason.label() == "SessionCluster" && reason.to_string().contains("down: 1 FlinkSessionJob (a);"),
        "{reason}"
    );
}

fn blue_green(state: &str, job_state: &str, edit: impl FnOnce(&mut Value)) -> String {
    let spec = running()["spec"].clone();
    let mut object = json!({
        "metadata": {"name": "pricing", "namespace": "shop", "generation": 5},
        "spec": {"template": {"spec": spec}},
        "status": {"blueGreenState": state, "jobStatus": {"state": job_state}, "error": null,
            "lastReconciledSpec": json!({"spec": {"template": {"spec": running()["spec"]}}}).to_string()},
    });
    edit(&mut object);
    let parent: FlinkBlueGreenDeployment = serde_json::from_value(object).unwrap();
    outcome(&planned(&parent.into_deployment(), None))
}

#[test]
fn a_blue_green_deployment_goes_through_a_transition_from_a_settled_state_only() {
    assert_eq!(blue_green("ACTIVE_BLUE", "RUNNING", |_| {}), "now, restarts");
    assert_eq!(blue_green("ACTIVE_GREEN", "RUNNING", |_| {}), "now, restarts");
    for (state, job_state, expected) in [
        ("ACTIVE_BLUE", "FAILING", "held: RolledBack"),
        ("ACTIVE_BLUE", "RECONCILING", "held: NotRunning"),
        ("ACTIVE_BLUE", "SUSPENDED", "now"),
        ("SAVEPOINTING_BLUE", "RUNNING", "held: Upgrading"),
        ("TRANSITIONING_TO_GREEN", "RUNNING", "held: Upgrading"),
        ("ACTIVE_RED", "RUNNING", "held: NotStable"),
        ("INITIALIZING_BLUE", "RECONCILING", "held: NotStable"),
        ("INITIALIZING_BLUE", "FAILING", "held: Failed"),
    ] {
        assert_eq!(blue_green(state, job_state, |_| {}), expected, "{state} {job_state}");
    }
    let of = |pointer: &str, value: Value| blue_green("ACTIVE_BLUE", "RUNNING", |object| set(object, pointer, value));
    assert_eq!(of("/status", Value::Null), "now");
    assert_eq!(of("/status", json!({"blueGreenState": "INITIALIZING_BLUE"})), "now");
    assert_eq!(of("/status/error", json!("Could not trigger Savepoint")), "held: DeploymentError");
    assert_eq!(of("/status/lastReconciledSpec", json!("no JSON")), "held: NotReconciled");
    assert_eq!(of("/spec/template/spec/image", json!("new")), "held: NotReconciled");
}

#[test]
fn a_transition_takes_a_savepoint_in_every_mode_but_stateless() {
    let of = |upgrade_mode: &str, directory: bool| {
        let mut spec = with(|object| object["spec"]["job"]["upgradeMode"] = json!(upgrade_mode))["spec"].clone();
        spec["flinkConfiguration"]["high-availability.type"] = json!("kubernetes");
        if !directory {
            spec["flinkConfiguration"].as_object_mut().unwrap().remove("execution.checkpointing.savepoint-dir");
        }
        let spec = json!({"template": {"spec": spec}});
        blue_green("ACTIVE_BLUE", "RUNNING", |object| {
            object["status"]["lastReconciledSpec"] = json!(json!({"spec": spec}).to_string());
            object["spec"] = spec;
        })
    };
    assert_eq!((of("savepoint", true).as_str(), of("last-state", true).as_str()), ("now, restarts", "now, restarts"));
    assert_eq!(of("savepoint", false), "held: NoTransitionSavepoint");
    assert_eq!(of("last-state", false), "held: NoTransitionSavepoint");
    assert_eq!(of("stateless", true), "held: Stateless");
}
