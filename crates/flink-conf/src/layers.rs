use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::fast::FixedState;

use crate::{FlinkOption, FlinkVersion, Key, Lookup};

const NAMESPACE_PREFIX: &str = "kubernetes.operator.default-configuration.namespace.";
const VERSION_PREFIX: &str = "kubernetes.operator.default-configuration.flink-version.";

/// Where a setting comes from, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// FKO's own configuration file.
    PlatformBase,
    /// FKO's `default-configuration.namespace.<ns>.`
    PlatformNamespace,
    /// FKO's `default-configuration.flink-version.<version>[+].`
    PlatformVersion,
    /// What FKO sets by itself where nobody else did (`FlinkConfigBuilder`).
    OperatorBuiltIn,
    /// The `flinkConfiguration` of the session cluster that a session job runs on.
    SessionCluster,
    /// The resource's `flinkConfiguration`.
    Resource,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlatformBase => "the Flink operator's configuration",
            Self::PlatformNamespace => "the Flink operator's configuration for this namespace",
            Self::PlatformVersion => "the Flink operator's configuration for this Flink version",
            Self::OperatorBuiltIn => "the Flink operator's built-in default",
            Self::SessionCluster => "the session cluster",
            Self::Resource => "the resource",
        })
    }
}

/// An option's value with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value as text.
    pub value: String,
    /// The layer that it comes from.
    pub origin: Origin,
}

/// A line of FKO's flat configuration file that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not of the form `key: value`: {text}")]
pub struct LayerError {
    /// Line number, from 1.
    pub line: usize,
    /// What stands where the key should; never a value, which may be a credential.
    pub text: String,
}

/// Reads a flat `flink-conf.yaml` as Flink 1.x does (`GlobalConfiguration.loadYAMLResource`): what follows a
/// `#` is a comment, the first `: ` parts key and value, the last of two equal keys wins.
///
/// # Errors
/// A line without `: `. Flink skips it with a warning; to us it means that the layers are not what they seem.
pub fn parse_flat_file(text: &str) -> Result<BTreeMap<Key, String>, LayerError> {
    let mut settings = BTreeMap::new();
    for (index, raw) in text.lines().enumerate() {
        let line = raw.split_once('#').map_or(raw, |(before, _)| before).trim();
        if line.is_empty() {
            continue;
        }
        let (key, value) = line.split_once(": ").map(|(key, value)| (key.trim(), value.trim())).unwrap_or_default();
        if key.is_empty() || value.is_empty() {
            let text = line.split([':', '=', ' ', '\t']).next().unwrap_or_default().chars().take(80).collect();
            return Err(LayerError { line: index + 1, text });
        }
        settings.insert(Key::from(key), value.to_owned());
    }
    Ok(settings)
}

/// FKO's own configuration: a base with per-namespace and per-version overrides
/// (`FlinkConfigManager.getDefaultConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformLayers {
    settings: BTreeMap<Key, String>,
}

impl PlatformLayers {
    /// The layers that FKO's flat configuration holds.
    pub fn new(settings: BTreeMap<Key, String>) -> Self {
        Self { settings }
    }

    /// What a job of this namespace and version starts from: base, then namespace, then versions ascending
    /// with `v1_18+` before the exact `v1_18`.
    pub fn effective(&self, namespace: &str, version: FlinkVersion) -> BTreeMap<Key, Setting> {
        let mut effective = BTreeMap::new();
        if self.settings.is_empty() {
            return effective;
        }
        let mut add =
            |key: Key, value: &str, origin| effective.insert(key, Setting { value: value.to_owned(), origin });
        for (key, value) in &self.settings {
            add(key.clone(), value, Origin::PlatformBase);
        }
        for (key, value) in self.below(&format!("{NAMESPACE_PREFIX}{namespace}.")) {
            add(key, value, Origin::PlatformNamespace);
        }
        for prefix in self.version_prefixes(version) {
            for (key, value) in self.below(&prefix) {
                add(key, value, Origin::PlatformVersion);
            }
        }
        effective
    }

    /// The namespaces that have a layer of their own.
    pub fn namespaces(&self) -> BTreeSet<String> {
        self.of_namespaces().map(|(namespace, _)| namespace.to_owned()).collect()
    }

    /// Whether a layer of any namespace sets a key that is asked for.
    pub fn is_set_for_a_namespace(&self, is_asked: impl Fn(&str) -> bool) -> bool {
        self.of_namespaces().any(|(_, key)| is_asked(key))
    }

