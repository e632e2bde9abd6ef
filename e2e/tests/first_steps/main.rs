//! The README's first steps, word for word, by a shell. The Flink operator's part, and that of whoever starts the Deployment's pods,
//! is played in between.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/fko.rs"]
mod fko;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/support.rs"]
mod support;

use e2e::shell::{Shell, commands};
use e2e::{Crds, Operator, OperatorOptions, await_condition, flink_deployments, patch_status};

use crate::fko::{Fko, stable};
use crate::support::{PATIENCE, plane};

const README: &str = include_str!("../../../README.md");
const NAMESPACE: &str = "flink-jobs";
const JOB: &str = "inventory-savepoint";

#[tokio::test]
async fn the_first_steps_of_the_readme_lead_where_they_say() {
    let plane = plane(Crds::Typed).await;
    let admin = plane.admin().await;
    let shell = Shell::new(plane.kubeconfig());
    let commands = commands(README, "first-steps");
    let [namespace, example, install, reports, describe, preview, apply, wait, annotate, opt_outs, report] =
        <[&str; 11]>::try_from(commands).unwrap();

    shell.run(namespace).await;
    shell.run(example).await;
    let jobs = flink_deployments(&admin, NAMESPACE);
    let runs = async || {
        let live = jobs.get(JOB).await.unwrap();
        patch_status(&jobs, JOB, stable(Fko::V1_15, &live)).await;
    };
    runs().await;
    shell.run(install).await;
    let token = plane.token("flink-remedy", "flink-remedy").await;
    let operator = Operator::start(
        &OperatorOptions::new(plane.kubeconfig_for(&token, plane.server()))
            .args(["--mode=NextDeploy", "--operator-config=flink-operator/flink-operator-config"])
            .policies_of_cluster(),
    );
    operator.wait_ready().await;
    let until = async |command: &str, words: &str| {
        await_condition(&format!("`{command}` to say {words}"), PATIENCE, async || {
            let said = shell.run(command).await;
            if said.contains(words) { Ok(()) } else { Err(said) }
        })
        .await;
    };
    until(reports, "Held").await;
    until(describe, "Would fill state.backend.incremental=true (CKP003)").await;
    let told = shell.run(preview).await;
    assert!(
        told.contains(&format!("{NAMESPACE}/{JOB}: policy examples instead of built-in; restarts once with its state")),
        "{told}"
    );
    shell.run(apply).await;
    await_condition("the restart", PATIENCE, async || {
        let job = jobs.get(JOB).await.unwrap();
        if job.data["spec"]["flinkConfiguration"]["state.backend.incremental"] == "true" {
            Ok(())
        } else {
            Err(job.data)
        }
    })
    .await;
    runs().await;
    shell.run(wait).await;
    shell.run(annotate).await;
    until(opt_outs, "metrics leave by an agent").await;
    let told = shell.run(report).await;
    assert!(told.contains(JOB), "{told}");
}
