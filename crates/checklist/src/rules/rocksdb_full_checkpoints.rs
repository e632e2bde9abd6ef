use flink_conf::options::{INCREMENTAL_CHECKPOINTS, STATE_BACKEND};
use flink_conf::{Lookup, parse_bool};

use super::{ignored, is_rocksdb};
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # RocksDB writes full checkpoints
    ///
    /// ## What it checks
    /// Jobs whose state backend is RocksDB, by name or by factory class, and whether incremental
    /// checkpoints are configured: `execution.checkpointing.incremental` from Flink 1.20 on,
    /// `state.backend.incremental` before.
    ///
    /// ## Why it matters
    /// RocksDB is chosen for large state, and a full checkpoint writes all of it every time. An
    /// incremental one writes what changed since the last, so that checkpoints stay short when state grows.
    ///
    /// ## What is filled
    /// `true`, under the key that the job's Flink reads.
    ///
    /// ## What it costs
    /// A running job restarts once. State is not affected: the next checkpoint is simply incremental, and
    /// Flink's web UI then shows the size of the increment.
    ///
    /// ## When to switch it off
    /// When recovery time matters more than checkpoint time and restoring a chain of increments proves slower
    /// than one full image.
    ///
    /// ## Source
    /// Flink documentation, "State Backends", section on incremental checkpoints.
    pub static ROCKSDB_FULL_CHECKPOINTS = {
        code: "CKP003",
        name: "rocksdb-full-checkpoints",
        scope: Scope::Job,
        writes: &[Writes::Option(&INCREMENTAL_CHECKPOINTS)],
        check: Check::Item(check),
    }
}

fn check(subject: &Subject, _: &Policy) -> Judgement {
    let version = subject.version;
    let backend = STATE_BACKEND.find(&subject.conf, version).value().unwrap_or("hashmap");
    if !is_rocksdb(backend) {
        return Judgement::not_applicable(format!("the state backend is {backend}, not RocksDB"));
    }
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job takes no checkpoints");
    }
    let right = INCREMENTAL_CHECKPOINTS.key(version);
    match INCREMENTAL_CHECKPOINTS.find(&subject.conf, version) {
        Lookup::Unset => Judgement::gap(
            format!("RocksDB without {right}: every checkpoint writes the whole state"),
            vec![Fill::option(right, "true")],
        ),
        Lookup::Ignored { key, setting } => Judgement::advice(ignored(key, setting, version, right.as_str())),
        Lookup::Set { key, setting } => match parse_bool(&setting.value) {
            Ok(true) => Judgement::pass(format!("{key} is true (from {})", setting.origin)),
            Ok(false) => Judgement::advice(format!(
                "{key} is false (from {}): every checkpoint writes the whole state; set it to true or opt out",
                setting.origin
            )),
            Err(error) => Judgement::advice(format!("{key}: {error}")),
        },
    }
}
