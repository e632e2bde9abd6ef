//! What Flink itself says of the filled options.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use checklist::Target;
use e2e::await_condition;
use e2e::flink_dist::FlinkDist;
use flink_conf::FlinkVersion;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::filled::FilledJob;
use crate::http::{get, rest};

/// The metrics that the checklist alerts on, as its Prometheus reporter names them: on the JobManager's port.
const OF_JOB_MANAGER: &[&str] = &[
    "flink_jobmanager_job_numberOfFailedCheckpoints",
    "flink_jobmanager_job_lastCheckpointDuration",
    "flink_jobmanager_job_numRestarts",
    "flink_jobmanager_Status_JVM_Memory_Heap_Used",
    "flink_jobmanager_Status_JVM_Memory_Heap_Max",
];

/// The same, on the TaskManager's port.
const OF_TASK_MANAGER: &[&str] = &[
    OUT_POOL_USAGE,
    "flink_taskmanager_job_task_numRecordsInPerSecond",
    "flink_taskmanager_job_task_isBackPressured",
    "flink_taskmanager_job_task_backPressuredTimeMsPerSecond",
    "flink_taskmanager_Status_JVM_Memory_Heap_Used",
    "flink_taskmanager_Status_JVM_Memory_Heap_Max",
    "flink_taskmanager_Status_Flink_Memory_Managed_Used",
    "flink_taskmanager_Status_Flink_Memory_Managed_Total",
];

/// `outPoolUsage` of every version; the other name is the one in Flink's documentation, gone since Flink 2.
const OUT_POOL_USAGE: &str = "flink_taskmanager_job_task_Shuffle_Netty_Output_Buffers_outPoolUsage";
const OUT_POOL_USAGE_OF_1: &str = "flink_taskmanager_job_task_buffers_outPoolUsage";

/// A running job with a completed checkpoint, and who may be asked about it.
pub(crate) struct Running<'a> {
    pub(crate) dist: &'a FlinkDist,
    pub(crate) job: &'a FilledJob,
    pub(crate) cluster: &'a Cluster,
    /// The job's id.
    pub(crate) id: String,
    pub(crate) patience: Duration,
}

