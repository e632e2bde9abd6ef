//! How the end is compared with what was expected, and what was written on the way there.

use std::collections::{BTreeMap, BTreeSet};

use e2e::{AuditEntry, AuditLog, Mark};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::fleet::{Expectations, Expected, Group, Input, Status};
use crate::support::{OPERATOR, REPORTS, record};

const LOG: &str = "logConfiguration:";
const ANNOTATION: &str = "podTemplate.metadata.annotations:";

/// Where a target lies in a spec.
fn path(target: &str) -> Vec<&str> {
    if let Some(name) = target.strip_prefix(LOG) {
        vec!["logConfiguration", name]
    } else if let Some(key) = target.strip_prefix(ANNOTATION) {
        vec!["podTemplate", "metadata", "annotations", key]
    } else {
        vec!["flinkConfiguration", target]
    }
}

fn value_at<'a>(spec: &'a Value, target: &str) -> Option<&'a str> {
    path(target).into_iter().try_fold(spec, |value, part| value.get(part))?.as_str()
}

fn set_at(spec: &mut Value, target: &str, value: &str) {
    let mut place = spec;
    for part in path(target) {
        place = &mut place[part];
    }
    *place = json!(value);
}

/// The spec that the owner wants by the end.
fn owned(input: &Input) -> Value {
    let mut spec = input.object["spec"].clone();
    let parallelism = spec["job"]["parallelism"].as_i64().expect("a number");
    spec["job"]["parallelism"] = json!(parallelism + input.owner_changes);
    spec
}

/// How many changes of ours the job shows, or what is wrong with it.
fn changes(input: &Input, expected: &Expected, live: &DynamicObject) -> Result<i64, String> {
    let (mut spec, seen) = (owned(input), &live.data["spec"]);
    if input.group == Group::Budget && *seen == spec {
        return if record(live).is_null() { Ok(0) } else { Err("a record without values".to_owned()) };
    }
    for (target, allowed) in &expected.fills {
        let value = value_at(seen, target).unwrap_or_default();
        if !allowed.iter().any(|allowed| allowed == value) {
            return Err(format!("{target} is `{}`, not {allowed:?}", value.lines().next().unwrap_or_default()));
        }
        set_at(&mut spec, target, value);
    }
    if *seen != spec {
        return Err(format!("the spec is {seen}, not {spec}"));
    }
    recorded(input, expected, &record(live))?;
    Ok(live.metadata.generation.unwrap_or_default() - 1 - input.owner_changes)
}

/// The record lists what was filled and nothing else, by one change.
fn recorded(input: &Input, expected: &Expected, record: &Value) -> Result<(), String> {
    let no_values = serde_json::Map::new();
    let values = record["values"].as_object().unwrap_or(&no_values);
    if !values.keys().eq(expected.fills.keys()) {
        return Err(format!("the record lists {:?}", values.keys().collect::<Vec<_>>()));
    }
    let ids: BTreeSet<_> = values.values().filter_map(|value| value["change"].as_str()).collect();
    let most = if input.group == Group::Contested { 2 } else { 1 };
    if ids.len() > most { Err(format!("filled by the changes {ids:?}")) } else { Ok(()) }
}

/// What is wrong with one job, if anything is.
fn wrong(input: &Input, expected: &Expected, live: Option<&DynamicObject>) -> Option<String> {
    let Some(live) = live else { return (!expected.gone).then(|| "it is gone".to_owned()) };
    if expected.gone {
        return Some("it is there".to_owned());
    }
    let changes = match changes(input, expected, live) {
        Ok(changes) => changes,
        Err(why) => return Some(why),
    };
    let (least, most) = match input.status {
        Status::Stable if input.group == Group::Budget => (0, 1),
        Status::Stable => expected.restarts,
        // What is not deployed is filled without a restart.
        _ if input.group == Group::Contested => (1, 2),
        Status::None | Status::Suspended | Status::Finished | Status::Failed => {
            let once = i64::from(!expected.fills.is_empty());
            (once, once)
        }
    };
    if changes < least || changes > most {
        return Some(format!("{changes} changes of its spec, not {least} to {most}"));
    }
    let is_stable = live.data["status"]["observedGeneration"].as_i64() == live.metadata.generation;
    (input.status == Status::Stable && !is_stable).then(|| "it is not stable yet".to_owned())
}

