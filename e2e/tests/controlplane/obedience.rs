//! What people say by annotations is obeyed, at once and no further than said.

use std::time::{Duration, SystemTime};

use e2e::Crds;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::fko::Fko;
use crate::owner::{BOTH, INCREMENTAL, OPT_OUT, option};
use crate::support::{Scene, annotated, record, with_mode};

const UNTIL: &str = "flink-remedy.dev/opt-out-until";
const MODE: &str = "flink-remedy.dev/mode";

#[tokio::test]
async fn an_opted_out_job_is_left_alone_until_the_annotation_goes() {
    let scene = Scene::new("optout").await;
    let by = |name: &str, value: &str| annotated(scene.one_gap(name), OPT_OUT, value);
    for (name, value) in
        [("all", "true"), ("code", "CKP003"), ("name", "rocksdb-full-checkpoints"), ("list", "LOG001, ckp003")]
    {
        scene.create(by(name, value)).await;
    }
    scene.create(by("another", "MET001")).await;
    scene.create(by("not", "false")).await;
    let _operator = scene.start(&[]).await;
    scene.note("all", "OptedOut", "Opted out by annotation flink-remedy.dev/opt-out").await;
    for name in ["another", "not"] {
        scene.has(name, INCREMENTAL, Some("true")).await;
    }
    for name in ["all", "code", "name", "list"] {
        scene.settled_after(name, 0).await;
        scene.annotate(name, json!({ OPT_OUT: null })).await;
        scene.has(name, INCREMENTAL, Some("true")).await;
        scene.settled_after(name, 1).await;
    }
}

#[tokio::test]
async fn an_opt_out_on_the_namespace_holds_for_its_jobs_until_it_goes() {
    let scene = Scene::new("nsoptout").await;
    scene.annotate_namespace(json!({ OPT_OUT: "true" })).await;
    scene.create(scene.one_gap("job")).await;
    scene.create(annotated(scene.one_gap("own"), OPT_OUT, "CKP003")).await;
    let operator = scene.start(&[]).await;
    scene.note("job", "OptedOut", "on the job or its namespace").await;
    scene.look_again(&operator, 2).await;
    assert_eq!((scene.asked("job"), scene.asked("own")), (vec![], vec![]));
    scene.annotate_namespace(json!({ OPT_OUT: null })).await;
    scene.has("job", INCREMENTAL, Some("true")).await;
    scene.settled_after("job", 1).await;
    scene.settled_after("own", 0).await;
    scene.annotate("own", json!({ OPT_OUT: null })).await;
    scene.has("own", INCREMENTAL, Some("true")).await;
}

#[tokio::test]
async fn an_unreadable_annotation_holds_everything_back_with_a_warning_until_it_is_corrected() {
    let scene = Scene::new("typo").await;
    let job = |name: &str, key: &str, value: &str| annotated(scene.one_gap(name), key, value);
    let cases = [
        ("rule", OPT_OUT, "rocksdb-incremental", "`rocksdb-incremental` is no rule", "MET001"),
        ("until", UNTIL, "next week", "`next week` is no RFC 3339 date or time", "2099-12-31"),
        ("mode", MODE, "apply", "`apply` is no mode", "NextDeploy"),
    ];
    for (name, key, typo, ..) in cases {
        scene.create(job(name, key, typo)).await;
    }
    let _operator = scene.start(&[]).await;
    for (name, key, _, problem, right) in cases {
        let event = scene.event(name, "InvalidAnnotation", problem).await;
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        let note = event.note.unwrap_or_default();
        assert!(note.contains(key) && note.contains("counts as opted out"), "{note}");
        scene.settled_after(name, 0).await;
        scene.annotate(name, json!({ key: right })).await;
        scene.has(name, INCREMENTAL, Some("true")).await;
        scene.settled_after(name, 1).await;
    }
}

#[tokio::test]
async fn an_unreadable_annotation_on_the_namespace_holds_its_jobs_back() {
    let scene = Scene::new("nstypo").await;
    scene.annotate_namespace(json!({ OPT_OUT: "yes" })).await;
    scene.create(scene.one_gap("job")).await;
    let operator = scene.start(&[]).await;
    scene.note("job", "InvalidAnnotation", "on the namespace is unreadable").await;
    scene.look_again(&operator, 1).await;
    assert_eq!(scene.asked("job"), []);
    scene.annotate_namespace(json!({ OPT_OUT: "false" })).await;
    scene.has("job", INCREMENTAL, Some("true")).await;
}

fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).expect("a time of this age").to_string()
}

#[tokio::test]
async fn an_opt_out_ends_by_itself_at_its_time() {
    let scene = Scene::new("until").await;
    let until = |name: &str, end: &str| annotated(annotated(scene.one_gap(name), OPT_OUT, "true"), UNTIL, end);
    let soon = SystemTime::now() + Duration::from_secs(3);
    scene.create(until("soon", &rfc3339(soon))).await;
    scene.create(until("past", "2020-01-01T00:00:00Z")).await;
    scene.create(until("future", "2099-12-31")).await;
    let _operator = scene.start(&[]).await;
    scene.has("past", INCREMENTAL, Some("true")).await;
    scene.note("future", "OptedOut", "").await;
    scene.has("soon", INCREMENTAL, Some("true")).await;
    assert!(SystemTime::now() >= soon, "filled before the opt-out's end");
    let filled: Timestamp = record(&scene.job("soon").await)["at"].as_str().expect("a time").parse().expect("RFC 3339");
    assert!(filled.as_second() >= Timestamp::try_from(soon).expect("a time").as_second(), "filled at {filled}");
    scene.settled_after("soon", 1).await;
    scene.settled_after("future", 0).await;
}

#[tokio::test]
async fn a_mode_on_job_or_namespace_holds_the_operator_back() {
    let scene = Scene::new("mode").await;
    scene.create(annotated(scene.one_gap("off"), MODE, "Off")).await;
    scene.create(annotated(scene.one_gap("advise"), MODE, "Advise")).await;
    scene.create(scene.one_gap("plain")).await;
    let operator = scene.start(&[]).await;
    scene.has("plain", INCREMENTAL, Some("true")).await;
    scene.note("advise", "RemediationAdvised", "mode is Advise").await;
    for name in ["off", "advise"] {
        scene.settled_after(name, 0).await;
    }
    assert_eq!(scene.reasons("off").await, Vec::<String>::new());

    scene.annotate_namespace(json!({ MODE: "Advise" })).await;
    scene.create(scene.one_gap("late")).await;
    scene.note("late", "RemediationAdvised", "mode is Advise").await;
    scene.look_again(&operator, 1).await;
    assert_eq!(scene.asked("late"), []);
    scene.annotate_namespace(json!({ MODE: null })).await;
    scene.annotate("off", json!({ MODE: null })).await;
    for name in ["late", "off"] {
        scene.has(name, INCREMENTAL, Some("true")).await;
    }
}

#[tokio::test]
async fn a_mode_never_allows_more_than_the_operator_may() {
    let scene = Scene::new("modemax").await;
    scene.create_stable(Fko::V1_15, annotated(scene.one_gap("running"), MODE, "Apply")).await;
    let _operator = scene.start(&["--mode", "NextDeploy"]).await;
    scene.note("running", "RemediationHeld", "the mode is NextDeploy, which restarts nothing").await;
    scene.settled_after("running", 0).await;
}

