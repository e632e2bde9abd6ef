use flink_conf::memory::{Deployment, Size, TaskManagerMemory};
use flink_conf::options::{
    ROCKSDB_MEMORY_FIXED_PER_SLOT, ROCKSDB_MEMORY_MANAGED, STATE_BACKEND, TASKMANAGER_MANAGED_FRACTION,
    TASKMANAGER_MANAGED_SIZE,
};
use flink_conf::{Lookup, parse_bool, parse_memory_bytes};

use super::is_rocksdb;
use crate::memory::{DeclaredMemory, process_size};
use crate::policy::Bytes;
use crate::{Check, Judgement, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # TaskManager memory does not fit the state backend
    ///
    /// ## What it checks
    /// The TaskManager's memory, computed as Flink computes it from `resource` or `resources` and every
    /// `taskmanager.memory.*` option; and whether what is left as managed memory in each slot fits the state
    /// backend: at least the policy's floor for RocksDB and ForSt (256 MB), none to speak of for the heap.
    ///
    /// ## Why it matters
    /// RocksDB takes its block cache and write buffers from managed memory, and each slot gets an equal share. With
    /// too little it reads from disk for every access and stalls on writes. A backend on the heap uses none of it,
    /// yet Flink sets two fifths aside, which then lie idle. And a memory configuration that does not add up keeps
    /// the TaskManager from starting at all.
    ///
    /// ## What is filled
    /// Nothing: what memory a job needs, and what the cluster can give, only people know. The finding has the
    /// numbers.
    ///
    /// ## What it costs
    /// Nothing is filled. Changing memory by hand restarts the job, and pods that ask for more may find no node.
    ///
    /// ## When to switch it off
    /// When the job keeps no state worth a cache, or when the Flink operator's autoscaler tunes memory.
    ///
    /// ## Source
    /// Flink documentation, "Set up TaskManager Memory" and "State Backends"; the numbers are held against Flink's
    /// own calculator (`TaskExecutorProcessUtils`).
    pub static MANAGED_MEMORY_TOO_SMALL = {
        code: "MEM001",
        name: "managed-memory-too-small",
        scope: Scope::Cluster,
        check: Check::Item(check),
    }
}

/// Part of the process above which idle managed memory is worth a word: one tenth.
const WORTH_A_WORD: u64 = 10;

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job sorts and joins in managed memory and keeps no state there");
    }
    let memory = match memory(subject) {
        Ok(memory) => memory,
        Err(why) => return Judgement::advice(format!("the TaskManager would not start: {why}")),
    };
    let backend = STATE_BACKEND.find(&subject.conf, subject.version).value().unwrap_or("hashmap");
    let is = |name: &str| backend.eq_ignore_ascii_case(name);
    let floor = &policy.rules.managed_memory_too_small.per_slot;
    if is_rocksdb(backend) {
        of_rocksdb(subject, &memory, floor)
    } else if is("forst") {
        of_disk("ForSt", &memory, floor)
    } else if is("hashmap") {
        of_heap(subject, &memory)
    } else {
        Judgement::not_applicable(format!("what memory the state backend {backend} takes is not known"))
    }
}

fn memory(subject: &Subject) -> Result<TaskManagerMemory, String> {
    let declared = &subject.cluster.task_manager;
    let resources = declared.resources.as_ref();
    let quantity = |quantities: Option<&std::collections::BTreeMap<String, serde_json::Value>>| {
        let value = quantities?.get("memory")?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let request = quantity(resources.and_then(|resources| resources.requests.as_ref()));
    let limit = quantity(resources.and_then(|resources| resources.limits.as_ref()));
    let has_any = |resources: &flink_api::ResourceRequirements| {
        [&resources.requests, &resources.limits].into_iter().flatten().any(|quantities| !quantities.is_empty())
    };
    let process = process_size(&DeclaredMemory {
        resource: declared.resource.as_ref().and_then(|resource| resource.memory.as_deref()),
        has_resources: resources.is_some_and(has_any),
        request: request.as_deref(),
        limit: limit.as_deref(),
    })
    .map_err(|error| format!("taskManager: {error}"))?;
    let deployment = if subject.cluster.is_standalone() { Deployment::Standalone } else { Deployment::Native };
    TaskManagerMemory::derive(&subject.conf, subject.version, deployment, process).map_err(|error| error.to_string())
}

/// With `memory.fixed-per-slot`, or without `memory.managed`, RocksDB leaves managed memory alone.
fn of_rocksdb(subject: &Subject, memory: &TaskManagerMemory, floor: &Bytes) -> Judgement {
    let (conf, version) = (&subject.conf, subject.version);
    if let Lookup::Set { key, setting } = ROCKSDB_MEMORY_FIXED_PER_SLOT.find(conf, version)
        && let Ok(bytes) = parse_memory_bytes(&setting.value)
    {
        return if bytes < floor.bytes() {
            Judgement::advice(format!(
                "{key} gives RocksDB {} in each slot (from {}), less than {floor}; raise it, or opt out",
                Size(bytes),
                setting.origin
            ))
        } else {
            Judgement::pass(format!("{key} gives RocksDB {} in each slot", Size(bytes)))
        };
    }
    if let Lookup::Set { key, setting } = ROCKSDB_MEMORY_MANAGED.find(conf, version)
        && parse_bool(&setting.value) == Ok(false)
    {
        return Judgement::advice(format!(
            "{key} is false (from {}): RocksDB takes memory beside what Flink counts, until the pod is killed; set it to true",
            setting.origin
        ));
    }
    of_disk("RocksDB", memory, floor)
}

fn of_disk(backend: &str, memory: &TaskManagerMemory, floor: &Bytes) -> Judgement {
    let share = memory.per_slot().managed;
    let numbers = format!(
        "{} managed memory in each slot ({} of a process of {}, {} slots)",
        Size(share),
        Size(memory.managed),
        Size(memory.process()),
        memory.slots
    );
    if share < floor.bytes() {
        Judgement::advice(format!(
            "{backend} has {numbers}, less than {floor}; give the TaskManager more memory, a larger \
             taskmanager.memory.managed.fraction, or fewer slots"
        ))
    } else {
        Judgement::pass(format!("{backend} has {numbers}"))
    }
}

/// Somebody who sized managed memory meant it: Python processes and batch operators take it as well.
fn of_heap(subject: &Subject, memory: &TaskManagerMemory) -> Judgement {
    let is_set = |option: &flink_conf::FlinkOption| option.find(&subject.conf, subject.version) != Lookup::Unset;
    if is_set(&TASKMANAGER_MANAGED_SIZE) || is_set(&TASKMANAGER_MANAGED_FRACTION) {
        return Judgement::pass(format!("{} of managed memory, as configured", Size(memory.managed)));
    }
    if memory.managed < memory.process() / WORTH_A_WORD {
        return Judgement::pass(format!("{} of managed memory only", Size(memory.managed)));
    }
    Judgement::advice(format!(
        "state is on the heap, so {} managed memory of a process of {} lie idle; set taskmanager.memory.managed.fraction to 0, \
         or keep a share for Python or batch operators",
        Size(memory.managed),
        Size(memory.process())
    ))
}
