//! What is filled, in which spelling, with how many requests, and what stays untouched.

use e2e::Crds;
use serde_json::{Value, json};

use crate::fko::{Fko, stable};
use crate::owner::{BOTH, INCREMENTAL, merged, own_log, settled};
use crate::support::Scene;

const PROMETHEUS: &str = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory";
const STOCK_LOG: &str = include_str!("../../../crates/checklist/data/stock-log4j-console.properties");

fn reporter() -> Value {
    json!({ "metrics.reporter.prom.factory.class": PROMETHEUS, "metrics.reporter.prom.port": "9249" })
}

fn scraped() -> Value {
    json!({ "metadata": { "annotations": { "prometheus.io/scrape": "true", "prometheus.io/port": "9249" } } })
}

fn backoff(strategy: &str) -> Value {
    json!({
        strategy: "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "1 min",
        "restart-strategy.exponential-delay.backoff-multiplier": "1.5",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "1 h",
        "restart-strategy.exponential-delay.jitter-factor": "0.1",
    })
}

/// The stock log file with libraries at WARN; Flink's RPC is Pekko from 1.18 on, Akka before.
fn quiet_log(pekko: bool) -> Value {
    let mut log = STOCK_LOG.to_owned();
    for logger in ["akka", "kafka", "hadoop", "zookeeper"].iter().skip(usize::from(pekko)) {
        log = log.replace(&format!("logger.{logger}.level = INFO"), &format!("logger.{logger}.level = WARN"));
    }
    if pekko {
        log += "logger.org_apache_pekko.name = org.apache.pekko\nlogger.org_apache_pekko.level = WARN\n";
    }
    json!({ "log4j-console.properties": log })
}

/// A job with every gap, and how its version spells what fills them.
struct Case {
    version: &'static str,
    conf: Value,
    incremental: &'static str,
    strategy: &'static str,
    pekko: bool,
}

impl Case {
    fn name(&self) -> String {
        format!("job-{}", self.version.replace('_', "-"))
    }

    fn filled(&self, before: &Value) -> Value {
        let mut spec = before["spec"].clone();
        let fills = merged(&merged(&reporter(), &backoff(self.strategy)), &json!({ self.incremental: "true" }));
        spec["flinkConfiguration"] = merged(&spec["flinkConfiguration"], &fills);
        spec["logConfiguration"] = quiet_log(self.pekko);
        spec["podTemplate"] = scraped();
        spec
    }
}

async fn every_gap_is_filled_with_one_patch(crds: Crds, cases: &[Case]) {
    let scene = Scene::on(crds, "fills").await;
    let manifests: Vec<_> = cases.iter().map(|case| scene.manifest(&case.name(), case.version, &case.conf)).collect();
    for manifest in &manifests {
        scene.create(manifest.clone()).await;
    }
    let _operator = scene.start(&[]).await;
    for (case, manifest) in cases.iter().zip(&manifests) {
        let job = scene.has(&case.name(), case.incremental, Some("true")).await;
        assert_eq!(job.data["spec"], case.filled(manifest), "{}", case.version);
        scene.note(&case.name(), "Remediated", case.incremental).await;
    }
    scene.all_seen().await;
    for case in cases {
        let requests = scene.asked(&case.name());
        let [patch] = requests.as_slice() else { panic!("{requests:#?}") };
        assert_eq!((patch.code, patch.field_manager.as_deref()), (200, Some("flink-remedy")));
        assert!(!patch.uri.contains("force"), "{}", patch.uri);
        let metadata = patch.request_object["metadata"].as_object().expect("metadata");
        let keys: Vec<_> = metadata.keys().collect();
        assert_eq!(keys, ["annotations", "name", "namespace", "resourceVersion", "uid"]);
        assert_eq!(metadata["annotations"].as_object().map(serde_json::Map::len), Some(1), "{metadata:?}");
    }
}

#[tokio::test]
async fn every_gap_is_filled_in_its_versions_spelling_with_one_patch_on_typed_configuration() {
    let case = |version, backend: &str, incremental, strategy, pekko| {
        let conf = json!({
            backend: "rocksdb", "execution.checkpointing.interval": "1 min", "state.checkpoints.dir": "s3://state/c",
        });
        Case { version, conf, incremental, strategy, pekko }
    };
    let cases = [
        case("v1_16", "state.backend", "state.backend.incremental", "restart-strategy", false),
        case("v1_17", "state.backend.type", "state.backend.incremental", "restart-strategy.type", false),
        case("v1_19", "state.backend", "state.backend.incremental", "restart-strategy.type", true),
        case("v1_20", "state.backend.type", INCREMENTAL, "restart-strategy.type", true),
    ];
    every_gap_is_filled_with_one_patch(Crds::Typed, &cases).await;
}

