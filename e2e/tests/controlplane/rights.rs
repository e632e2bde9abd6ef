//! With a right missing it says which one, does nothing that the right was to allow, and goes on with the rest.
//!
//! The service accounts here have the rights of the shipped manifests less one.

use e2e::{AuditEntry, Operator, OperatorOptions, apply, apply_yaml, await_condition};
use serde_json::json;

use crate::fko::Fko;
use crate::support::{MANIFESTS, OPERATOR, PATIENCE, REPORTS, Scene, job};

const NO_LAYERS: [&str; 2] = ["--operator-config", "none"];

/// Gives a service account of the test's namespace the shipped ClusterRole less these verbs on this resource.
async fn grant(scene: &Scene, resource: &str, without: &[&str]) {
    let namespace = &scene.namespace;
    let api = kube::Api::<k8s_openapi::api::rbac::v1::ClusterRole>::all(scene.admin.clone());
    let shipped = serde_json::to_value(api.get("flink-remedy").await.expect("the shipped role")).expect("JSON");
    let mut rules = shipped["rules"].as_array().expect("rules").clone();
    let mut taken = 0;
    for rule in rules.iter_mut().filter(|rule| rule["resources"] == json!([resource])) {
        let verbs = rule["verbs"].as_array_mut().expect("verbs");
        verbs.retain(|verb| !without.iter().any(|without| verb == without));
        taken += 1;
    }
    assert!(without.is_empty() || taken > 0, "no shipped rule for {resource}");
    rules.retain(|rule| rule["verbs"] != json!([]));
    let (group, metadata) = ("rbac.authorization.k8s.io/v1", json!({ "name": namespace }));
    apply(&scene.admin, json!({ "apiVersion": group, "kind": "ClusterRole", "metadata": metadata, "rules": rules }))
        .await;
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace });
    let subjects = json!([{ "kind": "ServiceAccount", "name": "operator", "namespace": namespace }]);
    apply(
        &scene.admin,
        json!({ "apiVersion": group, "kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": role,
            "subjects": subjects }),
    )
    .await;
}

/// How an operator with a service account of its own is started: all rights but those verbs on that resource.
async fn options_without(scene: &Scene, resource: &str, verbs: &[&str], args: &[&str]) -> OperatorOptions {
    scene.plane.service_account(&scene.namespace, "operator").await;
    scene.grant_lease(&scene.namespace, "operator").await;
    grant(scene, resource, verbs).await;
    let token = scene.plane.token(&scene.namespace, "operator").await;
    scene.options_as(&token, scene.plane.server(), args)
}

/// What that service account wrote, leases and reports left out.
fn writes(scene: &Scene, namespace: &str) -> Vec<AuditEntry> {
    let user = format!("system:serviceaccount:{}:operator", scene.namespace);
    let query = scene.plane.audit().query().user(&user).namespace(namespace).writes();
    query.filter(|entry| entry.resource != "leases" && entry.resource != REPORTS).entries()
}

/// Waits for one line of the log that holds all of these words.
async fn logged(operator: &Operator, words: &[&str]) -> String {
    await_condition(&format!("a log line with {words:?}"), PATIENCE, async || {
        let log = operator.logs();
        let line = log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned);
        line.ok_or(log)
    })
    .await
}

#[tokio::test]
async fn without_patch_it_says_so_on_the_job_and_fills_where_it_may() {
    let (scene, other) = (Scene::new("nopatch").await, Scene::new("maypatch").await);
    scene.create(job("j")).await;
    other.create(job("j")).await;
    let args = ["--watch-namespaces", &other.namespace];
    let options = options_without(&scene, "flinkdeployments", &["patch"], &[&NO_LAYERS[..], &args].concat()).await;
    let (own, account) = (&other.namespace, &scene.namespace);
    let yaml = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: patch, namespace: {own}}},
          rules: [{{apiGroups: [flink.apache.org], resources: [flinkdeployments], verbs: [patch]}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: patch, namespace: {own}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: patch}}
