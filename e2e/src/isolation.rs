//! A test in a network and process namespace of its own.

#![allow(clippy::print_stdout, reason = "what the test inside prints is part of its outcome")]

use std::env;
use std::io::{self, Write as _};
use std::process::Command;

/// Set inside the namespaces.
const INSIDE: &str = "FLINK_REMEDY_ISOLATED";

/// Only loopback exists here, so that Flink's ports are free and reach nobody: its Prometheus reporter listens on
/// every address and cannot be told otherwise. When the first process ends, the kernel ends all others.
const UNSHARE: [&str; 4] = ["--net", "--pid", "--fork", "--kill-child=KILL"];

/// Runs the body of the test of this name, from its module path on, in namespaces of its own. Where the machine
/// allows none it says so, and with `CI=true` it fails.
pub fn isolated(test: &str, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let Some(way) = way_in() else {
        assert!(env::var("CI").as_deref() != Ok("true"), "{test}: no network namespace can be made here");
        // Past libtest, which would keep it to itself.
        let said = writeln!(io::stderr(), "{test} CANNOT RUN HERE: `unshare --net` and `ip` are needed, or root");
        return said.expect("standard error");
    };
    let this = env::current_exe().expect("a running program has a path");
    let output = inside(way).arg(this).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output();
    let output = output.expect("unshare has run before");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "in its namespaces: {}\n{out}{err}", output.status);
    assert!(out.contains("1 passed"), "no test has the name {test}\n{out}");
    println!("{out}"); // libtest shows it if it is asked to
}

/// The further flags with which a namespace can be made: none for root, a user namespace for others.
fn way_in() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&[], &["--map-root-user"]];
    ways.into_iter().find(|way| inside(way).arg("true").output().is_ok_and(|output| output.status.success()))
}

/// What is appended to it runs inside.
fn inside(way: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).args(way).args(["sh", "-c", "ip link set lo up && exec \"$@\"", "inside"]);
    command
}
