//! When the plan of one job may be carried out, by where the job stands and what people say.
#![allow(clippy::unwrap_used, reason = "a deployment that cannot be read fails the test")]

mod job;
mod kinds;
mod matrix;
mod rollout;
mod setback;
mod storage;
mod tug_of_war;

use checklist::annotations::{APPROVE, MODE, OPT_OUT};
use checklist::{Mode, Plan, Target, Timing};
use serde_json::{Value, json};

use crate::job::{annotated, hold, plan_of, plan_where, put, running, session, set, with};

pub(crate) const INCREMENTAL: &str = "execution.checkpointing.incremental";
const OLD_INCREMENTAL: &str = "state.backend.incremental";

/// The plan's timing in a word or two.
pub(crate) fn outcome(plan: &Plan) -> String {
    match &plan.timing {
        Timing::Now if plan.approved => "now, restarts, approved".to_owned(),
        Timing::Now if plan.restarts => "now, restarts".to_owned(),
        Timing::Now => "now".to_owned(),
        Timing::NextDeploy => "next deploy".to_owned(),
        Timing::Held(reason) => format!("held: {}", reason.label()),
        Timing::Nothing => "nothing".to_owned(),
    }
}

/// Each row: the object, and its outcome in mode `NextDeploy` and in mode `Apply`.
fn check(rows: &[(&str, Value, &str, &str)]) {
    for (name, object, next_deploy, apply) in rows {
        assert_eq!(outcome(&plan_of(object, Mode::NextDeploy)), *next_deploy, "{name}, NextDeploy");
        assert_eq!(outcome(&plan_of(object, Mode::Apply)), *apply, "{name}, Apply");
    }
}

#[test]
fn a_free_moment_costs_nothing() {
    let error = json!({"lifecycleState": "CREATED", "error": "no savepoint directory"});
    check(&[
        ("FKO has not seen it", put("/status", Value::Null), "now", "now"),
        ("FKO has only seen it", put("/status", json!({"lifecycleState": "CREATED"})), "now", "now"),
        ("FKO only says which generation", put("/status", json!({"observedGeneration": 5})), "now", "now"),
        ("FKO refused it", put("/status", error), "held: DeploymentError", "held: DeploymentError"),
        ("suspended", put("/status/lifecycleState", json!("SUSPENDED")), "now", "now"),
        (
            "suspended, stateless",
            with(|object| {
                object["status"]["lifecycleState"] = json!("SUSPENDED");
                object["spec"]["job"] = json!({"upgradeMode": "stateless", "state": "suspended"});
            }),
            "now",
            "now",
        ),
    ]);
}

#[test]
fn a_stable_job_restarts_in_mode_apply_only() {
    let without = |field| with(|object| drop(object["status"].as_object_mut().unwrap().remove(field)));
    let kept = |generation: i64| json!({"resource_metadata": {"metadata": {"generation": generation}}}).to_string();
    let by_kept_spec = |generation| {
        let mut object = without("observedGeneration");
        set(&mut object, "/status/reconciliationStatus/lastReconciledSpec", json!(kept(generation)));
        object
    };
    check(&[
        ("savepoint", running(), "next deploy", "now, restarts"),
        (
            "old directory name",
            with(|object| {
                let conf = object["spec"]["flinkConfiguration"].as_object_mut().unwrap();
                conf.remove("execution.checkpointing.savepoint-dir");
                conf.insert("state.savepoints.dir".into(), json!("s3://acme/savepoints"));
            }),
            "next deploy",
            "now, restarts",
        ),
        ("reconciled by the kept spec", by_kept_spec(5), "next deploy", "now, restarts"),
        ("the kept spec is older", by_kept_spec(4), "held: NotReconciled", "held: NotReconciled"),
        ("no generation anywhere", without("observedGeneration"), "held: NotReconciled", "held: NotReconciled"),
        ("not reconciled", put("/metadata/generation", json!(6)), "held: NotReconciled", "held: NotReconciled"),
        (
            "about to be suspended",
            put("/spec/job/state", json!("suspended")),
            "held: NotReconciled",
            "held: NotReconciled",
        ),
        ("a blank error", put("/status/error", json!("")), "next deploy", "now, restarts"),
    ]);
}

