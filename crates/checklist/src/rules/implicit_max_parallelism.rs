use flink_conf::options::{DEFAULT_PARALLELISM, MAX_PARALLELISM, TASKMANAGER_SLOTS, VERTEX_PARALLELISM};
use flink_conf::{Lookup, Setting};

use super::{chosen, ignored};
use crate::policy::MaxParallelism;
use crate::{Check, Fill, Judgement, Kind, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # Maximum parallelism is left to Flink
    ///
    /// ## What it checks
    /// Whether a streaming job sets `pipeline.max-parallelism`, and whether it is a number from the job's parallelism to
    /// 32768.
    ///
    /// ## Why it matters
    /// The maximum parallelism is the number of key groups into which state is divided. It is fixed by the first
    /// checkpoint: a job never runs wider than that, and with another value it does not find its state again. Left out,
    /// Flink derives it from the parallelism of the first start: the next power of two above one and a half times
    /// the parallelism, at least 128 and at most 32768. That is 128 up to a parallelism of 85, and 256 from 86 on.
    ///
    /// ## What is filled
    /// Before the first deployment of a job that restores nothing: what Flink would derive for the parallelism times the
    /// policy's `growthFactor` (4), at least the policy's `floor` (128). A job with state is never touched: it gets the
    /// advice to write down the value in use, which Flink's REST API shows as `maxParallelism` of each vertex
    /// (`/jobs/<id>`).
    ///
    /// ## What it costs
    /// Nothing for a new job. More key groups make state a little larger; a few hundred do not show.
    ///
    /// ## When to switch it off
    /// When the job's code sets the maximum parallelism of every operator. With the autoscaler, choose a number with many
    /// divisors by hand, such as 120, 360 or 720. In reactive mode and with the adaptive scheduler it is the only bound of how
    /// wide a job runs: there choose it by the slots that the job may ever have.
    ///
    /// ## Source
    /// Flink documentation, "Production Readiness Checklist"; `KeyGroupRangeAssignment.computeDefaultMaxParallelism`;
    /// `StateAssignmentOperation`.
    pub static IMPLICIT_MAX_PARALLELISM = {
        code: "JOB002",
        name: "implicit-max-parallelism",
        scope: Scope::Job,
        writes: &[Writes::Option(&MAX_PARALLELISM)],
        check: Check::Item(check),
    }
}

/// `KeyGroupRangeAssignment.DEFAULT_LOWER_BOUND_MAX_PARALLELISM`
const LOWEST_DERIVED: u32 = 128;
/// `KeyGroupRangeAssignment.UPPER_BOUND_MAX_PARALLELISM`
const HIGHEST: u32 = 1 << 15;

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job keeps no state that its maximum parallelism would bind");
    }
    let version = subject.version;
    let right = MAX_PARALLELISM.key(version);
    let parallelism = parallelism(subject);
    match MAX_PARALLELISM.find(&subject.conf, version) {
        Lookup::Set { key, setting } => judge_choice(key, setting, parallelism),
        Lookup::Ignored { key, setting } => Judgement::advice(ignored(key, setting, version, right.as_str())),
        Lookup::Unset if subject.starts_empty => {
            let value = roomy(parallelism, &policy.rules.implicit_max_parallelism);
            Judgement::gap(
                format!("no {right}: the job's first start would fix it at {}", derived(parallelism)),
                vec![Fill::option(right, value.to_string())],
            )
        }
        Lookup::Unset => Judgement::advice(format!(
            "no {right}: its state may have fixed it, at {} if Flink derived it from parallelism {parallelism}; write down the value in use (REST /jobs/<id>, maxParallelism of the vertices)",
            derived(parallelism)
        )),
    }
}

