//! Restarts that do not go well, or not yet.

use crate::ground::{job, on_ground};

/// The job's own code does not start with a value that was filled. The API server and the Flink operator cannot know.
#[test]
fn a_job_that_cannot_start_with_a_fill_is_told_to_have_failed() {
    on_ground("a_job_that_cannot_start_with_a_fill_is_told_to_have_failed", async |ground| {
        let refusing = job("j", &["--refuse", "restart-strategy.type=exponential-delay"]);
        ground.create_checkpointed(refusing).await;
        let operator = ground.start().await;
        ground.scene.filled("j").await;
        ground
            .until("the restart to have failed", async || {
                let mut failed = ground.scene.notes("j", "RemediationFailed").await.into_iter();
                let is_told = failed.any(|note| note.contains("the job has failed"));
                if is_told { Ok(()) } else { Err(format!("{:#?}", ground.scene.said().await)) }
            })
            .await;
        ground.scene.settle(&operator, 1).await;
        assert_eq!(ground.scene.job("j").await.data["status"]["jobStatus"]["state"], "FAILED");
        assert!(ground.logs_of("j").contains("this job does not run with restart-strategy.type=exponential-delay"));
    });
}

/// The new deployment takes half a minute more until it has submitted the job, as with a large image or much to restore.
#[test]
fn a_slow_restart_is_no_failure() {
    on_ground("a_slow_restart_is_no_failure", async |ground| {
        ground.create_checkpointed(job("j", &["--main-takes", "30000"])).await;
        let operator = ground.start().await;
        ground.scene.filled("j").await;
        ground.stable("j").await;
        ground.scene.note("j", "RemediationUnverified", "").await;
        ground.scene.settle(&operator, 1).await;
        assert_eq!(ground.scene.patches().len(), 1, "{:#?}", ground.scene.patches());
        assert_eq!(ground.told(), ["Remediated", "RemediationUnverified"]);
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
        ground.scene.filled("j").await;
        ground.stable("j").await;
        ground.scene.settle(&operator, 1).await;
        assert_eq!(ground.scene.patches().len(), 1, "{:#?}", ground.scene.patches());
    });
}
