use std::cmp::Reverse;

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
    let newest = OPTIONS.binary_search_by(|option| option.newest_key().cmp(key)).ok();
    let older = || OLDER_SPELLINGS.binary_search_by(|(spelling, _)| (*spelling).cmp(key)).ok();
    let place = newest.or_else(|| older().and_then(|at| OLDER_SPELLINGS.get(at)).map(|(_, place)| usize::from(*place)));
    OPTIONS.get(place?)
}

/// The option that has `key` as its own spelling: where several do, one that this version reads.
fn exact(key: &str, version: FlinkVersion) -> Option<OptionInfo> {
    let newest = OPTIONS.binary_search_by(|option| option.newest_key().cmp(key)).ok();
    let from = OLDER_SPELLINGS.partition_point(|(spelling, _)| *spelling < key);
    let older = OLDER_SPELLINGS[from..].iter().take_while(|(spelling, _)| *spelling == key);
    newest
        .into_iter()
        .chain(older.map(|(_, place)| usize::from(*place)))
        .filter_map(|place| info(OPTIONS.get(place)?, key, version))
        .min_by_key(|info| info.role as u8)
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
    TEMPLATES
        .iter()
        .filter_map(|place| OPTIONS.get(usize::from(*place)))
        .filter(|option| fits(option.newest_key(), key))
        .min_by_key(|option| Reverse(option.newest_key().split('.').filter(|part| !is_hole(part)).count()))
        .and_then(|option| info(option, option.newest_key(), version))
}

fn is_hole(part: &str) -> bool {
    part.starts_with('<')
}

/// A hole takes one part of the key; at the end of a template, all the rest.
fn fits(template: &str, key: &str) -> bool {
    let mut parts = key.split('.');
    let mut ends_in_hole = false;
    for expected in template.split('.') {
        ends_in_hole = is_hole(expected);
        if !parts.next().is_some_and(|part| part == expected || (ends_in_hole && !part.is_empty())) {
            return false;
        }
    }
    ends_in_hole || parts.next().is_none()
}

/// `kubernetes.jobmanager.labels.team` is an entry of the map `kubernetes.jobmanager.labels`
/// (`ConfigurationUtils.canBePrefixMap`).
fn map_entry(key: &str, version: FlinkVersion) -> Option<OptionInfo> {
    let prefixes = key.match_indices('.').map(|(dot, _)| &key[..dot]);
    prefixes.rev().filter_map(|prefix| exact(prefix, version)).find(|info| info.era.value_type == ValueType::Map)
}
