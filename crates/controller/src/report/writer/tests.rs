use std::pin::pin;

use http::{Request, Response};
use kube::client::Body;
use tower_test::mock;

use super::*;

type Server = mock::Handle<Request<Body>, Response<Body>>;

fn writer() -> (ReportWriter, ReportSink, Server) {
    writer_asking(Vec::new())
}

fn writer_asking(queues: Vec<Queue>) -> (ReportWriter, ReportSink, Server) {
    let (service, handle) = mock::pair::<Request<Body>, Response<Body>>();
    let fence = Fence::new(16);
    fence.open_until(Instant::now() + Duration::from_hours(1));
    let reports = Reports::new(std::iter::once(None));
    let (writer, sink) = ReportWriter::new(Client::new(service, "default"), fence, reports, Metrics::default(), queues);
    (writer, sink, handle)
}

fn job(name: &str) -> FlinkDeployment {
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": "shop", "uid": "u-1"}})).unwrap()
}

fn content(message: &str) -> ReportContent {
    ReportContent { message: message.to_owned(), ..ReportContent::default() }
}

/// Answers every request with this code until the writer ends; returns line and body of each.
async fn answer_all(server: Server, code: u16) -> Vec<(String, Value)> {
    let mut server = pin!(server);
    let mut seen = Vec::new();
    while let Some((request, send)) = server.next_request().await {
        let (parts, body) = request.into_parts();
        let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
        seen.push((format!("{} {}", parts.method, parts.uri), body));
        let answer = if code == 200 {
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {}})
        } else {
            json!({"kind": "Status", "status": "Failure", "code": code, "reason": "x", "message": "no"})
        };
        send.send_response(Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap());
    }
    seen
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_a_job_is_applied_once_and_belongs_to_the_job() {
    let (writer, sink, server) = writer();
    for message in ["old", "newer", "newest"] {
        assert!(sink.tell(&job("orders"), &content(message), now()));
    }
    drop(sink);
    let (seen, ()) = tokio::join!(answer_all(server, 200), writer.run());
    let [(line, body)] = &seen[..] else { panic!("{seen:?}") };
    let expected = "PATCH /apis/flink-remedy.dev/v1alpha1/namespaces/shop/remediationreports/orders?";
    assert!(line.starts_with(expected) && line.contains("force=true") && line.contains("fieldManager=flink-remedy"));
    assert_eq!((&body["kind"], &body["message"]), (&json!("RemediationReport"), &json!("newest")));
    let owner =
        json!([{"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "name": "orders", "uid": "u-1"}]);
    assert_eq!(body["metadata"], json!({"name": "orders", "namespace": "shop", "ownerReferences": owner}));
}

#[tokio::test(start_paused = true)]
async fn a_flapping_job_is_told_of_once_a_second() {
    let (writer, sink, server) = writer();
    let flaps = async move {
        for flap in 0..1000 {
            sink.tell(&job("orders"), &content(&flap.to_string()), now());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (seen, (), ()) = tokio::join!(answer_all(server, 200), writer.run(), flaps);
    assert!((8..=12).contains(&seen.len()), "{}", seen.len());
    assert_eq!(seen.last().unwrap().1["message"], "999");
}

#[tokio::test(start_paused = true)]
async fn a_refused_report_is_not_tried_again_by_itself_and_news_at_the_next_look() {
    let (writer, sink, server) = writer();
    let told = content("x");
    assert!(sink.tell(&job("orders"), &told, now()));
    let reports = sink.reports().clone();
    drop(sink);
    let (seen, ()) = tokio::join!(answer_all(server, 403), writer.run());
    assert_eq!(seen.len(), 1);
    assert!(reports.is_news(&("shop".into(), "orders".into()), "u-1", &told, now(), Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_asked_a_few_times() {
    let (writer, sink, server) = writer();
    assert!(sink.tell(&job("orders"), &content("x"), now()));
    drop(sink);
    let (seen, ()) = tokio::join!(answer_all(server, 503), writer.run());
    assert_eq!(seen.len(), usize::try_from(ATTEMPTS).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_report_is_not_written_is_looked_at_again() {
    for (code, is_asked_for) in [(200, false), (403, true), (503, true)] {
        let queue = Queue::default();
        queue.open();
        let (writer, sink, server) = writer_asking(vec![queue.clone()]);
        assert!(sink.tell(&job("orders"), &content("x"), now()));
        drop(sink);
        tokio::join!(answer_all(server, code), writer.run());
        let asked: Vec<_> = queue.due().into_iter().map(|(job, _)| job.to_string()).collect();
        let expected: &[&str] = if is_asked_for { &["shop/orders"] } else { &[] };
        assert_eq!(asked, expected, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_so_and_forgets_nothing_that_it_has() {
    let (writer, sink, server) = writer();
    for index in 0..QUEUE {
        assert!(sink.tell(&job(&format!("job-{index}")), &content("x"), now()), "{index}");
    }
    assert!(!sink.tell(&job("one-more"), &content("x"), now()));
    assert!(sink.tell(&job("job-0"), &content("y"), now()), "a job that waits is not one more");
    drop(sink);
    let (seen, ()) = tokio::join!(answer_all(server, 200), writer.run());
    assert_eq!(seen.len(), QUEUE);
}

/// Hundreds of reports wait or rest at a time.
#[tokio::test]
async fn a_report_that_waits_or_rests_has_no_room_for_a_request() {
    let (writer, _sink, _server) = writer();
    let (_closing, closed) = watch::channel(());
    let size = size_of_val(&writer.write.keep(("shop".to_owned(), "orders".to_owned()), closed));
    assert!(size <= 2_048, "{size} bytes");
}
