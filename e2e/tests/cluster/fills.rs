//! What a fill costs a real job, and what it brings.

use e2e::http;
use serde_json::json;

use crate::flink::{Flink, SAVEPOINTS};
use crate::ground::{Ground, job, on_ground};

#[test]
fn a_running_job_restarts_once_and_goes_on_with_every_fill() {
    on_ground("a_running_job_restarts_once_and_goes_on_with_every_fill", async |ground| {
        let before = ground.create_checkpointed(job("j", &[])).await;
        let count = ground.until("the job to count", async || before.count().await).await;
        let job_manager = ground.job_manager("j").await;

        let operator = ground.start().await;
        ground.scene.filled("j").await;
        ground.stable("j").await;
        let after = ground.flink("j").await;
        ground.until("the job to be restored", async || after.goes_on(count, SAVEPOINTS).await).await;
        assert_fills_reached_flink(ground, &after).await;
        assert_checkpoints_are_incremental(ground, &after).await;
        assert_reporters_answer(ground).await;

        ground.scene.note("j", "RemediationUnverified", "").await;
        ground.scene.settle(&operator, 1).await;
        assert_eq!(ground.scene.patches().len(), 1, "{:#?}", ground.scene.patches());
        assert_eq!(ground.deployments_made(), 2);
        assert_ne!(ground.job_manager("j").await, job_manager);
        for reason in ["SpecChanged", "Suspended"] {
            assert_eq!(ground.scene.notes("j", reason).await.len(), 1, "{:#?}", ground.scene.said().await);
        }
        assert_eq!(ground.told(), ["Remediated", "RemediationUnverified"]);
    });
}

/// Flink runs with every value of our one patch; the delays of restarts are among them.
async fn assert_fills_reached_flink(ground: &Ground, flink: &Flink) {
    let [patch] = &ground.scene.patches()[..] else { panic!("{:#?}", ground.scene.patches()) };
    let filled = patch.request_object["spec"]["flinkConfiguration"].as_object().unwrap();
    for key in ["state.backend.incremental", "restart-strategy.type", "metrics.reporter.prom.port"] {
        assert!(filled.contains_key(key), "{key} is not in {filled:#?}");
    }
    let configuration = flink.configuration().await.unwrap();
    for (key, value) in filled {
        assert_eq!(configuration.get(key).map(|text| json!(text)).as_ref(), Some(value), "{key}");
    }
    let logs = ground.logs_of("j");
    assert!(logs.contains("ExponentialDelayRestartBackoffTimeStrategy"), "{logs}");
}

/// Only incremental checkpoints share files with each other.
async fn assert_checkpoints_are_incremental(ground: &Ground, flink: &Flink) {
    let shared = ground.volume().join("checkpoints").join(flink.job().await.unwrap()).join("shared");
    ground
        .until("a file that checkpoints share", async || {
            let files = std::fs::read_dir(&shared).map_err(|error| error.to_string())?.count();
            if files > 0 { Ok(()) } else { Err(format!("no file in {}", shared.display())) }
        })
        .await;
    let config = flink.of_job("/checkpoints/config").await.unwrap();
    assert_eq!(config["state_backend"], "EmbeddedRocksDBStateBackend", "{config:#}");
}

/// Prometheus would find both processes.
async fn assert_reporters_answer(ground: &Ground) {
    for (component, metric) in [("jobmanager", "flink_jobmanager_job_numRestarts"), ("taskmanager", "_counted")] {
        ground
            .until(&format!("metrics of the {component}"), async || {
                let pods = ground.pods("j", component).await;
                let addresses: Vec<String> = pods.into_iter().filter_map(|pod| pod.status?.pod_ip).collect();
                let [pod] = &addresses[..] else { return Err(format!("{component}s: {addresses:?}")) };
                let page = http::text(&format!("http://{pod}:9249/metrics")).await?;
                if page.contains(metric) { Ok(()) } else { Err(format!("no {metric} in {page}")) }
            })
            .await;
    }
}
