//! What is shipped for Prometheus and Grafana, on a real Prometheus that scrapes pods of real Flink, flink-remedy and the API
//! server.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use e2e::Crds;
use e2e::artifacts::monitoring_program;
use e2e::prometheus::{MANIFESTS, Prometheus, dashboards, queries, rules, yaml};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ground::{Ground, job, on_ground};
use crate::hooked::Hooked;

const NAME: &str = "orders";

/// What has no data while all goes well, or while it goes this way.
const WITHOUT_DATA: [(&str, &str); 6] = [
    ("flink_remedy_reports_failed_total", "no report fails"),
    ("outcome=~\"Gather|Apply\"", "no look fails"),
    ("kind=\"FlinkSessionJob\"", "no session job restarts"),
    ("kind=\"FlinkBlueGreenDeployment\"", "no blue/green deployment restarts"),
    ("flink:records_in:usual", "it looks back an hour and more"),
    ("ALERTS", "no alert fires"),
];

/// A job runs without a reporter; flink-remedy sees it, then restarts it with one; then everything is there to be seen.
#[test]
fn every_query_of_the_dashboards_and_every_selector_of_the_rules_has_data() {
    on_ground("monitoring::every_query_of_the_dashboards_and_every_selector_of_the_rules_has_data", async |ground| {
        let mut watched = job(NAME, &[]);
        for metric in ["block-cache-pinned-usage", "block-cache-capacity"] {
            watched["spec"]["flinkConfiguration"][format!("state.backend.rocksdb.metrics.{metric}")] = json!("true");
        }
        ground.create_checkpointed(watched).await;
        let hooked = Hooked::new(Crds::Typed, "hooked").await;
        let webhook = hooked.start(&[]).await;

        let targets = Targets::new(&ground.scene.namespace);
        let prometheus = Prometheus::start(&configuration(ground, &targets)).await;
        let mut wanted = Wanted::new(&prometheus, &ground.scene.namespace).await;

        let holding = ground.start_under(|spec| spec["mode"] = json!("NextDeploy")).await;
        targets.set(&[holding.address(), webhook.address()]);
        wanted.until(ground, "what is held", |expression| expression.contains("held_jobs")).await;
        ground.scene.settle(&holding, 1).await;

        let operator = ground.start().await;
        targets.set(&[operator.address(), webhook.address()]);
        wanted.until(ground, "the restart", |expression| expression.contains("restart_in_flight")).await;
        webhook.kill9();
        hooked.dry_run(job("unanswered", &[])).await;
        wanted.until(ground, "everything", |_| true).await;

        each_pod_is_scraped_once(ground, &prometheus).await;
        let by_monitor = Prometheus::start(&of_pod_monitor(ground)).await;
        each_pod_is_scraped_once(ground, &by_monitor).await;
        operator.terminate().await;
    });
}

/// Expressions that have not had data yet.
struct Wanted<'a> {
    prometheus: &'a Prometheus,
    left: BTreeSet<String>,
}

impl<'a> Wanted<'a> {
    /// Every query of the dashboards as it is, every selector in the rules, and everything that they record.
    async fn new(prometheus: &'a Prometheus, namespace: &str) -> Self {
        let values = [("$namespace", namespace), ("$deployment", NAME), ("$__rate_interval", "10s")];
        let with_values = |text: String| values.iter().fold(text, |text, (name, value)| text.replace(name, value));
        let mut left = BTreeSet::new();
        for (name, dashboard) in dashboards() {
            left.extend(queries(&name, &dashboard).into_iter().map(|query| with_values(query.expression)));
        }
        for file in ["thresholds", "flink", "flink-remedy"] {
            for rule in rules(file) {
                left.extend(prometheus.selectors(&rule.expression).await);
                left.extend((!rule.is_alert).then_some(rule.name));
            }
        }
        assert!(left.len() > 100, "{left:#?}");
        left.retain(|expression| !WITHOUT_DATA.iter().any(|(part, _)| expression.contains(part)));
        Self { prometheus, left }
    }

    /// Asks until each expression of that kind has had data at some time; others are asked along.
    async fn until(&mut self, ground: &Ground, what: &str, is_of_kind: impl Fn(&str) -> bool) {
        let prometheus = self.prometheus;
        let left = &mut self.left;
        ground
            .until(&format!("data of {what}"), async || {
                let mut errors = Vec::new();
                // What may pass soon is asked first.
                let (wanted, others): (Vec<_>, Vec<_>) = left.iter().cloned().partition(|one| is_of_kind(one));
                for expression in wanted.into_iter().chain(others) {
                    match prometheus.query(&expression).await {
                        Ok(samples) if samples.is_empty() => {}
                        Ok(_) => _ = left.remove(&expression),
                        Err(error) => errors.push(error),
                    }
                }
                let missing: Vec<&String> = left.iter().filter(|expression| is_of_kind(expression)).collect();
                if missing.is_empty() { Ok(()) } else { Err(format!("{missing:#?} {errors:#?}")) }
            })
            .await;
    }
}

