//! Restarts that do not go well, or not yet.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::flink::SAVEPOINTS;
use crate::ground::{job, on_ground};
use crate::support::with_mode;

const QUARANTINED: &str = "flink-remedy.dev/quarantined";

/// Watches restarts closely, and asks `JobManager`s for checkpoints.
fn closely(spec: &mut Value) {
    // Longer than the Flink operator takes to try again what Kubernetes has refused, which it does after 5 s, 7 s and 11 s.
    spec["verification"] = json!({"grace": "30 s", "askJobManager": true});
}

/// The job's own code does not start with a value that was filled. The API server and the Flink operator cannot know.
#[test]
fn what_a_job_cannot_start_with_is_taken_back_and_the_job_goes_on_from_its_state() {
    on_ground("what_a_job_cannot_start_with_is_taken_back_and_the_job_goes_on_from_its_state", async |ground| {
        let refusing = job("j", &["--refuse", "restart-strategy.type=exponential-delay"]);
        let before = ground.create_checkpointed(refusing).await;
        let count = ground.until("the job to count", async || before.count().await).await;
        let operator = ground.start_under(closely).await;
        let note = ground.told_with("j", "RemediationWithdrawn", "the job has failed").await;
        assert!(note.contains("restart-strategy.type=exponential-delay"), "{note}");
        ground.stable("j").await;
        let after = ground.flink("j").await;
        ground.until("the job to be restored", async || after.goes_on(count, SAVEPOINTS).await).await;
        ground.told_with("j", "RemediationVerified", "stable again without the values that were taken back").await;
        ground.scene.settle(&operator, 1).await;
        assert_eq!(ground.scene.patches().len(), 2, "{:#?}", ground.scene.patches());
        assert!(ground.scene.job("j").await.metadata.annotations.unwrap().contains_key(QUARANTINED));
        let held = ["RemediationHeld", "RemediationWithdrawn", "RemediationVerified"];
        let said = ground.told();
        assert!(said.first().is_some_and(|first| first == "Remediated"), "{said:?}");
        assert!(held.iter().all(|reason| said.iter().any(|told| told == reason)), "{said:?}");
    });
}

/// Too little memory, by a setting of the platform's own; one failure is enough to halt everything. Then the platform mends
/// its policy and clears the quarantine. The job is one that upgrades by its last state: stopped with a savepoint, whether the
/// Flink operator starts it again depends on whether the `JobManager` was ready before it ended.
#[test]
fn a_setting_with_too_little_memory_is_taken_back_and_a_better_one_verified() {
    on_ground("a_setting_with_too_little_memory_is_taken_back_and_a_better_one_verified", async |ground| {
        let before = ground.create_checkpointed(with_mode(job("j", &[]), "last-state")).await;
        let count = ground.until("the job to count", async || before.count().await).await;
        // It comes back with its last checkpoint, in which that count has to be.
        let read = Timestamp::now().as_millisecond();
        ground.until("a checkpoint of the count", async || before.checkpointed_after(read).await).await;
        let metaspace = |size: &'static str| {
            move |spec: &mut Value| {
                closely(spec);
                spec["breaker"] = json!({"failures": 1});
                spec["settings"] = json!([{"key": METASPACE, "value": size}]);
            }
        };
        let operator = ground.start_under(metaspace("4 mb")).await;
        ground.told_with("j", "RemediationWithdrawn", METASPACE).await;
        ground.stable("j").await;
        let after = ground.flink("j").await;
        ground.until("the job to be restored", async || after.goes_on(count, "checkpoints").await).await;
        let halted =
            ground.scene.events().await.into_iter().filter(|event| event.reason.as_deref() == Some("RolloutHalted"));
        assert_eq!(halted.count(), 1, "{:#?}", ground.scene.said().await);
        ground.scene.settle(&operator, 1).await;

        ground.scene.merge("j", json!({"metadata": {"annotations": {QUARANTINED: null}}})).await;
        let operator = ground.start_under(metaspace("300 mb")).await;
        ground.told_with("j", "RemediationVerified", METASPACE).await;
        let again = ground.flink("j").await;
        ground.until("the job to be restored", async || again.goes_on(count, "checkpoints").await).await;
        ground.scene.settle(&operator, 1).await;
        assert_eq!(ground.scene.patches().len(), 3, "{:#?}", ground.scene.patches());
    });
}

const METASPACE: &str = "jobmanager.memory.jvm-metaspace.size";

/// The new deployment takes half a minute more until it has submitted the job, as with a large image or much to restore.
#[test]
fn a_slow_restart_is_no_failure() {
    on_ground("a_slow_restart_is_no_failure", async |ground| {
        ground.create_checkpointed(job("j", &["--main-takes", "30000"])).await;
        let operator = ground.start_under(closely).await;
        ground.scene.filled("j").await;
        ground.stable("j").await;
        ground.told_with("j", "RemediationVerified", "has completed a checkpoint since").await;
        ground.scene.settle(&operator, 1).await;
        assert_eq!(ground.scene.patches().len(), 1, "{:#?}", ground.scene.patches());
        assert_eq!(ground.told(), ["Remediated", "RemediationVerified"]);
    });
}

#[test]
fn a_job_whose_job_manager_does_not_answer_waits_until_it_does() {
    on_ground("a_job_whose_job_manager_does_not_answer_waits_until_it_does", async |ground| {
        ground.create_checkpointed(job("j", &[])).await;
        ground.freeze_job_manager("j", true).await;
        ground
            .until("the Flink operator to miss the JobManager", async || {
                let status = ground.scene.job("j").await.data["status"].clone();
                let state = &status["jobStatus"]["state"];
                if state == "RUNNING" { Err(status.to_string()) } else { Ok(()) }
            })
            .await;
        let operator = ground.start().await;
        ground.scene.note("j", "RemediationHeld", "").await;
        assert!(ground.scene.patches().is_empty(), "{:#?}", ground.scene.patches());

        ground.freeze_job_manager("j", false).await;
        // A JobManager that finds itself deposed after the freeze ends, and a new one takes the job over: with Flink's patience.
        ground.told_with("j", "Remediated", "Filled").await;
        ground.stable("j").await;
        ground.scene.settle(&operator, 1).await;
        assert_eq!(ground.scene.patches().len(), 1, "{:#?}", ground.scene.patches());
    });
}
