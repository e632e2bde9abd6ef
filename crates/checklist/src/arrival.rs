//! What a change of an object does to its job, while it is on its way to the API server.

use std::collections::BTreeSet;

use flink_api::is_same;
use flink_conf::flatten;
use flink_conf::options::VERTEX_PARALLELISM;
use serde_json::Value;

use crate::{Disruption, Target};

/// What an owner's change that is on its way leaves us to do: it costs nothing more, for the job is replaced for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// All that a free moment allows.
    Restarts,
    /// Only to keep right what was filled before: its owner is fighting a fire, or wants nothing filled.
    Corrects,
}

/// Cancels the job and restores the savepoint that its owner names, since FKO 1.8.
const REDEPLOY: &[&str] = &["job", "savepointRedeployNonce"];

/// Fields whose change makes FKO replace the job (`SpecDiff`: `AbstractFlinkSpec`, `FlinkDeploymentSpec`, `JobSpec`,
/// `TaskManagerSpec`, the same in FKO 1.7 and 1.15). What is not listed here restarts nothing, or is not known to.
const FIELDS: &[&[&str]] = &[
    &["image"],
    &["imagePullPolicy"],
    &["serviceAccount"],
    &["flinkVersion"],
    &["ingress"],
    &["podTemplate"],
    &["jobManager"],
    &["taskManager", "resource"],
    &["taskManager", "resources"],
    &["taskManager", "podTemplate"],
    &["logConfiguration"],
    &["mode"],
    &["restartNonce"],
    &["job", "jarURI"],
    &["job", "entryClass"],
    &["job", "args"],
    &["job", "state"],
];

/// Fields with which FKO scales a job in standalone mode and replaces it in native mode.
const SCALING: &[&[&str]] = &[&["job", "parallelism"], &["taskManager", "replicas"]];

/// What FKO writes down where a spec says nothing.
const DEFAULTS: &[(&[&str], &str)] = &[(&["job", "state"], "running")];

/// What differs between two specs, as far as it makes FKO replace the job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecChange {
    places: BTreeSet<String>,
    redeploys: bool,
}

impl SpecChange {
    /// From one spec to another, in the shape of a `FlinkDeployment`'s.
    pub fn between(before: &Value, after: &Value) -> Self {
        let is_standalone = after["mode"].as_str().is_some_and(|mode| mode.eq_ignore_ascii_case("standalone"));
        let scaling = if is_standalone { &[] } else { SCALING };
        let changed = FIELDS.iter().chain(scaling).filter(|field| differs(before, after, field));
        let mut places: BTreeSet<String> = changed.map(|field| field.join(".")).collect();
        places.extend(changed_options(before, after, is_standalone));
        // FKO ignores a nonce that is taken out.
        if at(after, &["restartNonce"]).is_null() {
            places.remove("restartNonce");
        }
        let redeploys = differs(before, after, REDEPLOY) && !at(after, REDEPLOY).is_null();
        Self { places, redeploys }
    }

    /// Whether it makes FKO replace the job.
    pub fn restarts(&self) -> bool {
        !self.places.is_empty()
    }

    /// Whether its owner restores a savepoint with it.
    pub fn redeploys(&self) -> bool {
        self.redeploys
    }

    /// So much of it as the other changes as well.
    #[must_use]
    pub fn shared_with(mut self, other: &Self) -> Self {
        self.places.retain(|place| other.places.contains(place));
        self.redeploys &= other.redeploys;
        self
    }
}

fn at<'a>(spec: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(spec, |node, step| &node[*step])
}

fn differs(before: &Value, after: &Value, path: &[&str]) -> bool {
    let default = DEFAULTS.iter().find(|(field, _)| *field == path).map(|(_, text)| Value::from(*text));
    let read = |spec: &Value| match (at(spec, path), &default) {
        (Value::Null, Some(default)) => default.clone(),
        (value, _) => value.clone(),
    };
    !is_same(&read(before), &read(after))
}

