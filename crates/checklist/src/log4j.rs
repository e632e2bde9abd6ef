//! The levels of a log4j 2 properties file: read them, and change them and nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// A log4j level, the most verbose first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumString, strum::Display)]
#[strum(serialize_all = "UPPERCASE", ascii_case_insensitive)]
pub(crate) enum Level {
    /// Everything.
    All,
    /// Finest.
    Trace,
    /// For developers.
    Debug,
    /// The checklist's level for the root logger.
    Info,
    /// The checklist's level for noisy libraries.
    Warn,
    /// Failures.
    Error,
    /// What ends a process.
    Fatal,
    /// Nothing.
    Off,
}

/// The levels that a file gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Levels {
    root: Option<Level>,
    /// By logger name, with the id under which the file declares it.
    loggers: BTreeMap<String, (String, Option<Level>)>,
}

/// List of the loggers that count. Where it is absent, all of them do.
const LIST: &str = "loggers";

impl Levels {
    /// Reads a properties file. A level that is looked up at run time counts by its default
    /// (`${env:ROOT_LOG_LEVEL:-INFO}`).
    pub(crate) fn read(file: &str) -> Self {
        let properties: BTreeMap<&str, &str> = file.lines().filter_map(property).collect();
        let level_of = |logger: &str| level(properties.get(level_key(&properties, logger).as_str())?);
        let listed: Option<BTreeSet<&str>> = properties.get(LIST).map(|list| names(list).collect());
        let loggers = properties
            .iter()
            .filter_map(|(key, name)| {
                let id = key.strip_prefix("logger.")?.strip_suffix(".name").filter(|id| !id.contains('.'))?;
                let counts = listed.as_ref().is_none_or(|listed| listed.contains(id));
                counts.then(|| ((*name).to_owned(), (id.to_owned(), level_of(&format!("logger.{id}")))))
            })
            .collect();
        Self { root: level_of(ROOT), loggers }
    }

    /// The level in effect for a logger: its own, else that of the nearest parent.
    pub(crate) fn of(&self, logger: &str) -> Option<Level> {
        let mut name = logger;
        loop {
            if let Some((_, Some(level))) = self.loggers.get(name) {
                return Some(*level);
            }
            match name.rsplit_once('.') {
                Some((parent, _)) => name = parent,
                None => return self.root,
            }
        }
    }
}

/// The lines that say anything of the root logger.
fn of_root(file: &str) -> impl Iterator<Item = &str> {
    file.lines().filter(|line| line.trim_start().starts_with(ROOT))
}

/// So much of a file as [`root_level`] reads.
pub(crate) fn root_lines(file: &str) -> String {
    of_root(file).collect::<Vec<_>>().join("\n")
}

/// The root logger's level; `None` where the file gives none or an unknown one.
pub(crate) fn root_level(file: &str) -> Option<Level> {
    let properties: BTreeMap<&str, &str> = of_root(file).filter_map(property).collect();
    level(properties.get(level_key(&properties, ROOT).as_str())?)
}

/// A file as it is, beside what production asks for.
#[derive(Clone, Debug)]
pub(crate) struct Production {
    /// The root logger's level.
    pub(crate) root: Option<Level>,
    /// Noisy libraries below WARN.
    pub(crate) loud: Vec<&'static str>,
    /// The file with the right levels.
    pub(crate) text: String,
}