subjects: [{{kind: ServiceAccount, name: operator, namespace: {account}}}]
"
    );
    apply_yaml(&scene.admin, &yaml).await;
    let operator = Operator::start(&options);
    let note = scene.note("j", "RemediationFailed", "cannot patch resource \"flinkdeployments\"").await;
    assert!(note.contains("grant the verb patch"), "{note}");
    let report = scene.report("j", |report| report["hold"]["reason"] == "Forbidden").await;
    assert!(report["standing"] == "Held" && report["hold"]["message"].to_string().contains("grant the verb patch"));
    logged(&operator, &["may not patch flinkdeployments.flink.apache.org", "grant the verb patch"]).await;
    other.filled("j").await;
    other.note("j", "Remediated", "").await;
    assert!(operator.try_exit().is_none());
    // Once granted it is tried again by itself.
    grant(&scene, "flinkdeployments", &[]).await;
    scene.filled("j").await;
    scene.note("j", "Remediated", "").await;
    assert_eq!(scene.notes("j", "RemediationFailed").await.len(), 1);
    scene.report("j", |report| report["standing"] == "Remediated" && report["hold"].is_null()).await;
}

/// Without these verbs it waits, not ready, says so, writes nothing, and goes on when they are granted.
async fn waits_for(resource: &str, verbs: &[&str], words: &[&str]) {
    let scene = Scene::new("waits").await;
    scene.create(job("j")).await;
    let operator = Operator::start(&options_without(&scene, resource, verbs, &NO_LAYERS).await);
    let line = logged(&operator, words).await;
    assert!(line.contains("ERROR"), "{line}");
    assert_eq!(operator.get("/ready").await.expect("an answer").0, 503);
    assert!(writes(&scene, &scene.namespace).is_empty());
    grant(&scene, resource, &[]).await;
    scene.filled("j").await;
    operator.wait_ready().await;
}

#[tokio::test]
async fn without_list_of_jobs_it_says_so_and_waits_for_the_right() {
    let words = [
        "trouble=may-not-watch",
        "may not list and watch flinkdeployments.flink.apache.org",
        "grant the verbs list and watch",
    ];
    waits_for("flinkdeployments", &["list"], &words).await;
}

#[tokio::test]
async fn without_a_look_at_namespaces_it_says_so_and_waits_for_the_right() {
    let words = ["trouble=may-not-watch", "may not list and watch namespaces", "grant the verbs list and watch"];
    waits_for("namespaces", &["get", "list"], &words).await;
}

#[tokio::test]
async fn without_create_of_events_it_says_so_and_fills_nevertheless() {
    let scene = Scene::new("noevents").await;
    for name in ["a", "b"] {
        scene.create(job(name)).await;
    }
    let operator = Operator::start(&options_without(&scene, "events", &["create"], &NO_LAYERS).await);
    for name in ["a", "b"] {
        scene.filled(name).await;
    }
    let line = logged(&operator, &["the verb create on events.events.k8s.io must be granted"]).await;
    assert!(line.contains("ERROR") && line.contains("cannot create resource \"events\""), "{line}");
    assert!(operator.try_exit().is_none() && scene.said().await.is_empty());
    let landed = writes(&scene, &scene.namespace).iter().filter(|write| write.code < 300).count();
    assert_eq!(landed, 2);
}

#[tokio::test]
async fn without_rights_on_reports_it_says_so_once_and_does_everything_else() {
    for (verbs, words) in [
        (vec!["list"], ["RemediationReports are off", "grant the verbs list, watch, create and patch"]),
        (vec!["create", "patch"], ["cannot patch resource \"remediationreports\"", "must be granted"]),
    ] {
        let scene = Scene::new("noreports").await;
        for name in ["a", "b"] {
            scene.create(job(name)).await;
        }
        let operator = Operator::start(&options_without(&scene, REPORTS, &verbs, &NO_LAYERS).await);
        logged(&operator, &words).await;
        for name in ["a", "b"] {
            scene.filled(name).await;
            scene.note(name, "Remediated", "").await;
        }
        scene.look_again(&operator, 2).await;
        assert_eq!(operator.logs().matches(words[0]).count(), 1, "{}", operator.logs());
        // Once granted it goes on by itself.
        grant(&scene, REPORTS, &[]).await;
        if verbs == ["list"] {
            scene.report("a", |report| report["standing"] == "Remediated").await;
        }
    }
}

