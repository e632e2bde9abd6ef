//! Processes told apart by more than a number: a pid may have been given to a stranger meanwhile.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// One process of ours, recognisable after the process that started it has gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id.
    pub pid: i32,
    /// The program, as the kernel names it.
    pub exe: PathBuf,
    /// The start time in clock ticks since boot.
    pub started: u64,
}

impl ProcessId {
    /// Identifies a running process.
    pub fn of(pid: u32) -> Result<Self> {
        let pid = i32::try_from(pid).context("a pid fits i32")?;
        let (_, started) = stat(pid).with_context(|| format!("process {pid} has gone"))?;
        let exe = fs::read_link(format!("/proc/{pid}/exe"))?;
        Ok(Self { pid, exe, started })
    }

    /// Whether this very process still runs; one that ended but was not reaped does not.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && !matches!(state, 'Z' | 'X'))
            && fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok_and(|exe| exe == self.exe)
    }

    /// Sends a signal, but only to this very process.
    pub fn signal(&self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // It may end between the check and the signal; then there is nothing left to stop.
            let _ = kill_process(pid, signal);
        }
    }
}

/// State letter and start time: fields 3 and 22 of /proc/PID/stat.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold spaces and parentheses.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Stops all at once: SIGTERM, after `grace` SIGKILL, and returns when every one has ended.
pub async fn stop(processes: &[ProcessId], grace: Duration) -> Result<()> {
    if !grace.is_zero() {
        for process in processes {
            process.signal(Signal::TERM);
        }
        if ended(processes, grace).await {
            return Ok(());
        }
    }
    for process in processes {
        process.signal(Signal::KILL);
    }
    anyhow::ensure!(ended(processes, Duration::from_mins(1)).await, "still running after SIGKILL: {processes:?}");
    Ok(())
}

async fn ended(processes: &[ProcessId], within: Duration) -> bool {
    let start = Instant::now();
    while processes.iter().any(ProcessId::is_alive) {
        if start.elapsed() > within {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
    true
}
