//! The wire contract of the writer: what is sent, and what each answer of the API server comes to.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use checklist::Target;
use flink_api::{FlinkDeployment, Kind};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_test::mock;

use super::apply::{ApplyError, apply};
use super::decide::{Change, Intent};
use crate::error::Retry;
use crate::lease::{Elector, Fence, LeaseConfig, LeaseError};

type Server = mock::Handle<Request<Body>, Response<Body>>;

fn mocked() -> (Client, Server) {
    let (service, handle) = mock::pair::<Request<Body>, Response<Body>>();
    (Client::new(service, "default"), handle)
}

fn open_fence() -> Fence {
    let fence = Fence::new(1);
    fence.open_until(Instant::now() + Duration::from_hours(1));
    fence
}

fn job() -> FlinkDeployment {
    serde_json::from_value(
        json!({"metadata": {"name": "orders", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"}}),
    )
    .unwrap()
}

fn change() -> Intent {
    let values = BTreeMap::from([
        (Target::option("state.backend.incremental"), "true".to_owned()),
        (Target::PodAnnotation("prometheus.io/scrape".into()), "true".to_owned()),
        (Target::LogFile("log4j-console.properties".into()), "rootLogger.level = INFO\n".to_owned()),
    ]);
    Intent::Patch(Box::new(Change {
        values,
        record: None,
        quarantined: None,
        restarts: false,
        withdraws: false,
        adoption: None,
    }))
}

fn response(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(serde_json::to_vec(body).unwrap())).unwrap()
}

fn status(code: u16, reason: &str, message: &str, causes: &Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
           "details": {"causes": causes}})
}

/// Carries an intent out against a server that gives this one answer; returns the request's parts as well.
async fn exchange(intent: Intent, code: u16, answer: Value) -> (Result<(), ApplyError>, String, String, Value) {
    exchange_about(job(), intent, code, answer).await
}

/// The same about this object.
async fn exchange_about(
    object: FlinkDeployment,
    intent: Intent,
    code: u16,
    answer: Value,
) -> (Result<(), ApplyError>, String, String, Value) {
    let (client, handle) = mocked();
    let server = tokio::spawn(async move {
        let mut handle = pin!(handle);
        let (request, send) = handle.next_request().await.unwrap();
        send.send_response(response(code, &answer));
        let (parts, body) = request.into_parts();
        let content_type = parts.headers["content-type"].to_str().unwrap().to_owned();
        let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
        (format!("{} {}", parts.method, parts.uri), content_type, body)
    });
    let result = apply(&client, &open_fence(), &object, &intent).await.map(|_| ());
    let (line, content_type, body) = server.await.unwrap();
    (result, line, content_type, body)
}

async fn error(code: u16, answer: Value) -> ApplyError {
    exchange(change(), code, answer).await.0.unwrap_err()
}

