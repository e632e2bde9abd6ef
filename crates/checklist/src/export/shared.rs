//! What every rule of an exported policy rests on: which objects it is about, and what is read of them.

use std::collections::{BTreeMap, BTreeSet};

use flink_conf::options::{
    CHECKPOINT_DIRECTORY, CHECKPOINT_STORAGE, RESTORE_PATH, RUNTIME_MODE, STATE_BACKEND, every_spelling, known,
};
use flink_conf::{FlinkVersion, Key};

use super::cel::{absent, all, by_version, list, map, text, value};
use super::derive::grouped;
use super::document::Named;
use super::expressed::{is_read, read_values};
use crate::annotations::{APPROVE, MODE, OPT_OUT, OPT_OUT_UNTIL};
use crate::leaving::NESTED_YAML;
use crate::situation::{BLUE_GREEN_KIND, CANARY_LABEL};
use crate::storage::scheme_of;
use crate::{Mode, Platform};

/// How deep a configuration may be nested: no option of Flink or FKO has more parts.
const DEEPEST: usize = 8;

/// What has to be true of a job for it to be looked at: it is new, its owner writes it, and nobody opted it out.
pub(super) fn match_conditions(passed_over: &BTreeSet<String>) -> Vec<Named> {
    let metadata = |field: &str| format!("object.metadata.?{field}");
    let mut conditions = vec![
        Named::new(
            "known-version",
            format!("object.spec.?flinkVersion.orValue('') in {}", list(FlinkVersion::known())),
        ),
        // FKO has seen the job that a copy with a status comes from.
        Named::new("no-status", "!has(object.status)"),
        Named::new(
            "not-written-by-a-parent",
            format!("{}.orValue([]).all(o, o.kind != {})", metadata("ownerReferences"), text(BLUE_GREEN_KIND)),
        ),
        Named::new("no-canary", format!("!({} in {}.orValue({{}}))", text(CANARY_LABEL), metadata("labels"))),
        Named::new(
            "not-opted-out",
            format!(
                "[{}.orValue({{}})].all(a,\n{}\n&& (!({approve} in a) || a[{approve}].trim() != ''))",
                metadata("annotations"),
                steered(),
                approve = text(APPROVE)
            ),
        ),
    ];
    if !passed_over.is_empty() {
        conditions
            .push(Named::new("no-defaults-of-its-namespace", format!("!(request.namespace in {})", list(passed_over))));
    }
    conditions
}

/// Whether annotations `a` let a job be filled. CEL knows neither the time nor the rules, so that an opt-out with an end, or of
/// single rules, counts as one of the whole job; so does what cannot be read.
fn steered() -> String {
    let modes =
        [Mode::Off, Mode::Advise, Mode::NextDeploy, Mode::Apply].into_iter().filter(|mode| *mode > Mode::Advise);
    format!(
        "(!({opt_out} in a) || a[{opt_out}].trim() == 'false')\n&& !({until} in a)\n\
         && (!({mode} in a) || a[{mode}].trim() in {modes})",
        opt_out = text(OPT_OUT),
        until = text(OPT_OUT_UNTIL),
        mode = text(MODE),
        modes = list(modes)
    )
}

/// The variables that rules speak of.
pub(super) fn variables(platform: &Platform, keys: &BTreeSet<Key>) -> Vec<Named> {
    let mut variables = vec![
        Named::new("version", "string(object.spec.flinkVersion)"),
        Named::new("name", "object.metadata.?name.orValue('')"),
        Named::new(
            "conf",
            "object.spec.?flinkConfiguration.orValue(null) == null\n? dyn({})\n: object.spec.flinkConfiguration",
        ),
        Named::new("level0", "variables.conf.map(k, [dyn(k), variables.conf[k]])"),
    ];
    variables.extend((1..DEEPEST).map(|level| {
        let above = format!("variables.level{}", level - 1);
        let below = "p[1].map(k, [dyn(string(p[0]) + '.' + k), p[1][k]])";
        Named::new(format!("level{level}"), format!("{above}.map(p, type(p[1]) == map ? {below} : [p]).flatten()"))
    }));
    let deepest = format!("variables.level{}", DEEPEST - 1);
    variables.push(Named::new("own", format!("{deepest}.map(p, string(p[0]))")));
    let entry = "transformMapEntry(i, p, {string(p[0]): p[1]})";
    match layers(platform, keys) {
        Some(layers) => {
            variables.push(Named::new("defaults", layers));
            let hidden = "variables.defaults.map(k, !(k in variables.own), [dyn(k), dyn(variables.defaults[k])])";
            variables.push(Named::new("flat", format!("({deepest} + {hidden}).{entry}")));
        }
        None => variables.push(Named::new("flat", format!("{deepest}.{entry}"))),
    }
    variables.extend(of_job());
    variables.extend(of_fills(keys));
    variables.push(Named::new("eligible", eligible(&deepest)));
    variables
}

