use std::collections::BTreeMap;

use super::*;
use crate::{EffectiveConf, FlinkVersion, Key};

const V1_16: FlinkVersion = FlinkVersion::new(1, 16);
const V1_20: FlinkVersion = FlinkVersion::new(1, 20);
const V2_3: FlinkVersion = FlinkVersion::new(2, 3);
const MIB: u64 = 1 << 20;

fn conf(settings: &[(&str, &str)]) -> EffectiveConf {
    let settings: BTreeMap<Key, String> =
        settings.iter().map(|(key, value)| (Key::from(key), (*value).to_owned())).collect();
    EffectiveConf::of_resource(settings)
}

fn task_manager(settings: &[(&str, &str)], version: FlinkVersion) -> Result<TaskManagerMemory, MemoryError> {
    TaskManagerMemory::derive(&conf(settings), version, Deployment::Native, None)
}

fn job_manager(settings: &[(&str, &str)], version: FlinkVersion) -> Result<JobManagerMemory, MemoryError> {
    JobManagerMemory::derive(&conf(settings), version, None)
}

/// The size in Flink's own default configuration, and the numbers that Flink logs for it.
#[test]
fn the_default_task_manager_is_laid_out_as_flink_documents_it() {
    let memory = task_manager(&[("taskmanager.memory.process.size", "1728m")], V1_20).unwrap();
    assert_eq!(memory.process(), 1728 * MIB);
    assert_eq!((memory.jvm_overhead, memory.jvm_metaspace), (192 * MIB, 256 * MIB));
    assert_eq!(memory.flink(), 1280 * MIB);
    assert_eq!((memory.framework_heap, memory.framework_off_heap), (128 * MIB, 128 * MIB));
    // 0.4 and 0.1 in single precision are a trifle more.
    assert_eq!((memory.managed, memory.network), (512 * MIB + 8, 128 * MIB + 2));
    assert_eq!((memory.task_heap, memory.task_off_heap), (384 * MIB - 10, 0));
    assert_eq!(memory.jvm_heap(), 512 * MIB - 10);
}

#[test]
fn slots_share_evenly_and_the_sentence_says_it() {
    let settings = [("taskmanager.numberOfTaskSlots", "2")];
    let memory = TaskManagerMemory::derive(&conf(&settings), V2_3, Deployment::Native, Some(4096 * MIB)).unwrap();
    // 4096 MiB - 409.6 overhead - 256 metaspace = 3430.4 MiB; 40 % of it managed, 10 % network.
    assert_eq!(memory.managed / MIB, 1372);
    assert_eq!(memory.per_slot().managed, memory.managed / 2);
    assert_eq!(memory.per_slot().task_heap, memory.task_heap / 2);
    assert_eq!(memory.per_slot().network, memory.network / 2);
    assert_eq!(memory.per_slot().task_off_heap, 0);
    assert_eq!(
        memory.to_string(),
        "4096 MiB process: JVM overhead 410 MiB and metaspace 256 MiB; of the remaining 3430 MiB framework heap \
         128 MiB and off-heap 128 MiB, task heap 1459 MiB and off-heap 0 MiB, network 343 MiB, managed 1372 MiB = \
         686 MiB per slot for 2 slots"
    );
    let error =
        task_manager(&[("taskmanager.memory.process.size", "2g"), ("taskmanager.numberOfTaskSlots", "0")], V1_20);
    assert_eq!(error.unwrap_err().to_string(), "`taskmanager.numberOfTaskSlots` is 0: it must be at least 1");
}

#[test]
fn the_network_is_capped_at_one_gibibyte_up_to_flink_1_16() {
    let settings = [("taskmanager.memory.process.size", "32g")];
    // 32 GiB - 1 GiB overhead - 256 MiB metaspace
    let flink = 30 * 1024 * MIB + 768 * MIB;
    assert_eq!(task_manager(&settings, V1_16).unwrap().network, 1024 * MIB);
    let network = task_manager(&settings, V1_20).unwrap().network;
    assert!((network - flink / 10) < 64, "{network}");
}

#[test]
fn the_size_from_the_resource_stands_over_that_of_the_configuration() {
    let settings = conf(&[("taskmanager.memory.process.size", "4g"), ("jobmanager.memory.process.size", "4g")]);
    let memory = TaskManagerMemory::derive(&settings, V1_20, Deployment::Native, Some(2048 * MIB)).unwrap();
    assert_eq!(memory.process(), 2048 * MIB);
    let memory = JobManagerMemory::derive(&settings, V1_20, Some(1600 * MIB)).unwrap();
    assert_eq!(memory.process(), 1600 * MIB);
}

