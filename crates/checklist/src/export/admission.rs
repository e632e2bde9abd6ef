//! A policy for the API server itself (Kubernetes 1.36 and newer), which fills new jobs without a webhook.

use std::collections::BTreeSet;

use flink_api::{GROUP, VERSION};
use flink_conf::{FlinkVersion, Key};
use serde_json::json;

use super::derive::{said, writing};
use super::document::{API_VERSION, BindingSpec, Metadata, Mutation, Named, Object, Patch, PolicySpec};
use super::expressed::{EXPRESSED, Given, is_read};
use super::fill::{Filling, bare};
use super::{ExportError, LeftOut, fills_something};
use crate::policy::PlatformSetting;
use crate::{Platform, Policy, Rule, rules};

/// What both objects are called.
const NAME: &str = "flink-remedy";

/// A rule that an export covers.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The rule.
    pub rule: &'static Rule,
    /// The option, of a setting of the platform.
    pub key: Option<Key>,
    /// The versions whose jobs it fills; `None` is all that are known.
    pub versions: Option<Vec<FlinkVersion>>,
    /// The jobs that it passes over although flink-remedy itself fills them; empty where there are none.
    pub passes_over: &'static str,
}

/// A policy of the API server with what it covers and what it does not.
#[derive(Clone, Debug)]
pub struct AdmissionPolicy {
    /// What is filled and where.
    pub policy: Object<PolicySpec>,
    /// What puts it in force.
    pub binding: Object<BindingSpec>,
    /// The rules that it covers.
    pub covered: Vec<Covered>,
    /// The rules that it does not cover.
    pub left_out: Vec<LeftOut>,
    /// The namespaces for which the Flink operator has defaults of their own, and which are passed over.
    pub namespaces: BTreeSet<String>,
}

impl AdmissionPolicy {
    /// What of a policy can be said in CEL, upon this configuration of the Flink operator.
    ///
    /// # Errors
    /// The policy fills nothing, or nothing that can be said.
    pub fn new(policy: &Policy, platform: &Platform) -> Result<Self, ExportError> {
        fills_something(policy)?;
        let fillings = fillings(policy);
        if fillings.is_empty() {
            return Err(ExportError::Nothing);
        }
        let keys: BTreeSet<Key> = fillings.iter().flat_map(|(filling, _)| filling.keys().cloned()).collect();
        let namespaces = platform.layers.namespaces();
        let mut variables = super::shared::variables(platform, &keys);
        variables.extend(fillings.iter().map(|(filling, _)| filling.variable()));
        variables.extend(sums(&fillings));
        let spec = PolicySpec {
            failure_policy: "Ignore",
            reinvocation_policy: "IfNeeded",
            match_constraints: json!({"resourceRules": [{
                "apiGroups": [GROUP], "apiVersions": [VERSION], "operations": ["CREATE"],
                "resources": ["flinkdeployments"],
            }]}),
            match_conditions: super::shared::match_conditions(&namespaces),
            variables,
            mutations: vec![Mutation { patch_type: "JSONPatch", json_patch: Patch { expression: patch() } }],
        };
        let left_out = left_out(policy, &fillings);
        let covered = fillings.into_iter().map(|(filling, key)| covered(&filling, key)).collect();
        Ok(Self {
            policy: object("MutatingAdmissionPolicy", spec),
            binding: object("MutatingAdmissionPolicyBinding", BindingSpec { policy_name: NAME }),
            covered,
            left_out,
            namespaces,
        })
    }
}

fn object<T>(kind: &'static str, spec: T) -> Object<T> {
    Object { api_version: API_VERSION, kind, metadata: Metadata { name: NAME }, spec }
}

/// All that a policy fills and that can be said, each with its key where it is a setting of the platform.
fn fillings(policy: &Policy) -> Vec<(Filling, Option<Key>)> {
    let mut given = Given { policy, filled: BTreeSet::new() };
    let mut fillings = Vec::new();
    // A setting that conditions read is filled along with the rules, so that none of them is made applicable by another.
    let is_chained = !policy.settings.iter().any(is_asked);
    for expressed in EXPRESSED {
        let Some(filling) = Filling::of_rule(expressed, &given) else { continue };
        if is_chained {
            given.filled.insert(expressed.rule.code);
        }
        fillings.push((filling, None));
    }
    let can_be_said = |(_, setting): &(usize, &PlatformSetting)| why_not(setting).is_none();
    let settings = policy.settings.iter().enumerate().filter(can_be_said);
    let of_setting = |(index, setting): (usize, &PlatformSetting)| {
        Some((Filling::of_setting(setting, index + 1, policy)?, Some(setting.key.clone())))
    };
    fillings.extend(settings.filter_map(of_setting));
    fillings
}

