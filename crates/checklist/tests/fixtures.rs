//! Every fixture's verdict is the one in its name, and the plan turns every unfixed one into the fixed one
//! beside it (see `fixtures/README.md`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use checklist::policy::PolicyDocument;
use checklist::{
    Check, Finding, Holdings, Obedience, Plan, Platform, Policy, RULES, Rule, Situation, Subject, Surroundings, Target,
    Verdict, evaluate, plan,
};
use flink_api::{FlinkDeployment, FlinkSessionJob};
use flink_conf::{PlatformLayers, flatten, parse_flat_file};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Folders beside those of the rules: what fixtures are judged upon.
const PLATFORMS: &str = "platform";
const POLICIES: &str = "policy";
const SESSION_CLUSTERS: &str = "session-cluster";

struct Fixture {
    rule: &'static Rule,
    outcome: String,
    case: String,
    operator_config: Option<String>,
    policy: Option<String>,
    platform: Platform,
    session_cluster: Option<FlinkDeployment>,
    surroundings: Surroundings,
    object: Value,
}

impl Fixture {
    fn read(rule: &'static Rule, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (outcome, rest) = name.split_once('.').unwrap();
        let case = rest.strip_suffix(".yaml").unwrap_or_else(|| panic!("{name} is no <outcome>.<case>.yaml"));
        let header = |key: &str| header(&text, key);
        let operator_config = header("operator-config");
        Self {
            rule,
            outcome: outcome.to_owned(),
            case: case.to_owned(),
            platform: operator_config.as_deref().map_or_else(Platform::stock, |name| platform(rule, name)),
            operator_config,
            policy: header("policy"),
            surroundings: Surroundings {
                network_policies: header("network-policies").as_deref().map(names),
                alerts: header("alerts").as_deref().map(names),
            },
            session_cluster: header("session-cluster").map(|name| document(SESSION_CLUSTERS, &name)),
            object: serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        }
    }

    fn name(&self) -> String {
        format!("{}/{}.{}", self.rule.code, self.outcome, self.case)
    }

    fn deployment(&self) -> FlinkDeployment {
        serde_json::from_value(self.object.clone()).unwrap()
    }

    fn policy(&self) -> Policy {
        self.policy.as_deref().map_or_else(Policy::default, |name| document::<PolicyDocument>(POLICIES, name).spec)
    }

    fn subject(&self) -> Subject {
        let subject = match &self.session_cluster {
            Some(cluster) => {
                let session_job: FlinkSessionJob = serde_json::from_value(self.object.clone()).unwrap();
                Subject::of_session_job(&session_job, cluster, &self.platform)
            }
            None => Subject::new(&self.deployment(), &self.platform),
        };
        let subject = subject.unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        Subject { surroundings: self.surroundings.clone(), ..subject }
    }

    fn findings(&self) -> Vec<Finding> {
        evaluate(&[self.rule], &self.subject(), &self.policy())
    }

    /// The plan; without a status it is not deployed yet.
    fn plan(&self) -> Plan {
        let situation = Situation::of(&self.deployment());
        plan(&self.subject(), &situation, &Holdings::default(), &Obedience::default(), &self.policy())
    }
}

/// The value of a header line such as `# policy: storage`.
fn header(text: &str, key: &str) -> Option<String> {
    let mut comments = text.lines().map_while(|line| line.strip_prefix("# "));
    comments.find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).map(|name| name.trim().to_owned())
}

/// The names of a list such as `a, b`; `none` is an empty one.
fn names(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).filter(|name| name != "none").collect()
}

