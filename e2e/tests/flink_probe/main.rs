//! Flink's own loaders, in ten versions, read what the rules fill: every fixture with every version.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a broken assumption ends the test; the matrix is part of its outcome"
)]

mod expectations;
#[path = "../../../crates/checklist/tests/fixture/mod.rs"]
mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use checklist::{Fill, RULES, Subject, Target};
use e2e::artifacts::flink_class_path;
use e2e::flink_dist::jdk;
use e2e::isolation::isolated;
use flink_conf::FlinkVersion;

use expectations::{Answer, Asked, Facts, expected};
use fixture::{Fixture, every_fixture};

/// Options of the Flink operator itself, which it never gives to Flink.
const OF_THE_OPERATOR: &str = "kubernetes.operator.";

/// A fixture's object, before and after the fills of all rules.
struct Probe {
    name: String,
    before: Subject,
    after: Subject,
    /// What each rule fills, by its key.
    fills: BTreeMap<&'static str, BTreeMap<String, String>>,
}

/// The rule that fills a platform's own settings.
const OF_THE_PLATFORM: &str = "PLT001";

impl Probe {
    /// `None` where there is nothing to ask Flink: it reads none of this object's options.
    fn of(fixture: &Fixture) -> Option<Self> {
        let before = fixture.subject();
        let mut after = before.clone();
        let mut fills: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        for (target, fill) in fixture.plan(RULES).fills {
            after.fill(&Fill { target: target.clone(), value: fill.value.clone() });
            // What a platform sets by itself means what the platform says.
            if let Target::Option(key) = target
                && fill.rule != OF_THE_PLATFORM
            {
                fills.entry(fill.rule).or_default().insert(key.to_string(), fill.value);
            }
        }
        (!fills.is_empty()).then(|| Self { name: fixture.name(), before, after, fills })
    }

    /// The two configurations in the driver's form.
    fn lines(&self) -> [String; 2] {
        let asked = self.fills.values().flat_map(BTreeMap::keys).map(|key| format!("#{key}"));
        let after: Vec<String> = settings(&self.after).chain(asked).collect();
        [settings(&self.before).collect::<Vec<_>>().join("\t"), after.join("\t")]
    }
}

/// The configuration in effect, with what the Flink operator adds to it for high availability.
fn settings(subject: &Subject) -> impl Iterator<Item = String> {
    let of_flink = subject.conf.iter().filter(|(key, _)| !key.as_str().starts_with(OF_THE_OPERATOR));
    let pairs = of_flink.map(|(key, setting)| format!("{key}={}", setting.value.replace(['\t', '\n'], " ")));
    let cluster = ["kubernetes.cluster-id", "high-availability.cluster-id"].map(|key| format!("{key}=cluster"));
    pairs.chain(cluster)
}

#[test]
fn flinks_loaders_read_what_is_filled() {
    // The driver starts the reporters that are filled, and Prometheus listens on every address.
    isolated("flinks_loaders_read_what_is_filled", || {
        let mut matrix: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut wrong = String::new();
        for version in FlinkVersion::CATALOGUED {
            let fixtures = every_fixture().into_iter().map(|fixture| fixture.with_version(version));
            let probes: Vec<Probe> = fixtures.filter_map(|fixture| Probe::of(&fixture)).collect();
            let counts = confirmed(version, &probes, &mut wrong);
            for rule in fixture::writing_rules() {
                matrix.entry(rule.code).or_default().push(counts.get(rule.code).copied().unwrap_or_default());
            }
        }
        println!("{}", shown(&matrix));
        assert!(wrong.is_empty(), "Flink reads it otherwise:\n{wrong}");
        for (rule, confirmed) in matrix.into_iter().filter(|(rule, _)| expected(rule).is_some()) {
            assert!(!confirmed.contains(&0), "{rule}: no fill of it was seen in some version: {confirmed:?}");
        }
    });
}

/// How many fills of each rule this Flink reads as they are meant; what it does not goes to `wrong`.
fn confirmed(version: FlinkVersion, probes: &[Probe], wrong: &mut String) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    let answers = flinks_answers(version, probes);
    assert_eq!(answers.len(), 2 * probes.len(), "{version}");
    for (probe, answers) in probes.iter().zip(answers.chunks(2)) {
        let [before, after] = answers else { panic!("{version}: an answer is missing") };
        for (rule, fills) in &probe.fills {
            let asked = Asked { rule, fills, version, conf: &probe.after.conf };
            match asked.of(before, after) {
                Answer::AsMeant => *counts.entry(*rule).or_default() += 1,
                Answer::NotToBeTold => {}
                Answer::Otherwise(why) => writeln!(wrong, "{version} {} {rule} {fills:?}: {why}", probe.name).unwrap(),
            }
        }
    }
    counts
}

/// What the driver says of the configurations, two for each probe.
fn flinks_answers(version: FlinkVersion, probes: &[Probe]) -> Vec<Facts> {
    let minor = format!("{}.{}", version.major(), version.minor());
    let class_path = flink_class_path(&minor).unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("input"), folder.path().join("output"));
    let lines: String = probes.iter().flat_map(Probe::lines).map(|line| line + "\n").collect();
    std::fs::write(&input, lines).unwrap();
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("flink/probe/FlinkProbe.java");
    let run = Command::new(jdk("java"))
        .args([&driver, &class_path, &input, &output])
        .output()
        .unwrap_or_else(|error| panic!("java, a JDK of version 17 or newer, is needed: {error}"));
    assert!(run.status.success(), "{}: {}", driver.display(), String::from_utf8_lossy(&run.stderr));
    std::fs::read_to_string(&output).unwrap().lines().map(Facts::read).collect()
}

/// Rules down, versions across: how many fills Flink was seen to read as they are meant.
fn shown(matrix: &BTreeMap<&str, Vec<usize>>) -> String {
    let mut text = format!("{:8}", "");
    for version in FlinkVersion::CATALOGUED {
        write!(text, "{:>7}", version.to_string()).unwrap();
    }
    for (rule, counts) in matrix {
        write!(text, "\n{rule:8}").unwrap();
        for count in counts {
            write!(text, "{count:>7}").unwrap();
        }
        text += expected(rule).map_or("   no option of Flink: see flink_local", |_| "");
    }
    text
}

#[test]
fn every_rule_that_fills_options_has_an_expectation() {
    let without: BTreeSet<&str> = fixture::writing_rules()
        .into_iter()
        .filter(|rule| expected(rule.code).is_none())
        .filter(|rule| {
            rule.writes.iter().any(|writes| matches!(writes.target(FlinkVersion::new(1, 20)), Some(Target::Option(_))))
        })
        .map(|rule| rule.code)
        .collect();
    assert_eq!(without, BTreeSet::new());
}
