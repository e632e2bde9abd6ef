//! What one rule becomes: a variable that holds its fills for a job, or nothing.

use std::collections::BTreeMap;

use flink_conf::options::{every_spelling, known};
use flink_conf::{FlinkVersion, Key};
use serde_json::Value;

use super::cel::{absent, all, by_version, is_version, map, text};
use super::derive::{Fills, NAME, NAMESPACE, fills, grouped, steps};
use super::document::Named;
use super::expressed::{Expressed, Given};
use crate::policy::PlatformSetting;
use crate::{Platform, Policy, Rule, Scope, Target, rules};

/// Expressions by target.
type Values = BTreeMap<Target, String>;

/// The fills of one rule, or of one setting of the platform.
pub(super) struct Filling {
    /// The rule.
    pub(super) rule: &'static Rule,
    /// The variable that holds the options.
    pub(super) variable: String,
    /// What is filled, by version; only versions with something to fill.
    groups: Vec<(Vec<FlinkVersion>, Values)>,
    condition: Vec<String>,
    /// The jobs that it passes over although the planner fills them.
    pub(super) passes_over: &'static str,
}

impl Filling {
    /// What a rule fills under a policy; `None` where that is nothing.
    pub(super) fn of_rule(expressed: &Expressed, given: &Given<'_>) -> Option<Self> {
        let Expressed { rule, condition, passes_over, .. } = *expressed;
        let values = |version, is_session| values(expressed, version, is_session, given.policy);
        let mut condition = condition(given);
        let differs = |version| values(version, true) != values(version, false);
        if rule.scope == Scope::Cluster && FlinkVersion::known().any(differs) {
            condition.insert(0, APPLICATION.to_owned());
        }
        let of_versions = FlinkVersion::known().map(|version| (version, values(version, false)));
        Self { rule, variable: rule.code.to_owned(), groups: grouped(of_versions), condition, passes_over }.of_some()
    }

    /// What a setting of the platform, the `number`th, becomes; `None` where no version gets it.
    pub(super) fn of_setting(setting: &PlatformSetting, number: usize, policy: &Policy) -> Option<Self> {
        let rule = &rules::PLATFORM_SETTING_MISSING;
        let of_version = |version: FlinkVersion, is_session| {
            let key = Target::Option(setting.written(version));
            let mut fills = fills(rule, &bare(version, is_session), &Platform::default(), policy);
            fills.remove(&key).map(|value| Values::from([(key, text(&value))])).unwrap_or_default()
        };
        let groups = grouped(FlinkVersion::known().map(|version| (version, of_version(version, false))));
        let mut keys: Vec<String> = every_spelling(setting.key.as_str()).iter().map(ToString::to_string).collect();
        for version in FlinkVersion::known() {
            // What gives the value where the option itself is not set is a choice, too.
            let instead = known(setting.written(version).as_str(), version).map_or(&[][..], |info| info.era.fallbacks);
            keys.extend(instead.iter().map(|key| (*key).to_owned()));
        }
        keys.sort_unstable();
        keys.dedup();
        let mut condition = vec![absent(&keys), none_beside(&groups)];
        let differs = |version| of_version(version, true) != of_version(version, false);
        if FlinkVersion::known().any(differs) {
            condition.insert(0, APPLICATION.to_owned());
        }
        let variable = format!("{}_{number}", rule.code);
        Self { rule, variable, groups, condition, passes_over: "" }.of_some()
    }

    fn of_some(mut self) -> Option<Self> {
        self.groups.retain(|(_, values)| !values.is_empty());
        let versions: Vec<FlinkVersion> = self.versions();
        if versions.len() < FlinkVersion::known().count() {
            self.condition.insert(0, is_version(&versions));
        }
        if self.groups.iter().flat_map(|(_, values)| values.values()).any(|value| value.contains(NAME_VARIABLE)) {
            self.condition.push(format!("{NAME_VARIABLE} != ''"));
        }
        (!self.groups.is_empty()).then_some(self)
    }

    /// The versions whose jobs get something.
    pub(super) fn versions(&self) -> Vec<FlinkVersion> {
        let mut versions: Vec<FlinkVersion> = self.groups.iter().flat_map(|(versions, _)| versions.clone()).collect();
        versions.sort_unstable();
        versions
    }

