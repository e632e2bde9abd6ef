//! How much memory of which kind Flink gives to its processes, to the byte as Flink's own calculator does it
//! (`TaskExecutorProcessUtils` and `JobManagerProcessUtils`, which `BashJavaUtils` and the resource manager
//! call), or why Flink refuses to start.
//!
//! Sizes are bytes. The test `flink_memory` of the crate `e2e` holds these numbers against those classes.

mod error;
mod job_manager;
mod process;
mod read;
mod share;
mod size;
mod task_manager;
#[cfg(test)]
mod tests;

pub use error::MemoryError;
pub use job_manager::JobManagerMemory;
pub use size::Size;
pub use task_manager::{SlotMemory, TaskManagerMemory};

/// Who starts the processes. It decides what the sizes from before Flink 1.11 (`taskmanager.heap.size` and its
/// like, read up to 1.20) stand for where the newer option is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// Flink's resource manager does: they are the size of the process (`ActiveResourceManagerFactory`).
    Native,
    /// A Deployment of Kubernetes does, with the scripts of Flink's image: they are the size of Flink's memory
    /// (`BashJavaUtils`).
    Standalone,
}