    /// Namespace and key of every setting that is for one namespace. The name of a namespace has no dot.
    fn of_namespaces(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.keys().filter_map(|key| key.as_str().strip_prefix(NAMESPACE_PREFIX)?.split_once('.'))
    }

    fn below(&self, prefix: &str) -> impl Iterator<Item = (Key, &str)> {
        self.settings
            .iter()
            .filter_map(move |(key, value)| Some((Key::from(key.as_str().strip_prefix(prefix)?), value.as_str())))
    }

    fn version_prefixes(&self, version: FlinkVersion) -> Vec<String> {
        let mut and_newer: Vec<FlinkVersion> = self
            .settings
            .keys()
            .filter_map(|key| {
                key.as_str().strip_prefix(VERSION_PREFIX)?.split('.').next()?.strip_suffix('+')?.parse().ok()
            })
            .filter(|from| *from <= version)
            .collect();
        and_newer.sort_unstable();
        and_newer.dedup();
        let mut prefixes: Vec<String> = and_newer.iter().map(|from| format!("{VERSION_PREFIX}{from}+.")).collect();
        prefixes.push(format!("{VERSION_PREFIX}{version}."));
        prefixes
    }
}

/// The configuration in effect for one job, every value with its origin.
#[derive(Clone, Debug, Default)]
pub struct EffectiveConf {
    settings: BTreeMap<Key, Setting>,
    /// What the layers below have under keys of the resource.
    hidden: BTreeMap<Key, Setting>,
    sieve: Sieve,
}

impl PartialEq for EffectiveConf {
    fn eq(&self, other: &Self) -> bool {
        (&self.settings, &self.hidden) == (&other.settings, &other.hidden)
    }
}

impl Eq for EffectiveConf {}

/// Which keys may be there. Rules ask for every spelling of many options, and most are not there: a map of a few dozen keys
/// that begin alike takes ten times as long to say so.
#[derive(Clone, Debug, Default)]
struct Sieve([u64; 8]);

impl Sieve {
    fn add(&mut self, key: &str) {
        let (word, bit) = self.place(key);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn may_have(&self, key: &str) -> bool {
        let (word, bit) = self.place(key);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whoever makes keys collide makes his own job's look a little slower.
    fn place(&self, key: &str) -> (usize, u64) {
        let hash = FixedState::default().hash_one(key);
        let bits = self.0.len() as u64 * u64::from(u64::BITS);
        let bit = hash % bits;
        (usize::try_from(bit / 64).unwrap_or_default(), 1 << (bit % 64))
    }
}

impl EffectiveConf {
    /// A resource's settings alone, without layers below it.
    pub fn of_resource(resource: BTreeMap<Key, String>) -> Self {
        Self::new(BTreeMap::new(), resource)
    }

    /// A resource's settings upon the layers below it.
    pub fn new(platform: BTreeMap<Key, Setting>, resource: BTreeMap<Key, String>) -> Self {
        let own = resource.into_iter().map(|(key, value)| (key, Setting { value, origin: Origin::Resource }));
        let mut conf = Self { settings: own.collect(), ..Self::default() };
        for (key, setting) in platform {
            match conf.settings.entry(key) {
                Entry::Vacant(place) => drop(place.insert(setting)),
                Entry::Occupied(place) => drop(conf.hidden.insert(place.key().clone(), setting)),
            }
        }
        conf.settings.keys().for_each(|key| conf.sieve.add(key.as_str()));
        conf
    }

    /// A session job's settings upon what its cluster runs with (FKO: `FlinkConfigManager.getSessionJobConfig`).
    #[must_use]
    pub fn of_session_job(cluster: Self, job: BTreeMap<Key, String>) -> Self {
        let of_cluster = |setting: Setting| {
            let origin = if setting.origin == Origin::Resource { Origin::SessionCluster } else { setting.origin };
            Setting { origin, ..setting }
        };
        Self::new(cluster.settings.into_iter().map(|(key, setting)| (key, of_cluster(setting))).collect(), job)
    }

    /// The setting under exactly this key.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        if self.sieve.may_have(key) { self.settings.get(key) } else { None }
    }

    /// The settings whose keys go on after `prefix`, in the order of keys.
    pub fn starting_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Key, &'a Setting)> {
        let from = (Bound::Excluded(prefix), Bound::Unbounded);
        self.settings.range::<str, _>(from).take_while(move |(key, _)| key.as_str().starts_with(prefix))
    }

