//! What the operator serves: /live, /ready, /metrics and PUT /log-level.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use e2e::proxy::hold_first;
use e2e::{Operator, Proxy, await_condition};
use hyper::Method;

use crate::fko::Fko;
use crate::support::{PATIENCE, Scene, job, with_mode};

/// Status line with headers, and body.
async fn request(operator: &Operator, method: &str, path: &str, body: &str) -> (String, String) {
    let address = operator.address();
    let length = body.len();
    let text =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    let exchange = move || {
        let mut stream = TcpStream::connect(address).expect("the operator listens");
        stream.write_all(text.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    let answer = tokio::task::spawn_blocking(exchange).await.expect("no panic");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    (head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn it_is_alive_at_once_but_ready_only_after_the_first_list() {
    let scene = Scene::new("ready").await;
    let list = |request: &e2e::RequestInfo| request.method == Method::GET && request.resource == "flinkdeployments";
    let (held, gate) = hold_first(list);
    let proxy = Proxy::with_hook(scene.plane, held);
    let operator = Operator::start(&scene.options_via(&proxy.server(), &[]).await);
    gate.reached().await;
    await_condition("/live", PATIENCE, async || operator.get("/live").await.filter(|answer| answer.0 == 200)).await;
    assert_eq!(operator.get("/ready").await.expect("an answer").0, 503);
    assert_eq!(operator.metric("flink_remedy_leader").await, Some(0.0), "it leads before it has seen anything");
    assert_eq!(proxy.mutating(), 0);
    gate.open();
    operator.wait_ready().await;
    assert_eq!(operator.get("/live").await.expect("an answer").0, 200);
}

/// One sample of a page: its name, and name with labels.
fn sample(line: &str) -> (&str, &str) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    assert!(value.parse::<f64>().is_ok(), "no number: {line}");
    let name = series.split('{').next().unwrap_or_default();
    if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
        let inner = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        for label in inner.unwrap_or_else(|| panic!("labels: {line}")).split("\",") {
            let (key, value) = label.split_once("=\"").unwrap_or_else(|| panic!("label {label} in {line}"));
            assert!(key.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
            assert!(!value.is_empty(), "{line}");
        }
    }
    (name, series)
}

/// Reads a page by the rules of OpenMetrics and returns the type of each family.
fn open_metrics(page: &str) -> BTreeMap<String, String> {
    let body = page.strip_suffix("# EOF\n").expect("the page ends with its mark");
    let (mut types, mut helps, mut seen) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared twice");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(!help.is_empty() && helps.insert(name.to_owned()), "{line}");
        } else {
            assert!(!line.starts_with('#') || line.starts_with("# UNIT "), "{line}");
            let (name, series) = sample(line);
            assert!(seen.insert(series.to_owned()), "{series} stands there twice");
            let family = types.keys().any(|family| {
                let suffixes: &[&str] = match types[family].as_str() {
                    "counter" => &["_total"],
                    "histogram" => &["_bucket", "_count", "_sum"],
                    _ => &[""],
                };
                name.strip_prefix(family.as_str()).is_some_and(|suffix| suffixes.contains(&suffix))
            });
            assert!(family, "{name} belongs to no family of its type");
        }
    }
    assert_eq!(types.keys().collect::<Vec<_>>(), helps.iter().collect::<Vec<_>>(), "every family is explained");
    types
}

#[tokio::test]
async fn metrics_are_open_metrics_under_our_own_prefix() {
    let scene = Scene::new("metrics").await;
    scene.create(job("filled")).await;
    scene.create_stable(Fko::V1_15, with_mode(job("held"), "stateless")).await;
    let operator = scene.start(&[]).await;
    scene.note("filled", "Remediated", "").await;
    scene.note("held", "RemediationHeld", "").await;
    let (head, page) = request(&operator, "GET", "/metrics", "").await;
    assert!(head.starts_with("http/1.1 200") && head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    let types = open_metrics(&page);
    for family in types.keys() {
        assert!(family.starts_with("flink_remedy_"), "{family}");
    }
    // What a job is called is in no label while no restart of ours is under way on it.
    assert!(!page.contains("namespace=\"") && !page.contains("name=\""), "{page}");
    for (series, value) in [
        ("flink_remedy_leader", 1.0),
        ("flink_remedy_remediations_total{rule=\"CKP003\"}", 1.0),
        ("flink_remedy_held_jobs{reason=\"Stateless\"}", 1.0),
        ("flink_remedy_findings{rule=\"CKP003\",verdict=\"Gap\"}", 1.0),
        ("flink_remedy_events_emitted_total{reason=\"Remediated\"}", 1.0),
    ] {
        // An Event is counted a moment after it can be seen.
        await_condition(series, PATIENCE, async || {
            let now = operator.metric(series).await;
            if now == Some(value) { Ok(()) } else { Err(now) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_restart_under_way_names_its_job_so_that_alerts_can_be_silenced() {
    let scene = Scene::new("inflightmetric").await;
    scene.create_stable(Fko::V1_15, job("j")).await;
    let operator = scene.start(&["--mode", "Apply"]).await;
    scene.filled("j").await;
    let series = format!("flink_remedy_restart_in_flight{{namespace=\"{}\",name=\"j\"}}", scene.namespace);
    await_condition("the restart to be shown", PATIENCE, async || operator.metric(&series).await).await;
    open_metrics(&operator.metrics().await);
    scene.now_stable(Fko::V1_15, "j").await;
    await_condition("the restart to be over", PATIENCE, async || match operator.metric(&series).await {
        None => Ok(()),
        shown => Err(shown),
    })
    .await;
}

#[tokio::test]
async fn the_log_level_changes_while_it_runs() {
    let scene = Scene::new("loglevel").await;
    scene.create(job("j")).await;
    let operator = scene.start(&["--log-format", "json"]).await;
    scene.note("j", "Remediated", "").await;
    scene.look_again(&operator, 1).await;
    assert!(!operator.logs().contains("\"level\":\"DEBUG\""), "{}", operator.logs());
    let (head, _) = request(&operator, "PUT", "/log-level", "info,controller=debug").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    scene.look_again(&operator, 1).await;
    assert!(operator.logs().contains("\"level\":\"DEBUG\""), "{}", operator.logs());
    let (head, body) = request(&operator, "PUT", "/log-level", "loud==").await;
    assert!(head.starts_with("http/1.1 400") && body.contains("loud=="), "{head}\n{body}");
    let (head, _) = request(&operator, "PUT", "/log-level", "off").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let before = operator.logs().len();
    scene.look_again(&operator, 1).await;
    assert_eq!(operator.logs().len(), before, "{}", operator.logs());
    for line in operator.logs().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}
