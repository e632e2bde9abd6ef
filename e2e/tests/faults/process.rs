//! What a process takes of the machine, as the kernel says.

use std::fmt;
use std::fs;

use e2e::Operator;

/// Of one process at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Memory of its own in KiB: what it has allocated, without the pages of the program.
    pub(crate) own: u64,
    pub(crate) threads: u64,
    /// Open files and connections.
    pub(crate) files: u64,
    /// Tasks of its runtime, as it says itself.
    pub(crate) tasks: u64,
}

impl Usage {
    pub(crate) async fn of(operator: &Operator) -> Self {
        let pid = operator.pid();
        let page = operator.metrics().await;
        let tasks =
            page.lines().find_map(|line| line.strip_prefix("flink_remedy_tasks ")).expect("the metric is there");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("the kernel says it")
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count();
        Self {
            own: field("RssAnon:"),
            threads: field("Threads:"),
            files: files.try_into().expect("not that many"),
            tasks: tasks.parse().expect("a number"),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB, {} threads, {} open files, {} tasks", self.own / 1024, self.threads, self.files, self.tasks)
    }
}
