use flink_api::{FlinkDeployment, FlinkDeploymentSpec, Parsed};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use prometheus_client::encoding::text::encode;

use super::*;
use crate::cache::Packer;

#[test]
fn every_described_metric_is_exposed_under_its_name() {
    let metrics = Metrics::default();
    let mut registry = Registry::with_prefix("flink_remedy");
    metrics.register(&mut registry, Jobs::new(Vec::new()), KnownPolicies::default(), &Fence::new(16));
    metrics.reconciled("Settled");
    metrics.stage("plan", "ok", Duration::from_millis(1));
    metrics.remediated("CKP003");
    metrics.failed(Evidence::JobFailed, true);
    metrics.reviewed("Filled", Duration::from_millis(1));
    metrics.event_emitted(Reason::Remediated);
    metrics.event_dropped(Reason::Remediated);
    metrics.report_failed("Forbidden");
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for Description { name, kind, .. } in DESCRIPTIONS {
        assert!(text.contains(&format!("# TYPE flink_remedy_{name} {kind}\n")), "{name} in {text}");
    }
    assert_eq!(text.matches("# TYPE").count(), DESCRIPTIONS.len());
}

#[test]
fn what_alerts_count_is_there_before_it_happens() {
    let mut registry = Registry::with_prefix("flink_remedy");
    Metrics::default().register(&mut registry, Jobs::new(Vec::new()), KnownPolicies::default(), &Fence::new(16));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for series in [
        "flink_remedy_restart_failures_total{evidence=\"RestartLoop\"} 0\n",
        "flink_remedy_events_dropped_total{reason=\"Remediated\"} 0\n",
    ] {
        assert!(text.contains(series), "{series} in {text}");
    }
}

#[test]
fn a_restart_in_flight_names_the_pods_that_it_concerns() {
    let job = |kind: Kind, cluster: Option<&str>| {
        let job = FlinkDeployment {
            kind,
            metadata: ObjectMeta {
                namespace: Some("shop".into()),
                name: Some("orders".into()),
                ..ObjectMeta::default()
            },
            spec: Parsed::Ok(FlinkDeploymentSpec { session_cluster: cluster.map(str::to_owned), ..Default::default() }),
            status: None,
        };
        Packer::default().pack(job)
    };
    let labels = |job: &CachedJob| -> Vec<String> {
        in_flight_labels(job).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    assert_eq!(labels(&job(Kind::Deployment, None)), ["namespace=shop", "name=orders"]);
    assert_eq!(
        labels(&job(Kind::SessionJob, Some("analytics"))),
        ["namespace=shop", "name=orders", "kind=FlinkSessionJob", "deployment=analytics"]
    );
}
