//! What is huge or hostile takes its own time, and nobody else's.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use e2e::{Crds, binary};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::hooked::Hooked;
use crate::support::{Scene, annotated, job, record};

/// With what stands around it, as large as etcd takes an object (1.5 MiB).
const HUGE: usize = 1_400_000;
/// What steers a terminal, ends a line, or turns what follows around.
const HOSTILE: &str = "fine\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{7}\u{202e}\u{2028}";
/// Generous: without optimisation, on a busy machine.
const LONGEST: Duration = Duration::from_secs(30);

fn huge(name: &str) -> Value {
    let mut job = job(name);
    job["spec"]["logConfiguration"] =
        json!({ "log4j-console.properties": "logger.a.level = DEBUG\n".repeat(HUGE / 23) });
    job
}

/// Whether a text has a character in it that [`HOSTILE`] has, line ends aside.
fn steers(text: &str) -> bool {
    text.contains(|c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}'))
}

#[tokio::test]
async fn a_huge_job_is_filled_and_so_are_the_others() {
    let scene = Scene::new("huge").await;
    let names: Vec<String> = (0..10).map(|number| format!("job-{number}")).collect();
    for name in &names[..5] {
        scene.create(job(name)).await;
    }
    scene.create(huge("huge")).await;
    let operator = scene.start(&[]).await;
    for name in &names[5..] {
        scene.create(job(name)).await;
    }
    for name in names.iter().map(String::as_str).chain(["huge"]) {
        scene.filled(name).await;
        scene.note(name, "Remediated", "").await;
    }
    scene.settle(&operator, 11).await;
    assert_eq!(scene.patches().len(), 11);
}

#[tokio::test]
async fn a_job_that_has_no_room_for_more_is_told_of_and_the_others_are_filled() {
    let scene = Scene::new("full").await;
    let mut full = job("full");
    // Nothing fits beside it: etcd takes 1.5 MiB.
    full["spec"]["logConfiguration"] = json!({ "a.properties": "x".repeat(1_570_400) });
    scene.create(full).await;
    let operator = scene.start(&[]).await;
    let note = scene.note("full", "RemediationFailed", "").await;
    assert!(note.contains("too large"), "{note}");
    scene.create(job("j")).await;
    scene.filled("j").await;
    assert!(record(&scene.job("full").await).is_null());
    assert!(operator.logs().lines().count() < 200, "{}", operator.logs());
}

#[tokio::test]
async fn what_somebody_writes_forges_no_line_of_the_log_and_no_event() {
    let scene = Scene::new("hostile").await;
    let opted_out = annotated(job("reason"), "flink-remedy.dev/opt-out", "true");
    scene.create(annotated(opted_out, "flink-remedy.dev/opt-out-reason", HOSTILE)).await;
    scene.create(annotated(job("rule"), "flink-remedy.dev/opt-out", HOSTILE)).await;
    let mut value = job("value");
    value["spec"]["flinkConfiguration"]["state.checkpoints.dir"] = json!(format!("file:///tmp/{HOSTILE}"));
    value["spec"]["flinkConfiguration"][HOSTILE] = json!(HOSTILE);
    value["spec"]["flinkConfiguration"]["execution.checkpointing.timeout"] = json!("9".repeat(100_000) + HOSTILE);
    scene.create(value).await;
    let operator = scene.start(&["--log-level", "debug"]).await;
    scene.note("reason", "OptedOut", "fine").await;
    scene.note("rule", "InvalidAnnotation", "fine").await;
    scene.note("value", "RemediationAdvised", "").await;
    scene.settle(&operator, 3).await;
    for (name, reason, note) in scene.said().await {
        assert!(!steers(&note) && !note.contains('\n') && note.len() <= 1024, "{name} {reason}: {note:?}");
    }
    let log = operator.logs();
    let forged = log.lines().find(|line| steers(line) || line.starts_with("2026-01-01T00:00:00Z"));
    assert_eq!(forged, None);
}

#[tokio::test]
async fn a_huge_review_is_answered_in_time() {
    let hooked = Hooked::new(Crds::Typed, "admit-huge").await;
    let _operator = hooked.start(&[]).await;
    let mut job = huge("j");
    job["metadata"]["namespace"] = json!(hooked.scene.namespace);
    let started = Instant::now();
    assert!(!record(&hooked.dry_run(job.clone()).await).is_null(), "not filled after {:?}", started.elapsed());
    // Old and new, 2.8 MB of them.
    assert!(!record(&hooked.scene.create(job.clone()).await).is_null());
    let changed = json!({ "spec": { "job": { "parallelism": 3 } } });
    let changed = hooked.scene.merge("j", changed).await;
    assert!(!record(&changed).is_null());
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
}

fn check(manifest: &str) -> (Output, Duration) {
    let file = NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), manifest).unwrap();
    let started = Instant::now();
    let output = Command::new(binary()).arg("check").arg(file.path()).output().unwrap();
    (output, started.elapsed())
}

#[test]
fn a_hostile_manifest_is_checked_in_bounded_time_and_steers_no_terminal() {
    let mut many = job("many");
    let conf = many["spec"]["flinkConfiguration"].as_object_mut().unwrap();
    (0..10_000).for_each(|number| drop(conf.insert(format!("execution.checkpointing.intervl{number}"), json!("v"))));
    let mut hostile = annotated(job("hostile"), "flink-remedy.dev/opt-out", HOSTILE);
    hostile["spec"]["flinkConfiguration"][HOSTILE] = json!(HOSTILE);
    hostile["spec"]["image"] = json!(HOSTILE);
    let deep = "a: ".to_owned() + &"[".repeat(100_000);
    let aliases = (1..40).fold("a0: &a0 x\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)
    });
    for (what, manifest, codes) in [
        ("huge", huge("j").to_string(), [0, 1]),
        ("many", many.to_string(), [1, 1]),
        ("hostile", hostile.to_string(), [0, 1]),
        ("deep", deep, [2, 2]),
        ("aliases", aliases, [0, 2]),
    ] {
        let (output, took) = check(&manifest);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let start: String = text.chars().take(2000).collect();
        assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{what}: {} {start}", output.status);
        assert!(!steers(&text), "{what}: {start:?}");
        assert!(took < LONGEST, "{what} took {took:?}");
    }
}
