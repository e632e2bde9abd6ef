use crate::{Check, Judgement, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # Nothing alerts on the job's metrics
    ///
    /// ## What it checks
    /// Whether the cluster has a `PrometheusRule` with an alert on a metric of the checklist: failed checkpoints
    /// (`numberOfFailedCheckpoints`), how long the last one took (`lastCheckpointDuration`), back-pressure
    /// (`outPoolUsage`, `backPressuredTimeMsPerSecond`), records read (`numRecordsInPerSecond`). One such alert anywhere in
    /// the cluster settles it for every job: which jobs an expression covers is not to be told from it. The shipped ones
    /// (`kubectl apply -k manifests/monitoring`) do. That shows in `check --cluster` only: files say nothing of it, and
    /// `run` does not look.
    ///
    /// ## Why it matters
    /// A job that no longer completes checkpoints runs on as if nothing were wrong, until it fails and starts again
    /// hours back.
    ///
    /// ## What is filled
    /// Nothing: who has to be woken up by what, only people know.
    ///
    /// ## What it costs
    /// Nothing.
    ///
    /// ## When to switch it off
    /// When alerts are kept outside the cluster, or by something other than the Prometheus operator.
    ///
    /// ## Source
    /// Flink documentation, "Production Readiness Checklist" and "Metrics"; Prometheus operator, `PrometheusRule`.
    pub static NO_ALERTS = {
        code: "MET002",
        name: "no-alerts",
        scope: Scope::Cluster,
        check: Check::Item(check),
    }
}

fn check(subject: &Subject, _: &Policy) -> Judgement {
    match subject.surroundings.alerts.as_deref() {
        None => Judgement::not_applicable(
            "for a human: whether something alerts on checkpoints, back-pressure and records read is not to be seen here",
        ),
        Some([]) => Judgement::advice(
            "no PrometheusRule of the cluster alerts on failed or slow checkpoints, back-pressure or records read",
        ),
        Some(rules) => Judgement::pass(format!("alerts: {}", super::named(rules))),
    }
}