/// By key, what is not as expected; empty at the end.
pub(crate) fn differences(
    inputs: &[Input],
    expectations: &Expectations,
    live: &BTreeMap<String, DynamicObject>,
) -> BTreeMap<String, String> {
    let of = |input: &Input| {
        let key = input.key();
        wrong(input, &expectations.jobs[&key], live.get(&key)).map(|why| (key, why))
    };
    let mut wrong: BTreeMap<String, String> = inputs.iter().filter_map(of).collect();
    let restarted = restarts(inputs, live, Group::Budget);
    if restarted != expectations.restarts_of_budget {
        let why = format!("{restarted} restarts, not {}", expectations.restarts_of_budget);
        wrong.insert("budget".to_owned(), why);
    }
    wrong
}

/// Restarts of running jobs that changes of ours have caused: changes of their specs.
pub(crate) fn restarts(inputs: &[Input], live: &BTreeMap<String, DynamicObject>, group: Group) -> i64 {
    let of_group = inputs.iter().filter(|input| input.group == group && input.status == Status::Stable);
    of_group.filter_map(|input| Some(live.get(&input.key())?.metadata.generation? - 1)).sum()
}

/// What the operators have written, by the audit log.
pub(crate) struct Written(Vec<AuditEntry>);

impl Written {
    /// Behind this mark, leases left out.
    pub(crate) fn since(log: &AuditLog, mark: Mark) -> Self {
        let query = log.query().since(mark).acting_user(OPERATOR).writes();
        Self(query.filter(|entry| entry.resource != "leases" && entry.code < 300).entries())
    }

    /// Those of which that holds, and the others.
    pub(crate) fn apart(self, is_so: impl Fn(&AuditEntry) -> bool) -> (Self, Self) {
        let (these, others) = self.0.into_iter().partition(is_so);
        (Self(these), Self(others))
    }

    pub(crate) fn count(&self, resource: &str) -> usize {
        self.0.iter().filter(|entry| entry.resource == resource).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What was written, in short.
    pub(crate) fn shown(&self) -> Vec<String> {
        let body = |entry: &AuditEntry| entry.request_object.to_string().chars().take(3000).collect::<String>();
        self.0.iter().map(|entry| format!("{} {} {} {}", entry.received, entry.verb, entry.uri, body(entry))).collect()
    }

    /// What the log says against the promise that each value is written once.
    pub(crate) fn doubled(&self, inputs: &[Input], expectations: &Expectations) -> Vec<String> {
        let mut said = Vec::new();
        for input in inputs {
            let patches = self.patches(input);
            let expected = &expectations.jobs[&input.key()];
            let most = match input.group {
                _ if expected.fills.is_empty() => 0,
                Group::Contested => 2,
                Group::Fleet | Group::Budget | Group::Doomed => 1,
            };
            if patches.len() > most {
                said.push(format!("{}: {} patches", input.key(), patches.len()));
            }
            for target in expected.fills.keys() {
                let spec = |patch: &&AuditEntry| value_at(&patch.request_object["spec"], target).map(str::to_owned);
                let values: BTreeSet<String> = patches.iter().filter_map(spec).collect();
                if values.len() > 1 {
                    said.push(format!("{}: {target} was written as {values:?}", input.key()));
                }
            }
        }
        said
    }

    fn patches(&self, input: &Input) -> Vec<&AuditEntry> {
        let is_of = |entry: &&AuditEntry| {
            entry.resource == "flinkdeployments" && entry.name == input.name() && entry.namespace == input.namespace()
        };
        self.0.iter().filter(is_of).collect()
    }

    /// Jobs that a write has made: none, ever.
    pub(crate) fn created_jobs(&self) -> Vec<String> {
        let made = self
            .0
            .iter()
            .filter(|entry| entry.resource == "flinkdeployments" && (entry.verb == "create" || entry.code == 201));
        made.map(|entry| entry.uri.clone()).collect()
    }

    /// Numbers for the report.
    pub(crate) fn by_resource(&self) -> [(&'static str, usize); 3] {
        [
            ("patches of jobs", self.count("flinkdeployments")),
            ("Events", self.count("events")),
            ("writes of reports", self.count(REPORTS)),
        ]
    }
}
