//! What it costs to read a `flinkConfiguration` as Flink does: flat as most are, and nested as YAML invites to.
#![allow(missing_docs, clippy::unwrap_used, reason = "a broken document ends the bench")]

use divan::{Bencher, black_box};
use flink_conf::{flatten, spelled_twice};
use serde_json::{Map, Value};

const OPTIONS: usize = 40;

fn main() {
    divan::main();
}

/// So many options, below each other where `nested`.
fn document(nested: bool) -> Value {
    let mut document = Value::Object(Map::new());
    for number in 0..OPTIONS {
        let (group, area) = (number % 4, number % 8);
        let value = Value::from(format!("s3://state/{number}"));
        if nested {
            document[format!("group-{group}")][format!("area-{area}")][format!("option-{number}")] = value;
        } else {
            document[format!("group-{group}.area-{area}.option-{number}")] = value;
        }
    }
    document
}

#[divan::bench(args = [false, true])]
fn flatten_document(bencher: Bencher, nested: bool) {
    let document = document(nested);
    bencher.bench_local(|| flatten(black_box(&document)).unwrap());
}

#[divan::bench(args = [false, true])]
fn look_for_second_spellings(bencher: Bencher, nested: bool) {
    let document = document(nested);
    bencher.bench_local(|| spelled_twice(black_box(&document)));
}

/// What it costs to hold the same once more.
#[divan::bench(args = [false, true])]
fn copy_document(bencher: Bencher, nested: bool) {
    let document = document(nested);
    bencher.bench_local(|| black_box(&document).clone());
}
