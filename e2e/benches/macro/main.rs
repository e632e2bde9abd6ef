//! What our work costs, beside what it cannot cost less than, in one run. `make bench` runs it.
//!
//! Variants take turns, several rounds of them; what is told are medians and ratios. A target is missed when the ratio
//! misses it by more than the rounds differ.
#![allow(
    clippy::missing_panics_doc,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool of the developers: a broken assumption ends it with a message"
)]

mod admission;
mod copies;
mod fill;
mod fleet;
mod ground;
mod micro;
mod report;

use std::process::ExitCode;

use crate::report::Report;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut report = Report::default();
    // Those that are named, or all of them.
    let named: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    if is_asked("micro") {
        micro::run(&mut report);
    }
    // After each part: what ends a later one takes none of these away.
    report.write();
    runtime.block_on(async {
        if is_asked("fill") {
            fill::run(&mut report).await;
            report.write();
        }
        if is_asked("admission") {
            admission::run(&mut report).await;
            report.write();
        }
        if is_asked("fleet") {
            fleet::run(&mut report).await;
        }
    });
    print!("{report}");
    report.write();
    if report.is_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
