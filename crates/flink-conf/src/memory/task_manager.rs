use std::fmt;

use super::process::{FlinkParts, ProcessOptions};
use super::read::{LegacyOptions, RangeOptions, Reader};
use super::share::{MAX, Range, sum};
use super::{Deployment, MemoryError, Size};
use crate::options::{
    TASKMANAGER_FLINK_SIZE, TASKMANAGER_FRAMEWORK_HEAP, TASKMANAGER_FRAMEWORK_OFF_HEAP, TASKMANAGER_LEGACY_HEAP_MB,
    TASKMANAGER_LEGACY_HEAP_SIZE, TASKMANAGER_MANAGED_FRACTION, TASKMANAGER_MANAGED_SIZE, TASKMANAGER_METASPACE,
    TASKMANAGER_NETWORK_BUFFERS, TASKMANAGER_NETWORK_FRACTION, TASKMANAGER_NETWORK_MAX, TASKMANAGER_NETWORK_MIN,
    TASKMANAGER_OVERHEAD_FRACTION, TASKMANAGER_OVERHEAD_MAX, TASKMANAGER_OVERHEAD_MIN, TASKMANAGER_PROCESS_SIZE,
    TASKMANAGER_SEGMENT_SIZE, TASKMANAGER_SLOTS, TASKMANAGER_TASK_HEAP, TASKMANAGER_TASK_OFF_HEAP,
};
use crate::{EffectiveConf, FlinkVersion};

const OPTIONS: ProcessOptions = ProcessOptions {
    parts: &[&TASKMANAGER_TASK_HEAP, &TASKMANAGER_MANAGED_SIZE],
    flink: &TASKMANAGER_FLINK_SIZE,
    process: &TASKMANAGER_PROCESS_SIZE,
    metaspace: &TASKMANAGER_METASPACE,
    overhead: RangeOptions {
        min: &TASKMANAGER_OVERHEAD_MIN,
        max: &TASKMANAGER_OVERHEAD_MAX,
        fraction: &TASKMANAGER_OVERHEAD_FRACTION,
    },
};

const NETWORK: RangeOptions = RangeOptions {
    min: &TASKMANAGER_NETWORK_MIN,
    max: &TASKMANAGER_NETWORK_MAX,
    fraction: &TASKMANAGER_NETWORK_FRACTION,
};

const LEGACY: LegacyOptions =
    LegacyOptions { size: &TASKMANAGER_LEGACY_HEAP_SIZE, mebibytes: &TASKMANAGER_LEGACY_HEAP_MB };

/// The memory of a `TaskManager`, in bytes (`TaskExecutorProcessSpec`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskManagerMemory {
    /// JVM heap of Flink itself.
    pub framework_heap: u64,
    /// Direct and native memory of Flink itself.
    pub framework_off_heap: u64,
    /// JVM heap of the job's code, and of state in the hashmap state backend.
    pub task_heap: u64,
    /// Direct and native memory of the job's code.
    pub task_off_heap: u64,
    /// Network buffers.
    pub network: u64,
    /// What the state backend `RocksDB`, sorting, caching and Python processes share.
    pub managed: u64,
    /// Metaspace of the JVM.
    pub jvm_metaspace: u64,
    /// The rest of the JVM: stacks, code cache, garbage collection.
    pub jvm_overhead: u64,
    /// Slots, at least one.
    pub slots: u32,
}

/// What one slot of a `TaskManager` gets, in bytes: every slot the same, cut to whole bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotMemory {
    /// Share of the task heap.
    pub task_heap: u64,
    /// Share of the task off-heap memory.
    pub task_off_heap: u64,
    /// Share of the network buffers.
    pub network: u64,
    /// Share of the managed memory.
    pub managed: u64,
}

