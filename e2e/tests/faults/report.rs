//! What a run tells.

use std::fmt;

/// What a run leaves to be read.
pub(crate) const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/faults/report.txt");

/// What it came to.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<(String, String)>);

impl Report {
    pub(crate) fn row(&mut self, what: impl Into<String>, figure: impl fmt::Display) {
        self.0.push((what.into(), figure.to_string()));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, figure)| writeln!(f, "{what:<58} {figure}"))
    }
}