#[test]
fn a_restart_must_keep_the_state() {
    let last_state = |high_availability: Option<&str>| {
        with(|object| {
            object["spec"]["job"]["upgradeMode"] = json!("last-state");
            if let Some(kind) = high_availability {
                object["spec"]["flinkConfiguration"]["high-availability"] = json!(kind);
            }
        })
    };
    let no_directory = with(|object| {
        object["spec"]["flinkConfiguration"].as_object_mut().unwrap().remove("execution.checkpointing.savepoint-dir");
    });
    let (stateless, no_ha, no_dir) = ("held: Stateless", "held: NoHighAvailability", "held: NoSavepointDirectory");
    check(&[
        ("stateless", put("/spec/job/upgradeMode", json!("stateless")), stateless, stateless),
        ("no mode is stateless", put("/spec/job", json!({"jarURI": "local:///a.jar"})), stateless, stateless),
        ("savepoint without directory", no_directory, no_dir, no_dir),
        ("last-state", last_state(Some("kubernetes")), "next deploy", "now, restarts"),
        ("last-state without HA", last_state(None), no_ha, no_ha),
        ("last-state with HA off", last_state(Some("NONE")), no_ha, no_ha),
    ]);
}

#[test]
fn an_unsettled_job_is_left_alone() {
    let lifecycle = |state: &str| put("/status/lifecycleState", json!(state));
    let job = |state: &str| put("/status/jobStatus/state", json!(state));
    let row = |name, object, held| (name, object, held, held);
    check(&[
        row("FAILED", lifecycle("FAILED"), "held: Failed"),
        row("the job FAILED", job("FAILED"), "held: Failed"),
        row("UPGRADING", lifecycle("UPGRADING"), "held: Upgrading"),
        row("ROLLING_BACK", lifecycle("ROLLING_BACK"), "held: RolledBack"),
        row("ROLLED_BACK", lifecycle("ROLLED_BACK"), "held: RolledBack"),
        row("DEPLOYED", lifecycle("DEPLOYED"), "held: NotStable"),
        row("a state of tomorrow", lifecycle("HIBERNATING"), "held: NotStable"),
        row("no state", put("/status/lifecycleState", Value::Null), "held: NotStable"),
        row("CREATED again", lifecycle("CREATED"), "held: NotStable"),
        row("DELETING", lifecycle("DELETING"), "held: Deleting"),
        row("DELETED", lifecycle("DELETED"), "held: Deleting"),
        row("FINISHED", job("FINISHED"), "held: Terminal"),
        row("CANCELED", job("CANCELED"), "held: Terminal"),
        row("RESTARTING", job("RESTARTING"), "held: NotRunning"),
        row("the job without a state", put("/status/jobStatus", json!({})), "held: NotRunning"),
        row("an error", put("/status/error", json!("quota exceeded")), "held: DeploymentError"),
        row(
            "a savepoint",
            put("/status/jobStatus/savepointInfo", json!({"triggerId": "4f"})),
            "held: SavepointPending",
        ),
        row("status of another shape", put("/status/lifecycleState", json!(7)), "held: StatusUnreadable"),
    ]);
    let savepoint_done = put("/status/jobStatus/savepointInfo", json!({"triggerId": ""}));
    check(&[("savepoint done", savepoint_done, "next deploy", "now, restarts")]);
}

#[test]
fn what_is_not_ours_to_touch_is_held_even_at_a_free_moment() {
    let blue_green = json!([{"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkBlueGreenDeployment", "name": "o", "uid": "1"}]);
    let other_owner = json!([{"apiVersion": "apps.acme.com/v1", "kind": "Pipeline", "name": "o", "uid": "1"}]);
    for (field, value, held) in [
        ("deletionTimestamp", json!("2026-06-15T11:59:00Z"), "held: Deleting"),
        ("ownerReferences", blue_green, "held: OwnedByBlueGreen"),
        ("labels", json!({"flink.apache.org/canary": "true"}), "held: Canary"),
    ] {
        let running = put(&format!("/metadata/{field}"), value);
        let mut undeployed = running.clone();
        undeployed["status"].take();
        check(&[(field, running, held, held), (field, undeployed, held, held)]);
    }
    check(&[("another owner", put("/metadata/ownerReferences", other_owner), "next deploy", "now, restarts")]);
}

#[test]
fn blind_means_still() {
    for object in [running(), put("/status", Value::Null), put("/status/lifecycleState", json!("SUSPENDED"))] {
        let plan = plan_where(&object, Mode::Apply, |situation| situation.layers_unreadable = Some("404".into()));
        assert_eq!(outcome(&plan), "held: LayersUnreadable");
        assert!(matches!(&plan.timing, Timing::Held(reason) if reason.to_string().contains("404")));
    }
}

#[test]
fn the_mode_bounds_what_is_done() {
    let undeployed = put("/status", Value::Null);
    for object in [&running(), &undeployed] {
        let off = plan_of(object, Mode::Off);
        assert!(outcome(&off) == "nothing" && !off.is_pressing() && !off.restarts && off.hash.is_empty());
        assert_eq!(outcome(&plan_of(object, Mode::Advise)), "held: Advise");
        assert!(!plan_of(object, Mode::Off).findings.is_empty());
    }
    check(&[
        ("asked to be milder", annotated(MODE, "Advise"), "held: Advise", "held: Advise"),
        ("asked for more", annotated(MODE, "Apply"), "next deploy", "now, restarts"),
        ("opted out", annotated(OPT_OUT, "true"), "nothing", "nothing"),
        ("opted out of the rule", annotated(OPT_OUT, "rocksdb-full-checkpoints"), "nothing", "nothing"),
        ("opted out of another", annotated(OPT_OUT, "MET001"), "next deploy", "now, restarts"),
        ("unreadable", annotated(OPT_OUT, "CKP03"), "nothing", "nothing"),
    ]);
}

