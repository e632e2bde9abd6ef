use flink_conf::options::{
    CHECKPOINT_INTERVAL, RESTART_BACKOFF_MULTIPLIER, RESTART_INITIAL_BACKOFF, RESTART_JITTER, RESTART_MAX_BACKOFF,
    RESTART_RESET_THRESHOLD, RESTART_STRATEGY,
};
use flink_conf::{FlinkVersion, Lookup, Setting};

use super::ignored;
use crate::policy::RestartBackoff;
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # A failing job restarts without backing off
    ///
    /// ## What it checks
    /// The restart strategy of streaming jobs with checkpointing: `restart-strategy.type` from Flink 1.17
    /// on, `restart-strategy` before.
    ///
    /// ## Why it matters
    /// Before Flink 1.19 a job with checkpointing and no strategy restarts every second, for ever. While a
    /// database or a broker is down, that is a storm of reconnects and restores; exponential delay waits
    /// longer after every failure and starts anew after a quiet time. From 1.19 on it is Flink's default.
    ///
    /// ## What is filled
    /// `exponential-delay` with the policy's delays (by default Flink 1.19's: 1 s, doubling by 1.5 up to
    /// 1 min, reset after 1 h, jitter 0.1). Before 1.19 that is a gap; from 1.19 on the default is only
    /// written down, at a moment when it costs nothing.
    ///
    /// ## What it costs
    /// A running job restarts once. A strategy set in the job's code wins over configuration and stays.
    ///
    /// ## When to switch it off
    /// When something outside restarts the job and it shall end at its first failure.
    ///
    /// ## Source
    /// Flink documentation, "Task Failure Recovery"; FLIP-364.
    pub static NO_RESTART_BACKOFF = {
        code: "RST001",
        name: "no-restart-backoff",
        scope: Scope::Job,
        writes: &[
            Writes::Option(&RESTART_STRATEGY),
            Writes::Option(&RESTART_INITIAL_BACKOFF),
            Writes::Option(&RESTART_MAX_BACKOFF),
            Writes::Option(&RESTART_BACKOFF_MULTIPLIER),
            Writes::Option(&RESTART_RESET_THRESHOLD),
            Writes::Option(&RESTART_JITTER),
        ],
        check: Check::Item(check),
    }
}

/// First version whose default, with checkpointing, is exponential delay.
const EXPONENTIAL_BY_DEFAULT: FlinkVersion = FlinkVersion::new(1, 19);

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    let version = subject.version;
    let right = RESTART_STRATEGY.key(version);
    match RESTART_STRATEGY.find(&subject.conf, version) {
        Lookup::Set { key, setting } => return judge_choice(key, setting),
        Lookup::Ignored { key, setting } => return Judgement::advice(ignored(key, setting, version, right.as_str())),
        Lookup::Unset => {}
    }
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job has no checkpoint to restart from");
    }
    if CHECKPOINT_INTERVAL.find(&subject.conf, version).value().is_none() {
        return Judgement::not_applicable(
            "checkpointing is not configured: with a restart strategy the job would start again from empty",
        );
    }
    let fills = fills(&policy.rules.no_restart_backoff, version);
    if version < EXPONENTIAL_BY_DEFAULT {
        Judgement::gap(format!("no {right}: Flink {version} restarts a failing job every second, for ever"), fills)
    } else {
        Judgement::implicit(format!("exponential delay only by Flink {version}'s default"), fills)
    }
}

fn judge_choice(key: &str, setting: &Setting) -> Judgement {
    let Setting { value, origin } = setting;
    match value.to_ascii_lowercase().as_str() {
        "exponential-delay" | "exponentialdelay" => Judgement::pass(format!("{key} is {value} (from {origin})")),
        "none" | "off" | "disable" => Judgement::advice(format!(
            "{key} is {value} (from {origin}): the job ends at its first failure; use exponential-delay or opt out"
        )),
        "fixed-delay" | "fixeddelay" | "failure-rate" | "failurerate" => Judgement::advice(format!(
            "{key} is {value} (from {origin}): the delay never grows and the job ends when its attempts are used up; use exponential-delay or opt out"
        )),
        _ => {
            Judgement::advice(format!("{key} is {value} (from {origin}), which no Flink knows; use exponential-delay"))
        }
    }
}

fn fills(backoff: &RestartBackoff, version: FlinkVersion) -> Vec<Fill> {
    [
        (&RESTART_STRATEGY, "exponential-delay".to_owned()),
        (&RESTART_INITIAL_BACKOFF, backoff.initial.to_string()),
        (&RESTART_MAX_BACKOFF, backoff.max.to_string()),
        (&RESTART_BACKOFF_MULTIPLIER, backoff.multiplier.to_string()),
        (&RESTART_RESET_THRESHOLD, backoff.reset_threshold.to_string()),
        (&RESTART_JITTER, backoff.jitter.to_string()),
    ]
    .into_iter()
    .map(|(option, value)| Fill::option(option.key(version), value))
    .collect()
}
