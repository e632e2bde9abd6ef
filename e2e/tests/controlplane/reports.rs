//! Reports: one beside each job, owned by it, written when something has changed and not otherwise, and missed by nobody
//! where they cannot be written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::{Proxy, Verdict, await_condition, proxy::hook};
use hyper::StatusCode;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use crate::fko::{Fko, upgrading};
use crate::owner::{INCREMENTAL, OPT_OUT};
use crate::support::{PATIENCE, REPORTS, Scene, job, record};

impl Scene {
    fn reports(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("flink-remedy.dev", "v1alpha1", "RemediationReport");
        let resource = ApiResource::from_gvk_with_plural(&kind, REPORTS);
        Api::namespaced_with(self.admin.clone(), &self.namespace, &resource)
    }

    /// Waits until a job's report fulfils the condition, and returns it.
    pub(crate) async fn report(&self, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        await_condition(&format!("the report of {name}"), PATIENCE, async || {
            let report = self.reports().get_opt(name).await.expect("an answer");
            let report = report.map(|report| serde_json::to_value(report).expect("JSON")).unwrap_or_default();
            if is_wanted(&report) { Ok(report) } else { Err(report) }
        })
        .await
    }

    /// What `kubectl get` shows of a report: headings and cells.
    async fn columns(&self, name: &str) -> Vec<(String, Value)> {
        let path = format!("/apis/flink-remedy.dev/v1alpha1/namespaces/{}/{REPORTS}/{name}", self.namespace);
        let request = hyper::Request::get(path).header("accept", "application/json;as=Table;g=meta.k8s.io;v=v1");
        let table: Value = self.admin.request(request.body(Vec::new()).expect("a GET")).await.expect("a table");
        let headings = table["columnDefinitions"].as_array().expect("columns").iter();
        let headings = headings.map(|column| column["name"].as_str().expect("a name").to_owned());
        headings.zip(table["rows"][0]["cells"].as_array().expect("cells").iter().cloned()).collect()
    }
}

fn standing(wanted: &str) -> impl Fn(&Value) -> bool {
    move |report| report["standing"] == wanted
}

#[tokio::test]
async fn each_job_has_a_report_that_it_owns_and_kubectl_shows() {
    let scene = Scene::new("report").await;
    scene.create(job("new")).await;
    scene.create_stable(Fko::V1_15, job("held")).await;
    let operator = scene.start(&[]).await;

    let report = scene.report("new", standing("Remediated")).await;
    let live = scene.job("new").await;
    let owner = json!([{ "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "name": "new",
        "uid": live.metadata.uid }]);
    assert_eq!(report["metadata"]["ownerReferences"], owner);
    let record = record(&live);
    let filled = report["filled"].as_array().expect("what is filled").iter();
    let incremental = filled.clone().find(|value| value["rule"] == "CKP003").expect("CKP003");
    assert_eq!(incremental["shown"], "state.backend.incremental=true");
    assert_eq!((&incremental["at"], &incremental["change"]), (&record["at"], &record["change"]));
    assert_eq!(filled.count(), record["values"].as_object().expect("values").len());
    let change = &report["history"][0];
    assert_eq!((&change["outcome"], &change["cost"], &change["at"]), (&json!("Done"), &json!("None"), &record["at"]));
    assert_eq!(report["findings"]["gaps"], 0);

    let report = scene.report("held", standing("Held")).await;
    assert_eq!((&report["hold"]["reason"], &report["pending"]["restarts"]), (&json!("NextDeploy"), &json!(true)));
    assert!(report["findings"]["gaps"].as_u64() >= Some(3) && report["history"].is_null(), "{report}");
    let columns = scene.columns("held").await;
    let shown = |heading: &str| columns.iter().find(|column| column.0 == heading).map(|column| column.1.clone());
    assert_eq!((shown("Name"), shown("Standing")), (Some(json!("held")), Some(json!("Held"))));
    assert_eq!((shown("Gaps"), shown("Held")), (Some(report["findings"]["gaps"].clone()), Some(json!("NextDeploy"))));
    let columns = scene.columns("new").await;
    let shown = |heading: &str| columns.iter().find(|column| column.0 == heading).map(|column| column.1.clone());
    assert_eq!(shown("Outcome"), Some(json!("Done")));
    assert!(shown("Changed").is_some_and(|changed| changed.is_string()), "{columns:?}");
    let printed = scene.plane.run_kubectl(&["get", "remrep", "-n", &scene.namespace], "").await;
    assert!(printed.stdout.starts_with("NAME") && printed.stdout.contains("Remediated"), "{printed:?}");

    // Told of the opt-out, and who knows why.
    scene.annotate("held", json!({ OPT_OUT: "true", "flink-remedy.dev/opt-out-reason": "ours" })).await;
    let report = scene.report("held", standing("OptedOut")).await;
    assert_eq!(report["optOut"]["reason"], "ours");
    assert!(report["hold"].is_null() && report["pending"].is_null(), "{report}");
    scene.settle(&operator, 2).await;
}