#[test]
fn a_person_may_approve_one_restart() {
    let pending = plan_of(&running(), Mode::NextDeploy).hash;
    let stateless = |approval: &str| {
        let mut object = annotated(APPROVE, approval);
        object["spec"]["job"]["upgradeMode"] = json!("stateless");
        object
    };
    let (approved, held) = ("now, restarts, approved", "held: Stateless");
    let mut failed = annotated(APPROVE, "now");
    failed["status"]["lifecycleState"] = json!("FAILED");
    let mut undeployed = annotated(APPROVE, "now");
    undeployed["status"].take();
    check(&[
        ("now", annotated(APPROVE, "now"), approved, approved),
        ("stateless, now", stateless("now"), approved, approved),
        ("stateless, this plan", stateless(&pending), approved, approved),
        ("stateless, another plan", stateless("0123456789ab"), held, held),
        ("no approval moves a failed job", failed, "held: Failed", "held: Failed"),
        ("a free moment uses none up", undeployed, "now", "now"),
    ]);
    assert_eq!(outcome(&plan_of(&annotated(APPROVE, "now"), Mode::Advise)), "held: Advise");
    for approval in ["now", &pending] {
        let mut used_up = stateless(approval);
        hold(&mut used_up, &[], &[], Some(approval));
        check(&[("used up", used_up, held, held)]);
    }
    let mut used_other = stateless(&pending);
    hold(&mut used_other, &[], &[], Some("now"));
    check(&[("another was used up", used_other, approved, approved)]);
}

#[test]
fn a_session_cluster_restarts_by_approval_only() {
    let (held, approved) = ("held: SessionCluster", "now, restarts, approved");
    let mut undeployed = session();
    undeployed["status"].take();
    let mut by_approval = session();
    by_approval["metadata"]["annotations"][APPROVE] = json!("now");
    check(&[
        ("running", session(), held, held),
        ("not deployed", undeployed, "now", "now"),
        ("approved", by_approval, approved, approved),
    ]);
}

#[test]
fn what_is_right_by_default_waits_without_a_hold() {
    let implicit = |edit: fn(&mut Value)| {
        with(|object| {
            object["spec"]["flinkConfiguration"][INCREMENTAL] = json!("true");
            object["spec"].as_object_mut().unwrap().remove("logConfiguration");
            edit(object);
        })
    };
    check(&[
        ("stable", implicit(|_| {}), "next deploy", "next deploy"),
        ("stateless", implicit(|o| o["spec"]["job"]["upgradeMode"] = json!("stateless")), "next deploy", "next deploy"),
        ("approved", implicit(|o| o["metadata"]["annotations"][APPROVE] = json!("now")), "next deploy", "next deploy"),
        ("not deployed", implicit(|o| drop(o["status"].take())), "now", "now"),
    ]);
}

#[test]
fn ours_leaves_when_the_owner_sets_the_option_otherwise() {
    let ours = |edit: fn(&mut Value)| {
        with(|object| {
            hold(object, &[(INCREMENTAL, "true")], &[], None);
            edit(object);
        })
    };
    let alias = |object: &mut Value| object["spec"]["flinkConfiguration"][OLD_INCREMENTAL] = json!("false");
    let nested = |object: &mut Value| {
        object["spec"]["flinkConfiguration"]["execution"] = json!({"checkpointing": {"incremental": false}});
    };
    let held = "held: OwnerTookOver";
    for twin in [alias, nested] {
        let running = ours(twin);
        let mut undeployed = running.clone();
        undeployed["status"].take();
        let mut approved = running.clone();
        approved["metadata"]["annotations"][APPROVE] = json!("now");
        for plan in [plan_of(&running, Mode::Apply), plan_of(&undeployed, Mode::NextDeploy)] {
            assert_eq!(plan.leaving.iter().map(Target::to_string).collect::<Vec<_>>(), [INCREMENTAL]);
            assert!(plan.fills.is_empty() && !plan.hash.is_empty() && plan.is_pressing());
        }
        let by_approval = "now, restarts, approved";
        check(&[
            ("running", running, held, held),
            ("not deployed", undeployed, "now", "now"),
            ("approved", approved, by_approval, by_approval),
        ]);
    }
    check(&[("nobody else sets it", ours(|_| {}), "nothing", "nothing")]);
}

