//! Everything goes wrong at once, and every job ends as a script has written down beforehand.
//!
//! `FLINK_REMEDY_FAULTS=long` is the long form, `FLINK_REMEDY_SEED` repeats a schedule.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod cast;
mod checks;
mod end;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/fko.rs"]
mod fko;
mod fleet;
mod process;
mod replicas;
mod report;
mod run;
mod schedule;
mod stand_in;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/support.rs"]
mod support;
mod weather;
mod world;

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fleet::Size;
use crate::run::{Form, run};

/// What runs with every change.
const SHORT: Form = Form {
    size: Size { fleet: 40, namespaces: 2, contested: 6, budget: 6, per_hour: 2, doomed: 1, in_doomed: 6, reborn: 4 },
    steps: 14,
    duration: Duration::from_secs(28),
    kills: 0.06,
    patience: Duration::from_mins(4),
    // The longest that a watch waits.
    calm: Duration::from_secs(65),
    least_faults: 150,
};
/// What finds what is rare.
const LONG: Form = Form {
    size: Size {
        fleet: 440,
        namespaces: 4,
        contested: 24,
        budget: 20,
        per_hour: 7,
        doomed: 3,
        in_doomed: 12,
        reborn: 40,
    },
    steps: 192,
    duration: Duration::from_mins(24),
    kills: 0.03,
    patience: Duration::from_mins(25),
    // What a job waits whose change was refused again and again.
    calm: Duration::from_mins(13),
    least_faults: 10_000,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_ends_as_written_down_whatever_fails() {
    let is_long = env::var("FLINK_REMEDY_FAULTS").as_deref() == Ok("long");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // What runs with every change fails because of the change.
    let (form, seed) = if is_long { (LONG, now) } else { (SHORT, 1) };
    let seed = env::var("FLINK_REMEDY_SEED").map_or(seed, |seed| seed.parse().expect("FLINK_REMEDY_SEED is a number"));
    println!("seed {seed}: FLINK_REMEDY_SEED={seed} repeats it");
    run(seed, &form).await;
}
