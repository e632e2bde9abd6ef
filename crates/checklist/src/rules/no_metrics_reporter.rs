use std::collections::BTreeSet;

use flink_conf::options::METRICS_REPORTERS;
use flink_conf::{FlinkVersion, Key};

use crate::{Check, Fill, Judgement, Policy, Scope, Subject, Target, Writes, declare_rule};

declare_rule! {
    /// # No metrics reporter
    ///
    /// ## What it checks
    /// Whether any metrics reporter is configured, by its factory and whatever its name; whether one is
    /// configured by `class`, which Flink reads up to 1.16 only; and whether a `metrics.reporters` list leaves
    /// a configured one out.
    ///
    /// ## Why it matters
    /// Without a reporter nobody sees failing checkpoints, back-pressure or restarts until users do, and no
    /// alert of the checklist can work.
    ///
    /// ## What is filled
    /// The Prometheus reporter (it is part of every Flink image) as `metrics.reporter.prom`, its port (9249
    /// unless the policy, a port or an annotation that is already there says otherwise), and the pod
    /// annotations `prometheus.io/scrape` and `prometheus.io/port`. No port is added to containers: the list
    /// of containers has one owner.
    ///
    /// ## What it costs
    /// A running job restarts once.
    ///
    /// ## When to switch it off
    /// When metrics leave the pods some other way, such as a Java agent.
    ///
    /// ## Source
    /// Flink documentation, "Metric Reporters".
    pub static NO_METRICS_REPORTER = {
        code: "MET001",
        name: "no-metrics-reporter",
        scope: Scope::Cluster,
        writes: &[
            Writes::Key(FACTORY_KEY),
            Writes::Key(PORT_KEY),
            Writes::PodAnnotation(SCRAPE_ANNOTATION),
            Writes::PodAnnotation(PORT_ANNOTATION),
        ],
        check: Check::Item(check),
    }
}

const FACTORY: &str = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory";
const FACTORY_KEY: &str = "metrics.reporter.prom.factory.class";
pub(crate) const PORT_KEY: &str = "metrics.reporter.prom.port";
const SCRAPE_ANNOTATION: &str = "prometheus.io/scrape";
pub(crate) const PORT_ANNOTATION: &str = "prometheus.io/port";

/// First version that makes reporters by `factory.class` only; before, `class` does as well.
const FACTORY_ONLY: FlinkVersion = FlinkVersion::new(1, 17);

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    let version = subject.version;
    let by_class = reporters(subject, ".class");
    let mut configured = reporters(subject, ".factory.class");
    if version < FACTORY_ONLY {
        configured.extend(by_class.iter().cloned());
    }
    let listed = METRICS_REPORTERS.find(&subject.conf, version).value().map(names);
    match (configured.is_empty(), listed) {
        (true, _) if !by_class.is_empty() => Judgement::advice(format!(
            "class alone makes no reporter in Flink {version}: give {} its factory.class",
            joined(&by_class)
        )),
        (true, None) => Judgement::gap(
            "no metrics reporter is configured: nothing can be watched or alerted on",
            fills(subject, policy),
        ),
        (true, Some(listed)) => Judgement::advice(format!(
            "metrics.reporters lists {}, but no metrics.reporter.<name>.factory.class is set; configure it or remove the list",
            joined(&listed)
        )),
        (false, Some(listed)) if !configured.is_subset(&listed) => Judgement::advice(format!(
            "metrics.reporters leaves out the configured reporter {}; add it to the list or remove the list",
            joined(&configured.difference(&listed).cloned().collect())
        )),
        (false, _) => Judgement::pass(format!("reporters: {}", joined(&configured))),
    }
}

/// The reporters with a key of this ending. A reporter's name has no dot.
fn reporters(subject: &Subject, ending: &str) -> BTreeSet<String> {
    let name = |key: &Key| {
        let name = key.as_str().strip_prefix("metrics.reporter.")?.strip_suffix(ending)?;
        (!name.is_empty() && !name.contains('.')).then(|| name.to_owned())
    };
    subject.conf.iter().filter_map(|(key, _)| name(key)).collect()
}

fn names(list: &str) -> BTreeSet<String> {
    list.split([',', ';']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn fills(subject: &Subject, policy: &Policy) -> Vec<Fill> {
    let annotation =
        |key: &str, value: &str| Fill { target: Target::PodAnnotation(key.to_owned()), value: value.to_owned() };
    let mut fills = vec![Fill::option(Key::from(FACTORY_KEY), FACTORY)];
    // Beside a port that nobody can foresee an annotation would only mislead.
    if let Some(port) = port(subject, policy) {
        fills.push(Fill::option(Key::from(PORT_KEY), &port));
        fills.push(annotation(SCRAPE_ANNOTATION, "true"));
        fills.push(annotation(PORT_ANNOTATION, &port));
    }
    fills
}

/// The port at which the reporter will be found. A pod runs one JVM, so that is the first of a range.
fn port(subject: &Subject, policy: &Policy) -> Option<String> {
    let readable = |port: &str| port.trim().parse::<u16>().ok().filter(|port| *port > 0).map(|port| port.to_string());
    if let Some(chosen) = subject.conf.get(PORT_KEY) {
        return readable(chosen.value.split(['-', ',']).next().unwrap_or_default());
    }
    let annotated = subject.pod_annotations.get(PORT_ANNOTATION).and_then(|port| readable(port));
    Some(annotated.unwrap_or_else(|| policy.rules.no_metrics_reporter.port.to_string()))
}
