//! The control plane with the Flink operator on it, and jobs that it has taken to STABLE.

use std::time::Duration;

use crate::support::{Scene, plane};
use e2e::{Crds, FlinkOperator, Incarnation, JobManagers, Operator, OperatorOptions, await_condition, policy_beside};
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How long the Flink operator may take with a job.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

static GROUND: OnceCell<RwLock<Ground>> = OnceCell::const_new();

/// What all tests of this binary share.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Stands in for every `JobManager`.
    pub(crate) job_managers: JobManagers,
    /// The Flink operator.
    pub(crate) flink_operator: FlinkOperator,
    /// Of our operators, one file for each.
    policies: TempDir,
}

/// The ground, beside other tests.
pub(crate) async fn ground() -> RwLockReadGuard<'static, Ground> {
    started().await.read().await
}

/// The ground without other tests, for one that ends the Flink operator. Killed between a Deployment and its ConfigMap, it
/// would leave the job of another test behind that never starts.
pub(crate) async fn ground_alone() -> RwLockWriteGuard<'static, Ground> {
    started().await.write().await
}

/// Starts everything, once.
async fn started() -> &'static RwLock<Ground> {
    GROUND
        .get_or_init(async || {
            let plane = plane(Crds::Typed).await;
            let job_managers = JobManagers::start(plane);
            let flink_operator = FlinkOperator::start(plane, &job_managers).await;
            RwLock::new(Ground { job_managers, flink_operator, policies: TempDir::new().unwrap() })
        })
        .await
}

impl Ground {
    /// How our operator is started for the scene's namespace, in mode Apply, seeing what the Flink operator is
    /// configured with.
    pub(crate) async fn options(&self, scene: &Scene) -> OperatorOptions {
        self.options_for(scene, 1).await
    }

    /// The same with so many restarts at a time.
    pub(crate) async fn options_for(&self, scene: &Scene, max_concurrent: usize) -> OperatorOptions {
        self.options_under(scene, max_concurrent, |_| {}).await
    }

    /// The same under a policy whose spec is edited.
    pub(crate) async fn options_under(
        &self,
        scene: &Scene,
        max_concurrent: usize,
        edit: impl FnOnce(&mut Value),
    ) -> OperatorOptions {
        let mut policy = policy_beside(max_concurrent);
        edit(&mut policy["spec"]);
        let file = self.policies.path().join(format!("{}.yaml", scene.namespace));
        std::fs::write(&file, policy.to_string()).unwrap();
        let config = self.flink_operator.configuration();
        scene.options(&["--operator-config", &config, "--policy", file.to_str().unwrap()]).await
    }

    /// Starts it and returns when it is ready.
    pub(crate) async fn start(&self, scene: &Scene) -> Operator {
        let operator = Operator::start(&self.options(scene).await);
        operator.wait_ready().await;
        operator
    }

    /// A namespace in which jobs can run.
    pub(crate) async fn scene(&self, prefix: &str) -> Scene {
        let scene = Scene::new(prefix).await;
        scene.plane.service_account(&scene.namespace, "flink").await;
        scene
    }

    /// Creates a job for which a `JobManager` will be found.
    pub(crate) async fn create(&self, scene: &Scene, job: Value) {
        self.job_managers.expect(&scene.namespace, job["metadata"]["name"].as_str().unwrap());
        scene.create(job).await;
    }

    /// Creates a job and returns when it runs, stable.
    pub(crate) async fn create_stable(&self, scene: &Scene, job: Value) -> DynamicObject {
        let name = job["metadata"]["name"].as_str().unwrap().to_owned();
        self.create(scene, job).await;
        self.stable(scene, &name).await
    }

    /// Returns when the Flink operator has acted on the job's present spec and calls it stable.
    pub(crate) async fn stable(&self, scene: &Scene, name: &str) -> DynamicObject {
        let what = format!("{name} to be stable");
        await_condition(&what, PATIENCE, async || {
            let job = scene.job(name).await;
            let status = &job.data["status"];
            let state = [&status["lifecycleState"], &status["jobStatus"]["state"], &status["error"]];
            let is_stable = state[0] == "STABLE" && state[1] == "RUNNING";
            if is_stable && reconciled_generation(status) == job.metadata.generation {
                return Ok(job);
            }
            Err(format!("{state:?} at generation {:?}\n{}", job.metadata.generation, self.tail()))
        })
        .await
    }

    /// Returns when the Flink operator calls the job's state by this name.
    pub(crate) async fn lifecycle(&self, scene: &Scene, name: &str, state: &str) {
        await_condition(&format!("{name} to be {state}"), PATIENCE, async || {
            let is = scene.job(name).await.data["status"]["lifecycleState"].clone();
            if is == state { Ok(()) } else { Err(format!("{is}\n{}", self.tail())) }
        })
        .await;
    }

    /// Every deployment of the job so far.
    pub(crate) fn incarnations(&self, scene: &Scene, name: &str) -> Vec<Incarnation> {
        self.job_managers.incarnations(&scene.namespace, name)
    }

    fn tail(&self) -> String {
        let logs = self.flink_operator.logs();
        let lines: Vec<&str> = logs.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// The generation of the spec that the Flink operator has acted on, as 1.7 keeps it.
fn reconciled_generation(status: &Value) -> Option<i64> {
    let kept = status["reconciliationStatus"]["lastReconciledSpec"].as_str()?;
    let kept: Value = serde_json::from_str(kept).ok()?;
    kept["resource_metadata"]["metadata"]["generation"].as_i64()
}

/// A job that the Flink operator of this version accepts, with gaps that cost a restart: CKP003, MET001, RST001.
pub(crate) fn job(name: &str) -> Value {
    let mut job = crate::support::job(name);
    job["spec"]["flinkVersion"] = json!("v1_17");
    job["spec"]["image"] = json!("flink:1.17");
    job
}
