//! The alerts over what real Flinks have said (`e2e/monitoring/recorded`), played sixty times as slowly: a second of it is a
//! minute, also where Flink tells of durations.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use e2e::prometheus::{RULE_FILES, rule_file, rules, yaml};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::promtool::promtool;

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring/recorded");
const JOB: &str = "namespace=\"shop\",deployment=\"orders\"";

/// One recording.
#[derive(Deserialize)]
struct Recording {
    flink: String,
    scenes: Vec<Scene>,
    series: Vec<Series>,
}

/// The seconds of one mood of the job.
#[derive(Clone, Deserialize)]
struct Scene {
    mood: String,
    from: usize,
    to: usize,
}

#[derive(Deserialize)]
struct Series {
    series: String,
    values: String,
}

/// The alerts that have to fire in a mood.
const EXPECTED: [(&str, &[&str]); 5] = [
    ("slow", &["FlinkBackPressure", "FlinkNoCheckpointCompletes"]),
    ("slow-checkpoints", &["FlinkCheckpointSlow", "FlinkCheckpointsBackToBack"]),
    ("failing-checkpoints", &["FlinkCheckpointsFail", "FlinkNoCheckpointCompletes"]),
    ("full-heap", &["FlinkHeapFull"]),
    ("failing", &["FlinkJobDown", "FlinkRestarts"]),
];

/// The job is well, or idle, until then: nothing may fire. Later its moods show in what follows them.
const FIRST_BAD: &str = "slow";

fn recordings() -> Vec<Recording> {
    let files = fs::read_dir(RECORDED).expect("recordings");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a readable folder").path()).collect();
    files.sort();
    let recordings: Vec<Recording> =
        files.iter().map(|file| serde_json::from_value(yaml(file)).expect("a recording")).collect();
    let versions: BTreeSet<&str> = recordings.iter().map(|recording| &recording.flink[..4]).collect();
    assert_eq!(versions, BTreeSet::from(["1.18", "1.20", "2.3."]));
    recordings
}

/// Input of promtool: the series as they are scraped in a cluster.
fn input(recording: &Recording) -> Vec<Value> {
    recording.series.iter().map(|series| scraped(&series.series, &slowed(series))).collect()
}

fn scraped(series: &str, values: &str) -> Value {
    let component = if series.contains("component=\"jobmanager\"") { "jobmanager" } else { "taskmanager" };
    let labels = format!("{{{JOB},job=\"flink\",pod=\"orders-{component}\",");
    json!({ "series": series.replacen('{', &labels, 1), "values": values })
}

/// The values of a series; of a duration those that it would have if all took sixty times as long.
fn slowed(series: &Series) -> String {
    if !series.series.starts_with("flink_jobmanager_job_lastCheckpointDuration") {
        return series.values.clone();
    }
    let slowed = samples(&series.values).into_iter().map(|sample| match sample.parse::<u64>() {
        Ok(milliseconds) => (milliseconds * 60).to_string(),
        Err(_) => sample,
    });
    slowed.collect::<Vec<_>>().join(" ")
}

/// Each sample by itself; `5x2` stands for three of them, `_x2` for two that are missing.
fn samples(values: &str) -> Vec<String> {
    let unfolded = values.split(' ').flat_map(|word| {
        let (value, more) = word.split_once('x').unwrap_or((word, "0"));
        let more: usize = more.parse().expect("a number of repetitions");
        vec![value.to_owned(); if value == "_" && more > 0 { more } else { more + 1 }]
    });
    unfolded.collect()
}

/// Runs promtool over these series with the shipped rules.
fn check(series: &[Value], asked: &[Value]) {
    assert!(!asked.is_empty());
    let folder = tempfile::tempdir().unwrap();
    let test = json!({
        "rule_files": RULE_FILES.map(rule_file), "evaluation_interval": "1m",
        "tests": [{ "interval": "1m", "input_series": series, "promql_expr_test": asked }],
    });
    let file = folder.path().join("test.yaml");
    fs::write(&file, test.to_string()).unwrap();
    promtool(&["test", "rules"], &[file]);
}

/// Whether an alert has fired at any time of these minutes.
fn asked(alert: &str, from: usize, to: usize, fires: bool) -> Value {
    let minutes = to - from;
    let expression = format!(
        "max by (alertname, namespace, deployment) (max_over_time(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}[{minutes}m]))"
    );
    let sample = json!({ "labels": format!("{{alertname=\"{alert}\",{JOB}}}"), "value": 1 });
    let samples = if fires { vec![sample] } else { Vec::new() };
    json!({ "expr": expression, "eval_time": format!("{to}m"), "exp_samples": samples })
}

#[test]
fn each_mood_fires_its_alerts_and_a_good_one_none() {
    for recording in recordings() {
        let of_mood = |mood: &str| EXPECTED.iter().find(|(expected, _)| *expected == mood).map(|(_, alerts)| *alerts);
        let mut questions = Vec::new();
        for scene in &recording.scenes {
            let alerts = of_mood(&scene.mood).into_iter().flatten();
            questions.extend(alerts.map(|alert| asked(alert, scene.from, scene.to, true)));
        }
        assert_eq!(questions.len(), 9);
        let first = recording.scenes.iter().find(|scene| scene.mood == FIRST_BAD).expect("a bad mood").from;
        let others = rules("flink").into_iter().filter(|rule| rule.is_alert);
        questions.extend(others.map(|alert| asked(&alert.name, 0, first, false)));
        check(&input(&recording), &questions);
    }
}

/// The same, while a restart of ours is under way on the job: nothing fires.
#[test]
fn nothing_fires_during_a_restart_of_ours() {
    for recording in recordings() {
        let mut series = input(&recording);
        let seconds = recording.scenes.last().expect("scenes").to;
        series.push(json!({
            "series": "flink_remedy_restart_in_flight{namespace=\"shop\",name=\"orders\",job=\"flink-remedy\"}",
            "values": format!("1x{seconds}"),
        }));
        let alerts = EXPECTED.iter().flat_map(|(_, alerts)| *alerts);
        check(&series, &alerts.map(|alert| asked(alert, 0, seconds, false)).collect::<Vec<_>>());
    }
}

/// A day of what it read before, or of nothing, and then the minutes in which it hardly read.
#[test]
fn a_job_that_starves_is_told_of_and_an_idle_one_is_not() {
    const DAY: usize = 24 * 60;
    for recording in recordings() {
        let starved = recording.scenes.iter().find(|scene| scene.mood == "starved").expect("a scene").clone();
        let read = |usual: Option<&str>| {
            let is_rate = |series: &&Series| {
                series.series.starts_with("flink_taskmanager_job_task_operator_numRecordsInPerSecond")
            };
            let of_first_attempt = |series: &&Series| series.series.contains("task_attempt_num=\"0\"");
            let before = |series: &Series| {
                let samples = samples(&series.values);
                let usual = usual.unwrap_or(&samples[starved.from]).to_owned();
                scraped(&series.series, &format!("{usual}x{DAY} {}", samples[starved.from..starved.to].join(" ")))
            };
            recording.series.iter().filter(is_rate).filter(of_first_attempt).map(before).collect::<Vec<_>>()
        };
        let end = DAY + starved.to - starved.from;
        check(&read(None), &[asked("FlinkRecordsInDropped", DAY, end, true)]);
        check(&read(Some("0")), &[asked("FlinkRecordsInDropped", DAY, end, false)]);
    }
}