/// The job with this version, these settings of the owner's and these of ours, not deployed yet.
fn owned(version: &str, owner: &Value, ours: &[(&str, &str)]) -> Value {
    with(|object| {
        object["spec"]["flinkVersion"] = json!(version);
        let conf = object["spec"]["flinkConfiguration"].as_object_mut().unwrap();
        conf.retain(|key, _| key.starts_with("metrics.") || key.starts_with("pipeline."));
        conf.extend(owner.as_object().unwrap().clone());
        hold(object, ours, &[], None);
        object["status"].take();
    })
}

fn fills_and_leaving(plan: &Plan) -> (Vec<String>, Vec<String>) {
    (plan.fills.keys().map(Target::to_string).collect(), plan.leaving.iter().map(Target::to_string).collect())
}

#[test]
fn what_would_overlap_under_a_raised_version_is_filled_under_its_new_name() {
    let backend =
        |version| owned(version, &json!({"state.backend": "rocksdb"}), &[("state.backend.incremental", "true")]);
    assert!(plan_of(&backend("v1_19"), Mode::Apply).is_empty());
    let (fills, leaving) = fills_and_leaving(&plan_of(&backend("v2_0"), Mode::NextDeploy));
    assert_eq!((fills, leaving), (vec![INCREMENTAL.into()], vec![OLD_INCREMENTAL.into()]));

    let delays = ("restart-strategy.exponential-delay.max-backoff", "1 min");
    let interval = json!({"execution.checkpointing.interval": "1 min"});
    let raised = owned("v2_0", &interval, &[("restart-strategy", "exponential-delay"), delays]);
    let (fills, leaving) = fills_and_leaving(&plan_of(&raised, Mode::NextDeploy));
    assert!(fills.contains(&"restart-strategy.type".to_owned()) && !fills.contains(&delays.0.to_owned()));
    assert_eq!(leaving, ["restart-strategy"]);
}

#[test]
fn ours_leaves_where_the_owner_sets_a_key_above_it_on_flink_2() {
    let ours =
        [("restart-strategy.exponential-delay.max-backoff", "1 min"), ("restart-strategy.type", "exponential-delay")];
    let owner = json!({"execution.checkpointing.interval": "1 min", "restart-strategy": "fixed-delay"});
    let (fills, leaving) = fills_and_leaving(&plan_of(&owned("v2_0", &owner, &ours), Mode::NextDeploy));
    assert!(fills.is_empty());
    assert_eq!(leaving, ours.map(|(key, _)| key));
    let (_, leaving) = fills_and_leaving(&plan_of(&owned("v1_20", &owner, &ours), Mode::NextDeploy));
    assert_eq!(leaving, ["restart-strategy.type"], "Flink 1 accepts the delays beside it");
}

#[test]
fn what_somebody_removed_comes_back_at_a_free_moment_only() {
    let removed = with(|object| hold(object, &[], &[(INCREMENTAL, "true")], None));
    let mut undeployed = removed.clone();
    undeployed["status"].take();
    check(&[("running", removed, "held: Removed", "held: Removed"), ("not deployed", undeployed, "now", "now")]);
}

/// A key without a value above ours: FKO would stop the job on Flink 2 and not start it again.
#[test]
fn what_would_stop_a_job_on_flink_2_is_refused_and_told() {
    let stray = |version: &str| {
        with(|object| {
            object["spec"]["flinkVersion"] = json!(version);
            object["spec"]["flinkConfiguration"][format!("{INCREMENTAL}.x")] = json!("1");
        })
    };
    let mut undeployed = stray("v2_0");
    undeployed["status"].take();
    for object in [stray("v2_0"), undeployed, stray("v3_1")] {
        let plan = plan_of(&object, Mode::Apply);
        assert_eq!(outcome(&plan), "nothing");
        assert_eq!(plan.refused.iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["CKP003"]);
        assert!(plan.refused[0].1.contains(INCREMENTAL) && plan.refused[0].1.contains("Flink 2"));
    }
    check(&[("Flink 1", stray("v1_20"), "next deploy", "now, restarts")]);
}

/// On Flink 1.16 the strategy's key is where the owner nests the delays: a value there would wipe them out.
#[test]
fn no_value_takes_the_place_of_a_map() {
    let object = with(|object| {
        object["spec"]["flinkVersion"] = json!("v1_16");
        object["spec"]["flinkConfiguration"] = json!({
            "execution.checkpointing.interval": "1 min",
            "pipeline.max-parallelism": "128",
            "metrics.reporter.prom.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
            "restart-strategy": {"exponential-delay": {"max-backoff": "10 min"}},
        });
        object["status"].take();
    });
    let plan = plan_of(&object, Mode::Apply);
    assert_eq!((outcome(&plan).as_str(), plan.refused[0].0), ("nothing", "RST001"));
}
