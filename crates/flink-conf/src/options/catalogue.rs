//! The options that rules speak of, by their newest key. Their data is the generated catalogue's.

use super::FlinkOption;
use super::generated::OPTIONS;

macro_rules! named {
    ($(#[$list_doc:meta])* $list:ident: $($(#[$doc:meta])* $name:ident = $key:literal;)+) => {
        $($(#[$doc])* pub static $name: FlinkOption = FlinkOption { eras: OPTIONS[place($key)].eras };)+

        $(#[$list_doc])*
        pub static $list: &[&FlinkOption] = &[$(&$name),+];
    };
}

named! {
    /// Every option that has a name here and exists in every version.
    ALL:

    /// Interval of periodic checkpoints; unset means that configuration switches none on.
    CHECKPOINT_INTERVAL = "execution.checkpointing.interval";
    /// After how long a checkpoint that is not complete is given up.
    CHECKPOINT_TIMEOUT = "execution.checkpointing.timeout";
    /// Whether checkpoints hold only what changed since the last one.
    INCREMENTAL_CHECKPOINTS = "execution.checkpointing.incremental";
    /// What becomes of checkpoints when a job is cancelled.
    CHECKPOINT_RETENTION = "execution.checkpointing.externalized-checkpoint-retention";
    /// Directory of savepoints.
    SAVEPOINT_DIRECTORY = "execution.checkpointing.savepoint-dir";
    /// Where keyed state lives while a job runs.
    STATE_BACKEND = "state.backend.type";
    /// RocksDB: memory of each slot, instead of managed memory.
    ROCKSDB_MEMORY_FIXED_PER_SLOT = "state.backend.rocksdb.memory.fixed-per-slot";
    /// RocksDB: whether it takes managed memory.
    ROCKSDB_MEMORY_MANAGED = "state.backend.rocksdb.memory.managed";
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
    /// How tasks are placed and restarted: with the adaptive scheduler a job takes the slots that there are.
    SCHEDULER = "jobmanager.scheduler";
    /// `reactive`: the adaptive scheduler, for all slots that there are.
    SCHEDULER_MODE = "scheduler-mode";
    /// Savepoint or checkpoint that a job starts from.
    RESTORE_PATH = "execution.state-recovery.path";
    /// How Kubernetes exposes the REST port.
    REST_SERVICE_TYPE = "kubernetes.rest-service.exposed.type";
    /// TLS between the processes of a cluster.
    SSL_INTERNAL = "security.ssl.internal.enabled";
    /// TLS of the REST port.
    SSL_REST = "security.ssl.rest.enabled";
    /// `JobManager` memory: what the JVM may take in all.
    JOBMANAGER_PROCESS_SIZE = "jobmanager.memory.process.size";
    /// `JobManager` memory: the process without what the JVM itself needs.
    JOBMANAGER_FLINK_SIZE = "jobmanager.memory.flink.size";
    /// `JobManager` memory: heap.
    JOBMANAGER_HEAP_SIZE = "jobmanager.memory.heap.size";
    /// `JobManager` memory: direct and native.
    JOBMANAGER_OFF_HEAP_SIZE = "jobmanager.memory.off-heap.size";
    /// `JobManager` memory: metaspace of the JVM.
    JOBMANAGER_METASPACE = "jobmanager.memory.jvm-metaspace.size";
    /// `JobManager` memory: share of the process for the rest of the JVM.
    JOBMANAGER_OVERHEAD_FRACTION = "jobmanager.memory.jvm-overhead.fraction";
    /// `JobManager` memory: upper bound of that share.
    JOBMANAGER_OVERHEAD_MAX = "jobmanager.memory.jvm-overhead.max";
    /// `JobManager` memory: lower bound of that share.
    JOBMANAGER_OVERHEAD_MIN = "jobmanager.memory.jvm-overhead.min";
    /// `TaskManager` memory: what the JVM may take in all.
    TASKMANAGER_PROCESS_SIZE = "taskmanager.memory.process.size";
    /// `TaskManager` memory: the process without what the JVM itself needs.
    TASKMANAGER_FLINK_SIZE = "taskmanager.memory.flink.size";
    /// `TaskManager` memory: heap of Flink itself.
    TASKMANAGER_FRAMEWORK_HEAP = "taskmanager.memory.framework.heap.size";
    /// `TaskManager` memory: direct and native memory of Flink itself.
    TASKMANAGER_FRAMEWORK_OFF_HEAP = "taskmanager.memory.framework.off-heap.size";
    /// `TaskManager` memory: heap of the job's code.
    TASKMANAGER_TASK_HEAP = "taskmanager.memory.task.heap.size";
    /// `TaskManager` memory: direct and native memory of the job's code.
    TASKMANAGER_TASK_OFF_HEAP = "taskmanager.memory.task.off-heap.size";
    /// `TaskManager` memory: what state backends, sorting and Python share, in bytes.
    TASKMANAGER_MANAGED_SIZE = "taskmanager.memory.managed.size";
    /// `TaskManager` memory: the same as a share of Flink's memory.
    TASKMANAGER_MANAGED_FRACTION = "taskmanager.memory.managed.fraction";
    /// `TaskManager` memory: share of Flink's memory for network buffers.
    TASKMANAGER_NETWORK_FRACTION = "taskmanager.memory.network.fraction";
    /// `TaskManager` memory: upper bound of that share.
    TASKMANAGER_NETWORK_MAX = "taskmanager.memory.network.max";
    /// `TaskManager` memory: lower bound of that share.
    TASKMANAGER_NETWORK_MIN = "taskmanager.memory.network.min";
    /// `TaskManager` memory: size of a network buffer.
    TASKMANAGER_SEGMENT_SIZE = "taskmanager.memory.segment-size";
    /// `TaskManager` memory: metaspace of the JVM.
    TASKMANAGER_METASPACE = "taskmanager.memory.jvm-metaspace.size";
    /// `TaskManager` memory: share of the process for the rest of the JVM.
    TASKMANAGER_OVERHEAD_FRACTION = "taskmanager.memory.jvm-overhead.fraction";
    /// `TaskManager` memory: upper bound of that share.
    TASKMANAGER_OVERHEAD_MAX = "taskmanager.memory.jvm-overhead.max";
    /// `TaskManager` memory: lower bound of that share.
    TASKMANAGER_OVERHEAD_MIN = "taskmanager.memory.jvm-overhead.min";
    /// Slots of a `TaskManager`, among which its memory is divided.
    TASKMANAGER_SLOTS = "taskmanager.numberOfTaskSlots";
}

named! {
    /// Options that Flink 2.0 dropped and older versions still read.
    FORMER:

    /// `JobManager` memory before Flink 1.11.
    JOBMANAGER_LEGACY_HEAP_SIZE = "jobmanager.heap.size";
    /// The same in whole mebibytes.
    JOBMANAGER_LEGACY_HEAP_MB = "jobmanager.heap.mb";
    /// `TaskManager` memory before Flink 1.10.
    TASKMANAGER_LEGACY_HEAP_SIZE = "taskmanager.heap.size";
    /// The same in whole mebibytes.
    TASKMANAGER_LEGACY_HEAP_MB = "taskmanager.heap.mb";
    /// `TaskManager` memory: number of network buffers where no option of the share is set.
    TASKMANAGER_NETWORK_BUFFERS = "taskmanager.network.numberOfBuffers";
}

named! {
    /// Options that older versions do not have.
    LATER:

    /// Parallelism of single vertices, as the autoscaler sets it, from Flink 1.17 on.
    VERTEX_PARALLELISM = "pipeline.jobvertex-parallelism-overrides";
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
