//! A policy for the API server that refuses whatever flink-remedy's own identity has no business to write.

mod forbidden;
mod validations;
mod variables;

use std::collections::BTreeSet;

use flink_api::GROUP;
use flink_conf::FlinkVersion;
use serde_json::json;

use super::derive::writing;
use super::document::{API_VERSION, GuardedSpec, GuardingSpec, Metadata, Named, Object};
use crate::policy::why_denied;
use crate::{Policy, Target, Writes};

/// What both objects are called.
const NAME: &str = "flink-remedy-guardrail";
/// The `ServiceAccount` that it is about, in whatever namespace: an installation may have another, and each team its own.
const ACCOUNT: &str = "flink-remedy";

/// What flink-remedy may write: every place that a rule declares, and the options that policies list under `settings`.
#[derive(Clone, Debug, Default)]
pub struct Guardrail {
    options: BTreeSet<String>,
    log_files: BTreeSet<String>,
    pod_annotations: BTreeSet<String>,
    settings: BTreeSet<String>,
}

impl Guardrail {
    /// For all rules, under these policies: what one of them leaves out or switches off another may still need.
    pub fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let mut guardrail = Self::default();
        let declared = writing().flat_map(|rule| rule.writes).copied();
        for target in declared.flat_map(in_every_version) {
            let (list, name) = match target {
                Target::Option(key) => (&mut guardrail.options, key.to_string()),
                Target::LogFile(name) => (&mut guardrail.log_files, name),
                Target::PodAnnotation(key) => (&mut guardrail.pod_annotations, key),
            };
            list.insert(name);
        }
        for setting in policies.into_iter().flat_map(|policy| &policy.settings) {
            guardrail.settings.extend(FlinkVersion::known().map(|version| setting.written(version).to_string()));
        }
        guardrail
    }

    /// Whether flink-remedy may add and remove this.
    pub fn allows(&self, target: &Target) -> bool {
        match target {
            Target::Option(key) => {
                let key = key.as_str();
                let is_listed = self.options.contains(key) || self.settings.contains(key);
                is_listed && why_denied(key).is_none()
            }
            Target::LogFile(name) => self.log_files.contains(name),
            Target::PodAnnotation(key) => self.pod_annotations.contains(key),
        }
    }

    /// What is refused.
    pub fn policy(&self) -> Object<GuardedSpec> {
        let spec = GuardedSpec {
            failure_policy: "Fail",
            match_constraints: json!({"resourceRules": [{
                "apiGroups": [GROUP], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"],
            }]}),
            match_conditions: vec![Named::new(
                "flink-remedy-asks",
                format!(
                    "request.userInfo.username.startsWith('system:serviceaccount:')\n\
                     && request.userInfo.username.endsWith(':{ACCOUNT}')"
                ),
            )],
            variables: self.variables(),
            validations: validations::all(),
        };
        object("ValidatingAdmissionPolicy", spec)
    }

    /// What puts it in force, everywhere.
    pub fn binding(&self) -> Object<GuardingSpec> {
        let spec = GuardingSpec { policy_name: NAME, validation_actions: vec!["Deny"] };
        object("ValidatingAdmissionPolicyBinding", spec)
    }
}

fn object<T>(kind: &'static str, spec: T) -> Object<T> {
    Object { api_version: API_VERSION, kind, metadata: Metadata { name: NAME }, spec }
}

/// Where a rule writes, under the names of every version: a value stays where it is when the job's version is raised, and has
/// to be taken out there.
fn in_every_version(writes: Writes) -> impl Iterator<Item = Target> {
    FlinkVersion::known().filter_map(move |version| writes.target(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(settings: &serde_json::Value) -> Policy {
        serde_json::from_value(json!({ "settings": settings })).unwrap()
    }

    #[test]
    fn what_rules_declare_is_allowed_under_the_names_of_every_version() {
        let guardrail = Guardrail::new([]);
        for target in [
            "state.backend.incremental",
            "execution.checkpointing.incremental",
            "restart-strategy",
            "restart-strategy.type",
            "logConfiguration:log4j-console.properties",
            "podTemplate.metadata.annotations:prometheus.io/port",
        ] {
            assert!(guardrail.allows(&target.parse().unwrap()), "{target}");
        }
        for target in
            ["env.java.opts.all", "rest.flamegraph.enabled", "logConfiguration:x", "podTemplate.metadata.annotations:x"]
        {
            assert!(!guardrail.allows(&target.parse().unwrap()), "{target}");
        }
    }

    #[test]
    fn settings_of_every_policy_are_allowed_under_all_their_names() {
        let one = policy(&json!([{"key": "execution.checkpointing.unaligned", "value": "true"}]));
        let other = policy(&json!([{"key": "acme.audit", "value": "1"}]));
        let guardrail = Guardrail::new([&one, &other]);
        for key in ["execution.checkpointing.unaligned", "execution.checkpointing.unaligned.enabled", "acme.audit"] {
            assert!(guardrail.allows(&Target::option(key)), "{key}");
        }
        assert!(!Guardrail::new([&other]).allows(&Target::option("execution.checkpointing.unaligned")));
    }

    /// A rule that began to write one would fill nothing under its own guardrail.
    #[test]
    fn no_rule_declares_what_is_forbidden() {
        for rule in writing() {
            let denied = |target: &Target| matches!(target, Target::Option(key) if why_denied(key.as_str()).is_some());
            let denied: Vec<Target> = rule.writes.iter().copied().flat_map(in_every_version).filter(denied).collect();
            assert!(denied.is_empty(), "{}: {denied:?}", rule.code);
        }
    }
}