#[test]
fn parts_add_up_to_a_process() {
    let settings = [("taskmanager.memory.task.heap.size", "1g"), ("taskmanager.memory.size", "1g")];
    let memory = task_manager(&settings, V2_3).unwrap();
    // 128 + 128 + 1024 + 1024 = 2304 MiB, of which the network takes a ninth: 256 MiB
    assert_eq!((memory.managed, memory.network / MIB), (1024 * MIB, 256));
    // 2560 + 256 = 2816 MiB, of which the overhead takes a ninth
    assert_eq!(memory.jvm_overhead / MIB, 312);
}

#[test]
fn legacy_sizes_count_up_to_flink_1_20_and_by_who_starts_the_process() {
    let settings = conf(&[("taskmanager.heap.size", "2g"), ("taskmanager.heap.mb", "1024")]);
    let size = |version, deployment| TaskManagerMemory::derive(&settings, version, deployment, None);
    assert_eq!(size(V1_20, Deployment::Native).unwrap().process(), 2048 * MIB);
    assert_eq!(size(V1_20, Deployment::Standalone).unwrap().flink(), 2048 * MIB);
    assert!(matches!(size(V2_3, Deployment::Native), Err(MemoryError::NothingGiven { .. })));
    let mebibytes = task_manager(&[("taskmanager.heap.mb", "1024")], V1_20).unwrap();
    assert_eq!(mebibytes.process(), 1024 * MIB);
    let heap = job_manager(&[("jobmanager.heap.size", "1g")], V1_20).unwrap();
    assert_eq!(heap.jvm_heap, 1024 * MIB);
}

#[test]
fn buffers_by_number_count_only_without_a_newer_option_and_up_to_flink_1_20() {
    let old = [("taskmanager.memory.process.size", "2g"), ("taskmanager.network.numberOfBuffers", "4096")];
    assert_eq!(task_manager(&old, V1_20).unwrap().network, 128 * MIB);
    assert_ne!(task_manager(&old, V2_3).unwrap().network, 128 * MIB);
    let both = [old[0], old[1], ("taskmanager.network.memory.fraction", "0.2")];
    assert_ne!(task_manager(&both, V1_20).unwrap().network, 128 * MIB);
}

#[test]
fn the_default_job_manager_is_laid_out_as_flink_documents_it() {
    let memory = job_manager(&[("jobmanager.memory.process.size", "1600m")], V2_3).unwrap();
    assert_eq!((memory.jvm_heap, memory.off_heap), (1024 * MIB, 128 * MIB));
    assert_eq!((memory.jvm_metaspace, memory.jvm_overhead), (256 * MIB, 192 * MIB));
    assert_eq!(memory.flink(), 1152 * MIB);
    assert_eq!(
        memory.to_string(),
        "1600 MiB process: JVM overhead 192 MiB and metaspace 256 MiB; JVM heap 1024 MiB, off-heap 128 MiB"
    );
}

/// Each refusal says what is wrong, with numbers, and what to change.
#[test]
fn refusals_say_what_to_change() {
    let process = |size| ("taskmanager.memory.process.size", size);
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "set `taskmanager.memory.process.size`"),
        (&[process("2Gi")], "`taskmanager.memory.process.size`: `2Gi` is no memory size"),
        (&[process("400m")], "JVM metaspace (256 MiB) and JVM overhead (192 MiB) are more than the process (400 MiB)"),
        (
            &[process("800m")],
            "framework heap (128 MiB), framework off-heap (128 MiB), network (64 MiB), managed memory (140.8 MiB \
             (147639503 bytes)) are more than Flink's memory (352 MiB)",
        ),
        (&[process("2g"), ("taskmanager.memory.managed.fraction", "1")], "is 1, but a share is at least 0"),
        (&[process("2g"), ("taskmanager.memory.network.max", "Infinite")], "`Infinite` is no memory size"),
        (
            &[process("2g"), ("taskmanager.network.memory.min", "2g"), ("taskmanager.memory.network.max", "1g")],
            "`taskmanager.network.memory.min` (2048 MiB) is more than `taskmanager.memory.network.max` (1024 MiB)",
        ),
        (&[process("2g"), ("taskmanager.memory.flink.size", "2g")], "are more than the process (2048 MiB)"),
        (
            &[process("4g"), ("taskmanager.memory.flink.size", "2g")],
            "leave 1792 MiB of the process as JVM overhead, which is not between 192 MiB",
        ),
        (
            &[process("2g"), ("taskmanager.memory.task.heap.size", "640m")],
            "of Flink's memory to the network, which is not between 64 MiB",
        ),
        (
            &[process("2g"), ("taskmanager.memory.task.heap.size", "8 tb"), ("taskmanager.memory.size", "8388607 tb")],
            "too large together",
        ),
    ];
    for (settings, expected) in cases {
        let message = task_manager(settings, V1_20).unwrap_err().to_string();
        assert!(message.contains(expected), "{settings:?}: {message}");
    }
}
