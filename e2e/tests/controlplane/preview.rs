//! `check --cluster`: what switching the operator on would do, told without a write.

use std::process::{Command, Output};

use e2e::{apply_yaml, binary, patch_status};
use serde_json::{Value, json};

use crate::fko::{Fko, stable};
use crate::support::{MANIFESTS, Scene, job, with_mode};

/// Runs the command line with the token of the manifests' service account.
async fn check(scene: &Scene, args: &[&str]) -> Output {
    let kubeconfig = scene.options(&[]).await.kubeconfig;
    let mut command = Command::new(binary());
    command.arg("check").args(["--cluster", "-n", &scene.namespace]).args(args).env("KUBECONFIG", kubeconfig);
    output(command).await
}

async fn output(mut command: Command) -> Output {
    let ran = tokio::task::spawn_blocking(move || command.output());
    ran.await.expect("a run").expect("flink-remedy runs")
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(output)))
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn running(scene: &Scene, job: Value) {
    let created = scene.create(job).await;
    patch_status(&scene.jobs(), created.metadata.name.as_deref().unwrap_or_default(), stable(Fko::V1_15, &created))
        .await;
}

async fn fleet() -> Scene {
    let scene = Scene::new("preview").await;
    scene.create(job("new")).await;
    running(&scene, job("stateful")).await;
    running(&scene, with_mode(job("stateless"), "stateless")).await;
    let mut session = job("session");
    session["spec"].as_object_mut().map(|spec| spec.remove("job"));
    session["metadata"]["labels"] = json!({"team": "analytics"});
    running(&scene, session).await;
    scene
}

#[tokio::test]
async fn it_counts_what_is_free_and_what_would_restart_and_writes_nothing() {
    let scene = fleet().await;
    let output = check(&scene, &["-o", "json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let report = report(&output);
    let counted = &report["namespaces"][0];
    assert_eq!(counted["namespace"], scene.namespace);
    for (count, expected) in [
        ("jobs", 4),
        ("free", 1),
        ("statefulRestarts", 1),
        ("statelessRestarts", 1),
        ("sessionRestarts", 1),
        ("settled", 0),
    ] {
        assert_eq!(counted[count], expected, "{count}: {counted}");
    }
    let table = check(&scene, &[]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let row = table.lines().find(|line| line.starts_with(&scene.namespace)).expect("a row for the namespace");
    let numbers: Vec<&str> = row.split_whitespace().skip(1).collect();
    assert_eq!((numbers[0], &numbers[3..]), ("4", &["0", "1", "1", "1", "1", "0", "0"][..]), "{table}");
    assert!(scene.writes().is_empty(), "{:?}", scene.writes());
}

#[tokio::test]
async fn labels_select_jobs() {
    let scene = fleet().await;
    let report = report(&check(&scene, &["-o", "json", "-l", "team=analytics"]).await);
    let names: Vec<&str> =
        report["jobs"].as_array().into_iter().flatten().filter_map(|job| job["name"].as_str()).collect();
    assert_eq!(names, ["session"]);
}

#[tokio::test]
async fn what_it_may_not_see_it_says() {
    let scene = fleet().await;
    let output = check(&scene, &["-o", "json"]).await;
    let told = told(&output);
    for part in ["warning: NetworkPolicy cannot be listed", "SEC001 cannot tell"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let blind = check(&scene, &["-o", "json", "--operator-config", &format!("{}/none-here", scene.namespace)]).await;
    let report = report(&blind);
    let plans: Vec<&Value> =
        report["jobs"].as_array().into_iter().flatten().map(|job| &job["plan"]["timing"]).collect();
    assert_eq!(plans, vec!["Held"; 4], "{report}");
    assert!(self::told(&blind).contains("the Flink operator's configuration cannot be read"), "{}", self::told(&blind));
}

#[tokio::test]
async fn without_a_right_to_list_jobs_it_says_so() {
    let scene = Scene::new("preview").await;
    apply_yaml(
        &scene.admin,
        &format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: nobody, namespace: {}}}}}",
            scene.namespace
        ),
    )
    .await;
    let token = scene.plane.token(&scene.namespace, "nobody").await;
    let kubeconfig = scene.options_as(&token, scene.plane.server(), &[]).kubeconfig;
    let mut command = Command::new(binary());
    command.args(["check", "--cluster", "-n", &scene.namespace]).env("KUBECONFIG", kubeconfig);
    let output = output(command).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told(&output).starts_with("error[cannot-list]: --cluster: FlinkDeployments cannot be listed: flinkdeployments"),
        "{}",
        told(&output)
    );
}

