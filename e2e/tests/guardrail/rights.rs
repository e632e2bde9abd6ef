//! The rights of the manifests, all of them: what is granted is compared with a list by hand, so that nothing else is; and requests
//! that must not succeed are made.

use std::collections::BTreeSet;

use e2e::{Crds, apply, await_condition, flink_deployments};
use hyper::Method;
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::changes::{CHANGED, FORBIDDEN, UNLISTED, UNTOUCHED};
use crate::refused::{compare, guarded, message};
use crate::support::{MANIFESTS, OPERATOR, PATIENCE, Scene, job};

/// In every namespace: verbs, and what they are for.
const EVERYWHERE: &[(&str, &str)] = &[
    ("get list watch patch", "flinkdeployments.flink.apache.org"),
    ("get list watch patch", "flinksessionjobs.flink.apache.org"),
    ("get list watch patch", "flinkbluegreendeployments.flink.apache.org"),
    ("list create", "flinkstatesnapshots.flink.apache.org"),
    ("create", "events.events.k8s.io"),
    ("list watch create patch", "remediationreports.flink-remedy.dev"),
    ("list create patch", "reports.openreports.io"),
];
/// Beside them, of the whole cluster.
const CLUSTER: &[(&str, &str)] = &[
    ("get list watch", "namespaces"),
    ("list watch", "remediationpolicies.flink-remedy.dev"),
    ("patch", "remediationpolicies/status.flink-remedy.dev"),
    ("get list watch patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io flink-remedy"),
];
/// Where it runs.
const HOME: &[(&str, &str)] = &[
    ("create", "leases.coordination.k8s.io"),
    ("get update", "leases.coordination.k8s.io flink-remedy"),
    ("get", "deployments.apps flink-remedy"),
];
/// The same, for the webhook.
const HOME_OF_WEBHOOK: &[(&str, &str)] =
    &[("create", "secrets"), ("get list watch update", "secrets flink-remedy-webhook")];
/// In the Flink operator's namespace.
const OF_FLINK_OPERATOR: &[(&str, &str)] = &[("get list watch", "configmaps flink-operator-config")];
/// Of one team, in its namespace.
const OF_TEAM: &[(&str, &str)] = &[("get", "namespaces")];
/// What the sidecar's own account may do.
const IMPERSONATE: &[(&str, &str)] = &[("impersonate", "serviceaccounts flink-remedy")];

fn table(parts: &[&[(&str, &str)]]) -> BTreeSet<String> {
    let rights = parts
        .concat()
        .into_iter()
        .flat_map(|(verbs, what)| verbs.split(' ').map(move |verb| format!("{verb} {what}")).collect::<Vec<_>>());
    rights.collect()
}

/// Every right of a client's user in a namespace, one by one, beyond those of any account.
async fn rights(scene: &Scene, client: &Client, namespace: &str) -> kube::Result<BTreeSet<String>> {
    scene.plane.service_account(&scene.namespace, "nobody").await;
    let nobody = scene.plane.client_as(&scene.plane.token(&scene.namespace, "nobody").await).await;
    let basic = granted(&nobody, namespace).await?;
    Ok(granted(client, namespace).await?.difference(&basic).cloned().collect())
}

/// Returns when these are the rights: the API server follows roles by watches.
async fn has_rights(scene: &Scene, client: &Client, namespace: &str, expected: &BTreeSet<String>) {
    await_condition(&format!("rights in {namespace}: {expected:#?}"), PATIENCE, async || {
        let rights = rights(scene, client, namespace).await.map_err(|error| error.to_string())?;
        if rights == *expected { Ok(()) } else { Err(format!("{rights:#?}")) }
    })
    .await;
}

async fn granted(client: &Client, namespace: &str) -> kube::Result<BTreeSet<String>> {
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) },
        ..SelfSubjectRulesReview::default()
    };
    let api: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let status = api.create(&PostParams::default(), &review).await?.status.expect("a status");
    assert!(!status.incomplete, "{status:?}");
    let mut granted = BTreeSet::new();
    for rule in status.resource_rules {
        let names = rule.resource_names.filter(|names| !names.is_empty()).unwrap_or_else(|| vec![String::new()]);
        for group in rule.api_groups.unwrap_or_default() {
            for resource in rule.resources.iter().flatten() {
                for (verb, name) in rule.verbs.iter().flat_map(|verb| names.iter().map(move |name| (verb, name))) {
                    let dot = if group.is_empty() { "" } else { "." };
                    granted.insert(format!("{verb} {resource}{dot}{group} {name}").trim_end().to_owned());
                }
            }
        }
    }
    Ok(granted)
}

