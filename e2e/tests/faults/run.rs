//! One run: the jobs, the operators, the faults, the end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::{ControlPlane, Crds};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cast::{ALPHA, REPLICAS};
use crate::end::Written;
use crate::fleet::{Expectations, Input, Size, expectations, inputs};
use crate::replicas::Replica;
use crate::report::{REPORT, Report};
use crate::schedule::{Action, pace, plan};
use crate::stand_in::{self, Seen};
use crate::support;
use crate::weather::{Sky, Weather};
use crate::world::{World, is_there, namespace, persist, send};

/// How long and how hard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) size: Size,
    pub(crate) steps: usize,
    /// How long faults happen.
    pub(crate) duration: Duration,
    /// The share of writes at which an operator is killed.
    pub(crate) kills: f64,
    /// How long the end may take after the last fault.
    pub(crate) patience: Duration,
    /// For how long after the last fault somebody may still wait before he tries again what was refused.
    pub(crate) calm: Duration,
    /// How many faults there have to be.
    pub(crate) least_faults: u64,
}

/// A storm that meets operators which have not come up yet does little: it lasts up to so many times as long as planned, until
/// there were faults enough.
const LONGER: usize = 4;

/// What everything in a run needs.
pub(crate) struct Run<'a> {
    pub(crate) plane: &'a ControlPlane,
    pub(crate) admin: Client,
    pub(crate) seed: u64,
    pub(crate) form: &'a Form,
    pub(crate) inputs: &'a [Input],
    pub(crate) expected: &'a Expectations,
    pub(crate) sky: Arc<Sky>,
}

/// Runs it all.
pub(crate) async fn run(seed: u64, form: &Form) {
    let started = Instant::now();
    let inputs = inputs(seed, &form.size);
    // Before anything runs.
    let expected = expectations(&inputs, form.size.per_hour);
    let plane = ControlPlane::mended(Crds::Typed).await;
    let sky = Arc::new(Sky::new(seed));
    let run = Run { plane: &plane, admin: plane.admin().await, seed, form, inputs: &inputs, expected: &expected, sky };
    run.prepare().await;
    let mark = plane.audit().mark();
    let watched = Arc::new(Seen::default());
    let (stop, stopped) = watch::channel(());
    let flink_operator = tokio::spawn(stand_in::run(run.admin.clone(), seed, Arc::clone(&watched), stopped));
    let replicas = run.start_replicas().await;
    let mut report = Report::default();
    report.row("seed", seed);
    run.storm(&replicas).await;
    let (stormed, calm_since) = (started.elapsed(), Instant::now());
    let live = run.settled(&replicas).await;
    let took = started.elapsed();
    run.nothing_more_is_written(&replicas, calm_since).await;
    run.a_deleted_kind_comes_back(&replicas, &mut report).await;
    run.as_small_as_a_new_one(&replicas, &mut report).await;
    for replica in &replicas {
        replica.end().await;
    }
    drop(stop);
    flink_operator.await.expect("it does not panic");
    let written = Written::since(&plane.audit(), mark);
    run.tell(&mut report, &replicas, &watched, &live, &written, mark);
    report.row("time until the last fault, until the end", format!("{} s, {} s", stormed.as_secs(), took.as_secs()));
    println!("{report}");
    fs::create_dir_all(Path::new(REPORT).parent().unwrap())
        .and_then(|()| fs::write(REPORT, report.to_string()))
        .unwrap();
    run.assert_promises_kept(&replicas, &watched, &written);
}

impl Run<'_> {
    async fn prepare(&self) {
        support::install(self.plane).await;
        let names: BTreeSet<_> = self.inputs.iter().map(Input::namespace).collect();
        for name in names.into_iter().chain(["reborn"]) {
            namespace(self.plane, &self.admin, name).await;
        }
        for (_, lease) in REPLICAS {
            namespace(self.plane, &self.admin, lease).await;
            self.grant_lease(lease).await;
        }
        for input in self.inputs.iter().filter(|input| !input.arrives) {
            self.create(input).await;
        }
    }

    /// Creates a job and writes its status.
    pub(crate) async fn create(&self, input: &Input) {
        let jobs = e2e::flink_deployments(&self.admin, input.namespace());
        let all = format!("/apis/flink.apache.org/v1beta1/namespaces/{}/flinkdeployments", input.namespace());
        let created = persist("a job to be created", async || {
            match is_there(send(&self.admin, "POST", &all, &input.object).await) {
                // Its namespace is being deleted.
                Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(None),
                created => {
                    created?;
                    jobs.get_opt(input.name()).await
                }
            }
        })
        .await;
        let Some(status) = created.and_then(|live| input.status_of(&live)) else { return };
        let patch = json!({ "status": status });
        persist("a status", async || {
            jobs.patch_status(input.name(), &PatchParams::default(), &Patch::Merge(&patch)).await
        })
        .await;
    }

    /// Everything that goes wrong, while jobs come and owners change theirs.
    async fn storm(&self, replicas: &[Replica]) {
        let world = self.world(replicas);
        let form = self.form;
        let steps = plan(self.seed, form.steps * LONGER, replicas.len(), form.size.doomed);
        let step = pace(form.duration, form.steps);
        let faults = async {
            for (number, next) in steps.into_iter().enumerate() {
                if number >= form.steps && self.sky.tally.total() >= form.least_faults {
                    break;
                }
                self.sky.set(next.weather);
                self.sky.tally.count(next.action.name());
                println!("{}: {:?} in {:?}", Timestamp::now(), next.action, next.weather);
                let acted = Instant::now();
                world.carry_out(next.action).await;
                // Weather needs its time: what it hits is whatever happens while it lasts.
                sleep(step.saturating_sub(acted.elapsed())).await;
            }
        };
        futures::join!(faults, self.owners());
        self.sky.set(Weather::Calm);
        world.carry_out(Action::Clock("+0")).await;
    }

    /// What owners do meanwhile: they bring jobs, and change those that they have.
    async fn owners(&self) {
        let busy: Vec<_> = self.inputs.iter().filter(|input| input.arrives || input.owner_changes > 0).collect();
        let pause = self.form.duration.mul_f64(0.8) / u32::try_from(busy.len().max(1)).unwrap();
        for input in busy {
            let began = Instant::now();
            if input.arrives {
                self.create(input).await;
            }
            if input.owner_changes > 0 {
                let parallelism = input.object["spec"]["job"]["parallelism"].as_i64().unwrap() + input.owner_changes;
                let patch = json!({ "spec": { "job": { "parallelism": parallelism } } });
                let params = PatchParams { field_manager: Some("owner".into()), ..PatchParams::default() };
                let jobs = e2e::flink_deployments(&self.admin, input.namespace());
                persist("an owner's change", async || jobs.patch(input.name(), &params, &Patch::Merge(&patch)).await)
                    .await;
            }
            sleep(pause.saturating_sub(began.elapsed())).await;
        }
    }

    /// Who can do everything to everything.
    pub(crate) fn world<'a>(&'a self, replicas: &'a [Replica]) -> World<'a> {
        World {
            plane: self.plane,
            admin: self.admin.clone(),
            replicas,
            clock: self.plane.dir().join("clock"),
            lease: (REPLICAS[ALPHA].1, "flink-remedy"),
        }
    }
}