fn is_asked(setting: &PlatformSetting) -> bool {
    FlinkVersion::known().any(|version| is_read(setting.written(version).as_str()))
}

/// Why a setting of the platform cannot be said.
fn why_not(setting: &PlatformSetting) -> Option<&'static str> {
    if setting.when.is_some() {
        Some("its `when` speaks of the job as flink-remedy sees it, which the API server does not")
    } else if is_asked(setting) {
        Some("a rule depends on it")
    } else {
        None
    }
}

/// What all rules fill in a job, and what stands in its pods' annotations.
fn sums(fillings: &[(Filling, Option<Key>)]) -> [Named; 2] {
    let lists: Vec<String> = fillings.iter().map(|(filling, _)| format!("variables.{}", filling.variable)).collect();
    let is_absent = "variables.spellings[k].all(s, !(s in variables.flat))";
    let annotations: Vec<String> = fillings.iter().filter_map(|(filling, _)| filling.annotations()).collect();
    let annotations =
        if annotations.is_empty() { "[{'': ''}].filter(m, false)".to_owned() } else { annotations.join("\n+ ") };
    let entry = "{'key': k, 'value': m[k]}";
    [
        Named::new("options", format!("({}).map(m, m.map(k, {is_absent}, {entry})).flatten()", lists.join(" + "))),
        Named::new(
            "annotations",
            format!("({annotations}).map(m, m.map(k, !(k in variables.podAnnotations), {entry})).flatten()"),
        ),
    ]
}

/// The patch of all of it; what has to be there first is made.
fn patch() -> String {
    let made = |list: &str, is_absent: &str, path: &str| {
        let patch = format!("JSONPatch{{op: 'add', path: '{path}', value: {{}}}}");
        format!("(variables.{list}.size() > 0 && {is_absent}\n  ? [{patch}] : [])")
    };
    let added = |list: &str, path: &str| {
        format!(
            "variables.{list}.map(o, JSONPatch{{op: 'add', path: '{path}/' + jsonpatch.escapeKey(o.key), value: o.value}})"
        )
    };
    let absent = |path: &str| format!("!object.spec.{path}.hasValue()");
    [
        made("options", "object.spec.?flinkConfiguration.orValue(null) == null", "/spec/flinkConfiguration"),
        added("options", "/spec/flinkConfiguration"),
        made("annotations", &absent("?podTemplate"), "/spec/podTemplate"),
        made("annotations", &absent("?podTemplate.?metadata"), "/spec/podTemplate/metadata"),
        made("annotations", &absent("?podTemplate.?metadata.?annotations"), "/spec/podTemplate/metadata/annotations"),
        added("annotations", "/spec/podTemplate/metadata/annotations"),
    ]
    .join("\n+ ")
}

fn covered(filling: &Filling, key: Option<Key>) -> Covered {
    let versions = filling.versions();
    let is_all = versions.len() == FlinkVersion::known().count();
    Covered { rule: filling.rule, key, versions: (!is_all).then_some(versions), passes_over: filling.passes_over }
}

/// The rules, and the settings of the platform, of which nothing is filled, with the reason.
fn left_out(policy: &Policy, fillings: &[(Filling, Option<Key>)]) -> Vec<LeftOut> {
    let is_covered = |rule: &Rule| fillings.iter().any(|(filling, _)| filling.rule.code == rule.code);
    let settings = &rules::PLATFORM_SETTING_MISSING;
    let of_rules = writing().filter(|rule| rule.code != settings.code && !is_covered(rule));
    let of_rules = of_rules.map(|rule| LeftOut { rule, key: None, why: why_left_out(rule, policy) });
    let is_left = |setting: &&PlatformSetting| !fillings.iter().any(|(_, key)| key.as_ref() == Some(&setting.key));
    let of_settings = policy.settings.iter().filter(is_left).map(|setting| LeftOut {
        rule: settings,
        key: Some(setting.key.clone()),
        why: why_not(setting).unwrap_or("no Flink that is known gets it").to_owned(),
    });
    of_rules.chain(of_settings).collect()
}

