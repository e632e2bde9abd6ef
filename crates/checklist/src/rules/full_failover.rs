use flink_conf::Lookup;
use flink_conf::options::{FAILOVER_STRATEGY, SCHEDULER, SCHEDULER_MODE};

use super::{chosen, ignored};
use crate::{Check, Judgement, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # One failed task restarts the whole job
    ///
    /// ## What it checks
    /// `jobmanager.execution.failover-strategy`, which should be `region`.
    ///
    /// ## Why it matters
    /// With `region` only the tasks that exchange data with the failed one start again. With `full` all of them do, which
    /// takes longer and loads sources and state storage at once.
    ///
    /// ## What is filled
    /// Nothing: `region` is the default of every Flink from 1.15 on, so that its absence is only reported.
    ///
    /// ## What it costs
    /// Nothing is filled.
    ///
    /// ## When to switch it off
    /// When `full` is a choice. The adaptive scheduler always restarts the whole job; there the rule does not
    /// apply.
    ///
    /// ## Source
    /// Flink documentation, "Task Failure Recovery" and "Elastic Scaling".
    pub static FULL_FAILOVER = {
        code: "RST002",
        name: "full-failover",
        scope: Scope::Cluster,
        check: Check::Item(check),
    }
}

fn check(subject: &Subject, _: &Policy) -> Judgement {
    let (conf, version) = (&subject.conf, subject.version);
    let is = |lookup: Lookup, name: &str| lookup.value().is_some_and(|value| value.eq_ignore_ascii_case(name));
    if is(SCHEDULER.find(conf, version), "adaptive") || is(SCHEDULER_MODE.find(conf, version), "reactive") {
        return Judgement::not_applicable("the adaptive scheduler restarts the whole job, whatever the strategy");
    }
    match FAILOVER_STRATEGY.find(conf, version) {
        Lookup::Unset => Judgement::implicit("region by Flink's default", Vec::new()),
        Lookup::Ignored { key, setting } => {
            Judgement::advice(ignored(key, setting, version, FAILOVER_STRATEGY.key(version).as_str()))
        }
        Lookup::Set { key, setting } => {
            let is = chosen(key, setting);
            // In any case (`FailoverStrategyFactoryLoader`).
            match setting.value.to_ascii_lowercase().as_str() {
                "region" => Judgement::pass(is),
                "full" => {
                    Judgement::advice(format!("{is}: one failed task restarts the whole job; use region or opt out"))
                }
                _ => Judgement::advice(format!("{is}, which no Flink knows; use region")),
            }
        }
    }
}
