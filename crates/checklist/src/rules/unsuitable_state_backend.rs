use flink_conf::options::STATE_BACKEND;
use flink_conf::{FlinkVersion, Lookup, Setting};

use super::{chosen, ignored, is_rocksdb};
use crate::policy::Backend;
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # The state backend is left to Flink, or is none that Flink knows
    ///
    /// ## What it checks
    /// Of streaming jobs `state.backend.type` (`state.backend` before Flink 1.17): whether it is set, and whether the job's
    /// Flink can load it. Flink 2.0 dropped `jobmanager` and `filesystem`, and has `forst`.
    ///
    /// ## Why it matters
    /// Unset, state lives on the heap, and a job whose state outgrows it dies of a full heap long after it was deployed. To
    /// change the backend then takes a savepoint in canonical format. A name that Flink does not know stops the
    /// job at its start.
    ///
    /// | size of the state | backend |
    /// | --- | --- |
    /// | fits the heap of the `TaskManager`s | `hashmap` |
    /// | beyond the heap, fits the local disks | `rocksdb` |
    /// | beyond the local disks, Flink 2.0 and newer | `forst` (experimental) |
    ///
    /// ## What is filled
    /// Nothing, unless the policy names a backend (`rules.unsuitable-state-backend.backend`): then that, before the first
    /// deployment of a job that restores nothing. What a job with state has is never changed.
    ///
    /// ## What it costs
    /// Nothing for a new job. RocksDB and ForSt read and write each value in serialised form, which is slower than the heap.
    ///
    /// ## When to switch it off
    /// When the jobs keep no state.
    ///
    /// ## Source
    /// Flink documentation, "State Backends" and "Production Readiness Checklist"; names as `StateBackendLoader` of each
    /// version takes them.
    pub static UNSUITABLE_STATE_BACKEND = {
        code: "STA001",
        name: "unsuitable-state-backend",
        scope: Scope::Job,
        writes: &[Writes::Option(&STATE_BACKEND)],
        check: Check::Item(check),
    }
}

/// First version with ForSt, and without the backends of old.
const FLINK_2: FlinkVersion = FlinkVersion::new(2, 0);

const HASHMAP_FACTORY: &str = "org.apache.flink.runtime.state.hashmap.HashMapStateBackendFactory";
const FORST_FACTORY: &str = "org.apache.flink.state.forst.ForStStateBackendFactory";
const FORMER_ROCKSDB_FACTORY: &str = "org.apache.flink.contrib.streaming.state.RocksDBStateBackendFactory";
const LATER_ROCKSDB_FACTORY: &str = "org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackendFactory";

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job keeps its state in a backend of its own");
    }
    let version = subject.version;
    let right = STATE_BACKEND.key(version);
    match STATE_BACKEND.find(&subject.conf, version) {
        Lookup::Set { key, setting } => judge_choice(key, setting, version),
        Lookup::Ignored { key, setting } => Judgement::advice(ignored(key, setting, version, right.as_str())),
        Lookup::Unset => match policy.rules.unsuitable_state_backend.backend {
            None => Judgement::advice(format!(
                "no {right}, so state lives on the heap; choose by its size: hashmap on the heap, rocksdb on disk{}",
                if version < FLINK_2 { "" } else { ", forst (experimental) beyond it" }
            )),
            Some(Backend::Forst) if version < FLINK_2 => Judgement::advice(format!(
                "no {right}, and the policy's forst exists from Flink 2.0 on; choose hashmap or rocksdb"
            )),
            Some(backend) if subject.starts_empty => {
                let fills = vec![Fill::option(right.clone(), name(backend))];
                match backend {
                    Backend::Hashmap => Judgement::implicit("state lives on the heap by Flink's default only", fills),
                    Backend::Rocksdb | Backend::Forst => {
                        Judgement::gap(format!("no {right}, so state lives on the heap"), fills)
                    }
                }
            }
            Some(backend) => Judgement::advice(format!(
                "no {right}, so state lives on the heap; new jobs get the policy's {}, this one may have state and moves by a savepoint in canonical format",
                name(backend)
            )),
        },
    }
}

fn name(backend: Backend) -> &'static str {
    match backend {
        Backend::Hashmap => "hashmap",
        Backend::Rocksdb => "rocksdb",
        Backend::Forst => "forst",
    }
}

fn judge_choice(key: &str, setting: &Setting, version: FlinkVersion) -> Judgement {
    let (is, value) = (chosen(key, setting), setting.value.as_str());
    let unknown = |instead: &str| Judgement::advice(format!("{is}, which Flink {version} cannot load; use {instead}"));
    match value.to_ascii_lowercase().as_str() {
        "hashmap" | "rocksdb" => Judgement::pass(is),
        "forst" if version < FLINK_2 => unknown("rocksdb"),
        "forst" => Judgement::pass(format!("{is}, which is experimental")),
        "jobmanager" | "filesystem" if version >= FLINK_2 => unknown("hashmap and a checkpoint directory"),
        "jobmanager" | "filesystem" => Judgement::advice(format!(
            "{is}, a name of old that Flink 2.0 dropped; use hashmap with the next savepoint in canonical format"
        )),
        _ if value == FORMER_ROCKSDB_FACTORY && version >= FLINK_2 => unknown("rocksdb"),
        _ if value == LATER_ROCKSDB_FACTORY && version < FLINK_2 => unknown("rocksdb"),
        _ if value == FORST_FACTORY && version < FLINK_2 => unknown("rocksdb"),
        _ if value == HASHMAP_FACTORY || value == FORST_FACTORY || is_rocksdb(value) => Judgement::pass(is),
        _ if value.contains('.') => Judgement::pass(format!("{is}, a class that is not known here")),
        _ => unknown("hashmap or rocksdb"),
    }
}
