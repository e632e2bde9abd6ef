//! The options that rules speak of, by their newest key. Their data is the generated catalogue's.

use super::FlinkOption;
use super::generated::OPTIONS;

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident = $key:literal;)+) => {
        $($(#[$doc])* pub static $name: FlinkOption = FlinkOption { eras: OPTIONS[place($key)].eras };)+

        /// Every option that has a name here.
        pub static ALL: &[&FlinkOption] = &[$(&$name),+];
    };
}

named! {
    /// Interval of periodic checkpoints; unset means that configuration switches none on.
    CHECKPOINT_INTERVAL = "execution.checkpointing.interval";
    /// Whether checkpoints hold only what changed since the last one.
    INCREMENTAL_CHECKPOINTS = "execution.checkpointing.incremental";
    /// What becomes of checkpoints when a job is cancelled.
    CHECKPOINT_RETENTION = "execution.checkpointing.externalized-checkpoint-retention";
    /// Directory of savepoints.
    SAVEPOINT_DIRECTORY = "execution.checkpointing.savepoint-dir";
    /// Where keyed state lives while a job runs.
    STATE_BACKEND = "state.backend.type";
    /// Streaming, batch or automatic.
    RUNTIME_MODE = "execution.runtime-mode";
    /// How a failed job is started again.
    RESTART_STRATEGY = "restart-strategy.type";
    /// Exponential delay: first wait.
    RESTART_INITIAL_BACKOFF = "restart-strategy.exponential-delay.initial-backoff";
    /// Exponential delay: longest wait.
    RESTART_MAX_BACKOFF = "restart-strategy.exponential-delay.max-backoff";
    /// Exponential delay: factor from one wait to the next.
    RESTART_BACKOFF_MULTIPLIER = "restart-strategy.exponential-delay.backoff-multiplier";
    /// Exponential delay: time without failure after which the wait starts anew.
    RESTART_RESET_THRESHOLD = "restart-strategy.exponential-delay.reset-backoff-threshold";
    /// Exponential delay: share of the wait that is random.
    RESTART_JITTER = "restart-strategy.exponential-delay.jitter-factor";
    /// Names of the metrics reporters to start; unset means every configured one.
    METRICS_REPORTERS = "metrics.reporters";
    /// `JobManager` high availability.
    HIGH_AVAILABILITY = "high-availability.type";
    /// Where high availability keeps what its pointers point to.
    HIGH_AVAILABILITY_DIRECTORY = "high-availability.storageDir";
    /// Directory of checkpoints.
    CHECKPOINT_DIRECTORY = "execution.checkpointing.dir";
    /// In what checkpoints are kept: the `JobManager`'s heap or a file system.
    CHECKPOINT_STORAGE = "execution.checkpointing.storage";
    /// Whether Flink names operators that have no UID by itself.
    AUTO_GENERATE_UIDS = "pipeline.auto-generate-uids";
    /// The parallelism beyond which a job with state can never be scaled.
    MAX_PARALLELISM = "pipeline.max-parallelism";
    /// Parallelism of operators that set none; FKO writes it from the resource.
    DEFAULT_PARALLELISM = "parallelism.default";
    /// What is restarted when a task fails.
    FAILOVER_STRATEGY = "jobmanager.execution.failover-strategy";
    /// Savepoint or checkpoint that a job starts from.
    RESTORE_PATH = "execution.state-recovery.path";
    /// How Kubernetes exposes the REST port.
    REST_SERVICE_TYPE = "kubernetes.rest-service.exposed.type";
    /// TLS between the processes of a cluster.
    SSL_INTERNAL = "security.ssl.internal.enabled";
    /// TLS of the REST port.
    SSL_REST = "security.ssl.rest.enabled";
}

/// Where the catalogue has the option whose newest key this is; evaluated by the compiler only.
#[expect(clippy::panic, reason = "stops the build, never the program")]
const fn place(key: &str) -> usize {
    let mut place = 0;
    while place < OPTIONS.len() {
        let eras = OPTIONS[place].eras;
        if is_same(eras[eras.len() - 1].key.as_bytes(), key.as_bytes()) {
            return place;
        }
        place += 1;
    }
    panic!("no option of the catalogue has this newest key")
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    a.len() == b.len() && at == a.len()
}
