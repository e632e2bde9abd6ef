//! `flink-remedy report`: what the operator has written, and every opt-out, read with no more rights than that takes.

use std::path::PathBuf;
use std::process::Command;

use e2e::proxy::hook;
use e2e::{Proxy, Verdict, apply_yaml, binary};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::fko::Fko;
use crate::kinds::{cluster, session_job};
use crate::owner::OPT_OUT;
use crate::support::{REPORTS, Scene, annotated, job, with_mode};

const REASON: &str = "flink-remedy.dev/opt-out-reason";
const UNTIL: &str = "flink-remedy.dev/opt-out-until";

/// What a run left behind.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// The cells of the row that begins like this.
    fn row(&self, start: &str) -> Vec<String> {
        let row = self.out.lines().find(|line| line.starts_with(start));
        let row = row.unwrap_or_else(|| panic!("no {start} in\n{}{}", self.out, self.err));
        row.split_whitespace().map(str::to_owned).collect()
    }
}

async fn report(kubeconfig: PathBuf, args: &[&str]) -> Ran {
    let mut command = Command::new(binary());
    command.arg("report").args(args).env("KUBECONFIG", kubeconfig).env_remove("COLUMNS");
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("a run").expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: ran.status.code(), out: text(&ran.stdout), err: text(&ran.stderr) }
}

impl Scene {
    /// The kubeconfig of an account that may list these resources in this namespace only.
    async fn viewer(&self, group: &str, resources: &str) -> PathBuf {
        let namespace = &self.namespace;
        let yaml = format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: viewer, namespace: {namespace}}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: view, namespace: {namespace}}}
rules: [{{apiGroups: [{group}], resources: [{resources}], verbs: [list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: view, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: view}}
subjects: [{{kind: ServiceAccount, name: viewer, namespace: {namespace}}}]
"
        );
        apply_yaml(&self.admin, &yaml).await;
        self.until_may("viewer", "list", group, resources, true).await;
        let token = self.plane.token(namespace, "viewer").await;
        self.plane.kubeconfig_for(&token, self.plane.server())
    }
}

