//! Records what the Prometheus reporters of a real Flink say while a job does well and badly, as `make monitoring-record` asks.
//! `record_metrics FLINK NAMES FILE`: FLINK is a minor version, NAMES a regular expression of the metrics to keep, FILE what is
//! written: the series in promtool's notation, one sample a second, and which second belongs to which mood of the job.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a recording that cannot be made has to end with a message"
)]
#![allow(dead_code, reason = "the tests that share these modules use more of them")]

#[path = "../../tests/flink_local/cluster.rs"]
mod cluster;
#[path = "../../tests/flink_local/filled.rs"]
mod filled;
#[path = "../../tests/flink_local/http.rs"]
mod http;
#[path = "../../tests/monitoring/moody.rs"]
mod moody;
mod tape;

use std::env;
use std::fs;
use std::time::Duration;

use e2e::flink_dist::FlinkDist;
use tokio::time::{MissedTickBehavior, interval};

use moody::{Moody, REPORTERS};
use tape::Tape;

/// What the job does, and for how many seconds. Meters tell of the last 60 s.
const SCENES: &[(&str, u32)] = &[
    ("well", 60),
    ("starved", 90),
    ("well", 60),
    ("slow", 95),
    ("well", 60),
    ("slow-checkpoints", 70),
    ("well", 10),
    ("failing-checkpoints", 95),
    ("well", 10),
    ("full-heap", 45),
    ("well", 20),
    ("failing", 60),
    ("well", 20),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [minor, names, file] = &arguments[..] else { panic!("usage: record_metrics FLINK NAMES FILE") };
    let dist = FlinkDist::locate(minor).unwrap_or_else(|error| panic!("{error:#}"));
    let mut moody = Moody::start(&dist).await;
    let mut tape = Tape::new(&dist.version, names);
    let mut clock = interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (mood, seconds) in SCENES {
        moody.set(mood);
        tape.scene(mood);
        for _ in 0..*seconds {
            clock.tick().await;
            moody.assert_runs();
            let mut pages = Vec::new();
            for (component, port) in REPORTERS {
                // A process that is too busy with its garbage to answer is a sample that is missing.
                pages.push((component, http::get(port, "/metrics").await.unwrap_or_default()));
            }
            tape.second(&pages);
        }
    }
    fs::write(file, tape.text()).unwrap();
}
