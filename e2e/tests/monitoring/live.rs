//! A real Prometheus scrapes real Flinks of this machine: every name in the rules and on the dashboard of a job is theirs.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::await_condition;
use e2e::flink_dist::FlinkDist;
use e2e::isolation::isolated;
use e2e::prometheus::{Prometheus, dashboards, queries, rules};
use serde_json::{Value, json};

use crate::moody::{Moody, REPORTERS};

/// Prometheus has to have scraped twice, and meters are there with the first record.
const PATIENCE: Duration = Duration::from_mins(2);

/// What begins so is Flink's.
const OF_FLINK: [&str; 2] = ["flink_jobmanager_", "flink_taskmanager_"];

#[test]
fn flink_1_20_exposes_what_the_rules_name() {
    isolated("live::flink_1_20_exposes_what_the_rules_name", || exposes_what_the_rules_name("1.20"));
}

#[test]
fn flink_2_3_exposes_what_the_rules_name() {
    isolated("live::flink_2_3_exposes_what_the_rules_name", || exposes_what_the_rules_name("2.3"));
}

#[tokio::main(flavor = "current_thread")]
async fn exposes_what_the_rules_name(minor: &str) {
    let dist = FlinkDist::locate(minor).unwrap_or_else(|error| panic!("{error:#}"));
    let mut moody = Moody::start(&dist).await;
    let prometheus = Prometheus::start(&configuration()).await;
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for rule in rules("flink") {
        let selectors = prometheus.selectors(&rule.expression).await;
        wanted.extend(selectors.into_iter().filter(|selector| OF_FLINK.iter().any(|name| selector.contains(name))));
    }
    assert!(wanted.len() > 10, "{wanted:#?}");
    let (_, job) = dashboards().into_iter().find(|(name, _)| name == "job").expect("the dashboard of a job");
    wanted.extend(queries("job", &job).into_iter().map(|query| of_this_job(&query.expression)));
    await_condition("data for every expression", PATIENCE, async || {
        moody.assert_runs();
        let mut missing = Vec::new();
        for expression in wanted.clone() {
            match prometheus.query(&expression).await {
                Ok(samples) if !samples.is_empty() || is_of_bad_times(&expression) => _ = wanted.remove(&expression),
                seen => missing.push(format!("{expression}: {seen:?}")),
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
    })
    .await;
}

/// Only while a restart of ours is under way, or an alert fires.
fn is_of_bad_times(expression: &str) -> bool {
    expression.contains("flink_remedy:restart_in_flight") || expression.contains("ALERTS")
}

fn of_this_job(expression: &str) -> String {
    let values = [("$namespace", "shop"), ("$deployment", "orders"), ("$__rate_interval", "10s")];
    values.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// The labels are those that the shipped scrape configuration gives.
fn configuration() -> Value {
    let target = |(component, port): (&str, u16)| {
        json!({
            "targets": [format!("127.0.0.1:{port}")],
            "labels": {
                "namespace": "shop", "deployment": "orders", "component": component, "pod": format!("orders-{component}"),
            },
        })
    };
    json!({ "scrape_configs": [{ "job_name": "flink", "static_configs": REPORTERS.map(target) }] })
}