#[tokio::test]
async fn a_change_is_one_server_side_apply_without_force_bound_to_uid_and_version() {
    let (result, line, content_type, body) = exchange(change(), 200, json!({"metadata": {"name": "orders"}})).await;
    result.unwrap();
    assert_eq!(
        line,
        "PATCH /apis/flink.apache.org/v1beta1/namespaces/shop/flinkdeployments/orders?&fieldManager=flink-remedy"
    );
    assert_eq!(content_type, "application/apply-patch+yaml");
    assert_eq!(body["metadata"], json!({"name": "orders", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"}));
    assert_eq!(body["spec"]["flinkConfiguration"], json!({"state.backend.incremental": "true"}));
    assert_eq!(body["spec"]["podTemplate"], json!({"metadata": {"annotations": {"prometheus.io/scrape": "true"}}}));
    assert_eq!(body["spec"]["logConfiguration"], json!({"log4j-console.properties": "rootLogger.level = INFO\n"}));
}

#[tokio::test]
async fn each_kind_is_written_where_it_keeps_what_rules_judge() {
    for (kind, plural, spec) in [
        (Kind::SessionJob, "flinksessionjobs", "/spec"),
        (Kind::BlueGreenDeployment, "flinkbluegreendeployments", "/spec/template/spec"),
    ] {
        let object = FlinkDeployment { kind, ..job() };
        let (result, line, _, body) = exchange_about(object, change(), 200, json!({"metadata": {"name": "o"}})).await;
        result.unwrap();
        let path = format!("PATCH /apis/flink.apache.org/v1beta1/namespaces/shop/{plural}/orders?");
        assert!(line.starts_with(&path), "{line}");
        assert_eq!(body["kind"], kind.name());
        assert_eq!(body.pointer(spec).unwrap()["flinkConfiguration"], json!({"state.backend.incremental": "true"}));
        assert_eq!(body["spec"].as_object().unwrap().len(), if spec == "/spec" { 3 } else { 1 });
        let causes = json!([{"reason": "FieldManagerConflict", "field": format!("{}.flinkConfiguration", spec.replace('/', "."))}]);
        let whole = status(409, "Conflict", "Apply failed", &causes);
        let object = FlinkDeployment { kind, ..job() };
        let error = exchange_about(object, change(), 409, whole).await.0.unwrap_err();
        assert!(matches!(&error, ApplyError::NotAMap(at) if *at == spec[1..].replace('/', ".")), "{error:?}");
    }
}

#[tokio::test]
async fn a_foreign_record_is_taken_out_by_a_merge_patch_of_nothing_else() {
    let (result, _, content_type, body) = exchange(Intent::DropForeignRecord, 200, json!({"metadata": {}})).await;
    result.unwrap();
    assert_eq!(content_type, "application/merge-patch+json");
    assert_eq!(body["metadata"]["annotations"], json!({"flink-remedy.dev/filled": null}));
    assert_eq!((&body["metadata"]["uid"], &body["metadata"]["resourceVersion"]), (&json!("u-1"), &json!("7")));
    assert_eq!(body.get("spec"), None);
}

#[tokio::test]
async fn a_conflict_names_fields_and_managers() {
    let cause = |manager: &str| json!({"reason": "FieldManagerConflict", "field": ".spec.flinkConfiguration.a", "message": format!("conflict with \"{manager}\" using flink.apache.org/v1beta1")});
    let error = error(409, status(409, "Conflict", "Apply failed", &json!([cause("argocd"), cause("helm")]))).await;
    assert!(
        matches!(&error, ApplyError::Conflict { fields, managers } if fields == ".spec.flinkConfiguration.a" && managers == "argocd, helm"),
        "{error:?}"
    );
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn a_conflict_about_the_whole_map_is_a_malformed_resource() {
    let causes = json!([{"reason": "FieldManagerConflict", "field": ".spec.flinkConfiguration", "message": "conflict with \"kubectl\""}]);
    let error = error(409, status(409, "Conflict", "Apply failed", &causes)).await;
    assert!(matches!(error, ApplyError::NotAMap(_)), "{error:?}");
    assert_eq!(error.retry(), Retry::OnChange);
}

#[tokio::test]
async fn a_409_without_causes_is_a_stale_plan() {
    let error = error(409, status(409, "Conflict", "the object has been modified", &json!([]))).await;
    assert!(matches!(error, ApplyError::Stale(_)), "{error:?}");
    assert_eq!(error.retry(), Retry::Soon);
}

#[tokio::test]
async fn a_404_is_a_job_that_is_gone() {
    assert!(matches!(error(404, status(404, "NotFound", "not found", &json!([]))).await, ApplyError::Gone));
}

#[tokio::test]
async fn a_missing_right_is_told_from_a_refusal() {
    let message = "flinkdeployments.flink.apache.org \"orders\" is forbidden: User \"x\" cannot patch resource \"flinkdeployments\" in API group";
    let right = error(403, status(403, "Forbidden", message, &json!([]))).await;
    assert!(right.to_string().contains("grant the verb patch"), "{right}");
    let quota = error(403, status(403, "Forbidden", "denied by ValidatingAdmissionPolicy guard", &json!([]))).await;
    assert!(matches!(&quota, ApplyError::Rejected { code: 403, .. }) && quota.to_string().contains("guard"), "{quota}");
}

#[tokio::test]
async fn a_refusal_keeps_the_servers_words() {
    let error = error(422, status(422, "Invalid", "spec.flinkConfiguration: Invalid value", &json!([]))).await;
    assert_eq!(error.to_string(), "refused with status 422: spec.flinkConfiguration: Invalid value");
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn an_overloaded_or_broken_server_is_asked_again_later() {
    for code in [429, 500, 503] {
        let error = error(code, status(code, "", "busy", &json!([]))).await;
        assert!(matches!(error, ApplyError::Unavailable(_)), "{code}: {error:?}");
        assert_eq!(error.retry(), Retry::Backoff);
    }
}

#[tokio::test]
async fn a_webhook_that_is_away_and_an_object_without_room_are_told_of() {
    let messages = [
        "Internal error occurred: failed calling webhook \"validation.flink.apache.org\": connection refused",
        "etcdserver: request is too large",
    ];
    for message in messages {
        let error = error(500, status(500, "InternalError", message, &json!([]))).await;
        assert!(matches!(error, ApplyError::Rejected { code: 500, .. }) && !error.is_uncertain(), "{error:?}");
        assert_eq!((error.to_string(), error.retry()), (format!("refused with status 500: {message}"), Retry::Backoff));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_does_not_hold_a_look_for_ever() {
    let (client, _handle) = mocked();
    let started = Instant::now();
    let error = apply(&client, &open_fence(), &job(), &change()).await.unwrap_err();
    assert!(matches!(error, ApplyError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() <= Duration::from_secs(11));
}

#[tokio::test]
async fn without_leadership_no_request_is_sent() {
    let (client, handle) = mocked();
    let error = apply(&client, &Fence::new(1), &job(), &change()).await.unwrap_err();
    assert!(matches!(error, ApplyError::NotLeader(_)));
    drop(client);
    assert!(pin!(handle).next_request().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hears_nothing_stops_at_its_deadline_and_before_anybody_else_may_lead() {
    let (client, mut handle) = mocked();
    let fence = Fence::new(1);
    let config = LeaseConfig {
        namespace: "ns".into(),
        name: "lease".into(),
        identity: "me".into(),
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry_period: Duration::from_secs(2),
    };
    let mut elector = Elector::new(client, config, fence.clone());
    let first = tokio::spawn(async move {
        let (_, send) = handle.next_request().await.unwrap();
        send.send_response(response(404, &status(404, "NotFound", "", &json!([]))));
        let (_, send) = handle.next_request().await.unwrap();
        send.send_response(response(201, &json!({"metadata": {}})));
        handle
    });
    elector.acquire().await.unwrap();
    let _silent = first.await.unwrap();
    let led = Instant::now();
    assert!(matches!(elector.hold().await, LeaseError::Expired(_)));
    assert!(led.elapsed() <= Duration::from_secs(10), "{:?}", led.elapsed());
    assert!(fence.deadline().is_none());
}
