//! A real Prometheus, and the rules and dashboards that are shipped for it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::artifacts::monitoring_program;
use crate::http;
use crate::launch::free_port;
use crate::wait::await_condition;

/// Where the shipped files lie.
pub const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/monitoring");
/// The rule files for a plain Prometheus.
pub const RULE_FILES: [&str; 3] = ["thresholds", "flink", "flink-remedy"];

const READY: Duration = Duration::from_mins(3);

/// A running Prometheus with the shipped rules; dropped, it is killed, and in a failing test its log is printed.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: String,
    folder: TempDir,
}

/// A rule as its file has it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The name of the alert, or of what is recorded.
    pub name: String,
    /// Whether it alerts.
    pub is_alert: bool,
    /// In `PromQL`.
    pub expression: String,
    /// All of it.
    pub rule: Value,
}

/// A query of a dashboard.
#[derive(Debug, Clone)]
pub struct Query {
    /// The dashboard's file and the panel's title.
    pub panel: String,
    /// In `PromQL`, with the dashboard's variables.
    pub expression: String,
}

impl Prometheus {
    /// Starts it with this configuration; rules are evaluated and targets scraped every second unless it says otherwise.
    pub async fn start(configuration: &Value) -> Self {
        let folder = tempfile::Builder::new().prefix("flink-remedy-prometheus-").tempdir().expect("a temporary folder");
        let mut configuration = configuration.clone();
        configuration["global"] =
            json!({ "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" });
        configuration["rule_files"] = RULE_FILES.map(|name| rule_file(name).to_str().map(str::to_owned)).into();
        let file = folder.path().join("prometheus.yaml");
        fs::write(&file, configuration.to_string()).expect("a writable folder");
        let address = format!("127.0.0.1:{}", free_port().expect("a free port"));
        let log = File::create(folder.path().join("log")).expect("a writable folder");
        let child = Command::new(monitoring_program("prometheus").unwrap_or_else(|error| panic!("{error:#}")))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("one more handle"))
            .stderr(log)
            .spawn()
            .expect("Prometheus starts");
        let mut prometheus = Self { child, address, folder };
        await_condition("Prometheus to be ready", READY, async || {
            let ended = prometheus.child.try_wait().ok().flatten();
            assert_eq!(ended, None, "Prometheus has ended");
            http::text(&format!("http://{}/-/ready", prometheus.address)).await
        })
        .await;
        prometheus
    }

    /// What an expression comes to now: of a vector its samples, each with `metric` and `value`.
    ///
    /// # Errors
    /// In its words, what it cannot do with the expression.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let data = self.ask("query", expression).await?;
        match data["resultType"].as_str() {
            Some("vector") => Ok(data["result"].as_array().cloned().unwrap_or_default()),
            _ => Ok(vec![json!({ "metric": {}, "value": data["result"] })]),
        }
    }

    /// The same once it has data.
    ///
    /// # Errors
    /// That it has none.
    pub async fn data(&self, expression: &str) -> Result<Vec<Value>, String> {
        let samples = self.query(expression).await?;
        if samples.is_empty() { Err(format!("no data for {expression}")) } else { Ok(samples) }
    }

    /// The selectors in an expression, each an expression of its own: what has to be there for the whole to mean anything.
    pub async fn selectors(&self, expression: &str) -> BTreeSet<String> {
        let mut selectors = BTreeSet::new();
        let parsed = self.ask("parse_query", expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"));
        collect_selectors(&parsed, &mut selectors);
        assert!(!selectors.is_empty() || expression.starts_with("vector("), "{expression} selects nothing");
        selectors
    }

    /// The targets that are scraped, as the API lists them.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn targets(&self) -> Result<Vec<Value>, String> {
        let answer = http::json(&format!("http://{}/api/v1/targets?state=active", self.address)).await?;
        Ok(answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default())
    }

    async fn ask(&self, what: &str, expression: &str) -> Result<Value, String> {
        let url = format!("http://{}/api/v1/{what}?query={}", self.address, encoded(expression));
        let mut answer = http::json(&url).await?;
        Ok(answer["data"].take())
    }
}

impl Drop for Prometheus {
    #[allow(clippy::print_stderr, reason = "cargo shows it with the failing test")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("what Prometheus has logged:\n{log}");
        }
    }
}

/// A rule file for a plain Prometheus.
pub fn rule_file(name: &str) -> PathBuf {
    Path::new(MANIFESTS).join("prometheus").join(format!("{name}.rules.yaml"))
}

/// The rules of a file.
pub fn rules(name: &str) -> Vec<Rule> {
    let document = yaml(&rule_file(name));
    let groups = document["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
    rules
        .map(|rule| Rule {
            is_alert: rule["alert"].is_string(),
            name: rule["alert"].as_str().or_else(|| rule["record"].as_str()).expect("a name").to_owned(),
            expression: rule["expr"].as_str().expect("an expression").to_owned(),
            rule,
        })
        .collect()
}

/// The document of a YAML file.
pub fn yaml(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The shipped dashboards by file name, sorted.
pub fn dashboards() -> Vec<(String, Value)> {
    let files = fs::read_dir(Path::new(MANIFESTS).join("dashboards")).expect("dashboards are shipped");
    let files = files.map(|file| file.expect("a readable folder").path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|kind| kind == "json")).collect();
    files.sort();
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("a readable file");
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    };
    files.iter().map(read).collect()
}

/// Every query of a dashboard, those of its variables and annotations too.
pub fn queries(name: &str, dashboard: &Value) -> Vec<Query> {
    let mut queries = Vec::new();
    collect_queries(name, dashboard, &mut queries);
    queries
}

fn collect_queries(panel: &str, value: &Value, queries: &mut Vec<Query>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_queries(panel, item, queries)),
        Value::Object(fields) => {
            let title = fields.get("title").and_then(Value::as_str);
            let panel = title.map_or_else(|| panel.to_owned(), |title| format!("{panel}: {title}"));
            if let Some(expression) = fields.get("expr").and_then(Value::as_str) {
                queries.push(Query { panel: panel.clone(), expression: expression.to_owned() });
            }
            fields.values().for_each(|field| collect_queries(&panel, field, queries));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn collect_selectors(node: &Value, selectors: &mut BTreeSet<String>) {
    if matches!(node["type"].as_str(), Some("vectorSelector" | "matrixSelector")) {
        let matchers = node["matchers"].as_array().into_iter().flatten();
        let matchers: Vec<String> = matchers
            .map(|matcher| {
                let text = |field: &str| matcher[field].as_str().unwrap_or_default().to_owned();
                format!("{}{}{}", text("name"), text("type"), matcher["value"])
            })
            .collect();
        selectors.insert(format!("{{{}}}", matchers.join(",")));
    }
    match node {
        Value::Array(items) => items.iter().for_each(|item| collect_selectors(item, selectors)),
        Value::Object(fields) => fields.values().for_each(|field| collect_selectors(field, selectors)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// As a part of a query string.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes any text");
        }
        out
    })
}
