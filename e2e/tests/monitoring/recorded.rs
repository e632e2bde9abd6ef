//! The alerts over what real Flinks have said (`e2e/monitoring/recorded`), a second of it as a minute.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::prometheus::{RULE_FILES, rule_file, yaml};
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

/// The alerts that have to fire in a mood, and in no other.
const EXPECTED: [(&str, &[&str]); 5] = [
    ("slow", &["FlinkBackPressure", "FlinkCheckpointSlow"]),
    ("slow-checkpoints", &["FlinkCheckpointsBackToBack"]),
    ("failing-checkpoints", &["FlinkCheckpointsFail", "FlinkNoCheckpointCompletes"]),
    ("full-heap", &["FlinkHeapFull"]),
    ("failing", &["FlinkRestarts"]),
];

/// Alerts that are about half an hour or more of the past, so that one mood's shows in those that follow it.
const LINGERING: [&str; 4] =
    ["FlinkCheckpointsFail", "FlinkNoCheckpointCompletes", "FlinkCheckpointsBackToBack", "FlinkRestarts"];

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
    let scraped = recording.series.iter().map(|series| {
        let component = if series.series.contains("component=\"jobmanager\"") { "jobmanager" } else { "taskmanager" };
        let labels = format!("{{{JOB},job=\"flink\",pod=\"orders-{component}\",");
        json!({ "series": series.series.replacen('{', &labels, 1), "values": series.values })
    });
    scraped.collect()
}

/// The thresholds as they are shipped, but for a checkpoint that is slow after 20 s: nobody records for minutes.
fn thresholds(folder: &Path) -> PathBuf {
    let text = fs::read_to_string(rule_file("thresholds")).unwrap();
    let record = "record: flink_threshold:checkpoint_duration:seconds\n        expr: vector(300)";
    assert!(text.contains(record));
    let file = folder.join("thresholds.rules.yaml");
    fs::write(&file, text.replace(record, &record.replace("300", "20"))).unwrap();
    file
}

/// Runs promtool over these series, asking at each minute for the alerts that fire.
fn check(folder: &Path, series: Vec<Value>, asked: Vec<Value>) {
    let rules = [thresholds(folder), rule_file("flink"), rule_file("flink-remedy")];
    assert_eq!(rules.len(), RULE_FILES.len());
    let test = json!({
        "rule_files": rules, "evaluation_interval": "1m",
        "tests": [{ "interval": "1m", "input_series": series, "promql_expr_test": asked }],
    });
    let file = folder.join("test.yaml");
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
fn each_mood_fires_its_alerts_and_no_other() {
    for recording in recordings() {
        let folder = tempfile::tempdir().unwrap();
        let mut questions = Vec::new();
        for scene in &recording.scenes {
            for (mood, alerts) in EXPECTED {
                for alert in alerts {
                    let fires = mood == scene.mood;
                    let has_been = recording.scenes.iter().any(|past| past.mood == mood && past.to <= scene.from);
                    let lingers = has_been && LINGERING.contains(alert);
                    // Bad moods show in each other: what comes of a slow task is a slow checkpoint, and so on.
                    if fires || scene.mood == "well" && !lingers && scene.from < 200 {
                        questions.push(asked(alert, scene.from, scene.to, fires));
                    }
                }
            }
        }
        assert!(questions.len() > 10, "{}", questions.len());
        check(folder.path(), input(&recording), questions);
    }
}

/// The same, while a restart of ours is under way on the job: nothing fires.
#[test]
fn nothing_fires_during_a_restart_of_ours() {
    for recording in recordings() {
        let folder = tempfile::tempdir().unwrap();
        let mut series = input(&recording);
        let seconds = recording.scenes.last().map_or(0, |scene| scene.to);
        series.push(json!({
            "series": "flink_remedy_restart_in_flight{namespace=\"shop\",name=\"orders\",job=\"flink-remedy\"}",
            "values": format!("1x{seconds}"),
        }));
        let alerts = EXPECTED.iter().flat_map(|(_, alerts)| *alerts);
        let questions = alerts.map(|alert| asked(alert, 0, seconds, false)).collect();
        check(folder.path(), series, questions);
    }
}