    /// The keys of the options that it may fill.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.groups.iter().flat_map(|(_, values)| values.keys()).filter_map(|target| match target {
            Target::Option(key) => Some(key),
            Target::LogFile(_) | Target::PodAnnotation(_) => None,
        })
    }

    /// The variable: a list of one map, or of none where the rule does not fire or one of its keys is blocked. A rule's
    /// fills are taken whole or not at all.
    pub(super) fn variable(&self) -> Named {
        let maps = self.maps(|target| if let Target::Option(key) = target { Some(key.as_str()) } else { None });
        let fires = all(&[["variables.eligible".to_owned()].as_slice(), &self.condition].concat());
        let fills = by_version(&maps);
        let whole = "filter(m, m.all(k, !(k in variables.blocked)))";
        Named::new(&self.variable, format!("({fires}\n? [{fills}]\n: []).{whole}"))
    }

    /// The pod annotations that go along with the options, as a list of one map or of none.
    pub(super) fn annotations(&self) -> Option<String> {
        let maps = self.maps(|target| if let Target::PodAnnotation(key) = target { Some(key) } else { None });
        let is_empty = self.groups.iter().all(|(_, values)| values.keys().all(|target| !is_annotation(target)));
        (!is_empty).then(|| format!("(variables.{}.size() > 0 ? [{}] : [])", self.variable, by_version(&maps)))
    }

    fn maps<'a>(&'a self, key: impl Fn(&'a Target) -> Option<&'a str>) -> Vec<(Vec<FlinkVersion>, String)> {
        let of_group = |(versions, values): &'a (Vec<FlinkVersion>, Values)| {
            let entries = values.iter().filter_map(|(target, value)| Some((key(target)?, value.clone())));
            (versions.clone(), map(entries))
        };
        self.groups.iter().map(of_group).collect()
    }
}

const APPLICATION: &str = "variables.application";
const NAME_VARIABLE: &str = "variables.name";

fn is_annotation(target: &Target) -> bool {
    matches!(target, Target::PodAnnotation(_))
}

/// A job, or a session cluster, without any option.
pub(super) fn bare(version: FlinkVersion, is_session: bool) -> Value {
    let job = serde_json::json!({"flinkVersion": version.to_string(), "job": {"upgradeMode": "savepoint"}});
    if is_session { without_job(job) } else { job }
}

fn without_job(mut spec: Value) -> Value {
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("job");
    }
    spec
}

/// What a rule fills in a new job of this version, as expressions.
fn values(expressed: &Expressed, version: FlinkVersion, is_session: bool, policy: &Policy) -> Values {
    let of = |parallelism| {
        let spec = (expressed.sample)(version, parallelism);
        let spec = if is_session { without_job(spec) } else { spec };
        fills(expressed.rule, &spec, &Platform::default(), policy)
    };
    if !expressed.by_parallelism {
        return of(1).into_iter().map(|(target, value)| (target, concatenated(&value))).collect();
    }
    steps(of).map(|steps| stepwise(&steps)).unwrap_or_default()
}

/// The value of the lowest step that the parallelism does not exceed.
fn stepwise(steps: &[(u32, Fills)]) -> Values {
    let Some(((_, last), before)) = steps.split_last() else { return Values::new() };
    let expression = |target: &Target, value: &String| {
        let lower = before.iter().filter_map(|(bound, fills)| Some((bound, fills.get(target)?)));
        let branches = lower.map(|(bound, value)| format!("variables.parallelism <= {bound} ? {} : ", text(value)));
        branches.chain([text(value)]).collect::<String>()
    };
    last.iter().map(|(target, value)| (target.clone(), expression(target, value))).collect()
}

/// A value with the job's own namespace and name where a template had them.
fn concatenated(value: &str) -> String {
    let mut parts = Vec::new();
    let mut rest = value;
    let next = |rest: &str| {
        let place = |mark: &'static str, variable| rest.find(mark).map(|at| (at, mark, variable));
        [place(NAMESPACE, "request.namespace"), place(NAME, NAME_VARIABLE)].into_iter().flatten().min()
    };
    while let Some((at, mark, variable)) = next(rest) {
        parts.push(text(&rest[..at]));
        parts.push(variable.to_owned());
        rest = &rest[at + mark.len()..];
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(text(rest));
    }
    parts.join(" + ")
}

/// Whether no key of the job begins with a key of these, or the other way round.
fn none_beside(groups: &[(Vec<FlinkVersion>, Values)]) -> String {
    let mut keys: Vec<String> = groups.iter().flat_map(|(_, values)| values.keys()).map(ToString::to_string).collect();
    keys.dedup();
    format!(
        "{}.all(f, !variables.flat.exists(k, k.startsWith(f + '.') || f.startsWith(k + '.')))",
        super::cel::list(keys)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_put_together_from_the_job() {
        let directory = format!("s3://acme/{NAMESPACE}/{NAME}/ha");
        assert_eq!(concatenated(&directory), "'s3://acme/' + request.namespace + '/' + variables.name + '/ha'");
        assert_eq!(concatenated("true"), "'true'");
        assert_eq!(concatenated(""), "''");
    }

    #[test]
    fn steps_become_branches() {
        let at = |bound, value: &str| (bound, Fills::from([(Target::option("a"), value.to_owned())]));
        let values = stepwise(&[at(28, "128"), at(32_768, "256")]);
        assert_eq!(values[&Target::option("a")], "variables.parallelism <= 28 ? '128' : '256'");
    }
}
