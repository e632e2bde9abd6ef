use flink_conf::options::AUTO_GENERATE_UIDS;
use flink_conf::{Lookup, parse_bool};

use super::ignored;
use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # Operators may lack a UID
    ///
    /// ## What it checks
    /// `pipeline.auto-generate-uids`. Whether the operators of a job have UIDs stands in its code alone; with this option at
    /// `false` Flink refuses a job in which one is missing, so that it cannot be forgotten.
    ///
    /// ## Why it matters
    /// A savepoint finds the state of an operator by its UID. One that Flink makes up changes with the job's graph:
    /// after the next change of the code the state is not found, and the job starts without it or not at all.
    ///
    /// ## What is filled
    /// Nothing, unless the policy has `rules.implicit-operator-uids.fill: true`: then `false`, before the first deployment
    /// of a job that restores nothing. Flink then refuses it if a UID is missing, while that costs nothing yet.
    ///
    /// ## What it costs
    /// Nothing where it is not filled. Where it is, a new job without UIDs does not start.
    ///
    /// ## When to switch it off
    /// For jobs whose operators nobody names, such as those of a framework. SQL and Table jobs are not judged: their
    /// planner makes the operators.
    ///
    /// ## Source
    /// Flink documentation, "Production Readiness Checklist" and "Savepoints".
    pub static IMPLICIT_OPERATOR_UIDS = {
        code: "JOB001",
        name: "implicit-operator-uids",
        scope: Scope::Job,
        writes: &[Writes::Option(&AUTO_GENERATE_UIDS)],
        check: Check::Item(check),
    }
}

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    let version = subject.version;
    let right = AUTO_GENERATE_UIDS.key(version);
    if subject.is_batch() {
        return Judgement::not_applicable("a batch job keeps no state that a UID would find again");
    }
    if is_sql(subject) {
        return Judgement::not_applicable("the operators of an SQL job are made and named by its planner");
    }
    match AUTO_GENERATE_UIDS.find(&subject.conf, version) {
        Lookup::Set { key, setting } => match parse_bool(&setting.value) {
            Ok(false) => Judgement::pass(format!("{key} is false (from {}): no operator lacks a UID", setting.origin)),
            Ok(true) => Judgement::advice(format!(
                "{key} is true (from {}): an operator without a UID loses its state with a change of the code; set false",
                setting.origin
            )),
            Err(error) => Judgement::advice(format!("{key}: {error}")),
        },
        Lookup::Ignored { key, setting } => Judgement::advice(ignored(key, setting, version, right.as_str())),
        Lookup::Unset if policy.rules.implicit_operator_uids.fill && subject.starts_empty => {
            Judgement::gap(format!("no {right}: Flink makes up missing UIDs"), vec![Fill::option(right, "false")])
        }
        Lookup::Unset => Judgement::advice(format!(
            "UIDs of operators stand in the code and cannot be seen here; with {right}: false Flink refuses a job that lacks one"
        )),
    }
}

/// Whether the job is written in SQL, as far as its class or its arguments say so.
fn is_sql(subject: &Subject) -> bool {
    let Some(job) = &subject.job else { return false };
    let class = job.entry_class.as_deref().unwrap_or_default();
    let name = class.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_script = |arg: &String| arg.to_ascii_lowercase().ends_with(".sql");
    class.starts_with("org.apache.flink.table.")
        || name.starts_with("sqlrunner")
        || job.args.iter().flatten().any(is_script)
}