fn why_left_out(rule: &'static Rule, policy: &Policy) -> String {
    let by_nature = [
        (
            &rules::LOG_LEVEL_NOT_INFO,
            "the log file derives from the Flink operator's own, which the API server does not see",
        ),
        (
            &rules::IMPLICIT_OPERATOR_UIDS,
            "a job that lacks a UID does not start with it, and whether one is SQL is a guess",
        ),
    ];
    if let Some((_, why)) = by_nature.iter().find(|(other, _)| other.code == rule.code) {
        return (*why).to_owned();
    }
    let newest = FlinkVersion::NEWEST_KNOWN;
    said(rule, &bare(newest, false), &Platform::default(), policy).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(document: serde_json::Value) -> Policy {
        serde_json::from_value(document).unwrap()
    }

    fn export(document: serde_json::Value) -> AdmissionPolicy {
        AdmissionPolicy::new(&policy(document), &Platform::default()).unwrap()
    }

    fn variable<'a>(export: &'a AdmissionPolicy, name: &str) -> Option<&'a str> {
        let found = export.policy.spec.variables.iter().find(|variable| variable.name == name)?;
        Some(found.expression.as_str())
    }

    fn codes(export: &AdmissionPolicy) -> Vec<&'static str> {
        export.covered.iter().map(|covered| covered.rule.code).collect()
    }

    #[test]
    fn every_rule_that_writes_is_covered_or_told() {
        for document in [json!({}), json!({"storage": {"checkpoints": "s3://a/{namespace}/{name}"}})] {
            let export = export(document);
            let mut told: Vec<&str> = codes(&export);
            told.extend(export.left_out.iter().map(|left_out| left_out.rule.code));
            told.sort_unstable();
            // Without settings there is nothing to say of their rule.
            let settings = rules::PLATFORM_SETTING_MISSING.code;
            let mut writing: Vec<&str> = writing().map(|rule| rule.code).filter(|code| *code != settings).collect();
            writing.sort_unstable();
            assert_eq!(told, writing);
            assert!(export.left_out.iter().all(|left_out| !left_out.why.is_empty()));
        }
    }

    #[test]
    fn a_rule_follows_those_whose_fills_make_it_applicable() {
        let chained = |document| {
            let export = export(document);
            let follows =
                |name, other: &str| variable(&export, name).unwrap().contains(&format!("variables.{other}.size() > 0"));
            (follows("CKP001", "CKP002"), follows("RST001", "CKP001"))
        };
        let storage = json!({"checkpoints": "s3://a/{namespace}/{name}"});
        assert_eq!(chained(json!({"storage": storage})), (true, true));
        // What a setting makes of a job is then not what a rule before left of it.
        let batch = json!([{"key": "execution.runtime-mode", "value": "BATCH"}]);
        assert_eq!(chained(json!({"storage": storage, "settings": batch})), (false, false));
    }

    #[test]
    fn a_directory_on_a_volume_is_left_out() {
        let export = export(json!({"storage": {"checkpoints": "file:///mnt/{namespace}/{name}"}}));
        assert!(!codes(&export).contains(&"CKP002"));
    }

    #[test]
    fn values_are_the_policy_s() {
        let export = export(json!({"rules": {
            "implicit-max-parallelism": {"floor": 720, "growthFactor": 1}, "unsuitable-state-backend": {"backend": "forst"},
        }}));
        let value = variable(&export, "JOB002").unwrap();
        assert!(
            value.contains("variables.parallelism <= 341 ? '720' : variables.parallelism <= 683 ? '1024'"),
            "{value}"
        );
        let backend = variable(&export, "STA001").unwrap();
        assert!(backend.contains("variables.version in ['v2_0', 'v2_1', 'v2_2', 'v2_3', 'v2_4']"), "{backend}");
        let covered = export.covered.iter().find(|covered| covered.rule.code == "STA001").unwrap();
        assert_eq!(covered.versions.as_ref().map(Vec::len), Some(5));
    }

    #[test]
    fn a_policy_that_fills_nothing_is_no_export() {
        let error = AdmissionPolicy::new(&policy(json!({"mode": "Off"})), &Platform::default()).unwrap_err();
        assert_eq!(error, ExportError::Mode(crate::Mode::Off));
    }
}
