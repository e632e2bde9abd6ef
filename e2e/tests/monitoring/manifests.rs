//! What Kubernetes, the Prometheus operator and the checklist make of the manifests.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use checklist::{Neighbours, Platform, Policy, RULES, Subject, Verdict, evaluate};
use e2e::artifacts::monitoring_program;
use e2e::prometheus::{MANIFESTS, RULE_FILES, rule_file, yaml};
use e2e::{ControlPlane, Crds};
use serde_json::{Value, json};

/// What the Prometheus operator gives to Prometheus for these manifests, which it has accepted.
fn generated(manifests: &str) -> Value {
    let program = monitoring_program("monitors").unwrap_or_else(|error| panic!("{error:#}"));
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the Prometheus operator refuses a manifest");
    serde_saphyr::from_slice(&output.stdout).expect("YAML")
}

/// What kubectl builds.
async fn built(plane: &ControlPlane, folder: &str) -> String {
    let output = plane.run_kubectl(&["kustomize", &format!("{MANIFESTS}/{folder}")], "").await;
    assert!(output.status.success(), "{}", output.stderr);
    output.stdout
}

/// Both forms, on the real API server with the Prometheus operator's kinds.
#[tokio::test]
async fn the_api_server_and_the_prometheus_operator_accept_them() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let crds = e2e::artifacts::prometheus_operator_crds().unwrap_or_else(|error| panic!("{error:#}"));
    for crd in std::fs::read_dir(crds).unwrap() {
        plane.install_crds(&std::fs::read_to_string(crd.unwrap().path()).unwrap()).await;
    }
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: flink-remedy}\n";
    assert!(plane.run_kubectl(&["apply", "-f", "-"], namespace).await.status.success());
    for (folder, jobs) in [(".", ["flink", "flink-remedy"]), ("sidecar", ["flink", "flink-remedy"])] {
        let manifests = built(plane, folder).await;
        let args = ["apply", "--server-side", "--validate=strict", "-f", "-"];
        let applied = plane.run_kubectl(&args, &manifests).await;
        assert!(applied.status.success(), "{folder}: {}", applied.stderr);
        let again = plane.run_kubectl(&["diff", "--server-side", "-f", "-"], &manifests).await;
        assert!(again.status.success(), "{folder}: {}{}", again.stdout, again.stderr);
        let configuration = generated(&manifests);
        let scraped = configuration["scrape_configs"].as_array().unwrap();
        let named = |scrape: &Value, job: &str| {
            scrape["relabel_configs"].to_string().contains(&format!("\"replacement\":\"{job}\""))
        };
        for job in jobs {
            assert_eq!(scraped.iter().filter(|scrape| named(scrape, job)).count(), 1, "{job} of {folder}");
        }
    }
}

/// The same labels by both ways of scraping, so that one set of rules and dashboards serves both.
#[tokio::test]
async fn the_pod_monitor_gives_the_labels_of_the_scrape_configuration() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let labels = |scrape: &Value| -> Vec<String> {
        let configs = scrape["relabel_configs"].as_array().cloned().unwrap_or_default();
        let mut labels: Vec<String> = configs
            .iter()
            .filter_map(|config| config["target_label"].as_str())
            .filter(|label| !label.starts_with("__"))
            .map(str::to_owned)
            .collect();
        labels.sort();
        labels.dedup();
        labels
    };
    let plain = yaml(&Path::new(MANIFESTS).join("prometheus/scrape.yaml"));
    let generated = generated(&built(plane, ".").await);
    let of = |document: &Value, job: &str| {
        let scrapes = document["scrape_configs"].as_array().cloned().unwrap_or_default();
        let found = scrapes.into_iter().find(|scrape| {
            scrape["job_name"] == job
                || scrape["relabel_configs"].to_string().contains(&format!("\"replacement\":\"{job}\""))
        });
        found.unwrap_or_else(|| panic!("{job} in {document}"))
    };
    for job in ["flink", "flink-remedy"] {
        let (plain, generated) = (of(&plain, job), of(&generated, job));
        let missing: Vec<String> =
            labels(&plain).into_iter().filter(|label| !labels(&generated).contains(label)).collect();
        assert!(missing.is_empty(), "{job}: {missing:?}");
        assert_eq!(plain["honor_labels"] == true, generated["honor_labels"] == true, "{job}");
    }
}

/// `check --cluster` sees that the shipped alerts are there.
#[test]
fn the_checklist_counts_the_shipped_alerts() {
    let rule = |name: &str| {
        json!({
            "metadata": { "namespace": "flink-remedy", "name": name },
            "spec": yaml(&Path::new(MANIFESTS).join("jobs").join(format!("{name}.yaml")))["spec"],
        })
    };
    let shipped = RULE_FILES.map(rule);
    for (name, object) in RULE_FILES.iter().zip(&shipped) {
        assert_eq!(object["spec"], yaml(&rule_file(name)), "{name}");
    }
    let job = json!({ "metadata": { "name": "orders", "namespace": "shop" }, "spec": { "flinkVersion": "v1_20", "job": {} } });
    let deployment = serde_json::from_value(job).unwrap();
    let mut subject = Subject::new(&deployment, &Platform::stock()).unwrap();
    let rule = RULES.iter().find(|rule| rule.code == "MET002").unwrap();
    let mut judged = |rules: &[Value]| {
        subject.surroundings = Neighbours::new(None, Some(rules)).of(&subject);
        let [finding] = &evaluate(&[*rule], &subject, &Policy::default())[..] else { panic!("one finding") };
        finding.judgement.clone()
    };
    assert_eq!(judged(&[]).verdict, Verdict::Advice);
    let judgement = judged(&shipped);
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert_eq!(judgement.message, "alerts: flink-remedy/flink");
}
