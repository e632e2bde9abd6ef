//! What `TaskManager` and `JobManager` have in common (`ProcessMemoryUtils`).

use super::MemoryError;
use super::read::{RangeOptions, Reader};
use super::share::sum;
use crate::FlinkOption;

/// The options of one kind of process.
pub(super) struct ProcessOptions {
    /// If all of these are set, Flink adds up the parts.
    pub(super) parts: &'static [&'static FlinkOption],
    pub(super) flink: &'static FlinkOption,
    pub(super) process: &'static FlinkOption,
    pub(super) metaspace: &'static FlinkOption,
    pub(super) overhead: RangeOptions,
}

/// The sizes within Flink's memory.
pub(super) trait FlinkParts: Sized {
    /// From the sizes of the parts.
    fn from_parts(reader: &Reader) -> Result<Self, MemoryError>;

    /// From the size of the whole in bytes.
    fn from_whole(reader: &Reader, flink: u64) -> Result<Self, MemoryError>;

    /// The whole in bytes.
    fn whole(&self) -> Result<u64, MemoryError>;
}

/// What the JVM takes beside Flink's memory, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Jvm {
    pub(super) metaspace: u64,
    pub(super) overhead: u64,
}

impl ProcessOptions {
    /// The sizes of a process, from whichever of the three ways is configured, the most exact first.
    pub(super) fn derive<P: FlinkParts>(&self, reader: &Reader) -> Result<(P, Jvm), MemoryError> {
        if self.parts.iter().all(|option| reader.is_set(option)) {
            let parts = P::from_parts(reader)?;
            let jvm = self.jvm_beside(reader, parts.whole()?)?;
            Ok((parts, jvm))
        } else if reader.is_set(self.flink) {
            let flink = reader.size(self.flink)?;
            let parts = P::from_whole(reader, flink)?;
            Ok((parts, self.jvm_beside(reader, flink)?))
        } else if reader.is_set(self.process) {
            let process = reader.size(self.process)?;
            let jvm = self.jvm_within(reader, process)?;
            let parts = P::from_whole(reader, process - jvm.metaspace - jvm.overhead)?;
            Ok((parts, jvm))
        } else {
            let keys: Vec<String> = self.parts.iter().map(|option| format!("`{}`", reader.key(option))).collect();
            Err(MemoryError::NothingGiven {
                process: reader.key(self.process),
                flink: reader.key(self.flink),
                parts: keys.join(" and "),
            })
        }
    }

    fn jvm_within(&self, reader: &Reader, process: u64) -> Result<Jvm, MemoryError> {
        let metaspace = reader.size(self.metaspace)?;
        let overhead = reader.range(self.overhead)?.of(process)?;
        if sum(&[metaspace, overhead])? > process {
            return Err(MemoryError::JvmExceedsProcess { metaspace, overhead, process });
        }
        Ok(Jvm { metaspace, overhead })
    }

    fn jvm_beside(&self, reader: &Reader, flink: u64) -> Result<Jvm, MemoryError> {
        let metaspace = reader.size(self.metaspace)?;
        let both = sum(&[flink, metaspace])?;
        let overhead = if reader.is_set(self.process) {
            self.overhead_left(reader, flink, metaspace)?
        } else {
            let overhead = reader.range(self.overhead)?.beside(both)?;
            sum(&[both, overhead])?;
            overhead
        };
        Ok(Jvm { metaspace, overhead })
    }

    /// What a process of a given size leaves beside a Flink memory of a given size.
    fn overhead_left(&self, reader: &Reader, flink: u64, metaspace: u64) -> Result<u64, MemoryError> {
        let process = reader.size(self.process)?;
        let overhead = process.checked_sub(flink + metaspace).ok_or(MemoryError::FlinkExceedsProcess {
            flink,
            metaspace,
            process,
        })?;
        let range = reader.range(self.overhead)?;
        if !range.holds(overhead) {
            return Err(MemoryError::Overhead {
                overhead,
                min: range.min,
                min_key: reader.key(self.overhead.min),
                max: range.max,
                max_key: reader.key(self.overhead.max),
            });
        }
        Ok(overhead)
    }
}
