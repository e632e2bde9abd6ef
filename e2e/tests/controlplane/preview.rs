//! `check --cluster`: what switching the operator on would do, told without a write.

use std::process::{Command, Output};

use e2e::{apply_yaml, binary, patch_status};
use serde_json::{Value, json};

use crate::fko::{Fko, stable};
use crate::support::{Scene, job, with_mode};

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
    for part in ["warning: FlinkSessionJobs cannot be listed", "NetworkPolicy cannot be listed", "SEC001 cannot tell"] {
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
        told(&output).starts_with("error: --cluster: FlinkDeployments cannot be listed: flinkdeployments"),
        "{}",
        told(&output)
    );
}