#[tokio::test]
async fn an_opt_out_tears_nothing_out_that_is_filled_already() {
    let scene = Scene::new("keep").await;
    let conf = json!({ "state.backend.type": "rocksdb", "execution.checkpointing.interval": "1 min" });
    for name in ["all", "rule", "mode", "namespace"] {
        scene.create(scene.manifest(name, "v1_17", &conf)).await;
    }
    let operator = scene.start(&[]).await;
    let mut before = Vec::new();
    for name in ["all", "rule", "mode", "namespace"] {
        scene.note(name, "Remediated", "CKP003").await;
        before.push(scene.job(name).await);
    }
    scene.annotate("all", json!({ OPT_OUT: "true" })).await;
    scene.annotate("rule", json!({ OPT_OUT: "CKP003,MET001" })).await;
    scene.annotate("mode", json!({ MODE: "Off" })).await;
    scene.note("all", "OptedOut", "0 gaps stay open").await;
    scene.all_seen().await;
    scene.annotate_namespace(json!({ OPT_OUT: "true" })).await;
    scene.note("namespace", "OptedOut", "").await;
    scene.look_again(&operator, 4).await;
    for job in before {
        let name = job.metadata.name.clone().expect("a name");
        assert_eq!(scene.job(&name).await.data["spec"], job.data["spec"], "{name}");
        assert_eq!(scene.asked(&name).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn an_opted_out_rule_stays_out_of_what_the_others_fill() {
    let scene = Scene::new("partly").await;
    let conf = json!({ "state.backend.type": "rocksdb", "execution.checkpointing.interval": "1 min" });
    let job = annotated(scene.manifest("job", "v1_17", &conf), OPT_OUT, "MET001,log-level-not-info");
    scene.create(job).await;
    let _operator = scene.start(&[]).await;
    let job = scene.has("job", "state.backend.incremental", Some("true")).await;
    assert_eq!(option(&job, "restart-strategy.type"), Some("exponential-delay"));
    assert_eq!(option(&job, "metrics.reporter.prom.port"), None);
    assert!(job.data["spec"].get("logConfiguration").is_none() && job.data["spec"].get("podTemplate").is_none());
    scene.settled_after("job", 1).await;
}

/// Malformed objects that the CRDs let pass, with what the Event says of each.
fn malformed(scene: &Scene, crds: Crds) -> Vec<(&'static str, Value, &'static str)> {
    let without_version = |name: &str| {
        let mut job = scene.one_gap(name);
        job["spec"].as_object_mut().expect("a map").remove("flinkVersion");
        job
    };
    let with_conf = |name: &str, conf: &Value| scene.manifest(name, "v1_20", conf);
    let mut empty = scene.one_gap("empty");
    empty["spec"] = json!({});
    let mut jobs = vec![
        ("version", without_version("version"), "spec.flinkVersion is missing; write the Flink version"),
        ("empty", empty, "spec.flinkVersion is missing"),
    ];
    if crds == Crds::Untyped {
        jobs.push(("list", with_conf("list", &json!(["a: b"])), "must be a map of options, but it is a list"));
        jobs.push(("text", with_conf("text", &json!("a: b")), "must be a map of options, but it is a single value"));
    }
    jobs
}

#[tokio::test]
async fn a_malformed_job_gets_one_warning_and_keeps_nobody_from_being_filled() {
    for crds in BOTH {
        let scene = Scene::on(crds, "malformed").await;
        let malformed = malformed(&scene, crds);
        for (_, job, _) in &malformed {
            scene.create(job.clone()).await;
        }
        scene.create(scene.one_gap("good")).await;
        let operator = scene.start(&[]).await;
        scene.has("good", INCREMENTAL, Some("true")).await;
        for (name, _, problem) in &malformed {
            let event = scene.event(name, "InvalidResource", problem).await;
            assert_eq!(event.type_.as_deref(), Some("Warning"));
            // Somebody touches it without correcting it: nothing new is said.
            scene.annotate(name, json!({ "touched": "yes" })).await;
        }
        for (name, ..) in &malformed {
            scene.settled_after(name, 0).await;
        }
        let count = u32::try_from(malformed.len()).expect("a few");
        scene.look_again(&operator, count).await;
        for (name, ..) in &malformed {
            let events = scene.writes().into_iter().filter(|entry| entry.name.starts_with(&format!("{name}."))).count();
            assert_eq!(events, 1, "{name}");
        }
        let looks = operator.metric("flink_remedy_reconciliations_total{outcome=\"InvalidResource\"}").await;
        assert!(looks.is_some_and(|looks| looks <= 10.0 * f64::from(count)), "{looks:?} looks at {count} jobs");
        // Corrected, it is a job like any other.
        scene.create(scene.one_gap("version")).await;
        scene.has("version", INCREMENTAL, Some("true")).await;
    }
}

#[tokio::test]
async fn an_upgrade_mode_without_state_is_no_reason_to_hold_a_job_that_never_ran() {
    let scene = Scene::new("never").await;
    scene.create(with_mode(scene.one_gap("job"), "stateless")).await;
    let _operator = scene.start(&[]).await;
    scene.has("job", INCREMENTAL, Some("true")).await;
    scene.settled_after("job", 1).await;
}
