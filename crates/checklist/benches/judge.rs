//! What it costs to judge one job: the examples of `manifests/examples`, and one with as many options as a large platform's
//! jobs have. `cargo bench -p checklist` measures; with a name it measures that alone, as under `valgrind`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a broken example ends the bench")]

use std::collections::BTreeMap;
use std::fs;

use checklist::{Holdings, Obedience, Plan, Platform, Policy, RULES, Situation, Subject, evaluate, plan, trimmed};
use divan::{Bencher, black_box};
use flink_api::FlinkDeployment;

const EXAMPLES: &[&str] = &[
    "rocksdb-v1-17",
    "nested-v1-20",
    "streaming-v2-1",
    "running-savepoint",
    "running-stateless",
    "running-session",
    "large",
];

fn main() {
    divan::main();
}

/// A job with all that the pure stages are given.
struct Job {
    deployment: FlinkDeployment,
    platform: Platform,
    policy: Policy,
}

impl Job {
    fn read(name: &str) -> Self {
        let folder = if name == "large" { "crates/checklist/benches" } else { "manifests/examples" };
        let path = format!("{}/../../{folder}/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let deployment = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        Self { deployment, platform: Platform::stock(), policy: Policy::default() }
    }

    fn subject(&self) -> Subject {
        Subject::new(&self.deployment, &self.platform).unwrap()
    }

    fn plan(&self, subject: &Subject) -> Plan {
        let (situation, holdings) = (Situation::of(&self.deployment), Holdings::of(&self.deployment));
        plan(subject, &situation, &holdings, &self.obedience(), &self.policy)
    }

    fn obedience(&self) -> Obedience {
        let empty = BTreeMap::new();
        let annotations = self.deployment.metadata.annotations.as_ref().unwrap_or(&empty);
        Obedience::read(annotations, &empty, "2026-06-15T12:00:00Z".parse().unwrap())
    }
}

#[divan::bench(args = EXAMPLES)]
fn subject(bencher: Bencher, example: &str) {
    let job = Job::read(example);
    bencher.bench_local(|| black_box(&job).subject());
}

#[divan::bench(args = EXAMPLES)]
fn evaluate_once(bencher: Bencher, example: &str) {
    let job = Job::read(example);
    let subject = job.subject();
    bencher.bench_local(|| evaluate(RULES, black_box(&subject), &job.policy));
}

/// What a look does with a subject: rules, fills to their fixpoint, what is ours, and the moment.
#[divan::bench(args = EXAMPLES)]
fn evaluate_and_plan(bencher: Bencher, example: &str) {
    let job = Job::read(example);
    let subject = job.subject();
    bencher.bench_local(|| black_box(&job).plan(&subject));
}

/// A look at a job in the cache, without reports.
#[divan::bench(args = EXAMPLES)]
fn from_the_cache(bencher: Bencher, example: &str) {
    let mut job = Job::read(example);
    let kept = trimmed(job.deployment.clone()).to_kept().unwrap();
    bencher.bench_local(|| {
        job.deployment = FlinkDeployment::from_kept(black_box(&kept)).unwrap();
        job.plan(&job.subject())
    });
}