/// A configuration that cannot be read changes nothing: FKO refuses it.
fn changed_options(before: &Value, after: &Value, is_standalone: bool) -> Vec<String> {
    let options = |spec: &Value| flatten(&spec["flinkConfiguration"]);
    let (Ok(before), Ok(after)) = (options(before), options(after)) else { return Vec::new() };
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    changed
        // FKO's autoscaler sets it, and FKO scales the running job by it in native mode.
        .filter(|key| is_standalone || !VERTEX_PARALLELISM.is_spelled(key.as_str()))
        .map(|key| Target::Option(key.clone()))
        .filter(|target| target.disruption() != Disruption::None)
        .map(|target| format!("flinkConfiguration.{target}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OVERRIDES: &str = "pipeline.jobvertex-parallelism-overrides";

    fn spec() -> Value {
        json!({"image": "flink:1.20", "flinkConfiguration": {"a": "1", "n": {"b": 2}},
               "taskManager": {"resource": {"cpu": 1}}, "job": {"jarURI": "local:///a.jar", "parallelism": 2}})
    }

    fn changed(edit: impl FnOnce(&mut Value)) -> SpecChange {
        let mut after = spec();
        edit(&mut after);
        SpecChange::between(&spec(), &after)
    }

    #[test]
    fn what_makes_fko_replace_the_job_restarts() {
        for (path, value) in [
            ("/image", json!("flink:1.20.1")),
            ("/job/jarURI", json!("local:///b.jar")),
            ("/taskManager/resource/cpu", json!(2)),
            ("/flinkConfiguration/a", json!("2")),
            ("/flinkConfiguration/n/b", json!(3)),
            ("/job/parallelism", json!(4)),
        ] {
            let change = changed(|spec| *spec.pointer_mut(path).unwrap() = value);
            assert!(change.restarts() && !change.redeploys(), "{path}");
        }
        assert!(changed(|spec| spec["restartNonce"] = json!(2)).restarts());
        assert!(changed(|spec| spec["job"]["state"] = json!("suspended")).restarts());
        assert!(changed(|spec| spec["logConfiguration"] = json!({"log4j-console.properties": "x"})).restarts());
        assert!(changed(|spec| drop(spec["flinkConfiguration"]["a"].take())).restarts());
    }

    #[test]
    fn what_fko_takes_in_without_touching_the_job_does_not() {
        let free = [
            ("job.autoscaler.enabled", "true"),
            ("kubernetes.operator.savepoint.history.max.count", "5"),
            ("parallelism.default", "7"),
            (OVERRIDES, "a:4"),
        ];
        for (key, value) in free {
            assert!(!changed(|spec| spec["flinkConfiguration"][key] = json!(value)).restarts(), "{key}");
        }
        for field in ["savepointTriggerNonce", "checkpointTriggerNonce", "initialSavepointPath", "upgradeMode"] {
            assert!(!changed(|spec| spec["job"][field] = json!("x")).restarts(), "{field}");
        }
        // As FKO writes it down.
        let written = |spec: &mut Value| {
            spec["job"]["state"] = json!("running");
            spec["job"]["args"] = json!([]);
            spec["taskManager"]["resource"]["cpu"] = json!(1.0);
            spec["flinkConfiguration"] = json!({"a": "1", "n.b": "2"});
        };
        assert_eq!(changed(written), SpecChange::default());
    }

    #[test]
    fn a_savepoint_that_its_owner_restores_is_told_apart() {
        let change = changed(|spec| spec["job"]["savepointRedeployNonce"] = json!(1));
        assert!(change.redeploys() && !change.restarts());
    }

    #[test]
    fn in_standalone_mode_fko_scales() {
        let standalone = |parallelism: i64| json!({"mode": "standalone", "job": {"parallelism": parallelism}});
        assert!(!SpecChange::between(&standalone(1), &standalone(2)).restarts());
        let overrides =
            json!({"mode": "standalone", "job": {"parallelism": 1}, "flinkConfiguration": {OVERRIDES: "a:2"}});
        assert!(SpecChange::between(&standalone(1), &overrides).restarts());
    }
}
