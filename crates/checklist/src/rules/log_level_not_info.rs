use flink_conf::FlinkVersion;

use crate::log4j::{Level, Production, root_level};
use crate::platform::{LOG4J_FILE, PlatformLogFile};
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Target, Writes, declare_rule};

declare_rule! {
    /// # Logging is not at INFO, or noisy libraries are not at WARN
    ///
    /// ## What it checks
    /// The log4j file that the job runs with: its own `logConfiguration`, else the file in the Flink
    /// operator's configuration. The root logger should be at INFO, the noisy libraries (Pekko or Akka,
    /// Kafka, Hadoop, ZooKeeper) at WARN or above.
    ///
    /// ## Why it matters
    /// DEBUG logs fill disks and cost throughput; WARN alone hides restarts and checkpoints. Client libraries
    /// at INFO bury what Flink says.
    ///
    /// ## What is filled
    /// Only where the job has no `logConfiguration`: `log4j-console.properties`, derived from the Flink
    /// operator's own file with nothing but levels changed, so that appenders and layouts stay the platform's.
    /// A root level other than INFO there is a gap; libraries below WARN are only written down, at a moment
    /// when it costs nothing.
    ///
    /// ## What it costs
    /// A running job restarts once. From then on the job has a file of its own: later changes of the Flink
    /// operator's file no longer reach it.
    ///
    /// ## When to switch it off
    /// When logging is set in the image, or through logback.
    ///
    /// ## Source
    /// Flink documentation, "Logging"; Flink Kubernetes Operator documentation, "Metrics and Logging".
    pub static LOG_LEVEL_NOT_INFO = {
        code: "LOG001",
        name: "log-level-not-info",
        scope: Scope::Cluster,
        writes: &[Writes::LogFile(LOG4J_FILE)],
        check: Check::Item(check),
    }
}

const LIBRARIES: &[&str] = &["org.apache.kafka", "org.apache.hadoop", "org.apache.zookeeper"];

/// First version whose RPC is Pekko.
const PEKKO: FlinkVersion = FlinkVersion::new(1, 18);

/// The noisy libraries of a version: Flink's RPC is Pekko from 1.18 on, Akka before.
fn noisy(version: FlinkVersion) -> Vec<&'static str> {
    let rpc = if version < PEKKO { "akka" } else { "org.apache.pekko" };
    std::iter::once(rpc).chain(LIBRARIES.iter().copied()).collect()
}

fn check(subject: &Subject, _: &Policy) -> Judgement {
    match (&subject.log_files, &subject.platform_log_file) {
        (Some(files), _) => match files.get(LOG4J_FILE) {
            Some(file) => judge_own(file),
            None => Judgement::advice(format!(
                "logConfiguration has no {LOG4J_FILE}, so the job logs by other means that a human has to check"
            )),
        },
        (None, Some(file)) => judge_platform(file, subject.version),
        (None, None) => Judgement::advice(
            "the Flink operator's log file cannot be read, so nobody knows at which level the job logs",
        ),
    }
}

fn judge_own(file: &str) -> Judgement {
    match root_level(file) {
        Some(Level::Info) => Judgement::pass(format!("{LOG4J_FILE} of the resource logs at INFO")),
        Some(level) => Judgement::advice(format!(
            "{LOG4J_FILE} of the resource logs at {level}; set rootLogger.level to INFO or opt out"
        )),
        None => Judgement::advice(format!(
            "{LOG4J_FILE} of the resource gives no root level that log4j knows; set rootLogger.level to INFO"
        )),
    }
}

fn judge_platform(file: &PlatformLogFile, version: FlinkVersion) -> Judgement {
    let Production { root, loud, text } = file.production(version >= PEKKO, &noisy(version));
    let fills = || vec![Fill { target: Target::LogFile(LOG4J_FILE.to_owned()), value: text.clone() }];
    match *root {
        Some(Level::Info) if loud.is_empty() => {
            Judgement::pass("the Flink operator's log file has INFO at the root and WARN for noisy libraries")
        }
        Some(Level::Info) => {
            Judgement::implicit(format!("the Flink operator's log file has {} below WARN", loud.join(", ")), fills())
        }
        level => Judgement::gap(
            format!(
                "the Flink operator's log file has {} at the root, not INFO",
                level.map_or_else(|| "no known level".to_owned(), |level| level.to_string())
            ),
            fills(),
        ),
    }
}
