//! The memory model of `flink-conf` against Flink's own calculator, to the byte and to the refusal.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a broken assumption ends the test; what was compared is part of its outcome"
)]

mod generate;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use e2e::artifacts::flink_class_path;
use e2e::flink_dist::jdk;
use flink_conf::memory::{Deployment, JobManagerMemory, MemoryError, TaskManagerMemory};
use flink_conf::{EffectiveConf, FlinkVersion, Key};

use generate::{Configuration, Generator, edges};

/// Minor versions, as `make flink-jars` knows them.
const VERSIONS: [(&str, FlinkVersion); 3] =
    [("1.18", FlinkVersion::new(1, 18)), ("1.20", FlinkVersion::new(1, 20)), ("2.3", FlinkVersion::new(2, 3))];

/// Configurations for each version, one seed for all.
const CONFIGURATIONS: usize = 2_000;
const SEED: u64 = 20_260_701;

/// How many of either outcome there have to be for the comparison to mean something.
const AT_LEAST: usize = 80;

/// The variants of [`MemoryError`], each of which has to occur.
const KINDS_OF_REFUSAL: usize = 16;

/// The calculations in the order of the driver's columns.
const KINDS: [&str; 3] = ["TaskManager, native", "TaskManager, standalone", "JobManager"];

#[test]
fn memory_is_computed_as_flink_computes_it() {
    let configurations: Vec<Configuration> = edges().chain(Generator::new(SEED).take(CONFIGURATIONS)).collect();
    let mut differences = String::new();
    let mut kinds_of_refusal = BTreeSet::new();
    for (minor, version) in VERSIONS {
        let flink = flinks_answers(minor, &configurations);
        assert_eq!(flink.len(), configurations.len(), "{minor}");
        let mut accepted = [0; KINDS.len()];
        for (configuration, line) in configurations.iter().zip(&flink) {
            let answers: Vec<&str> = line.split('\t').collect();
            for (kind, (ours, flinks)) in our_answers(configuration, version).into_iter().zip(&answers).enumerate() {
                accepted[kind] += usize::from(!flinks.starts_with("refused"));
                let is_same = match &ours {
                    Ok(sizes) => sizes == flinks,
                    Err(error) => {
                        kinds_of_refusal.insert(variant(error));
                        flinks.starts_with("refused: ")
                    }
                };
                if !is_same {
                    let ours = ours.unwrap_or_else(|error| format!("refused: {error}"));
                    writeln!(differences, "{minor}, {}: {configuration:?}\n  {ours}\n  {flinks}", KINDS[kind]).unwrap();
                }
            }
        }
        for (kind, accepted) in KINDS.into_iter().zip(accepted) {
            let refused = configurations.len() - accepted;
            println!("Flink {minor}, {kind}: {accepted} accepted, {refused} refused");
            assert!(accepted >= AT_LEAST && refused >= AT_LEAST, "{minor}, {kind}: {accepted} and {refused}");
        }
    }
    assert_eq!(kinds_of_refusal.len(), KINDS_OF_REFUSAL, "{kinds_of_refusal:?}");
    assert!(differences.is_empty(), "differences, ours first:\n{differences}");
}

/// Its name.
fn variant(error: &MemoryError) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '(']).next().unwrap_or_default().to_owned()
}

/// In the form of the driver's columns.
fn our_answers(configuration: &Configuration, version: FlinkVersion) -> [Result<String, MemoryError>; 3] {
    let settings = configuration.settings.iter().map(|(key, value)| (Key::from(key), value.clone())).collect();
    let conf = EffectiveConf::of_resource(settings);
    let size = configuration.process_size;
    let task_manager =
        |deployment| TaskManagerMemory::derive(&conf, version, deployment, size).map(|memory| in_columns(&memory));
    let job_manager = JobManagerMemory::derive(&conf, version, size).map(|memory| {
        joined(&[memory.jvm_heap, memory.off_heap, memory.jvm_metaspace, memory.jvm_overhead, memory.process()])
    });
    [task_manager(Deployment::Native), task_manager(Deployment::Standalone), job_manager]
}

fn in_columns(memory: &TaskManagerMemory) -> String {
    let slot = memory.per_slot();
    joined(&[
        memory.framework_heap,
        memory.framework_off_heap,
        memory.task_heap,
        memory.task_off_heap,
        memory.network,
        memory.managed,
        memory.jvm_metaspace,
        memory.jvm_overhead,
        memory.process(),
        u64::from(memory.slots),
        slot.task_heap,
        slot.task_off_heap,
        slot.network,
        slot.managed,
    ])
}

fn joined(sizes: &[u64]) -> String {
    sizes.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// One line for each configuration, written by `flink/memory/FlinkMemory.java`.
fn flinks_answers(minor: &str, configurations: &[Configuration]) -> Vec<String> {
    let class_path = flink_class_path(minor).unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("input"), folder.path().join("output"));
    let lines: String = configurations.iter().map(|configuration| configuration.to_line() + "\n").collect();
    std::fs::write(&input, lines).unwrap();
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("flink/memory/FlinkMemory.java");
    let run = Command::new(jdk("java"))
        .args([&driver, &class_path, &input, &output])
        // Flink reads sizes out of them too.
        .env_remove("FLINK_TM_HEAP")
        .env_remove("FLINK_JM_HEAP")
        .output()
        .unwrap_or_else(|error| panic!("java, a JDK of version 17 or newer, is needed: {error}"));
    assert!(run.status.success(), "{}: {}", driver.display(), String::from_utf8_lossy(&run.stderr));
    std::fs::read_to_string(&output).unwrap().lines().map(str::to_owned).collect()
}
