//! Directories and high availability: what comes along in one change, and what stays as it is.

use checklist::annotations::OPT_OUT;
use checklist::{Plan, Platform, Target, Timing};
use flink_conf::PlatformLayers;
use serde_json::{Value, json};

use crate::job::{hold, plan_under, plan_upon, set, with};
use crate::outcome;

const CHECKPOINTS: &str = "state.checkpoints.dir";
const SAVEPOINTS: &str = "state.savepoints.dir";
const INTERVAL: &str = "execution.checkpointing.interval";
const HA_DIRECTORY: &str = "high-availability.storageDir";

fn templates() -> Value {
    json!({"storage": {
        "checkpoints": "s3://state/{namespace}/{name}/checkpoints",
        "savepoints": "s3://state/{namespace}/{name}/savepoints",
        "highAvailability": "s3://state/{namespace}/{name}/ha",
    }})
}

/// The running job of this version and upgrade mode with nothing but this configured, and no other gap.
fn bare(version: &str, upgrade_mode: &str, conf: Value) -> Value {
    with(|object| {
        object["spec"]["flinkVersion"] = json!(version);
        object["spec"]["flinkConfiguration"] = conf;
        object["spec"]["flinkConfiguration"]["metrics.reporter.dd.factory.class"] = json!("com.acme.Factory");
        object["spec"]["flinkConfiguration"]["pipeline.max-parallelism"] = json!("128");
        object["spec"]["job"]["upgradeMode"] = json!(upgrade_mode);
    })
}

fn undeployed(mut object: Value) -> Value {
    object["status"].take();
    object
}

fn fills(plan: &Plan) -> Vec<(String, String)> {
    plan.fills.iter().map(|(target, fill)| (target.to_string(), fill.value.clone())).collect()
}

fn keys(plan: &Plan) -> Vec<String> {
    plan.fills.keys().map(Target::to_string).collect()
}

fn rule_of<'a>(plan: &'a Plan, key: &str) -> Option<&'a str> {
    plan.fills.get(&Target::option(key)).map(|fill| fill.rule)
}

#[test]
fn a_new_job_gets_storage_interval_and_what_follows_in_one_change() {
    let plan = plan_under(&undeployed(bare("v1_17", "savepoint", json!({}))), &templates());
    assert_eq!(outcome(&plan), "now");
    for (key, rule) in [
        (CHECKPOINTS, "CKP002"),
        (SAVEPOINTS, "CKP004"),
        (INTERVAL, "CKP001"),
        ("high-availability.type", "HA001"),
        (HA_DIRECTORY, "HA001"),
        ("restart-strategy.type", "RST001"),
    ] {
        assert_eq!(rule_of(&plan, key), Some(rule), "{key}");
    }
    let mut opted_out = undeployed(bare("v1_17", "savepoint", json!({})));
    opted_out["metadata"]["annotations"][OPT_OUT] = json!("CKP002");
    let plan = plan_under(&opted_out, &templates());
    assert_eq!(rule_of(&plan, INTERVAL), None, "an interval without durable storage");
    assert_eq!(rule_of(&plan, "restart-strategy.type"), None);
    let without_templates = plan_under(&undeployed(bare("v1_17", "savepoint", json!({}))), &json!({}));
    assert_eq!(outcome(&without_templates), "nothing");
}

#[test]
fn a_savepoint_directory_of_ours_makes_the_restart_safe_that_brings_it() {
    let job = bare("v1_20", "savepoint", json!({}));
    let plan = plan_under(&job, &templates());
    assert_eq!(outcome(&plan), "now, restarts");
    assert_eq!(keys(&plan), [HA_DIRECTORY, "high-availability.type", CHECKPOINTS, SAVEPOINTS]);
    assert_eq!(outcome(&plan_under(&job, &json!({}))), "nothing");

    let mut opted_out = job;
    opted_out["metadata"]["annotations"][OPT_OUT] = json!("CKP004");
    assert_eq!(outcome(&plan_under(&opted_out, &templates())), "nothing", "no rule dares without savepoints");
    opted_out["spec"]["flinkConfiguration"]["state.backend.type"] = json!("rocksdb");
    assert_eq!(outcome(&plan_under(&opted_out, &templates())), "held: NoSavepointDirectory");
}

#[test]
fn a_savepoint_directory_that_is_lost_with_the_pods_is_none() {
    let conf = |directory: &str| json!({"state.backend.type": "rocksdb", SAVEPOINTS: directory});
    let outcome_of = |directory| outcome(&plan_under(&bare("v1_20", "savepoint", conf(directory)), &json!({})));
    assert_eq!(outcome_of("file:///tmp/savepoints"), "held: NoSavepointDirectory");
    assert_eq!(outcome_of("s3://acme/savepoints"), "now, restarts");
}