impl TaskManagerMemory {
    /// The memory that a `TaskManager` of this version starts with. `process_size` in bytes is what FKO writes
    /// into the configuration from the resource (`taskmanager.memory.process.size`), over what is there.
    ///
    /// CPU and external resources, for whose values Flink may refuse to start as well, are not looked at.
    pub fn derive(
        conf: &EffectiveConf,
        version: FlinkVersion,
        deployment: Deployment,
        process_size: Option<u64>,
    ) -> Result<Self, MemoryError> {
        let mut reader = Reader::new(conf, version);
        if let Some(bytes) = process_size {
            reader.give(&TASKMANAGER_PROCESS_SIZE, bytes);
        }
        reader.give_legacy(
            match deployment {
                Deployment::Native => &TASKMANAGER_PROCESS_SIZE,
                Deployment::Standalone => &TASKMANAGER_FLINK_SIZE,
            },
            LEGACY,
        )?;
        let (parts, jvm) = OPTIONS.derive::<Parts>(&reader)?;
        let value = reader.int(&TASKMANAGER_SLOTS)?;
        let slots = u32::try_from(value).ok().filter(|slots| *slots > 0).ok_or_else(|| MemoryError::TooSmall {
            key: reader.key(&TASKMANAGER_SLOTS),
            value,
            least: 1,
        })?;
        Ok(Self {
            framework_heap: parts.framework_heap,
            framework_off_heap: parts.framework_off_heap,
            task_heap: parts.task_heap,
            task_off_heap: parts.task_off_heap,
            network: parts.network,
            managed: parts.managed,
            jvm_metaspace: jvm.metaspace,
            jvm_overhead: jvm.overhead,
            slots,
        })
    }

    /// Flink's memory: the process without what the JVM itself needs.
    pub fn flink(&self) -> u64 {
        self.jvm_heap() + self.framework_off_heap + self.task_off_heap + self.network + self.managed
    }

    /// The whole process. Flink asks Kubernetes for it in whole mebibytes, cut.
    pub fn process(&self) -> u64 {
        self.flink() + self.jvm_metaspace + self.jvm_overhead
    }

    /// The JVM's heap (`-Xmx` and `-Xms`).
    pub fn jvm_heap(&self) -> u64 {
        self.framework_heap + self.task_heap
    }

    /// What a slot gets (`TaskExecutorResourceUtils.generateDefaultSlotResourceProfile`).
    pub fn per_slot(&self) -> SlotMemory {
        let share = |bytes| bytes / u64::from(self.slots);
        SlotMemory {
            task_heap: share(self.task_heap),
            task_off_heap: share(self.task_off_heap),
            network: share(self.network),
            managed: share(self.managed),
        }
    }
}

/// The layout in one sentence, rounded to mebibytes.
impl fmt::Display for TaskManagerMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} process: JVM overhead {} and metaspace {}; of the remaining {} framework heap {} and off-heap {}, \
             task heap {} and off-heap {}, network {}, managed {}",
            Size(self.process()),
            Size(self.jvm_overhead),
            Size(self.jvm_metaspace),
            Size(self.flink()),
            Size(self.framework_heap),
            Size(self.framework_off_heap),
            Size(self.task_heap),
            Size(self.task_off_heap),
            Size(self.network),
            Size(self.managed),
        )?;
        match self.slots {
            1 => write!(f, " for 1 slot"),
            slots => write!(f, " = {} per slot for {slots} slots", Size(self.per_slot().managed)),
        }
    }
}

/// What is inside Flink's memory (`TaskExecutorFlinkMemory`).
struct Parts {
    framework_heap: u64,
    framework_off_heap: u64,
    task_heap: u64,
    task_off_heap: u64,
    network: u64,
    managed: u64,
}

impl FlinkParts for Parts {
    fn from_parts(reader: &Reader) -> Result<Self, MemoryError> {
        let mut parts = Self {
            task_heap: reader.size(&TASKMANAGER_TASK_HEAP)?,
            managed: reader.size(&TASKMANAGER_MANAGED_SIZE)?,
            ..Self::fixed(reader)?
        };
        let used = parts.whole()?;
        parts.network = if reader.is_set(&TASKMANAGER_FLINK_SIZE) {
            parts.network_left(reader, reader.size(&TASKMANAGER_FLINK_SIZE)?)?
        } else {
            match buffers(reader)? {
                Some(bytes) => bytes,
                None => reader.range(NETWORK)?.beside(used)?,
            }
        };
        Ok(parts)
    }

