use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bytes, Factor, Share, Span};

/// Parameters of the rules, each under its rule's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Parameters {
    /// JOB001.
    pub implicit_operator_uids: OperatorUids,
    /// JOB002.
    pub implicit_max_parallelism: MaxParallelism,
    /// STA001.
    pub unsuitable_state_backend: StateBackendChoice,
    /// CKP001.
    pub no_checkpoint_interval: CheckpointInterval,
    /// RST001.
    pub no_restart_backoff: RestartBackoff,
    /// MEM001.
    pub managed_memory_too_small: ManagedMemory,
    /// MET001.
    pub no_metrics_reporter: MetricsReporter,
    /// SEC002.
    pub no_tls: Tls,
}

/// Parameters of `implicit-operator-uids`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OperatorUids {
    /// Whether new jobs get `pipeline.auto-generate-uids: false`, with which Flink refuses a job that has an
    /// operator without a UID.
    pub fill: bool,
}

/// Parameters of `implicit-max-parallelism`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MaxParallelism {
    /// The least value that is filled.
    pub floor: u32,
    /// How many times its parallelism a job may have to grow.
    pub growth_factor: u32,
}

impl Default for MaxParallelism {
    fn default() -> Self {
        Self { floor: 128, growth_factor: 4 }
    }
}

/// Parameters of `unsuitable-state-backend`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StateBackendChoice {
    /// The backend of new jobs that choose none: `hashmap`, `rocksdb` or, from Flink 2.0 on, `forst`.
    pub backend: Option<Backend>,
}

/// A state backend by its short name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// State on the heap.
    Hashmap,
    /// State on local disk.
    Rocksdb,
    /// State on remote storage, Flink 2.0 and newer.
    Forst,
}

/// Parameters of `no-checkpoint-interval`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", try_from = "AnyCheckpointInterval")]
#[schemars(!try_from, default)]
pub struct CheckpointInterval {
    /// Filled where a job has none.
    pub interval: Span,
    /// A shorter interval is advised against.
    pub min: Span,
    /// A longer interval is advised against.
    pub max: Span,
    /// Whether jobs that already ran without checkpoints get them too, which changes what their sinks do.
    pub fill_running: bool,
}

/// The same, which may contradict itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct AnyCheckpointInterval {
    interval: Span,
    min: Span,
    max: Span,
    fill_running: bool,
}

impl Default for AnyCheckpointInterval {
    fn default() -> Self {
        Self {
            interval: Span::known("1 min", 60_000),
            min: Span::known("1 s", 1_000),
            max: Span::known("30 min", 1_800_000),
            fill_running: false,
        }
    }
}

impl Default for CheckpointInterval {
    fn default() -> Self {
        let AnyCheckpointInterval { interval, min, max, fill_running } = AnyCheckpointInterval::default();
        Self { interval, min, max, fill_running }
    }
}

impl TryFrom<AnyCheckpointInterval> for CheckpointInterval {
    type Error = String;

    fn try_from(any: AnyCheckpointInterval) -> Result<Self, String> {
        let AnyCheckpointInterval { interval, min, max, fill_running } = any;
        if (min.milliseconds()..=max.milliseconds()).contains(&interval.milliseconds()) {
            Ok(Self { interval, min, max, fill_running })
        } else {
            Err(format!("the interval {interval} is not between min ({min}) and max ({max})"))
        }
    }
}

/// Parameters of `no-restart-backoff`: delays of the exponential-delay restart strategy, in Flink's notation.
/// The defaults are those of Flink 1.19 and newer (FLIP-364).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RestartBackoff {
    /// First wait.
    pub initial: Span,
    /// Longest wait.
    pub max: Span,
    /// Factor from one wait to the next.
    pub multiplier: Factor,
    /// Time without failure after which the wait starts anew.
    pub reset_threshold: Span,
    /// Share of the wait that is random, 0 to 1.
    pub jitter: Share,
}

impl Default for RestartBackoff {
    fn default() -> Self {
        Self {
            initial: Span::known("1 s", 1_000),
            max: Span::known("1 min", 60_000),
            multiplier: Factor(1.5),
            reset_threshold: Span::known("1 h", 3_600_000),
            jitter: Share(0.1),
        }
    }
}

/// Parameters of `managed-memory-too-small`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ManagedMemory {
    /// The least managed memory for RocksDB in one slot.
    pub per_slot: Bytes,
}

impl Default for ManagedMemory {
    fn default() -> Self {
        Self { per_slot: Bytes::known("256 mb", 256 << 20) }
    }
}

/// Parameters of `no-metrics-reporter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricsReporter {
    /// Port of the Prometheus reporter that is filled.
    pub port: std::num::NonZeroU16,
}

impl Default for MetricsReporter {
    fn default() -> Self {
        // Flink's own default (PrometheusReporter).
        Self { port: std::num::NonZeroU16::MIN.saturating_add(9248) }
    }
}

/// Parameters of `no-tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tls {
    /// Whether jobs have to encrypt what goes over the network.
    pub required: bool,
}
