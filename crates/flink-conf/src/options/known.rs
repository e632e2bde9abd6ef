use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::generated::{OLDER_SPELLINGS, OPTIONS, TEMPLATES};
use super::{Era, FlinkOption, ValueType};
use crate::{EffectiveConf, FlinkVersion, Setting};

/// What a version of Flink makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads it, and this is the key to write.
    Primary,
    /// Reads it as the deprecated name of another key.
    Alias,
    /// Ignores it without a word; other versions read it.
    Unread,
}

/// An option of Flink as one of its keys names it to one version.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// What the version makes of the key.
    pub role: Role,
    /// Type, default and spellings in that version; for a key that it ignores, in the last version that reads it.
    pub era: &'static Era,
    /// The first version that reads the key, or the oldest that the catalogue knows.
    pub first: FlinkVersion,
    /// The last version that reads the key, if the newest that the catalogue knows no longer does.
    pub last: Option<FlinkVersion>,
    /// The key under which the version reads the option, if it has it at all.
    pub present_key: Option<&'static str>,
}

impl OptionInfo {
    /// Of all keys under which the version reads the option, the one that has a value and wins.
    pub fn winner<'a>(&self, conf: &'a EffectiveConf) -> Option<(&'static str, &'a Setting)> {
        self.era.spellings().find_map(|key| Some((key, conf.get(key)?)))
    }
}

/// What the catalogue knows of `key` for a job of this version.
///
/// `None` is no verdict on the key: options of tables, connectors, file systems and of the operator itself are
/// not in the catalogue, and Flink passes on whole prefixes (`containerized.master.env.`) without declaring an
/// option. Versions newer than the newest known are taken for that one, older ones for the oldest.
pub fn known(key: &str, version: FlinkVersion) -> Option<OptionInfo> {
    exact(key, version).or_else(|| templated(key, version)).or_else(|| map_entry(key, version))
}

/// The option that has `key` as a spelling of its own; where several do, the one that it is the newest key of, or the
/// first.
pub(super) fn of_catalogue(key: &str) -> Option<&'static FlinkOption> {
    INDEX.by_spelling.get(key)?.first().copied()
}

/// By keys that are ours: nobody can choose them so that they collide, and a hash that is quick will do.
pub(super) type Table<T> = HashMap<&'static str, T, FixedState>;

/// The catalogue by its keys: every look at a job asks for each of its keys several times.
struct Index {
    /// The options that have a key as their own spelling; the one that it is the newest key of comes first.
    by_spelling: Table<Vec<&'static FlinkOption>>,
    /// Options whose keys have holes, by what stands before the first; of several the most literal first.
    templates: BTreeMap<&'static str, Vec<Template>>,
    /// Keys of options that are maps in some version, the longest first.
    maps: Vec<&'static str>,
}

struct Template {
    /// The parts from the first hole on.
    rest: Vec<&'static str>,
    option: &'static FlinkOption,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut by_spelling = Table::<Vec<_>>::default();
    let newest = OPTIONS.iter().map(|option| (option.newest_key(), option));
    let older = OLDER_SPELLINGS.iter().filter_map(|(key, place)| Some((*key, OPTIONS.get(usize::from(*place))?)));
    newest.chain(older).for_each(|(key, option)| by_spelling.entry(key).or_default().push(option));
    let mut templates: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for option in TEMPLATES.iter().filter_map(|place| OPTIONS.get(usize::from(*place))) {
        let (head, rest) = option.newest_key().split_at(option.newest_key().find('<').unwrap_or_default());
        templates.entry(head).or_default().push(Template { rest: rest.split('.').collect(), option });
    }
    for of_head in templates.values_mut() {
        of_head.sort_by_key(|template| Reverse(template.rest.iter().filter(|part| !is_hole(part)).count()));
    }
    let is_map = |option: &&FlinkOption| option.eras.iter().any(|era| era.value_type == ValueType::Map);
    let mut maps: Vec<&str> = OPTIONS.iter().filter(is_map).flat_map(FlinkOption::spellings).collect();
    maps.sort_by_key(|key| Reverse(key.len()));
    Index { by_spelling, templates, maps }
});

/// The option that has `key` as its own spelling: where several do, one that this version reads.
fn exact(key: &str, version: FlinkVersion) -> Option<OptionInfo> {
    let options = INDEX.by_spelling.get(key)?.iter();
    options.filter_map(|option| info(option, key, version)).min_by_key(|info| info.role as u8)
}

fn info(option: &'static FlinkOption, spelling: &str, version: FlinkVersion) -> Option<OptionInfo> {
    let mut reading = option.eras.iter().filter(|era| era.reads(spelling));
    let first = reading.next()?;
    let last = reading.next_back().unwrap_or(first);
    let present = option.era(version);
    let era = present.filter(|era| era.reads(spelling));
    let role = match era {
        Some(era) if era.key == spelling => Role::Primary,
        Some(_) => Role::Alias,
        None => Role::Unread,
    };
    let present_key = present.map(|era| era.key);
    Some(OptionInfo { role, era: era.unwrap_or(last), first: first.from, last: last.until, present_key })
}

/// `metrics.reporter.prom.interval` is `metrics.reporter.<name>.interval`; the most literal template wins.
fn templated(key: &str, version: FlinkVersion) -> Option<OptionInfo> {
    let fitting = |(head, templates): (&&str, &'static Vec<Template>)| {
        let rest = key.strip_prefix(head)?;
        templates.iter().find(|template| template.fits(rest))
    };
    let Template { option, .. } = INDEX.templates.iter().find_map(fitting)?;
    info(option, option.newest_key(), version)
}

impl Template {
    /// A hole takes one part of the key; at the end of a template, all the rest.
    fn fits(&self, rest: &str) -> bool {
        let mut parts = rest.split('.');
        let ends_in_hole = self.rest.last().is_some_and(|part| is_hole(part));
        let is_taken = |part: &str, expected: &str| part == expected || is_hole(expected) && !part.is_empty();
        self.rest.iter().all(|expected| parts.next().is_some_and(|part| is_taken(part, expected)))
            && (ends_in_hole || parts.next().is_none())
    }
}

fn is_hole(part: &str) -> bool {
    part.starts_with('<')
}

/// `kubernetes.jobmanager.labels.team` is an entry of the map `kubernetes.jobmanager.labels`
/// (`ConfigurationUtils.canBePrefixMap`).
fn map_entry(key: &str, version: FlinkVersion) -> Option<OptionInfo> {
    let is_below = |map: &&&str| key.strip_prefix(**map).is_some_and(|rest| rest.starts_with('.'));
    let maps = INDEX.maps.iter().filter(is_below);
    maps.filter_map(|map| exact(map, version)).find(|info| info.era.value_type == ValueType::Map)
}
