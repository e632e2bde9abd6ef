//! What single steps cost without a cluster, as the benches of the crates measure them (divan, `cargo bench`).

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::report::{Measured, Report, Row};

const ROUNDS: u32 = 3;
const BENCHES: [(&str, &str); 3] = [("flink-conf", "flatten"), ("checklist", "judge"), ("controller", "admission")];
/// Microseconds for one job.
const PLAN: f64 = 50.0;

/// By bench and argument, in microseconds, one value a round.
type Medians = BTreeMap<(String, String), Vec<f64>>;

pub(crate) fn run(report: &mut Report) {
    let mut medians = Medians::new();
    for _ in 0..ROUNDS {
        for (package, bench) in BENCHES {
            for (name, median) in medians_of(&output(package, bench)) {
                medians.entry(name).or_default().push(median);
            }
        }
    }
    let of = |bench: &str, argument: &str| {
        let rounds = medians[&(bench.to_owned(), argument.to_owned())].clone();
        Measured { name: bench.replace('_', " "), rounds }
    };
    let plans = medians.iter().filter(|((bench, _), _)| bench == "evaluate_and_plan");
    let slowest = plans.max_by(|(_, one), (_, other)| median(one).total_cmp(&median(other))).unwrap();
    let target = Measured { name: "the target".to_owned(), rounds: vec![PLAN] };
    let slowest = Measured { name: slowest.0.1.clone(), rounds: slowest.1.clone() };
    report.rows.extend([
        Row::told("one job evaluated and planned, the slowest example", "us", &target, &slowest).at_most(1.0),
        Row::told("the same, from the cache", "us", &of("evaluate_and_plan", "large"), &of("from_the_cache", "large")),
        Row::told("40 options flattened", "us", &of("copy_document", "true"), &of("flatten_document", "true")),
        Row::told(
            "one admission review answered",
            "us",
            &of("parse_and_print", "large"),
            &of("review_to_response", "large"),
        ),
    ]);
}

fn median(rounds: &[f64]) -> f64 {
    Measured { name: String::new(), rounds: rounds.to_vec() }.median()
}

fn output(package: &str, bench: &str) -> String {
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--quiet", "--locked", "--package", package, "--bench", bench]);
    let ended = cargo.stderr(Stdio::inherit()).output().unwrap();
    assert!(ended.status.success(), "cargo bench --package {package}: {}", ended.status);
    String::from_utf8(ended.stdout).unwrap()
}

/// Reads divan's table: a line for each bench, below it one for each argument, whose third column is the median.
fn medians_of(table: &str) -> Vec<((String, String), f64)> {
    let (mut bench, mut medians) = (String::new(), Vec::new());
    for line in table.lines() {
        let line = line.trim_start_matches(['│', '├', '╰', '─', ' ']);
        let columns: Vec<&str> = line.split('│').map(str::trim).collect();
        let name = columns[0].split(' ').next().unwrap_or_default();
        match columns.get(2).and_then(|median| microseconds(median)) {
            Some(median) => medians.push(((bench.clone(), name.to_owned()), median)),
            None => name.clone_into(&mut bench),
        }
    }
    assert!(!medians.is_empty(), "no medians in\n{table}");
    medians
}

fn microseconds(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once(' ')?;
    let factor = match unit {
        "ns" => 1e-3,
        "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}
