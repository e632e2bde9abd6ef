use std::fmt;

use super::process::{FlinkParts, ProcessOptions};
use super::read::{LegacyOptions, RangeOptions, Reader};
use super::share::sum;
use super::{MemoryError, Size};
use crate::options::{
    JOBMANAGER_FLINK_SIZE, JOBMANAGER_HEAP_SIZE, JOBMANAGER_LEGACY_HEAP_MB, JOBMANAGER_LEGACY_HEAP_SIZE,
    JOBMANAGER_METASPACE, JOBMANAGER_OFF_HEAP_SIZE, JOBMANAGER_OVERHEAD_FRACTION, JOBMANAGER_OVERHEAD_MAX,
    JOBMANAGER_OVERHEAD_MIN, JOBMANAGER_PROCESS_SIZE,
};
use crate::{EffectiveConf, FlinkVersion};

const OPTIONS: ProcessOptions = ProcessOptions {
    parts: &[&JOBMANAGER_HEAP_SIZE],
    flink: &JOBMANAGER_FLINK_SIZE,
    process: &JOBMANAGER_PROCESS_SIZE,
    metaspace: &JOBMANAGER_METASPACE,
    overhead: RangeOptions {
        min: &JOBMANAGER_OVERHEAD_MIN,
        max: &JOBMANAGER_OVERHEAD_MAX,
        fraction: &JOBMANAGER_OVERHEAD_FRACTION,
    },
};

const LEGACY: LegacyOptions =
    LegacyOptions { size: &JOBMANAGER_LEGACY_HEAP_SIZE, mebibytes: &JOBMANAGER_LEGACY_HEAP_MB };

/// The memory of a `JobManager`, in bytes (`JobManagerProcessSpec`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobManagerMemory {
    /// JVM heap (`-Xmx` and `-Xms`).
    pub jvm_heap: u64,
    /// Direct and native memory.
    pub off_heap: u64,
    /// Metaspace of the JVM.
    pub jvm_metaspace: u64,
    /// The rest of the JVM: stacks, code cache, garbage collection.
    pub jvm_overhead: u64,
}

impl JobManagerMemory {
    /// The memory that a `JobManager` of this version starts with. `process_size` in bytes is what FKO writes
    /// into the configuration from the resource (`jobmanager.memory.process.size`), over what is there.
    ///
    /// The options of before Flink 1.11 (`jobmanager.heap.size`) stand for the heap, as the script in the
    /// container takes them (`BashJavaUtils`), however the container was started.
    pub fn derive(conf: &EffectiveConf, version: FlinkVersion, process_size: Option<u64>) -> Result<Self, MemoryError> {
        let mut reader = Reader::new(conf, version);
        if let Some(bytes) = process_size {
            reader.give(&JOBMANAGER_PROCESS_SIZE, bytes);
        }
        reader.give_legacy(&JOBMANAGER_HEAP_SIZE, LEGACY)?;
        let (parts, jvm) = OPTIONS.derive::<Parts>(&reader)?;
        Ok(Self {
            jvm_heap: parts.heap,
            off_heap: parts.off_heap,
            jvm_metaspace: jvm.metaspace,
            jvm_overhead: jvm.overhead,
        })
    }

    /// Flink's memory: the process without what the JVM itself needs.
    pub fn flink(&self) -> u64 {
        self.jvm_heap + self.off_heap
    }

    /// The whole process. Flink asks Kubernetes for it in whole mebibytes, cut.
    pub fn process(&self) -> u64 {
        self.flink() + self.jvm_metaspace + self.jvm_overhead
    }
}

/// The layout in one sentence, rounded to mebibytes.
impl fmt::Display for JobManagerMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} process: JVM overhead {} and metaspace {}; JVM heap {}, off-heap {}",
            Size(self.process()),
            Size(self.jvm_overhead),
            Size(self.jvm_metaspace),
            Size(self.jvm_heap),
            Size(self.off_heap),
        )
    }
}

/// What is inside Flink's memory (`JobManagerFlinkMemory`).
struct Parts {
    heap: u64,
    off_heap: u64,
}

impl FlinkParts for Parts {
    fn from_parts(reader: &Reader) -> Result<Self, MemoryError> {
        let heap = reader.size(&JOBMANAGER_HEAP_SIZE)?;
        let off_heap = reader.size(&JOBMANAGER_OFF_HEAP_SIZE)?;
        if !reader.is_set(&JOBMANAGER_FLINK_SIZE) {
            return Ok(Self { heap, off_heap });
        }
        let flink = reader.size(&JOBMANAGER_FLINK_SIZE)?;
        let heap_key = || reader.key(&JOBMANAGER_HEAP_SIZE);
        let flink_key = || reader.key(&JOBMANAGER_FLINK_SIZE);
        if !reader.is_set(&JOBMANAGER_OFF_HEAP_SIZE) {
            let left = flink.checked_sub(heap).ok_or_else(|| MemoryError::HeapExceedsFlink {
                heap,
                flink,
                heap_key: heap_key(),
                flink_key: flink_key(),
            })?;
            return Ok(Self { heap, off_heap: left });
        }
        if sum(&[heap, off_heap])? != flink {
            let (heap_key, flink_key) = (heap_key(), flink_key());
            return Err(MemoryError::NotTheSum { heap, off_heap, flink, heap_key, flink_key });
        }
        Ok(Self { heap, off_heap })
    }

    fn from_whole(reader: &Reader, flink: u64) -> Result<Self, MemoryError> {
        let off_heap = reader.size(&JOBMANAGER_OFF_HEAP_SIZE)?;
        let heap = flink.checked_sub(off_heap).filter(|heap| *heap > 0);
        let heap = heap.ok_or_else(|| {
            let off_heap_key = reader.key(&JOBMANAGER_OFF_HEAP_SIZE);
            MemoryError::NoHeap { flink, off_heap, off_heap_key }
        })?;
        Ok(Self { heap, off_heap })
    }

    fn whole(&self) -> Result<u64, MemoryError> {
        sum(&[self.heap, self.off_heap])
    }
}