/// A kind of the Prometheus operator, as far as it matters here.
const PROMETHEUS_RULES: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: PrometheusRule, plural: prometheusrules, singular: prometheusrule, listKind: PrometheusRuleList}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// What stands around jobs, with names of this test's namespace.
fn around(namespace: &str, monitoring: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guarded-rest, namespace: {namespace}}}
spec:
  podSelector: {{matchLabels: {{app: guarded, component: jobmanager}}}}
  policyTypes: [Ingress]
  ingress:
    - ports: [{{port: 8081}}]
      from: [{{podSelector: {{matchLabels: {{app: guarded}}}}}}]
    - ports: [{{port: 1, endPort: 8080}}, {{port: 8082, endPort: 65535}}]
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {{name: flink, namespace: {monitoring}}}
spec:
  groups:
    - name: flink
      rules: [{{alert: CheckpointsFail, expr: 'increase(flink_jobmanager_job_numberOfFailedCheckpoints[10m]) > 0'}}]
"
    )
}

/// The finding of a rule on a job.
fn finding<'a>(report: &'a Value, job: &str, code: &str) -> &'a Value {
    let jobs = report["jobs"].as_array().into_iter().flatten();
    let mut findings = jobs.filter(|found| found["name"] == job).filter_map(|found| found["findings"].as_array());
    let of_job = findings.next().into_iter().flatten();
    of_job.into_iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("{code} on {job}: {report}"))
}

/// In both modes of deployment; it is the one that the rule's page shows.
#[tokio::test]
async fn the_network_policy_of_the_manifests_is_what_the_rest_port_needs() {
    let scene = Scene::new("guarded").await;
    scene.create(job("native")).await;
    let mut standalone = job("standalone");
    standalone["spec"]["mode"] = json!("standalone");
    scene.create(standalone).await;
    let verdicts = async || {
        let mut check = Command::new(binary());
        check.args(["check", "--cluster", "-n", &scene.namespace, "-o", "json"]);
        check.env("KUBECONFIG", scene.plane.kubeconfig());
        let report = report(&output(check).await);
        ["native", "standalone"].map(|job| finding(&report, job, "SEC001").clone())
    };
    for found in verdicts().await {
        let message = found["message"].as_str().unwrap_or_default();
        assert!(found["verdict"] == "Advice" && message.contains("manifests/security/network-policy"), "{found}");
    }

    let folder = format!("{MANIFESTS}/security/network-policy");
    let args = ["apply", "--validate=strict", "-n", &scene.namespace, "-k", &folder, "-o", "json"];
    let applied = scene.plane.run_kubectl(&args, "").await;
    assert!(applied.status.success(), "{}", applied.stderr);
    for found in verdicts().await {
        let message = found["message"].as_str().unwrap_or_default();
        assert!(found["verdict"] == "Pass" && message.contains("flink-rest"), "{found}");
    }

    let mut explain = Command::new(binary());
    explain.args(["explain", "SEC001"]);
    let page = String::from_utf8(output(explain).await.stdout).unwrap();
    let yaml = page.split("```").find_map(|block| block.strip_prefix("yaml\n")).expect("YAML on the page");
    let shown: Value = serde_saphyr::from_str(yaml).unwrap();
    let applied: Value = serde_json::from_str(&applied.stdout).unwrap();
    assert_eq!(applied["spec"], shown["spec"]);
}

#[tokio::test]
async fn network_policies_and_alerts_around_the_jobs_are_seen() {
    let scene = Scene::new("around").await;
    scene.create(job("guarded")).await;
    scene.create(job("open")).await;
    scene.plane.install_crds(PROMETHEUS_RULES).await;
    let monitoring = scene.plane.namespace("monitoring").await;
    apply_yaml(&scene.admin, &around(&scene.namespace, &monitoring)).await;
    let mut command = Command::new(binary());
    command.args(["check", "--cluster", "-n", &scene.namespace, "-o", "json"]);
    command.env("KUBECONFIG", scene.plane.kubeconfig());
    let output = output(command).await;
    let report = report(&output);
    for (job, code, verdict, named) in [
        ("guarded", "SEC001", "Pass", "guarded-rest".to_owned()),
        ("open", "SEC001", "Advice", "no NetworkPolicy".to_owned()),
        ("open", "MET002", "Pass", format!("{monitoring}/flink")),
    ] {
        let finding = finding(&report, job, code);
        assert_eq!(finding["verdict"], verdict, "{finding}");
        assert!(finding["message"].as_str().is_some_and(|message| message.contains(&named)), "{finding}");
    }
}