/// Requests that no identity of ours may make, whatever is in the cluster; in this namespace, or in all.
fn forbidden_requests(namespace: &str) -> Vec<(Method, String, Value)> {
    let (core, apps) = (format!("/api/v1/namespaces/{namespace}"), format!("/apis/apps/v1/namespaces/{namespace}"));
    let flink = format!("/apis/flink.apache.org/v1beta1/namespaces/{namespace}");
    let own = format!("/apis/flink-remedy.dev/v1alpha1/namespaces/{namespace}");
    let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
    let get = |path: String| (Method::GET, path, Value::Null);
    let delete = |path: String| (Method::DELETE, path, Value::Null);
    let patch = |path: String| (Method::PATCH, path, json!({ "metadata": { "labels": { "a": "b" } } }));
    let post = |path: String, kind: &str| {
        (Method::POST, path, json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": "x" } }))
    };
    vec![
        // Secrets, and what leads to them.
        get("/api/v1/secrets".to_owned()),
        get(format!("{core}/secrets")),
        get(format!("{core}/secrets/some-secret")),
        patch(format!("{core}/secrets/some-secret")),
        delete(format!("{core}/secrets/some-secret")),
        post(format!("{core}/serviceaccounts/flink/token"), "TokenRequest"),
        // Other kinds.
        get(format!("{core}/pods")),
        post(format!("{core}/pods"), "Pod"),
        post(format!("{core}/pods/x/exec"), "PodExecOptions"),
        get(format!("{core}/configmaps")),
        get(format!("{core}/configmaps/some-config")),
        patch(format!("{core}/configmaps/some-config")),
        get(format!("{core}/events")),
        patch(format!("{core}/services/x")),
        patch(format!("/api/v1/namespaces/{namespace}")),
        delete(format!("/api/v1/namespaces/{namespace}")),
        get(format!("{apps}/deployments")),
        patch(format!("{apps}/deployments/some-deployment")),
        post(format!("{apps}/statefulsets"), "StatefulSet"),
        post(format!("/apis/batch/v1/namespaces/{namespace}/jobs"), "Job"),
        // More rights.
        post(format!("{rbac}/rolebindings"), "RoleBinding"),
        patch("/apis/rbac.authorization.k8s.io/v1/clusterroles/flink-remedy".to_owned()),
        patch("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/flink-remedy-guardrail".to_owned()),
        delete(
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/flink-remedy-guardrail".to_owned(),
        ),
        patch("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/another".to_owned()),
        patch("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/flinkdeployments.flink.apache.org".to_owned()),
        // Jobs otherwise than by a patch, and their statuses.
        post(format!("{flink}/flinkdeployments"), "FlinkDeployment"),
        (Method::PUT, format!("{flink}/flinkdeployments/j"), job("j")),
        delete(format!("{flink}/flinkdeployments/j")),
        delete(format!("{flink}/flinkdeployments")),
        patch(format!("{flink}/flinkdeployments/j/status")),
        patch(format!("{flink}/flinksessionjobs/j/status")),
        delete(format!("{flink}/flinkstatesnapshots/s")),
        patch(format!("{flink}/flinkstatesnapshots/s")),
        // Its own records, otherwise than it has to.
        delete(format!("{own}/remediationreports/j")),
        patch("/apis/flink-remedy.dev/v1alpha1/remediationpolicies/p".to_owned()),
        delete("/apis/flink-remedy.dev/v1alpha1/remediationpolicies/p".to_owned()),
        delete(format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/flink-remedy")),
        patch(format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/another")),
    ]
}

/// What an operator of the cluster does in every namespace, and one of a team only in its own.
fn requests_of_operator(namespace: &str) -> Vec<(Method, String, Value)> {
    let flink = format!("/apis/flink.apache.org/v1beta1/namespaces/{namespace}");
    let own = format!("/apis/flink-remedy.dev/v1alpha1/namespaces/{namespace}");
    let none = json!({ "metadata": { "annotations": {} } });
    vec![
        (Method::GET, format!("{flink}/flinkdeployments"), Value::Null),
        (Method::GET, format!("{flink}/flinkdeployments/j"), Value::Null),
        (Method::PATCH, format!("{flink}/flinkdeployments/j"), none),
        (Method::GET, format!("{flink}/flinksessionjobs"), Value::Null),
        (Method::GET, format!("{flink}/flinkstatesnapshots"), Value::Null),
        (Method::GET, format!("{own}/remediationreports"), Value::Null),
        (Method::GET, format!("/api/v1/namespaces/{namespace}"), Value::Null),
    ]
}

/// Makes a request; what it is refused with, if it is.
async fn refusal(client: &Client, (method, path, body): &(Method, String, Value)) -> Option<String> {
    let content = if *method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = hyper::Request::builder().method(method.clone()).uri(path).header("content-type", content);
    match client.request_text(request.body(bytes).unwrap()).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(format!("{} {}", status.code, status.message)),
        Err(error) => panic!("{method} {path}: {error}"),
    }
}

/// Whether all of them are refused by the API server for want of a right.
async fn all_refused(client: &Client, requests: &[(Method, String, Value)]) {
    for request in requests {
        let said = refusal(client, request).await.unwrap_or_else(|| panic!("{} {} succeeds", request.0, request.1));
        assert!(said.starts_with("403") && said.contains(" cannot "), "{} {}: {said}", request.0, request.1);
    }
}

async fn all_allowed(client: &Client, requests: &[(Method, String, Value)]) {
    for request in requests {
        assert_eq!(refusal(client, request).await, None, "{} {}", request.0, request.1);
    }
}

/// The rights beside those that every test has, once for all.
async fn install(scene: &Scene) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let apply = async || {
        for manifest in ["webhook/rbac.yaml", "sidecar/impersonate.yaml"] {
            let applied = scene.plane.run_kubectl(&["apply", "-f", &format!("{MANIFESTS}/{manifest}")], "").await;
            assert!(applied.status.success(), "{}", applied.stderr);
        }
    };
    INSTALLED.get_or_init(apply).await;
}

/// Whoever acts as the manifests' ServiceAccount has these rights and no other.
async fn has_the_rights_of_the_operator(scene: &Scene, client: &Client) {
    let other = scene.plane.namespace("other").await;
    for (namespace, more) in [
        ("flink-remedy", [HOME, HOME_OF_WEBHOOK].concat()),
        ("flink-operator", OF_FLINK_OPERATOR.to_vec()),
        (&other, vec![]),
        ("kube-system", vec![]),
    ] {
        has_rights(scene, client, namespace, &table(&[EVERYWHERE, CLUSTER, &more])).await;
    }
    scene.create(job("j")).await;
    all_allowed(client, &requests_of_operator(&scene.namespace)).await;
    the_guardrail_refuses(client, &scene.namespace).await;
    for namespace in [&scene.namespace, "flink-remedy", "flink-operator", "kube-system"] {
        all_refused(client, &forbidden_requests(namespace)).await;
    }
    // Of the one Secret that it has it may not read a copy elsewhere.
    let elsewhere = format!("/api/v1/namespaces/{}/secrets/flink-remedy-webhook", scene.namespace);
    all_refused(client, &[(Method::GET, elsewhere, Value::Null)]).await;
}

#[tokio::test]
async fn the_operator_has_the_rights_that_are_listed_and_no_other() {
    let scene = Scene::new("rights").await;
    install(&scene).await;
    let operator = scene.plane.client_as(&scene.plane.token("flink-remedy", "flink-remedy").await).await;
    has_the_rights_of_the_operator(&scene, &operator).await;
}

#[tokio::test]
async fn the_sidecar_acts_as_the_operator_and_as_nobody_else() {
    let scene = Scene::new("sidecar").await;
    install(&scene).await;
    let token = scene.plane.token("flink-operator", "flink-operator").await;
    let acting = scene.plane.client_acting_as(&token, OPERATOR, &[]).await;
    has_the_rights_of_the_operator(&scene, &acting).await;
    // By itself the account has nothing of ours but the leave to act as us.
    let itself = scene.plane.client_as(&token).await;
    has_rights(&scene, &itself, "flink-remedy", &table(&[IMPERSONATE])).await;
    has_rights(&scene, &itself, &scene.namespace, &table(&[])).await;
    let get = (Method::GET, format!("/api/v1/namespaces/{}", scene.namespace), Value::Null);
    for (user, groups) in [
        ("admin", &[][..]),
        ("system:serviceaccount:flink-remedy:default", &[]),
        ("system:serviceaccount:kube-system:flink-remedy", &[]),
        ("system:serviceaccount:kube-system:namespace-controller", &[]),
        (OPERATOR, &["system:masters"]),
    ] {
        let said = refusal(&scene.plane.client_acting_as(&token, user, groups).await, &get).await;
        let said = said.unwrap_or_else(|| panic!("it acts as {user} in {groups:?}"));
        assert!(said.starts_with("403") && said.contains("cannot impersonate"), "{user} {groups:?}: {said}");
    }
}

#[tokio::test]
async fn an_operator_of_one_team_has_rights_in_its_namespace_and_nowhere_else() {
    let (scene, other) = (guarded(Crds::Typed, "team").await, Scene::new("neighbour").await);
    let team = scene.namespace.as_str();
    let tenant = scene.plane.run_kubectl(&["kustomize", &format!("{MANIFESTS}/tenant")], "").await.stdout;
    let applied = scene.plane.run_kubectl(&["apply", "-n", team, "-f", "-"], &tenant).await;
    assert!(applied.status.success(), "{}", applied.stderr);
    let operator = scene.plane.client_as(&scene.plane.token(team, "flink-remedy").await).await;
    has_rights(&scene, &operator, team, &table(&[EVERYWHERE, HOME, OF_TEAM])).await;
    for namespace in [&other.namespace, "flink-remedy", "flink-operator", "kube-system"] {
        has_rights(&scene, &operator, namespace, &table(&[])).await;
    }
    for scene in [&scene, &other] {
        scene.create(job("j")).await;
    }
    all_allowed(&operator, &requests_of_operator(team)).await;
    all_refused(&operator, &requests_of_operator(&other.namespace)).await;
    for namespace in [team, &other.namespace] {
        all_refused(&operator, &forbidden_requests(namespace)).await;
    }
    let all = ["/api/v1/namespaces", "/apis/flink.apache.org/v1beta1/flinkdeployments"];
    all_refused(&operator, &all.map(|path| (Method::GET, path.to_owned(), Value::Null))).await;
    // The cluster's guardrail is for the team's operator too.
    the_guardrail_refuses(&operator, team).await;
}

/// What the right to patch a job would allow.
async fn the_guardrail_refuses(client: &Client, namespace: &str) {
    let jobs = flink_deployments(client, namespace);
    let option = |key: &str| json!({ "spec": { "flinkConfiguration": { key: "x" } } });
    for (patch, expected) in [
        (json!({ "spec": { "image": "evil" } }), UNTOUCHED),
        (json!({ "spec": { "job": { "state": "suspended" } } }), UNTOUCHED),
        (json!({ "spec": { "job": { "parallelism": 3 } } }), UNTOUCHED),
        (option("env.java.opts.all"), FORBIDDEN),
        (option("state.backend.type"), CHANGED),
        (option("taskmanager.numberOfTaskSlots"), UNLISTED),
    ] {
        let answer = jobs.patch("j", &PatchParams::default(), &Patch::Merge(&patch)).await;
        compare(&patch, message(answer), expected);
    }
}

/// With every right in the cluster by mistake, what the guardrail is about stays refused.
#[tokio::test]
async fn a_role_too_many_does_not_open_the_guardrail() {
    let scene = guarded(Crds::Typed, "cluster-admin").await;
    scene.create(job("j")).await;
    scene.plane.service_account(&scene.namespace, "flink-remedy").await;
    let group = "rbac.authorization.k8s.io";
    apply(
        &scene.admin,
        json!({ "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": scene.namespace },
            "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "flink-remedy", "namespace": scene.namespace }] }),
    )
    .await;
    scene.until_may("flink-remedy", "patch", "flink.apache.org", "flinkdeployments", true).await;
    let client = scene.plane.client_as(&scene.plane.token(&scene.namespace, "flink-remedy").await).await;
    let jobs = flink_deployments(&client, &scene.namespace);
    the_guardrail_refuses(&client, &scene.namespace).await;
    let deleted = jobs.delete("j", &kube::api::DeleteParams::default()).await;
    compare(&json!("delete"), message(deleted), Some("it may not delete flinkdeployments"));
}
