//! What a running control plane leaves in its folder for whoever uses or stops it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::crds::Crds;
use crate::process::{self, ProcessId};

const FILE: &str = "state.json";

/// The content of `DIR/state.json`; its presence also marks the folder as one of ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The kube-apiserver, `https://127.0.0.1:PORT`.
    pub server: String,
    /// What it keeps everything in, `http://127.0.0.1:PORT`.
    pub etcd: String,
    /// The bearer token of user `admin`, group `system:masters`.
    pub admin_token: String,
    /// The form of the installed CRDs.
    pub crds: Crds,
    /// Every process of the control plane.
    pub processes: Vec<ProcessId>,
}

impl State {
    /// Reads a folder's state; `None` if there is none.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let file = dir.join(FILE);
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).map(Some).with_context(|| format!("cannot parse {}", file.display()))
    }

    /// Writes the state, complete or not at all.
    pub fn store(&self, dir: &Path) -> Result<()> {
        let unfinished = dir.join(".state.json");
        fs::write(&unfinished, serde_json::to_vec_pretty(self)?)?;
        fs::rename(unfinished, dir.join(FILE))?;
        Ok(())
    }

    /// Whether every process still runs.
    pub fn is_alive(&self) -> bool {
        self.processes.iter().all(ProcessId::is_alive)
    }
}

/// Stops the control plane of `dir` and removes the folder; `false` if there is none.
pub async fn down(dir: &Path, grace: Duration) -> Result<bool> {
    let Some(state) = State::load(dir)? else { return Ok(false) };
    process::stop(&state.processes, grace).await?;
    fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    Ok(true)
}
