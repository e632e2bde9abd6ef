use flink_conf::options::CHECKPOINT_INTERVAL;
use flink_conf::{Lookup, Origin, Setting, parse_duration_ms};

use super::{chosen, ignored};
use crate::policy::CheckpointInterval;
use crate::storage::CheckpointStorage;
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # Checkpointing has no interval
    ///
    /// ## What it checks
    /// `execution.checkpointing.interval` of streaming jobs: whether it is set, whether this Flink can read it, and
    /// whether it lies within the policy's bounds (by default 1 s to 30 min). An interval set in the job's code
    /// cannot be seen from here; it wins over configuration.
    ///
    /// ## Why it matters
    /// Without an interval Flink takes no checkpoint: a job that fails starts again without its state, or does
    /// not start again at all. The interval bounds how much is processed twice after a failure, and how late a
    /// transactional sink delivers.
    ///
    /// ## What is filled
    /// The policy's interval (1 min unless it says otherwise), where configuration has none and checkpoints have a
    /// durable place: one that the job has, or the one that `CKP002` fills in the same change. Only before the first
    /// deployment of a job that restores nothing. A job that already ran gets it if the policy says `fillRunning`,
    /// because checkpointing changes when its sinks commit and how it fails. The 5 min that the Flink operator
    /// gives to a `last-state` job by itself are reported and left alone. A batch job, declared by
    /// `execution.runtime-mode` or by an argument such as `--execution-mode BATCH`, takes no checkpoints.
    ///
    /// ## What it costs
    /// Nothing for a new job. With `fillRunning` a running job restarts once, and its transactional sinks from then
    /// on commit with each checkpoint.
    ///
    /// ## When to switch it off
    /// When the job sets its interval in code, or is bounded without being declared a batch job.
    ///
    /// ## Source
    /// Flink documentation, "Checkpointing"; Flink Kubernetes Operator, `FlinkConfigBuilder`.
    pub static NO_CHECKPOINT_INTERVAL = {
        code: "CKP001",
        name: "no-checkpoint-interval",
        scope: Scope::Job,
        writes: &[Writes::Option(&CHECKPOINT_INTERVAL)],
        check: Check::Item(check),
    }
}

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    let version = subject.version;
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job takes no checkpoints");
    }
    let right = CHECKPOINT_INTERVAL.key(version);
    let parameters = &policy.rules.no_checkpoint_interval;
    match CHECKPOINT_INTERVAL.find(&subject.conf, version) {
        Lookup::Set { key, setting } => return judge_choice(key, setting, subject, parameters),
        Lookup::Ignored { key, setting } => return Judgement::advice(ignored(key, setting, version, right.as_str())),
        Lookup::Unset => {}
    }
    let missing = format!("no {right}: no checkpoint is taken, and a failure loses the state");
    if !CheckpointStorage::of(subject).is_durable(subject) {
        return Judgement::advice(format!(
            "{missing}; it needs durable checkpoint storage first (CKP002), then it is filled along with it or set by you"
        ));
    }
    if subject.starts_empty || parameters.fill_running {
        return Judgement::gap(missing, vec![Fill::option(right, parameters.interval.as_str())]);
    }
    Judgement::advice(format!(
        "{missing}; the job has run or restores state, and checkpoints change when its sinks commit: set it, or allow fillRunning in the policy"
    ))
}

fn judge_choice(key: &str, setting: &Setting, subject: &Subject, bounds: &CheckpointInterval) -> Judgement {
    let is = chosen(key, setting);
    let Ok(milliseconds) = parse_duration_ms(&setting.value, subject.version) else {
        return Judgement::advice(format!(
            "{is}, which is no duration that Flink {} reads; write one such as `1 min`",
            subject.version
        ));
    };
    let CheckpointInterval { min, max, .. } = bounds;
    if setting.origin == Origin::OperatorBuiltIn {
        Judgement::implicit(format!("{is}; write down one that fits the job's recovery"), Vec::new())
    } else if milliseconds == 0 {
        Judgement::advice(format!(
            "{is}, and at 0 no checkpoint is taken; write an interval such as `1 min` or opt out"
        ))
    } else if milliseconds < min.milliseconds() {
        Judgement::advice(format!("{is}, shorter than the {min} of the policy: checkpoints would crowd out the work"))
    } else if milliseconds > max.milliseconds() {
        Judgement::advice(format!(
            "{is}, longer than the {max} of the policy: a failure repeats all work since the last"
        ))
    } else {
        Judgement::pass(is)
    }
}
