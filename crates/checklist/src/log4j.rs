//! The levels of a log4j 2 properties file: read them, and change them and nothing else.

use std::collections::BTreeMap;

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

impl Levels {
    /// Reads a properties file. A level that is looked up at run time counts by its default
    /// (`${env:ROOT_LOG_LEVEL:-INFO}`).
    pub(crate) fn read(file: &str) -> Self {
        let mut properties = BTreeMap::new();
        for line in file.lines() {
            if let Some((key, value)) = property(line) {
                properties.insert(key, value);
            }
        }
        let root = properties.get("rootLogger.level").or_else(|| properties.get("rootLogger"));
        let loggers = properties
            .iter()
            .filter_map(|(key, name)| {
                let id = key.strip_prefix("logger.")?.strip_suffix(".name")?;
                let level = properties.get(format!("logger.{id}.level").as_str()).and_then(|text| level(text));
                Some(((*name).to_owned(), (id.to_owned(), level)))
            })
            .collect();
        Self { root: root.and_then(|text| level(text)), loggers }
    }

    /// The root logger's level; `None` where the file gives none or an unknown one.
    pub(crate) fn root(&self) -> Option<Level> {
        self.root
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

/// The file with the root at INFO and these loggers at WARN at least; every other line stays as it is.
pub(crate) fn with_production_levels(file: &str, noisy: &[&str]) -> String {
    let levels = Levels::read(file);
    let mut text = file.to_owned();
    if levels.root != Some(Level::Info) {
        text = set(&text, "rootLogger.level", Level::Info);
    }
    for logger in noisy.iter().filter(|logger| levels.of(logger).is_none_or(|level| level < Level::Warn)) {
        let id = levels.loggers.get(*logger).map_or_else(|| id_for(logger), |(id, _)| id.clone());
        if !levels.loggers.contains_key(*logger) {
            text = append(&text, &format!("logger.{id}.name = {logger}"));
        }
        text = set(&text, &format!("logger.{id}.level"), Level::Warn);
    }
    text
}

fn id_for(logger: &str) -> String {
    logger.replace(['.', '-'], "_")
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

fn set(file: &str, key: &str, level: Level) -> String {
    let is_it = |line: &str| property(line).is_some_and(|(found, _)| found == key);
    if !file.lines().any(is_it) {
        return append(file, &format!("{key} = {level}"));
    }
    file.split_inclusive('\n')
        .map(
            |line| {
                if is_it(line) { format!("{key} = {level}{}", &line[line.trim_end().len()..]) } else { line.to_owned() }
            },
        )
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
        assert_eq!(levels.root(), Some(Level::Debug));
        assert_eq!(levels.of("org.apache.kafka.clients"), Some(Level::Info));
        assert_eq!(levels.of("org.apache.hadoop"), Some(Level::Debug));
        assert_eq!(Levels::read("rootLogger.level = ${env:ROOT_LOG_LEVEL:-info}").root(), Some(Level::Info));
        assert_eq!(Levels::read("rootLogger = WARN, Console").root(), Some(Level::Warn));
        assert_eq!(Levels::read("rootLogger.level = ${env:X}").root(), None);
    }

    #[test]
    fn only_levels_change() {
        let changed = with_production_levels(FILE, &["org.apache.kafka", "org.apache.hadoop"]);
        let expected = "# head\nrootLogger.level = INFO\nrootLogger.appenderRef.console.ref = C\n\nlogger.kafka.name= org.apache.kafka\nlogger.kafka.level = WARN\nappender.console.name = C\nlogger.org_apache_hadoop.name = org.apache.hadoop\nlogger.org_apache_hadoop.level = WARN\n";
        assert_eq!(changed, expected);
        assert_eq!(with_production_levels(&changed, &["org.apache.kafka", "org.apache.hadoop"]), changed);
    }

    #[test]
    fn a_quieter_level_stays() {
        let file = "rootLogger.level = INFO\nlogger.netty.name = io.netty\nlogger.netty.level = OFF\n";
        assert_eq!(with_production_levels(file, &["io.netty"]), file);
    }
}
