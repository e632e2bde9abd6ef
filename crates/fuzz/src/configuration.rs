use std::collections::BTreeSet;

use checklist::{Check, Fill, Holdings, Obedience, Platform, Policy, RULES, Rule, Situation, Subject, evaluate, plan};
use flink_api::FlinkDeployment;
use flink_conf::{PlatformLayers, parse_flat_file};
use serde_json::{Map, Value, json};

use crate::jobs::readable;

/// Any text as a job: version, upgrade mode and memory in the first line, then one option a line, `key=value` flat,
/// `>key=value` nested and `<key=value` in the Flink operator's own configuration.
///
/// Fills never meet themselves again, never break a rule about keys, and every message is short and on one line.
pub fn configuration(bytes: &[u8]) {
    let Some(job) = std::str::from_utf8(bytes).ok().and_then(job) else { return };
    let policy = Policy::default();
    let situation = Situation::of(&job.deployment);
    let Ok(mut subject) = Subject::new(&job.deployment, &job.platform) else { return };
    let first = plan(&subject, &situation, &Holdings::default(), &Obedience::default(), &policy);
    readable(&first);
    let before = about_keys(&subject, &policy);
    for (target, fill) in first.fills {
        assert!(!subject.has(&target), "{target} is there already");
        subject.fill(&Fill { target, value: fill.value });
    }
    let after = about_keys(&subject, &policy);
    assert!(after.is_subset(&before), "a fill is a finding: {:?}", after.difference(&before));
    let second = plan(&subject, &situation, &Holdings::default(), &Obedience::default(), &policy);
    assert!(second.fills.is_empty(), "filled twice: {:?}", second.fills);
}

struct Job {
    deployment: FlinkDeployment,
    platform: Platform,
}

fn job(text: &str) -> Option<Job> {
    let (head, options) = text.split_once('\n')?;
    let mut words = head.split(' ');
    let mut spec = json!({"flinkVersion": words.next()?});
    if let Some(mode) = words.next() {
        spec["job"] = json!({"jarURI": "local:///opt/flink/usrlib/job.jar", "upgradeMode": mode, "parallelism": 2});
    }
    if let Some(memory) = words.next() {
        spec["taskManager"] = json!({"resource": {"memory": memory}});
    }
    let (mut document, mut layers) = (Map::new(), String::new());
    for option in options.lines() {
        let Some((key, value)) = option.split_once('=') else { continue };
        match key.split_at_checked(1) {
            Some(("<", key)) => layers.extend([key, ": ", value, "\n"]),
            Some((">", key)) => nest(&mut document, key, value),
            _ => drop(document.insert(key.to_owned(), json!(value))),
        }
    }
    spec["flinkConfiguration"] = Value::Object(document);
    let deployment = json!({"metadata": {"name": "job", "namespace": "jobs"}, "spec": spec});
    let layers = PlatformLayers::new(parse_flat_file(&layers).ok()?);
    Some(Job {
        deployment: serde_json::from_value(deployment).ok()?,
        platform: Platform { layers, ..Platform::stock() },
    })
}

/// Puts a value where the dots of its key lead, unless something else stands in the way.
fn nest(document: &mut Map<String, Value>, key: &str, value: &str) {
    match key.split_once('.') {
        Some((first, rest)) => {
            let below = document.entry(first).or_insert_with(|| json!({}));
            if let Some(below) = below.as_object_mut() {
                nest(below, rest, value);
            }
        }
        None => drop(document.insert(key.to_owned(), json!(value))),
    }
}

fn about_keys(subject: &Subject, policy: &Policy) -> BTreeSet<String> {
    let rules: Vec<&'static Rule> = RULES.iter().copied().filter(|rule| matches!(rule.check, Check::Keys(_))).collect();
    evaluate(&rules, subject, policy).into_iter().map(|finding| finding.judgement.message).collect()
}