#[test]
fn high_availability_of_ours_makes_no_last_state_restart_safe() {
    let job = bare("v1_20", "last-state", json!({"state.backend.type": "rocksdb"}));
    let plan = plan_under(&job, &templates());
    assert_eq!(outcome(&plan), "held: NoHighAvailability");
    assert_eq!(rule_of(&plan, HA_DIRECTORY), None);
    let new = plan_under(&undeployed(job), &templates());
    assert_eq!(rule_of(&new, HA_DIRECTORY), Some("HA001"));
}

#[test]
fn a_job_that_ran_without_checkpoints_gets_them_only_if_the_policy_says_so() {
    let job = bare("v1_17", "savepoint", json!({}));
    assert_eq!(rule_of(&plan_under(&job, &templates()), INTERVAL), None);
    let mut policy = templates();
    policy["rules"] = json!({"no-checkpoint-interval": {"fillRunning": true}});
    let plan = plan_under(&job, &policy);
    assert_eq!((outcome(&plan).as_str(), rule_of(&plan, INTERVAL)), ("now, restarts", Some("CKP001")));
    assert_eq!(rule_of(&plan, "restart-strategy.type"), Some("RST001"), "one restart for both");
}

#[test]
fn what_was_filled_stays_where_it_is_when_the_policy_moves() {
    let filled = [
        (CHECKPOINTS, "s3://old/checkpoints"),
        (SAVEPOINTS, "s3://old/savepoints"),
        ("high-availability.type", "kubernetes"),
        (HA_DIRECTORY, "s3://old/ha"),
    ];
    for lifecycle in ["STABLE", "SUSPENDED"] {
        let mut job = bare("v1_20", "savepoint", json!({}));
        job["status"]["lifecycleState"] = json!(lifecycle);
        hold(&mut job, &filled, &[], None);
        let plan = plan_under(&job, &templates());
        assert!(plan.is_empty() && plan.timing == Timing::Nothing, "{lifecycle}: {:?}", plan.fills);
    }
}

/// Whatever the policy says by then: metadata and checkpoints must be found where they are.
#[test]
fn high_availability_keeps_its_directory_under_a_raised_version() {
    let ours =
        [("high-availability", "kubernetes"), (HA_DIRECTORY, "s3://old/ha"), (CHECKPOINTS, "s3://old/checkpoints")];
    for (version, factory) in [("v1_16", "kubernetes"), ("v1_15", "org.acme.KubernetesHaServicesFactory")] {
        let mut ours = ours;
        ours[0].1 = factory;
        let owners = json!({SAVEPOINTS: "s3://acme/savepoints", "restart-strategy": "exponential-delay"});
        let mut job = bare(version, "last-state", owners);
        set(&mut job, "/status/lifecycleState", json!("SUSPENDED"));
        hold(&mut job, &ours, &[], None);
        assert!(plan_under(&job, &templates()).is_empty());
        set(&mut job, "/spec/flinkVersion", json!("v2_1"));
        let plan = plan_under(&job, &templates());
        assert_eq!(outcome(&plan), "now");
        assert_eq!(fills(&plan), [("high-availability.type".to_owned(), factory.to_owned())]);
        assert_eq!(plan.leaving.iter().map(Target::to_string).collect::<Vec<_>>(), ["high-availability"]);
    }
}

/// Ours had hidden the old name that FKO's configuration gives to Flink 2: beside it the present name would be fatal.
#[test]
fn no_present_name_is_written_beside_an_old_one_of_the_platform() {
    let layer = "kubernetes.operator.default-configuration.flink-version.v2_0+.high-availability";
    let layers = PlatformLayers::new([(layer.into(), "zookeeper".to_owned())].into());
    let platform = Platform { layers, ..Platform::stock() };
    let mut job = undeployed(bare("v1_16", "stateless", json!({})));
    hold(&mut job, &[("high-availability", "kubernetes"), (HA_DIRECTORY, "s3://old/ha")], &[], None);
    set(&mut job, "/spec/flinkVersion", json!("v2_1"));
    let plan = plan_upon(&job, &platform, &json!({}));
    assert!(plan.fills.is_empty(), "{:?}", plan.fills);
    let leaving: Vec<String> = plan.leaving.iter().map(Target::to_string).collect();
    assert_eq!(leaving, ["high-availability", HA_DIRECTORY]);
}
