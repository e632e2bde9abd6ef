use flink_conf::PlatformLayers;

/// Name of the log4j file in FKO's ConfigMap, in `logConfiguration` and in Flink's pods.
pub(crate) const LOG4J_FILE: &str = "log4j-console.properties";

/// What FKO gives to every job: configuration layers and the log file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// Configuration below the resource's own.
    pub layers: PlatformLayers,
    /// FKO's log4j file for Flink's pods; `None` where it cannot be read.
    pub log_file: Option<String>,
}

impl Platform {
    /// FKO as its chart installs it, for judging files without a cluster: no layer that a rule reads, and a
    /// log file with FKO's appenders and levels.
    pub fn stock() -> Self {
        Self {
            layers: PlatformLayers::default(),
            log_file: Some(include_str!("../data/stock-log4j-console.properties").to_owned()),
        }
    }
}
