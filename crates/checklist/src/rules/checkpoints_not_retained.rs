use flink_api::UpgradeMode;
use flink_conf::options::{CHECKPOINT_RETENTION, SAVEPOINT_DIRECTORY};
use flink_conf::{Lookup, Origin};

use super::{chosen, ignored};
use crate::storage::{ALL, directory_key, from_template, judged};
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # Checkpoints are not retained, or savepoints have no directory
    ///
    /// ## What it checks
    /// Of streaming jobs `execution.checkpointing.externalized-checkpoint-retention`, which should be
    /// `RETAIN_ON_CANCELLATION`, and the savepoint directory in every spelling, which should outlive the pods (judged
    /// as the checkpoint directory of `CKP002`).
    ///
    /// ## Why it matters
    /// A cancelled job whose checkpoints were deleted can only start from a savepoint, and a savepoint needs a place
    /// to go. The Flink operator refuses upgrade mode `savepoint` without a directory, and a directory on a pod's
    /// own disk loses the state with every upgrade.
    ///
    /// ## What is filled
    /// The savepoint directory from the policy's template `storage.savepoints`, where none is set in any spelling or
    /// layer: `state.savepoints.dir` up to Flink 1.20, because Flink operators up to 1.10 know no other, and
    /// `execution.checkpointing.savepoint-dir` from 2.0 on. In upgrade mode `savepoint` that is a gap; in the others
    /// it is written down at a moment when it costs nothing. Retention is never filled: the Flink operator sets it
    /// by itself where nobody did, which is only reported.
    ///
    /// ## What it costs
    /// A running job in upgrade mode `savepoint` restarts once, by a savepoint into the new directory.
    ///
    /// ## When to switch it off
    /// When savepoints are triggered with a directory of their own each time, or when leaving nothing behind is
    /// wanted.
    ///
    /// ## Source
    /// Flink documentation, "Checkpoints", section on retained checkpoints; Flink Kubernetes Operator,
    /// `FlinkConfigBuilder` and `DefaultValidator`.
    pub static CHECKPOINTS_NOT_RETAINED = {
        code: "CKP004",
        name: "checkpoints-not-retained",
        scope: Scope::Job,
        writes: &[Writes::Directory(&SAVEPOINT_DIRECTORY)],
        check: Check::Item(check),
    }
}

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    let version = subject.version;
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job takes no checkpoints and no savepoints");
    }
    let by_savepoint = subject.upgrade_mode() == Some(UpgradeMode::Savepoint);
    let right = directory_key(&SAVEPOINT_DIRECTORY, version);
    let directory = match SAVEPOINT_DIRECTORY.find(&subject.conf, version) {
        Lookup::Set { key, setting } => match judged(key, setting, subject, ALL) {
            Ok(directory) => format!("savepoints go to {directory}"),
            Err(message) => return Judgement::advice(message),
        },
        Lookup::Ignored { key, setting } => {
            return Judgement::advice(ignored(key, setting, version, SAVEPOINT_DIRECTORY.key(version).as_str()));
        }
        Lookup::Unset => match from_template(policy.storage.savepoints.as_ref(), "savepoints", subject, policy, ALL) {
            Ok(directory) => {
                let fills = vec![Fill::option(right.clone(), directory)];
                return if by_savepoint {
                    Judgement::gap(format!("no {right}: upgradeMode savepoint has nowhere to put a savepoint"), fills)
                } else {
                    Judgement::implicit(format!("no {right}: a savepoint has to be given a directory each time"), fills)
                };
            }
            Err(why) if by_savepoint => {
                return Judgement::advice(format!(
                    "no {right}: upgradeMode savepoint has nowhere to put a savepoint; {why}"
                ));
            }
            Err(_) => format!("there is no {right}"),
        },
    };
    judge_retention(subject, &directory)
}

fn judge_retention(subject: &Subject, directory: &str) -> Judgement {
    let version = subject.version;
    let key = CHECKPOINT_RETENTION.key(version);
    let Lookup::Set { setting, .. } = CHECKPOINT_RETENTION.find(&subject.conf, version) else {
        return Judgement::advice(format!(
            "no {key}: a cancelled job's checkpoints are deleted; set RETAIN_ON_CANCELLATION"
        ));
    };
    let is = chosen(key.as_str(), setting);
    match (setting.value.to_ascii_uppercase().as_str(), &setting.origin) {
        ("RETAIN_ON_CANCELLATION", Origin::OperatorBuiltIn) => {
            Judgement::implicit(format!("{is}; {directory}"), Vec::new())
        }
        ("RETAIN_ON_CANCELLATION", _) => Judgement::pass(format!("{is}; {directory}")),
        ("DELETE_ON_CANCELLATION" | "NO_EXTERNALIZED_CHECKPOINTS", _) => Judgement::advice(format!(
            "{is}: the checkpoints of a cancelled job are gone; use RETAIN_ON_CANCELLATION or opt out"
        )),
        _ => Judgement::advice(format!("{is}, which no Flink knows; use RETAIN_ON_CANCELLATION")),
    }
}