/// What is read of the job itself.
fn of_job() -> Vec<Named> {
    let mode = value(&RUNTIME_MODE);
    vec![
        Named::new("podAnnotations", "object.spec.?podTemplate.?metadata.?annotations.orValue({})"),
        Named::new("job", "object.spec.?job.orValue(null)"),
        Named::new("application", "variables.job != null"),
        Named::new("parallelism", "variables.job.?parallelism.orValue(0)"),
        // The configuration says what is batch; where it is silent, an argument such as `--execution-mode=BATCH` does.
        Named::new(
            "batch",
            format!(
                "{mode}.hasValue()\n? {mode}.orValue('').lowerAscii() == 'batch'\n\
                 : variables.job.?args.orValue([]).exists(a, string(a).matches('(?is)^(.*=)?batch$'))"
            ),
        ),
        Named::new(
            "startsEmpty",
            format!("variables.job.?initialSavepointPath.orValue('') == '' && {}", absent(RESTORE_PATH.spellings())),
        ),
        Named::new("backend", format!("{}.orValue('')", value(&STATE_BACKEND))),
        Named::new("storage", format!("{}.orValue('')", value(&CHECKPOINT_STORAGE))),
        Named::new("directory", format!("{}.orValue('')", value(&CHECKPOINT_DIRECTORY))),
    ]
}

/// What is asked of every key that is filled: in which other spellings it may stand there already, and whether it is
/// blocked, by a nested document in its place or, on Flink 2, by a key that begins with it or that it begins with
/// (`FlinkConfMountDecorator.validateConfigKeysForV2`, FLINK-37405: FKO fails after it has stopped the job).
fn of_fills(keys: &BTreeSet<Key>) -> Vec<Named> {
    let spellings = keys.iter().map(|key| (key.as_str(), list(every_spelling(key.as_str()))));
    let nested: Vec<FlinkVersion> = FlinkVersion::known().filter(|version| *version >= NESTED_YAML).collect();
    let overlaps = "variables.flat.exists(k, k.startsWith(f + '.') || f.startsWith(k + '.'))";
    vec![
        Named::new("spellings", map(spellings)),
        Named::new(
            "blocked",
            format!(
                "{}.filter(f,\n(f in variables.conf && !(f in variables.flat))\n|| (variables.version in {} && {overlaps}))",
                list(keys),
                list(nested)
            ),
        ),
    ]
}

/// Whether the job can be understood and its namespace lets it be filled.
fn eligible(deepest: &str) -> String {
    all(&[
        format!("{deepest}.all(p, type(p[1]) != map)"),
        // Which of two spellings of one key wins depends on their order.
        "variables.own.distinct().size() == variables.own.size()".to_owned(),
        format!("{}.all(k, !(k in variables.flat) || type(variables.flat[k]) == string)", list(read_values())),
        format!(
            "[has(namespaceObject.metadata.annotations) ? namespaceObject.metadata.annotations : {{}}].all(a,\n{})",
            steered()
        ),
    ])
}

/// FKO's own configuration as far as a condition asks for it, by version; `None` where none does. Values are there only
/// where a condition reads them, and of a directory no more than its scheme: they may be credentials.
fn layers(platform: &Platform, keys: &BTreeSet<Key>) -> Option<String> {
    let is_asked = |key: &str| {
        let is_same = |fill: &Key| every_spelling(fill.as_str()).iter().any(|other| other == key);
        is_read(key) || keys.iter().any(|fill| fill.overlaps(key) || is_same(fill) || is_instead(fill, key))
    };
    let of_version = |version| {
        let effective = platform.layers.effective("", version).into_iter();
        let asked = effective.filter(|(key, _)| is_asked(key.as_str()) && !key.as_str().starts_with(OF_OPERATOR));
        asked
            .map(|(key, setting)| (key.to_string(), readable(key.as_str(), &setting.value)))
            .collect::<BTreeMap<_, _>>()
    };
    let groups = grouped(FlinkVersion::known().map(|version| (version, of_version(version))));
    let is_empty = groups.iter().all(|(_, settings)| settings.is_empty());
    let literal =
        |settings: &BTreeMap<String, String>| map(settings.iter().map(|(key, value)| (key.as_str(), text(value))));
    let groups: Vec<_> = groups.iter().map(|(versions, settings)| (versions.clone(), literal(settings))).collect();
    (!is_empty).then(|| by_version(&groups))
}

/// Whether a key of another option gives the value where the filled one is not set.
fn is_instead(fill: &Key, key: &str) -> bool {
    let instead = |version| known(fill.as_str(), version).is_some_and(|option| option.era.fallbacks.contains(&key));
    FlinkVersion::known().any(instead)
}

/// Layers themselves, which are no options of jobs.
const OF_OPERATOR: &str = "kubernetes.operator.default-configuration.";

fn readable(key: &str, value: &str) -> String {
    if CHECKPOINT_DIRECTORY.is_spelled(key) {
        scheme_of(value).map(|scheme| format!("{scheme}:")).unwrap_or_default()
    } else if read_values().contains(key) {
        value.to_owned()
    } else {
        String::new()
    }
}