fn judge_choice(key: &str, setting: &Setting, parallelism: u32) -> Judgement {
    let is = chosen(key, setting);
    match setting.value.trim().parse::<i64>() {
        // Flink's own default, which stands for none.
        Ok(-1) => Judgement::advice(format!("{is}, which leaves it to Flink; write down a number")),
        Ok(number) if number < i64::from(parallelism) => {
            Judgement::advice(format!("{is}, less than the job's parallelism {parallelism}; the job does not start"))
        }
        Ok(number) if number > i64::from(HIGHEST) => {
            Judgement::advice(format!("{is}, more than the {HIGHEST} that Flink allows"))
        }
        Ok(_) => Judgement::pass(is),
        Err(_) => Judgement::advice(format!("{is}, which is no number")),
    }
}

/// The widest that an operator starts with: the job's parallelism, or more by an override for one vertex.
fn parallelism(subject: &Subject) -> u32 {
    of_job(subject).max(highest_override(subject))
}

/// The highest of `vertex:parallelism,...`, or of one key for each vertex; 0 where there is none.
fn highest_override(subject: &Subject) -> u32 {
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let listed = VERTEX_PARALLELISM.find(&subject.conf, subject.version).value().unwrap_or_default();
    let listed = listed.split(',').filter_map(|pair| number(pair.rsplit_once(':')?.1));
    let below = format!("{}.", VERTEX_PARALLELISM.key(subject.version));
    let apart = subject.conf.iter().filter(|(key, _)| key.as_str().starts_with(&below));
    listed.chain(apart.filter_map(|(_, setting)| number(&setting.value))).max().unwrap_or(0)
}

/// The parallelism that FKO starts the job with (`FlinkConfigBuilder.getParallelism`): of an application
/// `taskManager.replicas` times the slots where the replicas are given, else `job.parallelism`.
fn of_job(subject: &Subject) -> u32 {
    let number = |option: &flink_conf::FlinkOption| {
        option.find(&subject.conf, subject.version).value().and_then(|text| text.trim().parse::<u32>().ok())
    };
    let of_replicas = || {
        let replicas = u32::try_from(subject.cluster.task_manager.replicas?).ok()?;
        Some(replicas.saturating_mul(number(&TASKMANAGER_SLOTS).unwrap_or(1)))
    };
    let replicas = if subject.kind == Kind::Application { of_replicas() } else { None };
    let declared = subject.job.as_ref().and_then(|job| u32::try_from(job.parallelism?).ok());
    let given = [replicas, declared, number(&DEFAULT_PARALLELISM)];
    given.into_iter().flatten().find(|parallelism| *parallelism > 0).unwrap_or(1)
}

/// What Flink makes of this parallelism.
fn derived(parallelism: u32) -> u32 {
    let half_more = parallelism.saturating_add(parallelism / 2).min(HIGHEST);
    half_more.next_power_of_two().clamp(LOWEST_DERIVED, HIGHEST)
}

/// The same with room to grow; what does not fit the policy's floor or Flink's bound, within those.
fn roomy(parallelism: u32, MaxParallelism { floor, growth_factor }: &MaxParallelism) -> u32 {
    derived(parallelism.saturating_mul(*growth_factor)).max(*floor).max(parallelism).min(HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flink_derives_the_next_power_of_two_of_one_and_a_half_times_the_parallelism() {
        for (parallelism, expected) in
            [(1, 128), (85, 128), (86, 256), (170, 256), (200, 512), (1000, 2048), (30_000, 32_768), (u32::MAX, 32_768)]
        {
            assert_eq!(derived(parallelism), expected, "{parallelism}");
        }
    }

    #[test]
    fn there_is_room_to_grow_above_the_floor_and_within_flinks_bound() {
        let roomy = |parallelism, floor, growth_factor| roomy(parallelism, &MaxParallelism { floor, growth_factor });
        assert_eq!(roomy(2, 128, 4), 128);
        assert_eq!(roomy(40, 128, 4), 256);
        assert_eq!(roomy(2, 720, 4), 720);
        assert_eq!(roomy(2, u32::MAX, u32::MAX), 32_768);
        assert_eq!(roomy(300, 0, 0), 300);
    }
}