#[tokio::test]
async fn it_shows_what_the_operator_reports_and_reads_nothing_else() {
    let scene = Scene::new("report-table").await;
    let mut labelled = job("new");
    labelled["metadata"]["labels"] = json!({ "team": "shop" });
    scene.create(labelled).await;
    scene.create_stable(Fko::V1_15, with_mode(job("held"), "stateless")).await;
    scene.create(annotated(job("partly"), OPT_OUT, "CKP003")).await;
    scene.create(cluster("session")).await;
    scene.create(session_job("session", "session")).await;
    let operator = scene.start(&[]).await;
    for (name, standing) in
        [("new", "Remediated"), ("held", "Held"), ("partly", "Remediated"), ("session.session-job", "Remediated")]
    {
        scene.report(name, |report| report["standing"] == standing).await;
    }
    scene.report("session", |report| report["standing"] == "Remediated").await;

    let viewer = scene.viewer("flink-remedy.dev", REPORTS).await;
    let namespace = scene.namespace.as_str();
    let ran = report(viewer.clone(), &["-n", namespace]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let heads = ran.row("JOB");
    let of = |name: &str, head: &str| {
        ran.row(&format!("{namespace}/{name} "))[heads.iter().position(|h| h == head).expect("a column")].clone()
    };
    for (name, head, cell) in [
        ("new", "STANDING", "Remediated"),
        ("new", "CKP003", "✓"),
        ("held", "STANDING", "Held"),
        ("held", "CKP003", "‖"),
        ("held", "RST002", "~"),
        ("partly", "CKP003", "-"),
    ] {
        assert_eq!(of(name, head), cell, "{name} {head}\n{}", ran.out);
    }
    assert_eq!(ran.row(&format!("{namespace}/session (SessionJob)"))[2], "Remediated");
    assert!(ran.out.contains("5 jobs: 1 Held, 4 Remediated, with 3 gaps"), "{}", ran.out);

    let everywhere = report(scene.options(&[]).await.kubeconfig, &["-A", "-o", "json"]).await.json();
    let held = everywhere["jobs"].as_array().into_iter().flatten();
    let held = held.filter(|job| job["namespace"] == namespace && job["name"] == "held").collect::<Vec<_>>();
    let [held] = held[..] else { panic!("{everywhere}") };
    assert_eq!(
        (&everywhere["version"], &held["kind"], &held["rules"]["CKP003"]),
        (&json!(1), &json!("FlinkDeployment"), &json!("Held"))
    );
    assert_eq!((&held["hold"]["reason"], &held["pending"]["restarts"]), (&json!("Stateless"), &json!(true)));
    let selected =
        report(scene.options(&[]).await.kubeconfig, &["-n", namespace, "-l", "team=shop", "-o", "json"]).await;
    let names: Vec<Value> =
        selected.json()["jobs"].as_array().into_iter().flatten().map(|job| job["name"].clone()).collect();
    assert_eq!(names, ["new"], "{}", selected.err);
    let refused = report(viewer, &["-n", namespace, "-l", "team=shop"]).await;
    assert!(refused.code == Some(2) && refused.err.contains("FlinkDeployments cannot be listed"), "{}", refused.err);
    scene.settle(&operator, 5).await;
}

#[tokio::test]
async fn what_keeps_it_from_showing_anything_it_says_with_what_to_do() {
    let scene = Scene::new("report-none").await;
    let namespace = scene.namespace.as_str();
    let none = report(scene.viewer("flink-remedy.dev", REPORTS).await, &["-n", namespace]).await;
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""));
    assert!(none.err.starts_with(&format!("note: no report in namespace {namespace}: ")), "{}", none.err);
    assert!(none.err.contains("flink-remedy check --cluster"), "{}", none.err);
    let json = report(scene.options(&[]).await.kubeconfig, &["-n", namespace, "-o", "json"]).await;
    assert_eq!(json.json(), json!({ "version": 1, "jobs": [] }));

    let forbidden = report(scene.viewer("flink.apache.org", "flinkdeployments").await, &["-A"]).await;
    assert_eq!(forbidden.code, Some(2));
    assert!(
        forbidden.err.starts_with("error[cannot-list]: RemediationReports cannot be listed: remediationreports"),
        "{}",
        forbidden.err
    );

    let proxy = Proxy::with_hook(
        scene.plane,
        hook(async |request| {
            let words = "the server could not find the requested resource";
            if request.resource == REPORTS {
                Verdict::refuse(StatusCode::NOT_FOUND, "NotFound", words)
            } else {
                Verdict::Forward
            }
        }),
    );
    let behind = scene.options_via(&proxy.server(), &[]).await.kubeconfig;
    let absent = report(behind, &["-A"]).await;
    assert!(absent.code == Some(2) && absent.err.contains("`flink-remedy crd | kubectl apply -f -`"), "{}", absent.err);
    let usage = report(scene.plane.kubeconfig().to_owned(), &["--opt-outs", "-o", "html"]).await;
    assert!(usage.code == Some(2) && usage.err.contains("--opt-outs is printed as table or json"), "{}", usage.err);
}

