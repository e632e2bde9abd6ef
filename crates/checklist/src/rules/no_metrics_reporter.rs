use std::collections::{BTreeMap, BTreeSet};

use flink_conf::options::METRICS_REPORTERS;
use flink_conf::{EffectiveConf, Key};

use crate::{Fill, Judgement, Policy, Scope, Subject, Target, declare_rule};

declare_rule! {
    /// # No metrics reporter
    ///
    /// ## What it checks
    /// Whether any metrics reporter is configured, by its factory and whatever its name; and whether a
    /// `metrics.reporters` list leaves a configured one out.
    ///
    /// ## Why it matters
    /// Without a reporter nobody sees failing checkpoints, back-pressure or restarts until users do, and no
    /// alert of the checklist can work.
    ///
    /// ## What is filled
    /// The Prometheus reporter (it is part of every Flink image) as `metrics.reporter.prom`, its port (9249
    /// unless the policy or an annotation that is already there says otherwise), and the pod annotations
    /// `prometheus.io/scrape` and `prometheus.io/port`. No port is added to containers: the list of containers
    /// has one owner.
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
        check: check,
    }
}

const FACTORY: &str = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory";
const PORT_ANNOTATION: &str = "prometheus.io/port";

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    let configured = reporters(&subject.conf);
    let listed = METRICS_REPORTERS.find(&subject.conf, subject.version).value().map(names);
    match (configured.is_empty(), listed) {
        (true, None) => Judgement::gap(
            "no metrics reporter is configured: nothing can be watched or alerted on",
            fills(subject, policy),
        ),
        (true, Some(listed)) => Judgement::advice(format!(
            "metrics.reporters lists {}, but no metrics.reporter.<name>.factory.class is set; configure it or remove the list",
            joined(&listed)
        )),
        (false, Some(listed)) if configured.keys().any(|name| !listed.contains(name)) => {
            let left_out = configured.keys().filter(|name| !listed.contains(*name)).cloned().collect();
            Judgement::advice(format!(
                "metrics.reporters leaves out the configured reporter {}; add it to the list or remove the list",
                joined(&left_out)
            ))
        }
        (false, _) => Judgement::pass(format!("reporters: {}", joined(&configured.into_keys().collect()))),
    }
}

/// Reporters by name, with the class that makes them: `factory.class`, or `class` as it was before Flink 1.17.
fn reporters(conf: &EffectiveConf) -> BTreeMap<String, String> {
    conf.iter()
        .filter_map(|(key, setting)| {
            let rest = key.as_str().strip_prefix("metrics.reporter.")?;
            let name = rest.strip_suffix(".factory.class").or_else(|| rest.strip_suffix(".class"))?;
            Some((name.to_owned(), setting.value.clone()))
        })
        .collect()
}

fn names(list: &str) -> BTreeSet<String> {
    list.split([',', ';']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn fills(subject: &Subject, policy: &Policy) -> Vec<Fill> {
    let annotated = subject.pod_annotations.get(PORT_ANNOTATION).filter(|port| port.parse::<u16>().is_ok());
    let port = annotated.cloned().unwrap_or_else(|| policy.reporter_port.to_string());
    let annotation =
        |key: &str, value: &str| Fill { target: Target::PodAnnotation(key.to_owned()), value: value.to_owned() };
    vec![
        Fill::option(Key::from("metrics.reporter.prom.factory.class"), FACTORY),
        Fill::option(Key::from("metrics.reporter.prom.port"), &port),
        annotation("prometheus.io/scrape", "true"),
        annotation(PORT_ANNOTATION, &port),
    ]
}
