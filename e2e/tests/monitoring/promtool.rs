//! The rules are sound, and their tests, written by hand in `e2e/monitoring/tests`, pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::artifacts::monitoring_program;
use e2e::prometheus::{RULE_FILES, rule_file, rules, yaml};
use serde_json::Value;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring/tests");

/// Runs promtool and returns what it printed.
pub(crate) fn promtool(args: &[&str], files: &[PathBuf]) -> String {
    let program = monitoring_program("promtool").unwrap_or_else(|error| panic!("{error:#}"));
    let Output { status, stdout, stderr } =
        Command::new(program).args(args).args(files).output().expect("promtool runs");
    let printed = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "promtool {args:?}:\n{printed}");
    printed
}

fn tests() -> Vec<PathBuf> {
    let files = fs::read_dir(TESTS).expect("the tests of the rules");
    files.map(|file| file.expect("a readable folder").path()).collect()
}

#[test]
fn every_rule_is_sound() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &RULE_FILES.map(rule_file));
}

#[test]
fn the_rules_pass_their_tests() {
    promtool(&["test", "rules"], &tests());
}

/// Each alert fires in one test and is silent in another; of those on jobs, it is silent for a job that does the same as one that
/// it fires for, and that flink-remedy is restarting.
#[test]
fn every_alert_is_tested_both_ways() {
    let cases: Vec<Case> = tests().iter().flat_map(|file| cases(file)).collect();
    for alert in ["flink", "flink-remedy"].iter().flat_map(|file| rules(file)).filter(|rule| rule.is_alert) {
        let of_alert = || cases.iter().filter(|case| case.alert == alert.name);
        assert!(of_alert().any(|case| !case.fires_for.is_empty()), "{} fires in no test", alert.name);
        assert!(of_alert().any(|case| case.fires_for.is_empty()), "{} is silent in no test", alert.name);
        if alert.expression.contains("restart_in_flight") {
            assert!(of_alert().any(Case::shows_silence), "{} is not tested during a restart of ours", alert.name);
        }
    }
}

/// What a test expects of an alert.
struct Case {
    alert: String,
    /// The deployments of the alerts that fire; empty text for those that have none.
    fires_for: Vec<String>,
    /// The deployments that flink-remedy is restarting.
    restarting: Vec<String>,
    /// Series and values of the test.
    input: Vec<(String, String)>,
}

impl Case {
    fn shows_silence(&self) -> bool {
        let [firing, ..] = &self.fires_for[..] else { return false };
        self.restarting
            .iter()
            .any(|restarting| !self.fires_for.contains(restarting) && self.does_the_same(firing, restarting))
    }

    fn does_the_same(&self, left: &str, right: &str) -> bool {
        let label = format!("deployment=\"{left}\"");
        let mut of_left = self.input.iter().filter(|(series, _)| series.contains(&label)).peekable();
        of_left.peek().is_some()
            && of_left.all(|(series, values)| {
                // Not the other way round: other labels may hold the one name and not the other.
                self.input
                    .iter()
                    .any(|(other, same)| other != series && other.replace(right, left) == *series && same == values)
            })
    }
}

fn cases(file: &Path) -> Vec<Case> {
    let document = yaml(file);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut cases = Vec::new();
    for test in list(&document["tests"]) {
        let series = list(&test["input_series"]).into_iter();
        let input: Vec<(String, String)> =
            series.map(|series| (text(&series["series"]), text(&series["values"]))).collect();
        let in_flight = input.iter().filter(|(series, _)| series.starts_with("flink_remedy_restart_in_flight{"));
        let name = |(series, _): &(String, String)| {
            series.split_once(",name=\"")?.1.split_once('"').map(|(name, _)| name.to_owned())
        };
        let restarting: Vec<String> = in_flight.filter_map(name).collect();
        for case in list(&test["alert_rule_test"]) {
            let fires = list(&case["exp_alerts"]).into_iter();
            cases.push(Case {
                alert: text(&case["alertname"]),
                fires_for: fires
                    .map(|alert| alert["exp_labels"]["deployment"].as_str().unwrap_or_default().to_owned())
                    .collect(),
                restarting: restarting.clone(),
                input: input.clone(),
            });
        }
    }
    cases
}
