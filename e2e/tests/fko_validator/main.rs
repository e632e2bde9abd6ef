//! The Flink Kubernetes Operator's own validator accepts what any set of rules makes of any fixture.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a broken assumption ends the test; what was compared is part of its outcome"
)]

#[path = "../../../crates/checklist/tests/fixture/mod.rs"]
mod fixture;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use e2e::flink_dist::jdk;
use flink_conf::FlinkVersion;
use serde_json::{Value, json};

use fixture::{Fixture, canonical, every_fixture, subsets};

/// The newest version that FKO 1.7 knows.
const NEWEST: FlinkVersion = FlinkVersion::new(1, 19);

/// The share of the stateless jobs that the validator has to accept as they are, in percent: what it refuses anyway
/// proves nothing. Of the others it refuses many, as fixtures lack what other upgrade modes need.
const ACCEPTED: usize = 90;

/// An object and what sets of rules make of it.
struct Case {
    name: String,
    before: Value,
    after: Vec<Value>,
}

impl Case {
    fn of(fixture: &Fixture, seed: usize) -> Self {
        let filled = |rules| fixture.filled(fixture.plan(rules).fills.iter());
        let line = |object: Value| {
            json!({
                "operator": fixture.operator_settings(),
                "object": object,
                "sessionCluster": fixture.session_cluster.as_ref().map(canonical),
            })
        };
        Self {
            name: fixture.name(),
            before: line(canonical(&fixture.object)),
            after: subsets(seed).iter().map(|rules| line(filled(rules))).collect(),
        }
    }
}

/// The fixture with what every deployment has to have, which fixtures leave out.
fn complete(mut fixture: Fixture) -> Fixture {
    let cluster = fixture.session_cluster.as_mut().unwrap_or(&mut fixture.object);
    default(&mut cluster["spec"], "serviceAccount", json!("flink"));
    for process in ["jobManager", "taskManager"] {
        default(&mut cluster["spec"][process]["resource"], "memory", json!("2048m"));
    }
    if !fixture.object["spec"]["job"].is_null() {
        default(&mut fixture.object["spec"]["job"], "parallelism", json!(2));
    }
    // The validator compares with what was deployed last.
    let last =
        json!({"spec": canonical(&fixture.object)["spec"], "resource_metadata": {"metadata": {"generation": 1}}});
    if let Some(deployed) = fixture.object.pointer_mut("/status/reconciliationStatus/lastReconciledSpec") {
        *deployed = json!(last.to_string());
    }
    fixture
}

fn default(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

/// The same as a job that carries no state from one deployment to the next.
fn stateless(mut fixture: Fixture) -> Fixture {
    if !fixture.object["spec"]["job"].is_null() {
        fixture.object["spec"]["job"]["upgradeMode"] = json!("stateless");
    }
    fixture
}

#[test]
fn the_operator_accepts_what_any_rules_fill() {
    let mut refused = String::new();
    for version in FlinkVersion::CATALOGUED.into_iter().filter(|version| *version <= NEWEST) {
        for (upgrade, prepared) in
            [("stateless", stateless as fn(Fixture) -> Fixture), ("as they are", |fixture| fixture)]
        {
            let fixtures = every_fixture().into_iter().map(|fixture| prepared(complete(fixture.with_version(version))));
            let cases: Vec<Case> = fixtures.enumerate().map(|(seed, fixture)| Case::of(&fixture, seed)).collect();
            let (accepted, filled) = compare(version, &cases, &mut refused);
            let all = cases.len();
            println!("Flink {version}, {upgrade}: {accepted} of {all} fixtures accepted, and {filled} fills of them");
            assert!(upgrade != "stateless" || accepted * 100 >= ACCEPTED * all, "{version}: only {accepted} of {all}");
            assert!(filled > 500, "{version}: {filled}");
        }
    }
    assert!(refused.is_empty(), "accepted before, refused once filled:\n{refused}");
}

/// How many cases are accepted as they are, and how many accepted fills these have; `refused` gets the others.
fn compare(version: FlinkVersion, cases: &[Case], refused: &mut String) -> (usize, usize) {
    let objects = cases.iter().flat_map(|case| std::iter::once(&case.before).chain(&case.after));
    let mut verdicts = verdicts(&objects.collect::<Vec<_>>()).into_iter();
    let (mut accepted, mut filled) = (0, 0);
    for case in cases {
        let before = verdicts.next().unwrap();
        let after: Vec<String> = verdicts.by_ref().take(case.after.len()).collect();
        assert_eq!(after.len(), case.after.len(), "{version} {}", case.name);
        accepted += usize::from(before == "accepted");
        for (object, verdict) in case.after.iter().zip(after) {
            if verdict == "accepted" {
                filled += usize::from(*object != case.before);
            } else if before == "accepted" {
                writeln!(refused, "{version} {}: {verdict}\n  {object}", case.name).unwrap();
            }
        }
    }
    (accepted, filled)
}

/// One for each object, written by `flink/fko/FkoValidator.java`.
fn verdicts(objects: &[&Value]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("input"), folder.path().join("output"));
    let lines: String = objects.iter().fold(String::new(), |mut lines, object| {
        writeln!(lines, "{object}").unwrap();
        lines
    });
    std::fs::write(&input, lines).unwrap();
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("flink/fko/FkoValidator.java");
    let run = Command::new(jdk("java"))
        .args(["-cp", &e2e::flink_operator_class_path()])
        .args([&driver, &input, &output])
        .output()
        .unwrap_or_else(|error| panic!("java, a JDK of version 17 or newer, is needed: {error}"));
    assert!(run.status.success(), "{}: {}", driver.display(), String::from_utf8_lossy(&run.stderr));
    std::fs::read_to_string(&output).unwrap().lines().map(str::to_owned).collect()
}