    /// Every setting in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Setting)> {
        self.settings.iter()
    }

    /// Writes a setting of the resource.
    pub fn set(&mut self, key: Key, value: String) {
        self.sieve.add(key.as_str());
        self.settings.insert(key, Setting { value, origin: Origin::Resource });
    }

    /// Takes a setting of the resource away, so that what the layers below have under its key is in effect.
    pub fn remove(&mut self, key: &Key) {
        match self.hidden.remove(key) {
            Some(below) => drop(self.settings.insert(key.clone(), below)),
            None => drop(self.settings.remove(key)),
        }
    }

    /// Adds what FKO sets by itself, unless the option is there in a spelling that this version reads.
    pub fn set_built_in(&mut self, option: &FlinkOption, version: FlinkVersion, value: &str) {
        if !matches!(option.find(self, version), Lookup::Set { .. }) {
            let setting = Setting { value: value.to_owned(), origin: Origin::OperatorBuiltIn };
            let key = option.key(version);
            self.sieve.add(key.as_str());
            self.settings.insert(key, setting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::CHECKPOINT_INTERVAL;

    const FILE: &str = "# FKO\n\
        a: base # why\n\
        b: base\n\
        c: base\n\
        kubernetes.operator.default-configuration.namespace.prod.b: prod\n\
        kubernetes.operator.default-configuration.flink-version.v1_18+.c: from18\n\
        kubernetes.operator.default-configuration.flink-version.v1_20+.c: from20\n\
        kubernetes.operator.default-configuration.flink-version.v1_19.c: only19\n";

    fn value(layers: &PlatformLayers, namespace: &str, version: (u16, u16), key: &str) -> String {
        layers.effective(namespace, FlinkVersion::new(version.0, version.1))[key].value.clone()
    }

    #[test]
    fn layers_override_each_other_as_in_fko() {
        let layers = PlatformLayers::new(parse_flat_file(FILE).unwrap());
        assert_eq!(value(&layers, "dev", (1, 17), "b"), "base");
        assert_eq!(value(&layers, "prod", (1, 17), "b"), "prod");
        for (version, expected) in
            [((1, 17), "base"), ((1, 18), "from18"), ((1, 19), "only19"), ((1, 20), "from20"), ((2, 0), "from20")]
        {
            assert_eq!(value(&layers, "dev", version, "c"), expected, "{version:?}");
        }
    }

    #[test]
    fn layers_of_namespaces_are_known() {
        let layers = PlatformLayers::new(parse_flat_file(FILE).unwrap());
        assert_eq!(layers.namespaces(), BTreeSet::from(["prod".to_owned()]));
        assert!(layers.is_set_for_a_namespace(|key| key == "b") && !layers.is_set_for_a_namespace(|key| key == "a"));
    }

    #[test]
    fn the_resource_wins_and_a_built_in_yields() {
        let version = FlinkVersion::new(1, 20);
        let layers = PlatformLayers::new(parse_flat_file(FILE).unwrap());
        let resource = BTreeMap::from([(Key::from("a"), "mine".to_owned())]);
        let mut conf = EffectiveConf::new(layers.effective("dev", version), resource);
        conf.set_built_in(&CHECKPOINT_INTERVAL, version, "5 min");
        conf.set_built_in(&CHECKPOINT_INTERVAL, version, "9 min");
        assert_eq!(conf.get("a").map(|s| s.origin), Some(Origin::Resource));
        let interval = conf.get("execution.checkpointing.interval").unwrap();
        assert_eq!((interval.value.as_str(), interval.origin), ("5 min", Origin::OperatorBuiltIn));
    }

    #[test]
    fn what_the_resource_takes_away_shows_the_layer_below() {
        let layers = PlatformLayers::new(parse_flat_file(FILE).unwrap());
        let resource = BTreeMap::from([(Key::from("a"), "mine".to_owned()), (Key::from("d"), "mine".to_owned())]);
        let mut conf = EffectiveConf::new(layers.effective("dev", FlinkVersion::new(1, 20)), resource);
        for key in ["a", "d"] {
            conf.remove(&Key::from(key));
        }
        assert_eq!(conf.get("a").map(|s| (s.value.as_str(), s.origin)), Some(("base", Origin::PlatformBase)));
        assert_eq!(conf.get("d"), None);
    }

    #[test]
    fn a_line_without_a_value_is_named_without_printing_it() {
        let error = parse_flat_file("a: 1\ns3.secret-key:hunter2\n").unwrap_err();
        assert_eq!(error, LayerError { line: 2, text: "s3.secret-key".to_owned() });
    }
}
