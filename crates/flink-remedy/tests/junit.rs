//! `flink-remedy check -o junit`: well-formed, with the counts of what the JSON report says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code: a broken assumption ends the test")]

mod support;

use roxmltree::{Document, Node};
use support::{Directory, check, deployment};

/// On Flink 1.17 a gap of each of three rules, and one advice.
const SPEC: &str = "flinkConfiguration:\n    state.backend.type: rocksdb\n    execution.checkpointing.interval: 1 min\n    \
                    restart-strategy: fixed-delay\n";

fn elements<'a>(document: &'a Document<'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.has_tag_name(name))
}

fn case<'a>(document: &'a Document<'a>, code: &str) -> Node<'a, 'a> {
    elements(document, "testcase").find(|case| case.attribute("name").unwrap().starts_with(code)).unwrap()
}

/// What a case is but passed.
fn outcome<'a>(case: Node<'a, 'a>) -> Option<&'a str> {
    let known = ["failure", "error", "skipped"];
    case.children().map(|node| node.tag_name().name()).find(|name| known.contains(name))
}

/// The counts that an element claims, and those of the cases below it.
fn counts(element: Node) -> [[usize; 4]; 2] {
    let claimed =
        ["tests", "failures", "errors", "skipped"].map(|name| element.attribute(name).unwrap().parse().unwrap());
    let below = |name: &str| element.descendants().filter(|node| node.has_tag_name(name)).count();
    [claimed, ["testcase", "failure", "error", "skipped"].map(below)]
}

#[test]
fn a_suite_is_a_job_and_a_case_a_rule() {
    let two = format!("{}---\n{}", deployment("one", "v1_17", SPEC), deployment("two", "v1_20", SPEC));
    let ran = check(&["-", "-o", "junit"], &two);
    assert_eq!(ran.code, 1);
    let document = Document::parse(&ran.out).unwrap();
    let suites: Vec<_> = elements(&document, "testsuite").collect();
    let names: Vec<_> = suites.iter().map(|suite| suite.attribute("name").unwrap()).collect();
    assert_eq!(names, ["FlinkDeployment default/one", "FlinkDeployment default/two"]);
    for element in suites.iter().copied().chain([document.root_element()]) {
        let [claimed, found] = counts(element);
        assert_eq!(claimed, found);
    }
    for suite in suites {
        let cases: Vec<_> = suite.children().filter_map(|case| case.attribute("name")).collect();
        let of_every_job = checklist::RULES.iter().filter(|rule| matches!(rule.check, checklist::Check::Item(_)));
        let rules: Vec<_> = of_every_job.map(|rule| format!("{} {}", rule.code, rule.name)).collect();
        assert_eq!(cases, rules);
    }
    let gap = case(&document, "CKP003");
    let failure = gap.first_element_child().unwrap();
    assert_eq!((gap.attribute("file"), gap.attribute("line")), (Some("<stdin>"), Some("1")));
    assert_eq!(failure.attribute("type"), Some("Gap"));
    assert!(failure.attribute("message").unwrap().starts_with("Gap: RocksDB without state.backend.incremental"));
    assert!(failure.text().unwrap().ends_with("\n+ state.backend.incremental=true"));
    let line = two.lines().position(|line| line.contains("restart-strategy")).unwrap() + 1;
    assert_eq!(case(&document, "RST001").attribute("line"), Some(line.to_string().as_str()));
}

#[test]
fn a_case_fails_where_the_exit_code_does() {
    for (fail_on, gap, advice, code) in [
        ("gap", Some("failure"), Some("skipped"), 1),
        ("advice", Some("failure"), Some("failure"), 1),
        ("never", Some("skipped"), Some("skipped"), 0),
    ] {
        let ran = check(&["-", "-o", "junit", "--fail-on", fail_on], &deployment("app", "v1_17", SPEC));
        let document = Document::parse(&ran.out).unwrap();
        let found = (outcome(case(&document, "CKP003")), outcome(case(&document, "RST001")), ran.code);
        assert_eq!(found, (gap, advice, code), "{fail_on}");
        assert_eq!(outcome(case(&document, "LOG001")), None, "what is right by default passes");
    }
    let batch = deployment("app", "v1_17", &format!("{SPEC}    execution.runtime-mode: BATCH\n"));
    let ran = check(&["-", "-o", "junit"], &batch);
    assert_eq!(outcome(case(&Document::parse(&ran.out).unwrap(), "CKP003")), Some("skipped"));
}