/// Grants only these verbs on leases.
async fn grant_lease_verbs(scene: &Scene, verbs: &[&str]) {
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": { "name": "lease", "namespace": scene.namespace },
        "rules": [{ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs }] });
    apply(&scene.admin, role).await;
    for verb in ["get", "create", "update"] {
        scene.until_may("operator", verb, "coordination.k8s.io", "leases", verbs.contains(&verb)).await;
    }
}

#[tokio::test]
async fn without_rights_on_the_lease_it_names_the_verb_and_ends_without_a_write() {
    for (verbs, missing) in [(vec!["create", "update"], "get"), (vec!["get", "update"], "create")] {
        let scene = Scene::new("nolease").await;
        scene.create(job("j")).await;
        let options = options_without(&scene, "", &[], &NO_LAYERS).await;
        grant_lease_verbs(&scene, &verbs).await;
        let operator = Operator::start(&options);
        let status = operator.wait_exit(PATIENCE).await.expect("it ends");
        assert_eq!(status.code(), Some(1), "{}", operator.logs());
        let expected = format!("may not {missing} leases.coordination.k8s.io in namespace {}", scene.namespace);
        assert!(operator.logs().contains("trouble=lease-forbidden"), "{}", operator.logs());
        assert!(operator.logs().contains(&expected), "{}", operator.logs());
        assert!(writes(&scene, &scene.namespace).is_empty());
    }
}

#[tokio::test]
async fn without_update_of_the_lease_it_leads_once_names_the_verb_and_ends_at_the_deadline() {
    let scene = Scene::new("noupdate").await;
    let options = options_without(&scene, "", &[], &[&NO_LAYERS[..], &["--lease-duration", "3"]].concat()).await;
    grant_lease_verbs(&scene, &["get", "create"]).await;
    let operator = Operator::start(&options);
    let status = operator.wait_exit(PATIENCE).await.expect("it ends");
    assert_eq!(status.code(), Some(1), "{}", operator.logs());
    logged(&operator, &["may not update leases.coordination.k8s.io", "grant that verb"]).await;
}

#[tokio::test]
async fn without_the_flink_operators_configuration_it_says_so_and_restarts_nothing() {
    let scene = Scene::new("blind").await;
    scene.create_stable(Fko::V1_15, job("running")).await;
    scene.create(job("new")).await;
    let operator = Operator::start(&options_without(&scene, "", &[], &["--mode", "Apply"]).await);
    for name in ["running", "new"] {
        let note = scene.note(name, "RemediationHeld", "own configuration cannot be read").await;
        assert!(note.contains("may not list and watch configmaps in namespace flink-operator"), "{note}");
    }
    logged(&operator, &["may not list and watch configmaps", "flink-operator-config"]).await;
    scene.settle(&operator, 2).await;
    assert!(writes(&scene, &scene.namespace).iter().all(|write| write.resource == "events"));
}

const SIDECAR: &str = "system:serviceaccount:flink-operator:flink-operator";

#[tokio::test]
async fn as_a_sidecar_it_acts_as_its_own_service_account() {
    let scene = Scene::new("sidecar").await;
    let rendered = scene.plane.run_kubectl(&["kustomize", &format!("{MANIFESTS}/sidecar")], "").await.stdout;
    // Without the webhook: its configuration holds for every test's jobs, and nobody listens at its Service.
    let (webhook, rest): (Vec<_>, Vec<_>) =
        rendered.split("\n---\n").partition(|document| document.contains("kind: MutatingWebhookConfiguration"));
    assert_eq!(webhook.len(), 1, "{rendered}");
    let applied = scene.plane.run_kubectl(&["apply", "-f", "-"], &rest.join("\n---\n")).await;
    assert!(applied.status.success(), "{}", applied.stderr);
    let account = json!({ "verb": "impersonate", "resource": "serviceaccounts", "namespace": "flink-remedy",
                          "name": "flink-remedy" });
    scene.plane.until_may(SIDECAR, &account, true).await;
    scene.create(job("j")).await;
    let token = scene.plane.token("flink-operator", "flink-operator").await;
    let args = ["--as", "flink-remedy/flink-remedy"];
    let operator = Operator::start(&scene.options_as(&token, scene.plane.server(), &args));
    operator.wait_ready().await;
    scene.filled("j").await;
    scene.note("j", "Remediated", "").await;
    scene.settle(&operator, 1).await;
    let requests: Vec<_> = scene.audited().into_iter().filter(|entry| entry.user == SIDECAR).collect();
    for entry in &requests {
        assert_eq!(entry.impersonated_user.as_deref(), Some(OPERATOR), "{entry:#?}");
    }
    for (verb, resource) in [
        ("list", "flinkdeployments"),
        ("patch", "flinkdeployments"),
        ("create", "events"),
        ("create", "leases"),
        ("update", "leases"),
    ] {
        let done = |entry: &AuditEntry| entry.verb == verb && entry.resource == resource && entry.code < 300;
        assert!(requests.iter().any(done), "no {verb} of {resource}");
    }
    assert_eq!(scene.patches().len(), 1);
}