impl Running<'_> {
    /// The JobManager has every filled option, with the filled value.
    pub(crate) async fn shows_every_filled_option(&self) {
        let about = rest("/config").await.unwrap();
        assert_eq!(about["flink-version"], self.dist.version.as_str());
        let shown = rest("/jobmanager/config").await.unwrap();
        let shown: BTreeSet<(&str, &str)> = shown.as_array().unwrap().iter().map(entry).collect();
        for (target, value) in &self.job.fills {
            match target {
                Target::Option(key) => {
                    assert!(shown.contains(&(key.as_str(), value)), "{key} is not {value} in {shown:#?}");
                }
                // Not Flink's configuration: see `logs_as_filled` and `answers_where_the_pods_say`.
                Target::LogFile(_) | Target::PodAnnotation(_) => {}
            }
        }
    }

    /// The job's checkpoints are the ones of its configuration and the fills.
    pub(crate) async fn checkpoints_as_configured(&self, volume: &Path) {
        let config = rest(&format!("/jobs/{}/checkpoints/config", self.id)).await.unwrap();
        let expected = json!({
            "interval": 2000,
            "mode": "exactly_once",
            "externalization": { "enabled": true, "delete_on_cancellation": false },
            "state_backend": "EmbeddedRocksDBStateBackend",
            "checkpoint_storage": "FileSystemCheckpointStorage",
        });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&config[key], value, "{key} in {config:#}");
        }
        // Only incremental checkpoints share files with each other.
        let shared = volume.join("checkpoints").join(&self.id).join("shared");
        await_condition("an incremental checkpoint", self.patience, async || {
            let files = fs::read_dir(&shared).map_err(|error| error.to_string())?.count();
            if files > 0 { Ok(()) } else { Err(format!("no file in {}", shared.display())) }
        })
        .await;
    }

    /// The scheduler restarts the job with the filled delays, those of `unlike_the_defaults`.
    pub(crate) async fn restarts_as_filled(&self) {
        let strategy = "ExponentialDelayRestartBackoffTimeStrategy(initialBackoffMS=3000, maxBackoffMS=240000, \
                        backoffMultiplier=2.5, resetBackoffThresholdMS=18000000, jitterFactor=0.2,";
        let logs = self.cluster.logs();
        let used = |line: &&str| line.contains("Using restart back off time strategy");
        let lines: Vec<&str> = logs.iter().flat_map(|(_, log)| log.lines().filter(used)).collect();
        assert!(matches!(lines[..], [line] if line.contains(strategy)), "{lines:?} without {strategy}");
        // Flink 1 tells the delays only of a strategy in the job's code, which would win over configuration.
        let told = if self.job.version < FlinkVersion::new(2, 0) {
            "Cluster level default restart strategy"
        } else {
            "Restart with exponential delay: starting at PT3S, increasing by 2.500000, with maximum PT4M. \
             Delay resets after PT5H with jitter 0.200000"
        };
        let config = rest(&format!("/jobs/{}/config", self.id)).await.unwrap();
        assert_eq!(config["execution-config"]["restart-strategy"], told);
    }

    /// The reporters answer, where the filled annotation sends Prometheus, with what the alerts need.
    pub(crate) async fn answers_where_the_pods_say(&self, task_manager: u16) {
        let annotation = |name: &str| &self.job.fills[&Target::PodAnnotation(format!("prometheus.io/{name}"))];
        assert_eq!(annotation("scrape"), "true");
        let job_manager: u16 = annotation("port").parse().expect("a port");
        self.has_metrics(job_manager, OF_JOB_MANAGER).await;
        let page = self.has_metrics(task_manager, OF_TASK_MANAGER).await;
        let is_1 = self.job.version < FlinkVersion::new(2, 0);
        assert_eq!(samples(&page, OUT_POOL_USAGE_OF_1) > 0, is_1, "{OUT_POOL_USAGE_OF_1}");
    }

    /// The page of a reporter, once it has all of these metrics.
    async fn has_metrics(&self, port: u16, names: &[&str]) -> String {
        await_condition("metrics", self.patience, async || {
            let page = get(port, "/metrics").await?;
            let missing: Vec<&str> = names.iter().copied().filter(|name| samples(&page, name) == 0).collect();
            if missing.is_empty() { Ok(page) } else { Err(format!("port {port} has no {missing:?}")) }
        })
        .await
    }

    /// Flink is at INFO, its RPC library at WARN, log4j has no complaint of the filled file, and nothing above
    /// INFO, such as a deprecation, names an option that we have filled.
    pub(crate) fn logs_as_filled(&self) {
        let keys: Vec<&str> = self.job.fills.keys().filter_map(option).collect();
        for (process, log) in self.cluster.logs() {
            let mut levels = BTreeSet::new();
            for line in log.lines() {
                let Some((level, logger)) = level_and_logger(line) else { continue };
                levels.insert(level);
                assert!(level != "INFO" || !logger.starts_with("org.apache.pekko."), "{process}: {line}");
                let named = keys.iter().find(|key| level != "INFO" && line.contains(*key));
                assert_eq!(named, None, "{process}: {line}");
            }
            assert!(levels.contains("INFO"), "{process} has logged {levels:?}");
            assert!(!levels.contains("DEBUG"), "{process} has logged {levels:?}");
        }
        for (process, output) in self.cluster.outputs() {
            let complaint = output.lines().find(|line| line.contains("StatusLogger"));
            assert_eq!(complaint, None, "{process}");
        }
    }
}

fn entry(entry: &Value) -> (&str, &str) {
    (entry["key"].as_str().unwrap(), entry["value"].as_str().unwrap())
}

fn option(target: &Target) -> Option<&str> {
    match target {
        Target::Option(key) => Some(key.as_str()),
        Target::LogFile(_) | Target::PodAnnotation(_) => None,
    }
}

/// Level and logger of a line that begins a log entry, in the layout of the stock log file.
fn level_and_logger(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    words.next().filter(|date| date.starts_with("20"))?;
    let level = words.nth(1)?;
    Some((level, words.next()?))
}

/// How many samples with a number a page has of a metric.
fn samples(page: &str, metric: &str) -> usize {
    let value = |line: &str| {
        let labelled = line.strip_prefix(metric)?.strip_prefix('{')?;
        labelled.rsplit_once("} ")?.1.parse::<f64>().ok()
    };
    page.lines().filter_map(value).filter(|value| value.is_finite()).count()
}