    fn from_whole(reader: &Reader, flink: u64) -> Result<Self, MemoryError> {
        let mut parts = Self::fixed(reader)?;
        if reader.is_set(&TASKMANAGER_TASK_HEAP) {
            parts.task_heap = reader.size(&TASKMANAGER_TASK_HEAP)?;
            parts.managed = managed(reader, flink)?;
            parts.network = parts.network_left(reader, flink)?;
            return Ok(parts);
        }
        parts.managed = managed(reader, flink)?;
        parts.network = match buffers(reader)? {
            Some(bytes) => bytes,
            None => reader.range(NETWORK)?.of(flink)?,
        };
        parts.task_heap = flink.checked_sub(parts.whole()?).ok_or_else(|| parts.exceed(flink))?;
        Ok(parts)
    }

    fn whole(&self) -> Result<u64, MemoryError> {
        sum(&[
            self.framework_heap,
            self.framework_off_heap,
            self.task_heap,
            self.task_off_heap,
            self.network,
            self.managed,
        ])
    }
}

impl Parts {
    /// What depends on nothing else; the rest is 0.
    fn fixed(reader: &Reader) -> Result<Self, MemoryError> {
        Ok(Self {
            framework_heap: reader.size(&TASKMANAGER_FRAMEWORK_HEAP)?,
            framework_off_heap: reader.size(&TASKMANAGER_FRAMEWORK_OFF_HEAP)?,
            task_off_heap: reader.size(&TASKMANAGER_TASK_OFF_HEAP)?,
            task_heap: 0,
            network: 0,
            managed: 0,
        })
    }

    /// What the other parts leave of Flink's memory to the network.
    fn network_left(&self, reader: &Reader, flink: u64) -> Result<u64, MemoryError> {
        let network = flink.checked_sub(self.whole()?).ok_or_else(|| self.exceed(flink))?;
        if let Some(buffers) = buffers(reader)? {
            return if buffers == network {
                Ok(network)
            } else {
                Err(MemoryError::NetworkBuffers { network, buffers, key: reader.key(&TASKMANAGER_NETWORK_BUFFERS) })
            };
        }
        let range = reader.range(NETWORK)?;
        if !range.holds(network) {
            return Err(MemoryError::Network {
                network,
                min: range.min,
                min_key: reader.key(NETWORK.min),
                max: range.max,
                max_key: reader.key(NETWORK.max),
                task_heap_key: reader.key(&TASKMANAGER_TASK_HEAP),
            });
        }
        Ok(network)
    }

    fn exceed(&self, flink: u64) -> MemoryError {
        let named = [
            ("framework heap", self.framework_heap),
            ("framework off-heap", self.framework_off_heap),
            ("task heap", self.task_heap),
            ("task off-heap", self.task_off_heap),
            ("network", self.network),
            ("managed memory", self.managed),
        ];
        let parts: Vec<String> = named
            .into_iter()
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(name, bytes)| format!("{name} ({:#})", Size(bytes)))
            .collect();
        MemoryError::PartsExceedFlink { parts: parts.join(", "), flink }
    }
}

fn managed(reader: &Reader, flink: u64) -> Result<u64, MemoryError> {
    if reader.is_set(&TASKMANAGER_MANAGED_SIZE) {
        return reader.size(&TASKMANAGER_MANAGED_SIZE);
    }
    let fraction = reader.fraction(&TASKMANAGER_MANAGED_FRACTION)?;
    Range { min: 0, max: MAX, fraction }.of(flink)
}

/// The network's size by the number of its buffers: up to Flink 1.20, where it is set and no newer option is.
fn buffers(reader: &Reader) -> Result<Option<u64>, MemoryError> {
    let is_newer_set = [NETWORK.min, NETWORK.max, NETWORK.fraction].into_iter().any(|option| reader.is_set(option));
    if is_newer_set || !reader.is_set(&TASKMANAGER_NETWORK_BUFFERS) {
        return Ok(None);
    }
    let value = reader.int(&TASKMANAGER_NETWORK_BUFFERS)?;
    let bytes = reader.size(&TASKMANAGER_SEGMENT_SIZE)?;
    if bytes < 4096 || !bytes.is_power_of_two() || bytes > i32::MAX as u64 {
        return Err(MemoryError::SegmentSize { key: reader.key(&TASKMANAGER_SEGMENT_SIZE), bytes });
    }
    let key = || reader.key(&TASKMANAGER_NETWORK_BUFFERS);
    let number = u64::try_from(value).map_err(|_| MemoryError::TooSmall { key: key(), value, least: 0 })?;
    Ok(Some(number * bytes))
}