impl Production {
    pub(crate) fn of(file: &str, noisy: &[&'static str]) -> Self {
        let levels = Levels::read(file);
        let is_loud = |logger: &&'static str| levels.of(logger).is_none_or(|level| level < Level::Warn);
        let loud = noisy.iter().copied().filter(is_loud).collect();
        Self { root: levels.root, loud, text: with_production_levels(file, noisy) }
    }
}

/// The file with the root at INFO and these loggers at WARN at least; every other line stays as it is.
pub(crate) fn with_production_levels(file: &str, noisy: &[&str]) -> String {
    let levels = Levels::read(file);
    let mut text = file.to_owned();
    if levels.root != Some(Level::Info) {
        text = set_level(&text, ROOT, Level::Info);
    }
    for logger in noisy.iter().filter(|logger| levels.of(logger).is_none_or(|level| level < Level::Warn)) {
        let id = if let Some((id, _)) = levels.loggers.get(*logger) {
            id.clone()
        } else {
            let id = free_id(&text, logger);
            text = append(&listing(&text, &id), &format!("logger.{id}.name = {logger}"));
            id
        };
        text = set_level(&text, &format!("logger.{id}"), Level::Warn);
    }
    text
}

const ROOT: &str = "rootLogger";

/// The key that gives a logger its level: beside the shorthand `rootLogger = INFO, Console` log4j ignores
/// `rootLogger.level` (`LoggerConfig.getLevelAndRefs`).
fn level_key(properties: &BTreeMap<&str, &str>, logger: &str) -> String {
    if properties.contains_key(logger) { logger.to_owned() } else { format!("{logger}.level") }
}

/// An id that no line of the file uses: two loggers under one id would be one.
fn free_id(file: &str, logger: &str) -> String {
    let mut id = logger.replace(['.', '-'], "_");
    let is_taken = |id: &str| {
        let of_id = |key: &str| key.strip_prefix("logger.").and_then(|rest| rest.split('.').next()) == Some(id);
        file.lines().filter_map(property).any(|(key, _)| of_id(key))
    };
    while is_taken(&id) {
        id.push('_');
    }
    id
}

/// The file with this id among the loggers that count.
fn listing(file: &str, id: &str) -> String {
    match file.lines().filter_map(property).rfind(|(key, _)| *key == LIST) {
        Some((_, list)) => set(file, LIST, &format!("{list}, {id}")),
        None => file.to_owned(),
    }
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

fn property(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with(['#', '!']) {
        return None;
    }
    let (key, value) = line.split_once(['=', ':'])?;
    Some((key.trim(), value.trim()))
}

fn level(text: &str) -> Option<Level> {
    let text = match text.strip_prefix("${").and_then(|lookup| lookup.strip_suffix('}')) {
        Some(lookup) => lookup.split_once(":-")?.1,
        // `rootLogger = INFO, Console` names appenders behind the level.
        None => text.split(',').next().unwrap_or_default(),
    };
    text.trim().parse().ok()
}

/// The file with another level for a logger; appenders named behind it in the shorthand stay.
fn set_level(file: &str, logger: &str, level: Level) -> String {
    let properties: BTreeMap<&str, &str> = file.lines().filter_map(property).collect();
    let key = level_key(&properties, logger);
    let appenders = properties.get(key.as_str()).and_then(|value| value.split_once(','));
    let value = match appenders {
        Some((_, appenders)) if key == logger => format!("{level},{appenders}"),
        _ => level.to_string(),
    };
    set(file, &key, &value)
}

fn set(file: &str, key: &str, value: &str) -> String {
    let is_it = |line: &str| property(line).is_some_and(|(found, _)| found == key);
    if !file.lines().any(is_it) {
        return append(file, &format!("{key} = {value}"));
    }
    file.split_inclusive('\n')
        .map(|line| {
            let (text, end) = line.split_at(line.trim_end().len());
            if is_it(line) { format!("{key} = {value}{end}") } else { format!("{text}{end}") }
        })
        .collect()
}

fn append(file: &str, line: &str) -> String {
    let separator = if file.is_empty() || file.ends_with('\n') { "" } else { "\n" };
    format!("{file}{separator}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# head\nrootLogger.level = DEBUG\nrootLogger.appenderRef.console.ref = C\n\nlogger.kafka.name= org.apache.kafka\nlogger.kafka.level = INFO\nappender.console.name = C\n";

    #[test]
    fn levels_are_inherited_from_the_nearest_parent() {
        let levels = Levels::read(FILE);
        assert_eq!(levels.root, Some(Level::Debug));
        assert_eq!(levels.of("org.apache.kafka.clients"), Some(Level::Info));
        assert_eq!(levels.of("org.apache.hadoop"), Some(Level::Debug));
        assert_eq!(root_level("rootLogger.level = ${env:ROOT_LOG_LEVEL:-info}"), Some(Level::Info));
        assert_eq!(root_level("rootLogger = WARN, Console"), Some(Level::Warn));
        assert_eq!(root_level("rootLogger.level = ${env:X}"), None);
    }

    #[test]
    fn only_levels_change() {
        let changed = with_production_levels(FILE, &["org.apache.kafka", "org.apache.hadoop"]);
        let expected = "# head\nrootLogger.level = INFO\nrootLogger.appenderRef.console.ref = C\n\nlogger.kafka.name= org.apache.kafka\nlogger.kafka.level = WARN\nappender.console.name = C\nlogger.org_apache_hadoop.name = org.apache.hadoop\nlogger.org_apache_hadoop.level = WARN\n";
        assert_eq!(changed, expected);
        assert_eq!(with_production_levels(&changed, &["org.apache.kafka", "org.apache.hadoop"]), changed);
    }

    #[test]
    fn the_shorthand_counts_and_keeps_its_appenders() {
        let file = "rootLogger.level = INFO\nrootLogger = DEBUG, Console, File\nlogger.k = INFO, Console\nlogger.k.name = org.apache.kafka\nlogger.k.level = WARN\n";
        let levels = Levels::read(file);
        assert_eq!((levels.root, levels.of("org.apache.kafka")), (Some(Level::Debug), Some(Level::Info)));
        assert_eq!(root_level(file), levels.root);
        assert_eq!(root_level(FILE), Levels::read(FILE).root);
        let expected = "rootLogger.level = INFO\nrootLogger = INFO, Console, File\nlogger.k = WARN, Console\nlogger.k.name = org.apache.kafka\nlogger.k.level = WARN\n";
        assert_eq!(with_production_levels(file, &["org.apache.kafka"]), expected);
    }

    #[test]
    fn a_new_logger_takes_no_id_that_is_in_use() {
        let file = "rootLogger.level = INFO\nlogger.akka.name = akka.remote\nlogger.akka.level = DEBUG\n";
        let expected = format!("{file}logger.akka_.name = akka\nlogger.akka_.level = WARN\n");
        assert_eq!(with_production_levels(file, &["akka"]), expected);
        assert_eq!(Levels::read(&expected).of("akka.remote"), Some(Level::Debug));
    }

    #[test]
    fn only_listed_loggers_count_where_there_is_a_list() {
        let file = "loggers = kafka\nrootLogger.level = INFO\nlogger.kafka.name = org.apache.kafka\nlogger.kafka.level = WARN\nlogger.akka.name = akka\nlogger.akka.level = WARN\n";
        assert_eq!(Levels::read(file).of("akka"), Some(Level::Info));
        let changed = with_production_levels(file, &["org.apache.kafka", "akka"]);
        assert_eq!(Levels::read(&changed).of("akka"), Some(Level::Warn));
        assert!(changed.starts_with("loggers = kafka, akka_\n"), "{changed}");
    }

    #[test]
    fn a_file_without_levels_or_end_of_line_gets_them() {
        assert_eq!(
            with_production_levels("appender.c.type = CONSOLE", &["akka"]),
            "appender.c.type = CONSOLE\nrootLogger.level = INFO\nlogger.akka.name = akka\nlogger.akka.level = WARN\n"
        );
    }

    #[test]
    fn a_quieter_level_stays() {
        let file = "rootLogger.level = INFO\nlogger.netty.name = io.netty\nlogger.netty.level = OFF\n";
        assert_eq!(with_production_levels(file, &["io.netty"]), file);
    }
}
