//! Operators that are started again when they end, as a kubelet does.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use e2e::{Operator, OperatorOptions, Proxy};
use tokio::task::JoinHandle;

use crate::report::REPORT;
use crate::weather::{Present, Sky, Victim};

/// How often it is looked whether a process still runs.
const LOOK: Duration = Duration::from_millis(100);

/// One replica: a proxy, and the processes that have run behind it.
pub(crate) struct Replica {
    pub(crate) name: &'static str,
    pub(crate) proxy: Arc<Proxy>,
    present: Present,
    lives: Arc<Mutex<Vec<Arc<Operator>>>>,
    ending: Arc<AtomicBool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// How to run one.
pub(crate) struct Start {
    pub(crate) name: &'static str,
    pub(crate) options: OperatorOptions,
    pub(crate) kills: f64,
    pub(crate) keeps_lease: bool,
}

impl Replica {
    /// Starts it behind its proxy, in the weather of this sky.
    pub(crate) fn start(start: Start, proxy: Proxy, sky: &Arc<Sky>) -> Self {
        let Start { name, options, kills, keeps_lease } = start;
        let (present, lives) = (Present::default(), Arc::new(Mutex::new(Vec::new())));
        proxy.set_hook(sky.hook(Victim { name, process: Arc::clone(&present), kills, keeps_lease }));
        let ending = Arc::new(AtomicBool::new(false));
        let keeper = tokio::spawn(keep(options, Arc::clone(&present), Arc::clone(&lives), Arc::clone(&ending)));
        Self { name, proxy: Arc::new(proxy), present, lives, ending, keeper: Mutex::new(Some(keeper)) }
    }

    /// The process that runs now.
    pub(crate) fn process(&self) -> Option<Arc<Operator>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every process so far.
    pub(crate) fn lives(&self) -> Vec<Arc<Operator>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the process to end, and starts no other.
    pub(crate) async fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.await.expect("the keeper does not panic");
        }
        if let Some(process) = self.process() {
            let status = process.try_exit().expect("the keeper has ended it");
            // Whoever has just lost the lease, or was killed, ends in another way.
            assert!(status.code() != Some(101), "{} ended with {status}: {}", self.name, process.logs());
        }
    }

    /// What ended otherwise than by a kill, by the loss of its lease, or because it was asked to.
    pub(crate) fn unexpected_ends(&self) -> Vec<String> {
        let lives = self.lives();
        let ended = lives.iter().filter_map(|life| Some((life, life.try_exit()?)));
        let is_odd = |log: &str, code: Option<i32>| match code {
            // SIGKILL.
            None => false,
            Some(0) => !self.ending.load(Ordering::SeqCst),
            Some(1) => !log.contains("could not be renewed before its deadline") && !log.contains("was taken by"),
            Some(_) => true,
        };
        let odd = ended
            .map(|(life, status)| (life.logs(), status))
            .filter(|(log, status)| log.contains("panicked") || is_odd(log, status.code()));
        odd.map(|(log, status)| format!("{}: {status}\n{}", self.name, tail(&log))).collect()
    }
}

/// A test that fails leaves what its operators have said.
impl Drop for Replica {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (number, life) in self.lives().iter().enumerate() {
            let file = Path::new(REPORT).with_file_name(format!("{}-{number}.log", self.name));
            let written =
                fs::create_dir_all(file.parent().unwrap_or(&file)).and_then(|()| fs::write(&file, life.logs()));
            println!("{}: {written:?}", file.display());
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

async fn keep(
    options: OperatorOptions,
    present: Present,
    lives: Arc<Mutex<Vec<Arc<Operator>>>>,
    ending: Arc<AtomicBool>,
) {
    while !ending.load(Ordering::SeqCst) {
        let process = Arc::new(Operator::start(&options));
        lives.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&process));
        *present.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&process));
        while process.try_exit().is_none() {
            if ending.load(Ordering::SeqCst) {
                process.resume();
                process.terminate().await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
