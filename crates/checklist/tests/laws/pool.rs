//! The options that generated deployments set, each in its spellings, with right and wrong values.

use flink_conf::options::{
    AUTO_GENERATE_UIDS, CHECKPOINT_DIRECTORY, CHECKPOINT_INTERVAL, CHECKPOINT_RETENTION, CHECKPOINT_STORAGE,
    FAILOVER_STRATEGY, HIGH_AVAILABILITY, HIGH_AVAILABILITY_DIRECTORY, INCREMENTAL_CHECKPOINTS, MAX_PARALLELISM,
    METRICS_REPORTERS, REST_SERVICE_TYPE, RESTART_BACKOFF_MULTIPLIER, RESTART_INITIAL_BACKOFF, RESTART_JITTER,
    RESTART_MAX_BACKOFF, RESTART_RESET_THRESHOLD, RESTART_STRATEGY, RESTORE_PATH, RUNTIME_MODE, SAVEPOINT_DIRECTORY,
    SCHEDULER, SSL_INTERNAL, STATE_BACKEND,
};

use crate::cases::SECRET;

/// Durable ones, lost ones, and what nobody should have written.
fn directories() -> Vec<&'static str> {
    vec![
        "s3://acme/state",
        "hdfs:///flink/state",
        "jfs://acme/state",
        "file:///mnt/state/app",
        "/tmp/state",
        "state",
        "s3://AKIA:hunter2@acme/state",
        "s3://acme/a directory. With a rather long name, in a bucket of which nobody knows what it is for any more",
    ]
}

pub(crate) fn pool() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    const HA_FACTORY: &str = "org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory";
    const FACTORY: &str = "org.apache.flink.contrib.streaming.state.EmbeddedRocksDBStateBackendFactory";
    const PROMETHEUS: &str = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory";
    vec![
        (STATE_BACKEND.spellings(), vec!["rocksdb", "rocksdb", "RocksDB", FACTORY, "hashmap", "forst", "jobmanager"]),
        (INCREMENTAL_CHECKPOINTS.spellings(), vec!["true", "false", "yes"]),
        (CHECKPOINT_INTERVAL.spellings(), vec!["1 min", "PT1M", "30000", "0", "1 ms", "2 h", "often"]),
        (RUNTIME_MODE.spellings(), vec!["STREAMING", "streaming", "batch"]),
        (RESTART_STRATEGY.spellings(), vec!["exponential-delay", "fixed-delay", "none", "sometimes"]),
        (RESTART_INITIAL_BACKOFF.spellings(), vec!["2 s"]),
        (RESTART_MAX_BACKOFF.spellings(), vec!["10 min"]),
        (RESTART_BACKOFF_MULTIPLIER.spellings(), vec!["3"]),
        (RESTART_RESET_THRESHOLD.spellings(), vec!["2 h"]),
        (RESTART_JITTER.spellings(), vec!["0.25"]),
        (METRICS_REPORTERS.spellings(), vec!["prom", "dd", "prom,dd"]),
        (CHECKPOINT_DIRECTORY.spellings(), directories()),
        (CHECKPOINT_STORAGE.spellings(), vec!["filesystem", "JobManager", "com.acme.Storage"]),
        (CHECKPOINT_RETENTION.spellings(), vec!["RETAIN_ON_CANCELLATION", "delete_on_cancellation", "never"]),
        (SAVEPOINT_DIRECTORY.spellings(), directories()),
        (HIGH_AVAILABILITY.spellings(), vec!["kubernetes", "kubernetes", "NONE", "ZOOKEEPER", HA_FACTORY, "yes"]),
        (HIGH_AVAILABILITY_DIRECTORY.spellings(), directories()),
        (RESTORE_PATH.spellings(), vec!["s3://acme/savepoints/savepoint-1"]),
        (vec!["fs.default-scheme"], vec!["hdfs://namenode:8020/"]),
        (vec!["metrics.reporter.prom.factory.class"], vec![PROMETHEUS]),
        (
            vec!["metrics.reporter.dd.factory.class"],
            vec!["org.apache.flink.metrics.datadog.DatadogHttpReporterFactory"],
        ),
        (vec!["metrics.reporter.dd.class", "metrics.reporter.prom.class"], vec!["com.acme.Reporter"]),
        (vec!["metrics.reporter.prom.port"], vec!["9249", "9300-9310", "0", "auto"]),
        (vec!["s3.secret-key", "metrics.reporter.dd.apikey"], vec![SECRET]),
        (AUTO_GENERATE_UIDS.spellings(), vec!["true", "false", "maybe"]),
        (MAX_PARALLELISM.spellings(), vec!["-1", "1", "720", "99999", "many"]),
        (vec!["pipeline.jobvertex-parallelism-overrides"], vec!["a:200,b:3", "a", "a:many"]),
        (FAILOVER_STRATEGY.spellings(), vec!["region", "full", "none"]),
        (SCHEDULER.spellings(), vec!["Adaptive"]),
        (REST_SERVICE_TYPE.spellings(), vec!["LoadBalancer", "ClusterIP"]),
        (SSL_INTERNAL.spellings(), vec!["true", "no"]),
        (vec!["security.ssl.keystore", "security.ssl.internal.truststore"], vec!["/etc/tls/flink.jks"]),
        (vec!["taskmanager.numberOfTaskSlots"], vec!["2", "0"]),
        (vec!["taskmanager.memory.managed.fraction"], vec!["0", "0.4", "1.5"]),
        (vec!["taskmanager.memory.managed.size", "taskmanager.memory.size"], vec!["512m", "2Gi", "8g"]),
        (vec!["state.backend.rocksdb.memory.managed"], vec!["false", "true"]),
        (
            vec!["execution.checkpointing.unaligned", "execution.checkpointing.unaligned.enabled"],
            vec!["false", "TRUE", "no"],
        ),
        (vec!["rest.flamegraph.enabled", "job.autoscaler.metrics.window", "acme.audit"], vec!["false", "5 min"]),
        (vec!["kubernetes.operator.job.autoscaler.metrics.window"], vec!["1 h"]),
        (vec!["state.backend.rocksdb.memory.fixed-per-slot"], vec!["64 mb", "1g"]),
    ]
}

/// What a hand that slipped leaves behind: a key without a value where others nest below it.
pub(crate) fn strays() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    vec![
        (vec!["metrics.reporter.prom", "execution.checkpointing"], vec!["null"]),
        (vec!["restart-strategy.exponential-delay", "state.backend.incremental.x"], vec!["null"]),
    ]
}
