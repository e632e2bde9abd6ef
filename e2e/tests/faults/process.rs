//! What a process takes of the machine, as the kernel says.

use std::fmt;
use std::fs;

/// Of one process at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Resident memory in KiB.
    pub(crate) rss: u64,
    pub(crate) threads: u64,
    /// Open files and connections.
    pub(crate) files: u64,
}

impl Usage {
    pub(crate) fn of(pid: i32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("the kernel says it")
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count();
        Self { rss: field("VmRSS:"), threads: field("Threads:"), files: files.try_into().expect("not that many") }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB, {} threads, {} open files", self.rss / 1024, self.threads, self.files)
    }
}