/// A document that fixtures share.
fn document<T: DeserializeOwned>(folder: &str, name: &str) -> T {
    let path = fixtures_dir().join(folder).join(format!("{name}.yaml"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn fixtures_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// What FKO has mounted: from a directory of the rule, else from a shared one.
fn platform(rule: &Rule, name: &str) -> Platform {
    let own = fixtures_dir().join(rule.code).join(name);
    let dir = if own.is_dir() { own } else { fixtures_dir().join(PLATFORMS).join(name) };
    assert!(dir.is_dir(), "operator-config {name} is neither in {} nor in {PLATFORMS}", rule.code);
    let file = |name| fs::read_to_string(dir.join(name)).ok();
    Platform {
        layers: PlatformLayers::new(parse_flat_file(&file("flink-conf.yaml").unwrap_or_default()).unwrap()),
        log_file: file("log4j-console.properties"),
    }
}

fn fixtures_of(rule: &'static Rule) -> Vec<Fixture> {
    let mut files: Vec<PathBuf> = fs::read_dir(fixtures_dir().join(rule.code))
        .unwrap_or_else(|error| panic!("{} has no fixtures: {error}", rule.code))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files.iter().map(|path| Fixture::read(rule, path)).collect()
}

fn every_fixture() -> Vec<Fixture> {
    RULES.iter().flat_map(|rule| fixtures_of(rule)).collect()
}

/// Outcome and case of the files that a fill changes, with the fixed object beside each.
fn unfixed_and_fixed() -> Vec<(Fixture, Fixture)> {
    let mut fixed: BTreeMap<(&str, String), Fixture> = BTreeMap::new();
    let mut unfixed = Vec::new();
    for fixture in every_fixture() {
        match fixture.outcome.as_str() {
            "fixed" => drop(fixed.insert((fixture.rule.code, fixture.case.clone()), fixture)),
            "gap" | "implicit" if fixture.findings().iter().any(|finding| !finding.judgement.fills.is_empty()) => {
                unfixed.push(fixture);
            }
            _ => {}
        }
    }
    let pairs = unfixed
        .into_iter()
        .map(|fixture| {
            let twin = fixed.remove(&(fixture.rule.code, fixture.case.clone()));
            let twin =
                twin.unwrap_or_else(|| panic!("{} has no fixed.{}.yaml of its own", fixture.name(), fixture.case));
            assert_eq!(fixture.operator_config, twin.operator_config, "{}", fixture.name());
            assert_eq!(fixture.policy, twin.policy, "{}", fixture.name());
            (fixture, twin)
        })
        .collect();
    assert!(fixed.is_empty(), "fixed without unfixed: {:?}", fixed.keys());
    pairs
}

/// The object with its configuration flat and as text, so that spellings of one configuration are equal.
fn canonical(object: &Value) -> Value {
    let mut object = object.clone();
    let conf = flatten(&object["spec"]["flinkConfiguration"]).unwrap();
    let conf: Map<String, Value> = conf.into_iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
    object["spec"]["flinkConfiguration"] = Value::Object(conf);
    object
}

/// The canonical object with this rule's fills of the plan written into it.
fn filled(fixture: &Fixture) -> Value {
    let mut object = canonical(&fixture.object);
    for (target, fill) in fixture.plan().fills.iter().filter(|(_, fill)| fill.rule == fixture.rule.code) {
        let spec = &mut object["spec"];
        match target {
            Target::Option(key) => spec["flinkConfiguration"][key.as_str()] = json!(fill.value),
            Target::LogFile(name) => spec["logConfiguration"][name] = json!(fill.value),
            Target::PodAnnotation(key) => spec["podTemplate"]["metadata"]["annotations"][key] = json!(fill.value),
        }
    }
    object
}

/// Right by default, with nothing to write down.
fn is_reported_only(finding: &Finding) -> bool {
    finding.judgement.verdict == Verdict::Implicit && finding.judgement.fills.is_empty()
}

#[test]
fn the_verdict_is_the_one_in_the_name() {
    for fixture in every_fixture() {
        let expected = match fixture.outcome.as_str() {
            // What is filled is settled; another half of the rule may be right by default only.
            "fixed" if matches!(fixture.findings().as_slice(), [finding] if is_reported_only(finding)) => {
                Verdict::Implicit
            }
            "pass" | "fixed" => Verdict::Pass,
            "gap" => Verdict::Gap,
            "implicit" => Verdict::Implicit,
            "advice" => Verdict::Advice,
            "not-applicable" => Verdict::NotApplicable,
            other => panic!("{}: there is no outcome {other}", fixture.name()),
        };
        let findings = fixture.findings();
        if matches!(fixture.rule.check, Check::Keys(_)) {
            assert_eq!(findings.is_empty(), expected == Verdict::Pass, "{}: {findings:?}", fixture.name());
        } else {
            assert_eq!(findings.len(), 1, "{}", fixture.name());
        }
        for Finding { judgement, .. } in findings {
            assert_eq!(judgement.verdict, expected, "{}: {}", fixture.name(), judgement.message);
            // What Flink or its operator set right by itself is reported, and nothing is written.
            let fills = expected == Verdict::Gap || (expected == Verdict::Implicit && !judgement.fills.is_empty());
            assert_eq!(!judgement.fills.is_empty(), fills, "{}", fixture.name());
        }
    }
}

#[test]
fn the_plan_makes_the_fixed_object_of_the_unfixed_one() {
    for (unfixed, fixed) in unfixed_and_fixed() {
        let (is, should) = (filled(&unfixed), canonical(&fixed.object));
        let pretty = |object| serde_json::to_string_pretty(object).unwrap();
        assert!(is == should, "{} becomes\n{}\nnot\n{}", unfixed.name(), pretty(&is), pretty(&should));
    }
}

#[test]
fn the_plan_has_nothing_left_for_the_rule_of_a_fixed_object() {
    for (_, fixed) in unfixed_and_fixed() {
        let left: Vec<_> = fixed.plan().fills.into_iter().filter(|(_, fill)| fill.rule == fixed.rule.code).collect();
        assert!(left.is_empty(), "{}: {left:?}", fixed.name());
    }
}

#[test]
fn every_rule_has_fixtures_of_the_outcomes_that_matter() {
    for rule in RULES {
        let outcomes: BTreeSet<String> = fixtures_of(rule).into_iter().map(|fixture| fixture.outcome).collect();
        let writes = if rule.writes.is_empty() { &["advice"][..] } else { &["gap", "implicit"] };
        for needed in [&["pass"][..], writes, &["advice"]] {
            assert!(needed.iter().any(|outcome| outcomes.contains(*outcome)), "{} lacks {needed:?}", rule.code);
        }
    }
}

#[test]
fn every_folder_is_a_rule_and_every_operator_config_is_used() {
    let folders = |dir: &Path| -> BTreeSet<String> {
        let dirs = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        dirs.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let shared = [PLATFORMS, POLICIES, SESSION_CLUSTERS];
    let expected: BTreeSet<String> = RULES.iter().map(|rule| rule.code).chain(shared).map(str::to_owned).collect();
    assert_eq!(folders(&fixtures_dir()), expected);
    let used: BTreeSet<String> = every_fixture().into_iter().filter_map(|fixture| fixture.operator_config).collect();
    assert!(folders(&fixtures_dir().join(PLATFORMS)).is_subset(&used), "an operator config that no fixture uses");
}