/// Where the processes of flink-remedy answer: here they are no pods.
struct Targets {
    folder: TempDir,
    namespace: String,
}

impl Targets {
    fn new(namespace: &str) -> Self {
        let targets = Self { folder: TempDir::new().unwrap(), namespace: namespace.to_owned() };
        targets.set(&[]);
        targets
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("targets.json")
    }

    fn set(&self, addresses: &[SocketAddr]) {
        let target = |(number, address): (usize, &SocketAddr)| {
            json!({ "targets": [address], "labels": {
                "job": "flink-remedy", "namespace": self.namespace, "pod": format!("flink-remedy-{number}"),
            } })
        };
        let targets: Vec<Value> = addresses.iter().enumerate().map(target).collect();
        let new = self.folder.path().join("new");
        fs::write(&new, json!(targets).to_string()).unwrap();
        fs::rename(new, self.file()).unwrap();
    }
}

/// The shipped scrape configuration, told where the API server is, with the processes of flink-remedy and the API server.
fn configuration(ground: &Ground, targets: &Targets) -> Value {
    let mut configuration = told_of_the_cluster(ground, yaml(&Path::new(MANIFESTS).join("prometheus/scrape.yaml")));
    let plane = ground.scene.plane;
    let server = plane.server().trim_start_matches("https://");
    let kubeconfig = yaml(plane.kubeconfig());
    let own = [
        json!({
            "job_name": "processes", "honor_labels": true,
            "file_sd_configs": [{ "files": [targets.file()], "refresh_interval": "1s" }],
        }),
        json!({
            "job_name": "apiserver", "scheme": "https", "tls_config": { "ca_file": plane.ca() },
            "authorization": { "credentials": kubeconfig["users"][0]["user"]["token"] },
            "static_configs": [{ "targets": [server] }],
            // It has thousands of others.
            "metric_relabel_configs": [
                { "action": "keep", "source_labels": ["__name__"], "regex": "apiserver_admission_webhook_.+" },
            ],
        }),
    ];
    configuration["scrape_configs"].as_array_mut().unwrap().extend(own);
    configuration
}

/// What the Prometheus operator makes of the shipped `PodMonitor`.
fn of_pod_monitor(ground: &Ground) -> Value {
    let manifest = fs::File::open(Path::new(MANIFESTS).join("jobs/podmonitor.yaml")).unwrap();
    let mut command = std::process::Command::new(monitoring_program("monitors").unwrap());
    let output = command.stdin(manifest).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // As one of one shard, which the operator's reloader puts in.
    let generated = String::from_utf8(output.stdout).unwrap().replace("$(SHARD)", "0");
    let generated: Value = serde_saphyr::from_str(&generated).unwrap();
    told_of_the_cluster(ground, json!({ "scrape_configs": generated["scrape_configs"] }))
}

/// In a pod, Prometheus knows where the API server is.
fn told_of_the_cluster(ground: &Ground, mut configuration: Value) -> Value {
    for scrape in configuration["scrape_configs"].as_array_mut().unwrap() {
        for discovery in scrape["kubernetes_sd_configs"].as_array_mut().unwrap() {
            discovery["kubeconfig_file"] = json!(ground.scene.plane.kubeconfig());
        }
    }
    configuration
}

async fn each_pod_is_scraped_once(ground: &Ground, prometheus: &Prometheus) {
    let namespace = &ground.scene.namespace;
    ground
        .until("both pods to be scraped", async || {
            let mut scraped = Vec::new();
            for target in prometheus.targets().await? {
                let labels = &target["labels"];
                if labels["job"] == "flink" && labels["namespace"] == namespace.as_str() {
                    assert_eq!(labels["deployment"], NAME);
                    scraped.push((labels["component"].to_string(), target["health"].to_string()));
                }
            }
            scraped.sort();
            let expected =
                ["jobmanager", "taskmanager"].map(|component| (format!("\"{component}\""), "\"up\"".to_owned()));
            if scraped == expected { Ok(()) } else { Err(format!("{scraped:?}")) }
        })
        .await;
    let managed = format!("flink_taskmanager_Status_Flink_Memory_Managed_Total{{namespace=\"{namespace}\"}}");
    // What was scraped can be asked for a moment later.
    let data = ground.until("a scraped metric", async || prometheus.data(&managed).await).await;
    assert_eq!(data.len(), 1);
}