#[tokio::test]
async fn without_leave_to_act_as_its_own_service_account_it_says_so_and_writes_nothing() {
    let scene = Scene::new("noleave").await;
    scene.create(job("j")).await;
    // Every right that it needs, but not as this account.
    let options = options_without(&scene, "", &[], &["--as", "flink-remedy/flink-remedy"]).await;
    let operator = Operator::start(&options);
    let line = logged(&operator, &["ERROR", "cannot impersonate", "manifests/sidecar"]).await;
    assert!(line.contains("may not list and watch"), "{line}");
    assert_eq!(operator.get("/ready").await.expect("an answer").0, 503);
    assert!(writes(&scene, &scene.namespace).is_empty());
    let requests = scene.audited().into_iter().filter(|entry| entry.user.ends_with(":operator"));
    let codes: Vec<u16> = requests.map(|entry| entry.code).collect();
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == 403), "{codes:?}");
}

#[tokio::test]
async fn without_a_kubeconfig_it_says_what_to_do_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("no-such-kubeconfig");
    let operator = Operator::start(&OperatorOptions::new(&missing).env("KUBERNETES_SERVICE_HOST", ""));
    let status = operator.wait_exit(PATIENCE).await.expect("it ends");
    assert_eq!(status.code(), Some(1), "{}", operator.logs());
    let log = operator.logs();
    assert!(log.contains("no cluster is configured") && log.contains("set KUBECONFIG"), "{log}");
    assert!(log.contains("trouble=no-cluster"), "{log}");
    assert!(log.contains("no-such-kubeconfig"), "{log}");
}

#[tokio::test]
async fn without_a_server_it_says_where_it_looked_and_is_not_ready() {
    let scene = Scene::new("nobody").await;
    // Nobody else of this process gets it.
    let closed = format!("127.0.0.1:{}", e2e::launch::free_port().expect("a port"));
    let operator = Operator::start(&scene.options_as("token", &format!("http://{closed}"), &[]));
    logged(&operator, &["API server", &closed]).await;
    logged(&operator, &["WARN", "flinkdeployments", "onnection refused"]).await;
    assert_eq!(operator.get("/live").await.expect("an answer").0, 200);
    assert_eq!(operator.get("/ready").await.expect("an answer").0, 503);
    assert_eq!(operator.terminate().await.code(), Some(0), "{}", operator.logs());
}

#[tokio::test]
async fn without_list_of_policies_in_some_namespaces_it_goes_on_under_the_built_in_one_and_says_so() {
    let scene = Scene::new("nopolicies").await;
    scene.create(job("j")).await;
    let options = options_without(&scene, "remediationpolicies", &["list", "watch"], &NO_LAYERS).await;
    let operator = Operator::start(&options.policies_of_cluster());
    scene.filled("j").await;
    let report = scene.report("j", |report| !report["policy"].is_null()).await;
    assert_eq!(report["policy"]["name"], "built-in");
    logged(
        &operator,
        &["may not list and watch remediationpolicies.flink-remedy.dev", "grant the verbs list and watch"],
    )
    .await;
}
