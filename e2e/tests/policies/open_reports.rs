//! Reports for the viewers of others.

use std::fs;

use e2e::{Operator, artifacts::open_reports_crd, await_condition};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use crate::Fleet;
use crate::support::{OPERATOR, PATIENCE, annotated, job};

fn reports(fleet: &Fleet) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("openreports.io", "v1alpha1", "Report");
    let resource = ApiResource::from_gvk_with_plural(&kind, "reports");
    Api::namespaced_with(fleet.scene.admin.clone(), &fleet.scene.namespace, &resource)
}

/// Waits until the report of a job fulfils the condition, and returns it.
async fn report(fleet: &Fleet, job: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    await_condition(&format!("the report of {job}"), PATIENCE, async || {
        let found =
            reports(fleet).get_opt(&format!("flink-remedy-{job}")).await.map_err(|error| json!(error.to_string()))?;
        let report = found.map(|report| serde_json::to_value(report).unwrap()).unwrap_or_default();
        if is_wanted(&report) { Ok(report) } else { Err(report) }
    })
    .await
}

async fn start(fleet: &Fleet) -> Operator {
    let token = fleet.scene.plane.token("flink-remedy", "flink-remedy").await;
    let operator = Operator::start(&fleet.options(&token).args(["--open-reports"]));
    operator.wait_ready().await;
    operator
}

#[tokio::test]
async fn each_job_has_a_report_in_the_format_of_others_that_goes_with_it_and_is_written_once() {
    let fleet = Fleet::new("open").await;
    let scene = &fleet.scene;
    scene.create(annotated(job("j"), "flink-remedy.dev/opt-out", "MET001")).await;
    scene.plane.install_crds(&fs::read_to_string(open_reports_crd().unwrap()).unwrap()).await;
    let operator = start(&fleet).await;
    let is_filled = |report: &Value| {
        let results = report["results"].as_array().into_iter().flatten();
        results.clone().any(|result| result["rule"] == "rocksdb-full-checkpoints" && result["result"] == "pass")
    };
    let told = report(&fleet, "j", is_filled).await;
    let results = told["results"].as_array().unwrap();
    let skipped = results.iter().find(|result| result["result"] == "skip").unwrap();
    assert_eq!((&skipped["rule"], &skipped["policy"]), (&json!("no-metrics-reporter"), &json!("built-in")));
    assert_eq!(told["summary"]["fail"], 0, "{told:#}");
    assert_eq!((&told["scope"]["kind"], &told["scope"]["name"]), (&json!("FlinkDeployment"), &json!("j")));
    // Another leader finds nothing new to say.
    assert_eq!(operator.terminate().await.code(), Some(0));
    let mark = scene.plane.audit().mark();
    let second = start(&fleet).await;
    scene.look_again(&second, 1).await;
    let query = scene.plane.audit().query().since(mark).acting_user(OPERATOR).writes().resource("reports");
    assert!(query.entries().is_empty(), "{:#?}", scene.plane.audit().query().since(mark).resource("reports").entries());
    scene.jobs().delete("j", &DeleteParams::default()).await.unwrap();
    report(&fleet, "j", Value::is_null).await;
}
