use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use flink_conf::PlatformLayers;

use crate::log4j::Production;

/// Name of the log4j file in FKO's ConfigMap, in `logConfiguration` and in Flink's pods.
pub(crate) const LOG4J_FILE: &str = "log4j-console.properties";

/// What FKO gives to every job: configuration layers and the log file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// Configuration below the resource's own.
    pub layers: PlatformLayers,
    /// FKO's log4j file for Flink's pods; `None` where it cannot be read.
    pub log_file: Option<PlatformLogFile>,
}

/// FKO's log4j file. All jobs have the same, so that it is read once; clones share it.
#[derive(Clone, Debug)]
pub struct PlatformLogFile(Arc<LogFile>);

#[derive(Debug)]
struct LogFile {
    text: String,
    /// As it should be, for each set of noisy libraries.
    production: [OnceLock<Production>; 2],
}

impl PlatformLogFile {
    /// As it should be: with these noisy libraries, which are one of two sets, by which Flink's RPC is.
    pub(crate) fn production(&self, is_pekko: bool, noisy: &[&'static str]) -> &Production {
        self.0.production[usize::from(is_pekko)].get_or_init(|| Production::of(&self.0.text, noisy))
    }
}

impl From<String> for PlatformLogFile {
    fn from(text: String) -> Self {
        Self(Arc::new(LogFile { text, production: [const { OnceLock::new() }; 2] }))
    }
}

impl Deref for PlatformLogFile {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq for PlatformLogFile {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for PlatformLogFile {}

impl Platform {
    /// FKO as its chart installs it, for judging files without a cluster: no layer that a rule reads, and a
    /// log file with FKO's appenders and levels.
    pub fn stock() -> Self {
        Self {
            layers: PlatformLayers::default(),
            log_file: Some(include_str!("../data/stock-log4j-console.properties").to_owned().into()),
        }
    }
}