/// Jobs and a namespace that ask to be left alone, in all ways.
async fn opted_out() -> Scene {
    let scene = Scene::new("opt-outs").await;
    let opted_out =
        |name: &str, rules: &str, until: &str| annotated(annotated(job(name), OPT_OUT, rules), UNTIL, until);
    let mut owned =
        annotated(opted_out("soon", "CKP003,no-restart-backoff", "2999-01-01T00:00:00Z"), REASON, "slow disks");
    owned["metadata"]["labels"] = json!({ "example.com/team": "payments" });
    scene.create(owned).await;
    scene.create(opted_out("ended", "true", "2020-01-01")).await;
    scene.create(opted_out("unreadable", "true", "tomorrow")).await;
    scene.create(annotated(job("no"), OPT_OUT, "false")).await;
    scene.create(session_job("for-ever", "no")).await;
    scene.create(job("plain")).await;
    let annotate = ["annotate", "flinksessionjob", "for-ever", "-n", &scene.namespace, "flink-remedy.dev/opt-out=true"];
    let annotated = scene.plane.run_kubectl(&annotate, "").await;
    assert!(annotated.status.success(), "{}", annotated.stderr);
    scene.annotate_namespace(json!({ OPT_OUT: "MET001", UNTIL: "3999-01-01" })).await;
    scene
}

#[tokio::test]
async fn every_opt_out_is_listed_with_its_reason_age_end_and_owner() {
    let scene = opted_out().await;
    let namespace = scene.namespace.as_str();
    let kubeconfig = scene.options(&[]).await.kubeconfig;
    let listed = report(kubeconfig.clone(), &["--opt-outs", "-n", namespace, "-o", "json"]).await;
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    let listed = listed.json();
    let listed = listed["optOuts"].as_array().expect("a list");
    let shown: Vec<(&str, &str, &str)> = listed
        .iter()
        .map(|entry| {
            [&entry["kind"], &entry["name"], &entry["state"]].map(|word| word.as_str().expect("a word")).into()
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("FlinkDeployment", "ended", "Expired"),
            ("FlinkDeployment", "soon", "InForce"),
            ("Namespace", namespace, "InForce"),
            ("FlinkDeployment", "unreadable", "Unreadable"),
            ("FlinkSessionJob", "for-ever", "InForce"),
        ]
    );
    let soon = &listed[1];
    assert_eq!((&soon["rules"], &soon["reason"]), (&json!(["CKP003", "RST001"]), &json!("slow disks")));
    assert_eq!((&soon["until"], &soon["owner"]), (&json!("2999-01-01T00:00:00Z"), &json!("example.com/team=payments")));
    assert_eq!((&soon["setBy"], &listed[4]["setBy"]), (&json!(["e2e"]), &json!(["kubectl-annotate"])));
    assert!(listed.iter().all(|entry| entry["since"].is_string()), "{listed:#?}");
    assert!(listed[3]["problems"][0].as_str().is_some_and(|problem| problem.contains("tomorrow")), "{}", listed[3]);
    let table = report(kubeconfig, &["--opt-outs", "-A"]).await;
    let row = table.out.lines().find(|line| line.contains(&format!("{namespace}/soon"))).expect("a row");
    for part in ["2999-01-01 00:00Z (in ", "CKP003,RST001", "example.com/team=payments", "e2e", "slow disks"] {
        assert!(row.contains(part), "{part}: {row}");
    }
    assert!(table.out.contains(&format!("namespace {namespace} ")), "{}", table.out);
}

#[tokio::test]
async fn opt_outs_that_may_not_be_seen_are_said_to_be_missing() {
    let scene = opted_out().await;
    let namespace = scene.namespace.as_str();
    let viewer = scene.viewer("flink.apache.org", "flinkdeployments").await;
    let ran = report(viewer.clone(), &["--opt-outs", "-n", namespace]).await;
    assert_eq!(ran.code, Some(0));
    for part in [
        "warning: FlinkSessionJobs cannot be listed",
        "warning: Namespaces cannot be read",
        "opt-outs set on namespaces are not seen",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(ran.out.contains(&format!("{namespace}/ended")) && !ran.out.contains("for-ever"), "{}", ran.out);
    let refused = report(viewer, &["--opt-outs", "-A"]).await;
    assert!(
        refused.code == Some(2) && refused.err.starts_with("error[cannot-list]: FlinkDeployments cannot be listed"),
        "{}",
        refused.err
    );
}