#[test]
fn unreadable_input_is_an_errored_case() {
    let directory = Directory::new();
    let file = directory.file("apps.yaml", &format!("{}---\na: b: c\n", deployment("app", "v1_17", SPEC)));
    let ran = check(&[&file, "nowhere.yaml", "-o", "junit"], "");
    assert_eq!(ran.code, 2);
    let document = Document::parse(&ran.out).unwrap();
    let errors: Vec<_> = elements(&document, "error").collect();
    assert_eq!(errors.len(), 2);
    let places: Vec<_> = errors.iter().map(|error| error.parent().unwrap()).collect();
    let broken = places.iter().find(|case| case.attribute("file") == Some(&file)).unwrap();
    assert!(broken.attribute("name").unwrap().contains("apps.yaml: document 2, line "), "{broken:?}");
    let lines = std::fs::read_to_string(&file).unwrap().lines().count();
    assert_eq!(broken.attribute("line"), Some(lines.to_string().as_str()));
    assert!(places.iter().any(|case| case.attribute("name").unwrap().starts_with("nowhere.yaml")));
    let [claimed, found] = counts(document.root_element());
    assert_eq!((claimed, claimed[2]), (found, 2));
    assert!(
        elements(&document, "testsuite").any(|suite| suite.attribute("name") == Some("FlinkDeployment default/app"))
    );
}

#[test]
fn what_a_manifest_says_cannot_break_the_document() {
    let reason = "\"<&>'\\\"]]> \\0 \\e[31m \\x08 \\uFFFE \\n ä 😀\"";
    let annotations = format!("flink-remedy.dev/opt-out: 'true', flink-remedy.dev/opt-out-reason: {reason}");
    let manifest = deployment("app", "v1_17", SPEC)
        .replace("  name: app\n", &format!("  name: \"<a&'b\\u0007\"\n  annotations: {{{annotations}}}\n"));
    let ran = check(&["-", "-o", "junit"], &manifest);
    let document = Document::parse(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out));
    let suite = elements(&document, "testsuite").next().unwrap();
    assert_eq!(suite.attribute("name"), Some("FlinkDeployment default/<a&'b\u{fffd}"));
    assert!(ran.out.contains("ä 😀") && ran.out.contains("\u{fffd}[31m"), "{}", ran.out);
}

#[test]
fn secrets_are_masked_and_nothing_is_a_valid_report() {
    let ran = check(&["-", "-o", "junit"], &deployment("app", "v1_17", &format!("{SPEC}    s3.secret-key: hunter2\n")));
    assert!(!ran.out.contains("hunter2"), "{}", ran.out);
    let ran = check(&["-", "-o", "junit"], "");
    let [claimed, found] = counts(Document::parse(&ran.out).unwrap().root_element());
    assert_eq!((ran.code, claimed, found), (0, [0; 4], [0; 4]));
}

/// Reports merge cases of one name, and a key need not be as short as what a message shows of it.
#[test]
fn every_offending_key_is_a_case_of_its_own() {
    let long = "x".repeat(70);
    let spec = format!("flinkConfiguration:\n    {long}.a.password: hunter2\n    {long}.b.password: hunter2\n");
    let text = deployment("app", "v1_20", &spec);
    let ran = check(&["-", "-o", "junit"], &text);
    let document = Document::parse(&ran.out).unwrap();
    let secrets = elements(&document, "testcase").filter(|case| case.attribute("name").unwrap().starts_with("CFG007"));
    let found: Vec<_> =
        secrets.map(|case| (case.attribute("name").unwrap(), case.attribute("line").unwrap())).collect();
    let line = |key: &str| (1 + text.lines().position(|line| line.contains(key)).unwrap()).to_string();
    let (a, b) = (format!("{long}.a.password"), format!("{long}.b.password"));
    let name = |key: &str| format!("CFG007 secret-in-plain-text {key}");
    assert_eq!(found, [(name(&a).as_str(), line(&a).as_str()), (name(&b).as_str(), line(&b).as_str())]);
    assert!(!ran.out.contains("hunter2"));
}