#[tokio::test]
async fn every_gap_is_filled_flat_beside_nested_configuration_that_stays_as_it_is() {
    let case = |version, conf, incremental, strategy, pekko| Case { version, conf, incremental, strategy, pekko };
    let nested_1_16 = json!({ "state": { "backend": "rocksdb" }, "execution.checkpointing": { "interval": 60_000 } });
    let nested_1_20 = json!({
        "state": { "backend": { "type": "rocksdb" }, "checkpoints.dir": "s3://state/c" },
        "execution": { "checkpointing": { "interval": "30 s", "unaligned": { "enabled": true } } },
        "taskmanager": { "numberOfTaskSlots": 4, "memory": { "managed.fraction": 0.5 } },
        "a": ["list", 1], "nothing": {},
    });
    let mixed_2_1 = json!({ "state.backend.type": "rocksdb", "execution": { "checkpointing.interval": "30 s" } });
    let cases = [
        case("v1_16", nested_1_16, "state.backend.incremental", "restart-strategy", false),
        case("v1_20", nested_1_20, INCREMENTAL, "restart-strategy.type", true),
        case("v2_1", mixed_2_1, INCREMENTAL, "restart-strategy.type", true),
    ];
    every_gap_is_filled_with_one_patch(Crds::Untyped, &cases).await;
}

/// Jobs with one gap each, named after the rule, with the spec that closes it.
fn one_gap_each(scene: &Scene) -> Vec<(&'static str, Value, Value)> {
    let bare = settled(&json!({}));
    let without = |key: &str, more: &Value| {
        let mut conf = merged(&bare, more);
        conf.as_object_mut().expect("a map").remove(key);
        conf
    };
    let job = |name: &str, conf: &Value| own_log(scene.manifest(name, "v1_18", conf));
    let filled = |mut job: Value, fills: &Value| {
        let conf = &mut job["spec"]["flinkConfiguration"];
        *conf = merged(conf, fills);
        job["spec"].take()
    };
    let ckp003 = job("ckp003", &merged(&bare, &json!({ "state.backend.type": "rocksdb" })));
    let rst001 =
        job("rst001", &without("restart-strategy.type", &json!({ "execution.checkpointing.interval": "1 min" })));
    let met001 = job("met001", &without("metrics.reporter.slf4j.factory.class", &json!({})));
    let log001 = scene.manifest("log001", "v1_18", &bare);
    let mut job002 = job("job002", &bare);
    job002["spec"]["flinkConfiguration"].as_object_mut().expect("a map").remove("pipeline.max-parallelism");
    job002["spec"]["job"]["parallelism"] = json!(60);
    let mut scraping = met001.clone();
    scraping["spec"]["podTemplate"] = scraped();
    let mut logging = log001.clone();
    logging["spec"]["logConfiguration"] = quiet_log(true);
    vec![
        ("job002", job002.clone(), filled(job002, &json!({ "pipeline.max-parallelism": "512" }))),
        ("ckp003", ckp003.clone(), filled(ckp003, &json!({ "state.backend.incremental": "true" }))),
        ("rst001", rst001.clone(), filled(rst001, &backoff("restart-strategy.type"))),
        ("met001", met001, filled(scraping, &reporter())),
        ("log001", log001, filled(logging, &json!({}))),
    ]
}

#[tokio::test]
async fn a_rule_fills_its_own_gap_and_no_other_field() {
    for crds in BOTH {
        let scene = Scene::on(crds, "gap").await;
        let jobs = one_gap_each(&scene);
        for (_, manifest, _) in &jobs {
            scene.create(manifest.clone()).await;
        }
        let _operator = scene.start(&[]).await;
        for (name, _, filled) in &jobs {
            scene.note(name, "Remediated", &format!("({})", name.to_uppercase())).await;
            assert_eq!(&scene.job(name).await.data["spec"], filled, "{name} {crds:?}");
        }
        for (name, ..) in &jobs {
            scene.settled_after(name, 1).await;
        }
    }
}

#[tokio::test]
async fn the_reporter_goes_to_the_port_that_the_pods_already_announce() {
    let scene = Scene::new("port").await;
    let mut job = own_log(scene.manifest("job", "v1_18", &json!({})));
    let pods = json!({ "metadata": { "labels": { "team": "a" }, "annotations": { "prometheus.io/port": "9300" } } });
    job["spec"]["podTemplate"] = pods;
    scene.create(job).await;
    let _operator = scene.start(&[]).await;
    let job = scene.has("job", "metrics.reporter.prom.port", Some("9300")).await;
    let annotations = json!({ "prometheus.io/scrape": "true", "prometheus.io/port": "9300" });
    assert_eq!(
        job.data["spec"]["podTemplate"]["metadata"],
        json!({ "labels": { "team": "a" }, "annotations": annotations })
    );
    scene.settled_after("job", 1).await;
}

#[tokio::test]
async fn a_suspended_job_is_filled_and_stays_suspended() {
    let scene = Scene::new("suspended").await;
    let mut job = scene.one_gap("job");
    job["spec"]["job"]["state"] = json!("suspended");
    let created = scene.create(job).await;
    let mut status = stable(Fko::V1_15, &created);
    status["lifecycleState"] = json!("SUSPENDED");
    status["jobManagerDeploymentStatus"] = json!("MISSING");
    status["jobStatus"]["state"] = json!("FINISHED");
    scene.status("job", status).await;
    let _operator = scene.start(&[]).await;
    let job = scene.has("job", INCREMENTAL, Some("true")).await;
    assert_eq!(job.data["spec"]["job"]["state"], "suspended");
    scene.note("job", "Remediated", "It cost no restart").await;
    scene.settled_after("job", 1).await;
}

#[tokio::test]
async fn a_job_created_later_is_filled_as_well() {
    let scene = Scene::new("later").await;
    let _operator = scene.start(&[]).await;
    scene.create(scene.one_gap("job")).await;
    scene.has("job", INCREMENTAL, Some("true")).await;
    scene.settled_after("job", 1).await;
}
