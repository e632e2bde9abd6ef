use flink_conf::Setting;
use flink_conf::options::CHECKPOINT_DIRECTORY;

use super::ignored;
use crate::storage::{ALL, CheckpointStorage, directory_key, from_template, is_free_to_move, judged, shown};
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # Checkpoints are not on durable storage
    ///
    /// ## What it checks
    /// Where the checkpoints of a streaming job are kept: the checkpoint storage, its directory in every spelling, and
    /// for a path without a file system (`file:` or a bare path) whether it lies on a volume that `JobManager` and
    /// `TaskManager` pods both mount and that outlives them, such as a persistent volume claim or NFS; not on
    /// `emptyDir`, `hostPath` or the pod's own disk. A file system whose scheme is not known here counts as
    /// durable and is named. Storage that the job's code sets cannot be seen from here; it wins over configuration.
    ///
    /// ## Why it matters
    /// Without a directory Flink keeps checkpoints on the `JobManager`'s heap. They are gone with its pod, they cannot
    /// grow beyond the heap, and nothing can be restored from them; the Flink operator refuses upgrade modes other than
    /// `stateless` without one.
    ///
    /// ## What is filled
    /// The directory from the policy's template `storage.checkpoints`, such as
    /// `s3://bucket/{cluster}/{namespace}/{name}/checkpoints`, where no directory is set in any spelling or layer. The
    /// key is `state.checkpoints.dir` up to Flink 1.20, because Flink operators up to 1.10 know no other, and
    /// `execution.checkpointing.dir` from 2.0 on. New jobs get it; a job that has been deployed only in upgrade
    /// mode `savepoint` with a savepoint directory, because its present checkpoints can be found by nobody. A
    /// directory that is there is never changed.
    ///
    /// ## What it costs
    /// Nothing for a new job; a running job restarts once, from a savepoint.
    ///
    /// ## When to switch it off
    /// When the job's code sets its checkpoint storage.
    ///
    /// ## Source
    /// Flink documentation, "State Backends" and "Checkpoints vs. Savepoints"; Flink Kubernetes Operator,
    /// `DefaultValidator`.
    pub static NO_DURABLE_CHECKPOINT_STORAGE = {
        code: "CKP002",
        name: "no-durable-checkpoint-storage",
        scope: Scope::Job,
        writes: &[Writes::Directory(&CHECKPOINT_DIRECTORY)],
        check: Check::Item(check),
    }
}

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job takes no checkpoints");
    }
    match CheckpointStorage::of(subject) {
        CheckpointStorage::Heap(key, Setting { value, origin }) => Judgement::advice(format!(
            "{key} is {} (from {origin}): checkpoints are on the JobManager's heap and lost with its pod; use filesystem storage with a directory",
            shown(value)
        )),
        CheckpointStorage::Custom(key, Setting { value, origin }) => Judgement::advice(format!(
            "{key} is {} (from {origin}), neither filesystem nor jobmanager: a human has to check that it is durable",
            shown(value)
        )),
        CheckpointStorage::Directory(key, setting) => match judged(key, setting, subject, ALL) {
            Ok(directory) => Judgement::pass(format!("{key} is {directory} (from {})", setting.origin)),
            Err(message) => Judgement::advice(message),
        },
        CheckpointStorage::Ignored(key, setting, right) => {
            Judgement::advice(ignored(key, setting, subject.version, right.as_str()))
        }
        CheckpointStorage::Unset => without_directory(subject, policy),
    }
}

fn without_directory(subject: &Subject, policy: &Policy) -> Judgement {
    let key = directory_key(&CHECKPOINT_DIRECTORY, subject.version);
    let missing = format!("no {key}: no checkpoint outlives the JobManager's pod");
    let directory = match from_template(policy.storage.checkpoints.as_ref(), "checkpoints", subject, policy, ALL) {
        Ok(directory) => directory,
        Err(why) => return Judgement::advice(format!("{missing}; {why}")),
    };
    if !is_free_to_move(subject) {
        return Judgement::advice(format!(
            "{missing}; on a deployed job it takes upgradeMode savepoint with a savepoint directory (CKP004), because nobody finds its present checkpoints"
        ));
    }
    Judgement::gap(missing, vec![Fill::option(key, directory)])
}