#[tokio::test]
async fn a_settled_job_causes_no_write_neither_does_another_operator() {
    let scene = Scene::new("quiet").await;
    scene.create(job("new")).await;
    scene.create_stable(Fko::V1_15, job("held")).await;
    let operator = scene.start(&[]).await;
    scene.report("new", standing("Remediated")).await;
    scene.report("held", standing("Held")).await;
    for _ in 0..5 {
        scene.look_again(&operator, 2).await;
    }
    scene.settle(&operator, 2).await;
    let before = scene.report_writes().len();
    // The new job may be told of before and after it is filled.
    assert!((2..=3).contains(&before), "{:#?}", scene.report_writes());
    let operator = scene.start(&[]).await;
    scene.look_again(&operator, 2).await;
    scene.settle(&operator, 2).await;
    assert_eq!(scene.report_writes().len(), before);
}

#[tokio::test]
async fn a_deleted_report_comes_back_and_nothing_else_happens() {
    let scene = Scene::new("deleted").await;
    scene.create(job("new")).await;
    let operator = scene.start(&[]).await;
    let report = scene.report("new", standing("Remediated")).await;
    scene.note("new", "Remediated", "").await;
    let (live, writes) = (scene.job("new").await, scene.writes().len());
    scene.reports().delete("new", &DeleteParams::default()).await.expect("a report");
    let again = scene.report("new", standing("Remediated")).await;
    assert_ne!(again["metadata"]["uid"], report["metadata"]["uid"]);
    for part in ["standing", "filled", "history", "findings", "message"] {
        assert_eq!(again[part], report[part], "{part}");
    }
    scene.settle(&operator, 1).await;
    assert_eq!(scene.job("new").await.metadata.resource_version, live.metadata.resource_version);
    assert_eq!(scene.writes().len(), writes);
}

