use super::Size;
use crate::ValueError;

/// Why Flink refuses to start with this memory configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// A value of the wrong type.
    #[error("`{key}`: {source}")]
    Unreadable {
        /// The option.
        key: String,
        /// What is wrong with its value.
        source: ValueError,
    },
    /// No size from which the others follow.
    #[error(
        "no size is given from which Flink can work out the memory: set `{process}` (FKO does from the resource's \
         memory), or `{flink}`, or {parts}"
    )]
    NothingGiven {
        /// Option of the process size.
        process: String,
        /// Option of the size of Flink's memory.
        flink: String,
        /// The options that together would do as well.
        parts: String,
    },
    /// A share that is none.
    #[error("`{key}` is {value}, but a share is at least 0 and less than 1")]
    Fraction {
        /// The option.
        key: String,
        /// Its value.
        value: String,
    },
    /// A lower bound above the upper one.
    #[error("`{min_key}` ({:#}) is more than `{max_key}` ({:#}): lower the one or raise the other", Size(*.min), Size(*.max))]
    Bounds {
        /// Option of the lower bound.
        min_key: String,
        /// Lower bound in bytes.
        min: u64,
        /// Option of the upper bound.
        max_key: String,
        /// Upper bound in bytes.
        max: u64,
    },
    /// The JVM's own needs are more than the process.
    #[error(
        "JVM metaspace ({:#}) and JVM overhead ({:#}) are more than the process ({:#}): give the process more memory",
        Size(*.metaspace), Size(*.overhead), Size(*.process)
    )]
    JvmExceedsProcess {
        /// Metaspace in bytes.
        metaspace: u64,
        /// Overhead in bytes.
        overhead: u64,
        /// Process in bytes.
        process: u64,
    },
    /// Flink's memory and the metaspace are more than the process.
    #[error(
        "Flink's memory ({:#}) and JVM metaspace ({:#}) are more than the process ({:#}): give the process more \
         memory, or only one of the two sizes",
        Size(*.flink), Size(*.metaspace), Size(*.process)
    )]
    FlinkExceedsProcess {
        /// Flink's memory in bytes.
        flink: u64,
        /// Metaspace in bytes.
        metaspace: u64,
        /// Process in bytes.
        process: u64,
    },
    /// What the other sizes leave to the JVM is out of its bounds.
    #[error(
        "Flink's memory and JVM metaspace leave {:#} of the process as JVM overhead, which is not between {:#} \
         (`{min_key}`) and {:#} (`{max_key}`): give only one of the sizes of Flink's memory and of the process, or \
         make the bounds wider",
        Size(*.overhead), Size(*.min), Size(*.max)
    )]
    Overhead {
        /// What is left in bytes.
        overhead: u64,
        /// Lower bound in bytes.
        min: u64,
        /// Option of the lower bound.
        min_key: String,
        /// Upper bound in bytes.
        max: u64,
        /// Option of the upper bound.
        max_key: String,
    },
    /// The parts are more than the whole.
    #[error("{parts} are more than Flink's memory ({:#}): give the process more memory, or these less", Size(*.flink))]
    PartsExceedFlink {
        /// The parts with their sizes, in words.
        parts: String,
        /// Flink's memory in bytes.
        flink: u64,
    },
    /// What the other sizes leave to the network is out of its bounds.
    #[error(
        "the other sizes leave {:#} of Flink's memory to the network, which is not between {:#} (`{min_key}`) and \
         {:#} (`{max_key}`): change `{task_heap_key}`, or make the bounds wider",
        Size(*.network), Size(*.min), Size(*.max)
    )]
    Network {
        /// What is left in bytes.
        network: u64,
        /// Lower bound in bytes.
        min: u64,
        /// Option of the lower bound.
        min_key: String,
        /// Upper bound in bytes.
        max: u64,
        /// Option of the upper bound.
        max_key: String,
        /// Option of the task heap, with which the network gets what is left.
        task_heap_key: String,
    },
    /// What the other sizes leave to the network is not what its number of buffers takes.
    #[error(
        "the other sizes leave {:#} of Flink's memory to the network, but the buffers of `{key}` take {:#}: remove \
         that deprecated option",
        Size(*.network), Size(*.buffers)
    )]
    NetworkBuffers {
        /// What is left in bytes.
        network: u64,
        /// The buffers in bytes.
        buffers: u64,
        /// Option of the number of buffers.
        key: String,
    },
    /// A buffer size that Flink does not take.
    #[error("`{key}` is {bytes} bytes, but a network buffer has a power of two of at least 4096, and less than 2 GiB")]
    SegmentSize {
        /// The option.
        key: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A number that has to be positive, or at least not negative.
    #[error("`{key}` is {value}: it must be at least {least}")]
    TooSmall {
        /// The option.
        key: String,
        /// Its value.
        value: i32,
        /// What it has to be at least.
        least: i32,
    },
    /// Heap and off-heap memory of a `JobManager` are not its Flink memory.
    #[error(
        "JVM heap ({:#}) and off-heap memory ({:#}) are not Flink's memory ({:#}): give only one of `{heap_key}` and \
         `{flink_key}`",
        Size(*.heap), Size(*.off_heap), Size(*.flink)
    )]
    NotTheSum {
        /// JVM heap in bytes.
        heap: u64,
        /// Off-heap memory in bytes.
        off_heap: u64,
        /// Flink's memory in bytes.
        flink: u64,
        /// Option of the heap.
        heap_key: String,
        /// Option of Flink's memory.
        flink_key: String,
    },
    /// The heap of a `JobManager` is more than its Flink memory.
    #[error(
        "JVM heap ({:#}) is more than Flink's memory ({:#}): give only one of `{heap_key}` and `{flink_key}`",
        Size(*.heap), Size(*.flink)
    )]
    HeapExceedsFlink {
        /// JVM heap in bytes.
        heap: u64,
        /// Flink's memory in bytes.
        flink: u64,
        /// Option of the heap.
        heap_key: String,
        /// Option of Flink's memory.
        flink_key: String,
    },
    /// Nothing is left for the heap of a `JobManager`.
    #[error(
        "Flink's memory ({:#}) is not more than its off-heap part ({:#}): give the process more memory, or \
         `{off_heap_key}` less",
        Size(*.flink), Size(*.off_heap)
    )]
    NoHeap {
        /// Flink's memory in bytes.
        flink: u64,
        /// Off-heap memory in bytes.
        off_heap: u64,
        /// Option of the off-heap memory.
        off_heap_key: String,
    },
    /// A sum or product beyond 63 bits.
    #[error("the sizes are too large together: Flink holds no size of 8 EiB or more")]
    TooLarge,
}