#[tokio::test]
async fn the_history_tells_of_two_changes_and_what_came_of_them() {
    let scene = Scene::new("history").await;
    scene.create(scene.one_gap("job")).await;
    let operator = scene.start(&["--mode", "Apply"]).await;
    scene.report("job", |report| report["history"][0]["outcome"] == "Done").await;
    scene.now_stable(Fko::V1_15, "job").await;
    // Its owner takes the reporter away, which is a gap that costs a restart.
    let reporter = json!({ "metrics.reporter.slf4j.factory.class": null });
    scene.merge("job", json!({ "spec": { "flinkConfiguration": reporter } })).await;
    scene.now_stable(Fko::V1_15, "job").await;
    let report = scene.report("job", |report| report["history"][0]["cost"] == "Restart").await;
    assert_eq!(report["history"][0]["outcome"], "Pending", "{report}");
    let live = scene.job("job").await;
    scene.status("job", upgrading(Fko::V1_15, &live)).await;
    scene.now_stable(Fko::V1_15, "job").await;
    let report = scene.report("job", |report| report["history"][0]["outcome"] == "Unverified").await;
    let history = report["history"].as_array().expect("a history");
    assert_eq!(history.len(), 2, "{report}");
    let filled = |entry: &Value| entry["filled"].to_string();
    assert!(filled(&history[0]).contains("metrics.reporter.prom") && filled(&history[1]).contains(INCREMENTAL));
    // Its owner sets the option in an older spelling: what was filled leaves at the next free moment.
    let theirs = json!({ "state.backend.incremental": "true" });
    let suspended = json!({ "spec": { "flinkConfiguration": theirs, "job": { "state": "suspended" } } });
    scene.merge("job", suspended).await;
    scene.status("job", json!({ "lifecycleState": "SUSPENDED", "jobStatus": { "state": "FINISHED" } })).await;
    let report = scene.report("job", |report| report["history"].as_array().map(Vec::len) == Some(3)).await;
    assert_eq!(report["history"][0]["withdrawn"], json!([INCREMENTAL]), "{report}");
    assert_eq!(report["history"][1], history[0]);
    scene.settle(&operator, 1).await;
}

#[tokio::test]
async fn a_report_goes_with_its_job() {
    let scene = Scene::new("gone").await;
    scene.create(job("job")).await;
    let operator = scene.start(&[]).await;
    scene.report("job", standing("Remediated")).await;
    scene.jobs().delete("job", &DeleteParams::default()).await.expect("a job");
    scene.report("job", Value::is_null).await;
    // Another job by the same name inherits nothing.
    scene.create(scene.one_gap("job")).await;
    let report = scene.report("job", standing("Remediated")).await;
    assert_eq!(report["history"].as_array().map(Vec::len), Some(1), "{report}");
    scene.settle(&operator, 1).await;
}

#[tokio::test]
async fn without_the_kind_everything_else_works_and_when_it_comes_reports_do() {
    let scene = Scene::new("nokind").await;
    let installed = Arc::new(AtomicBool::new(false));
    let is_there = installed.clone();
    let proxy = Proxy::with_hook(
        scene.plane,
        hook(move |request| {
            let is_there = is_there.load(Ordering::SeqCst);
            async move {
                if request.resource == REPORTS && !is_there {
                    // A kind that is not installed has no path.
                    return Verdict::Respond(StatusCode::NOT_FOUND, json!("404 page not found"));
                }
                Verdict::Forward
            }
        }),
    );
    scene.create(job("new")).await;
    let operator = scene.start_via(&proxy.server(), &[]).await;
    scene.filled("new").await;
    scene.note("new", "Remediated", "").await;
    for _ in 0..3 {
        scene.look_again(&operator, 1).await;
    }
    let said = "RemediationReports are off, all else goes on: the kind remediationreports.flink-remedy.dev is not installed; \
                `flink-remedy crd | kubectl apply -f -` installs it";
    assert_eq!(operator.logs().matches(said).count(), 1, "{}", operator.logs());
    assert!(scene.report_writes().is_empty());
    installed.store(true, Ordering::SeqCst);
    scene.report("new", standing("Remediated")).await;
    scene.settle(&operator, 1).await;
    assert!(!operator.logs().contains("ERROR"), "{}", operator.logs());
}

#[tokio::test]
async fn a_resource_that_cannot_be_judged_has_a_report_too() {
    let scene = Scene::new("invalid").await;
    let mut bad = job("bad");
    bad["spec"]["flinkVersion"] = json!(null);
    scene.create(bad).await;
    let operator = scene.start(&[]).await;
    let report = scene.report("bad", standing("Invalid")).await;
    assert!(report["message"].as_str().is_some_and(|message| message.contains("flinkVersion")), "{report}");
    scene.settle(&operator, 1).await;
}
