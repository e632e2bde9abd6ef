//! One table for people, one JSON for machines.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

/// What was measured of one thing, one value a round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) rounds: Vec<f64>,
}

impl Measured {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rounds: Vec::new() }
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }

    /// Half of how far the rounds lie apart, as a share of the median.
    fn spread(&self) -> f64 {
        let (low, high) =
            self.rounds.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        (high - low) / 2.0 / self.median()
    }
}

/// Where the ratio of ours to the other should lie.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Target {
    /// More is better.
    AtLeast(f64),
    /// Less is better.
    AtMost(f64),
}

/// What ours came to beside a floor or a peer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Of both figures.
    pub(crate) unit: &'static str,
    pub(crate) beside: Measured,
    pub(crate) ours: Measured,
    /// Ours divided by the other.
    pub(crate) ratio: f64,
    /// `None` for what is only told.
    pub(crate) target: Option<Target>,
    /// The ratio of a peer that does nothing but what nobody can leave out.
    pub(crate) possible: Option<f64>,
    pub(crate) met: bool,
}

/// How near ours has to come to what is possible, where that is less than the target.
const OF_THE_POSSIBLE: f64 = 0.9;

impl Row {
    /// Ours beside another, as a figure without a target.
    pub(crate) fn told(name: &str, unit: &'static str, beside: &Measured, ours: &Measured) -> Self {
        let ratio = ours.median() / beside.median();
        let (beside, ours) = (beside.clone(), ours.clone());
        Self { name: name.to_owned(), unit, beside, ours, ratio, target: None, possible: None, met: true }
    }

    /// With the least that the ratio should be, and the most that is possible.
    pub(crate) fn at_least(self, least: f64, possible: f64) -> Self {
        let met = self.ratio * (1.0 + self.spread()) >= least.min(possible * OF_THE_POSSIBLE);
        Self { target: Some(Target::AtLeast(least)), possible: Some(possible), met, ..self }
    }

    /// With the most that the ratio should be.
    pub(crate) fn at_most(self, most: f64) -> Self {
        let met = self.ratio * (1.0 - self.spread()) <= most;
        Self { target: Some(Target::AtMost(most)), met, ..self }
    }

    fn spread(&self) -> f64 {
        self.ours.spread().max(self.beside.spread())
    }
}

/// All rows.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn is_met(&self) -> bool {
        self.rows.iter().all(|row| row.met)
    }

    /// Writes `target/bench/report.json`.
    pub(crate) fn write(&self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("report.json"), serde_json::to_vec_pretty(self).unwrap()).unwrap();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<56} {:>40} {:>8} {:>6} {:>7} {:>9}  met",
            "what", "beside", "ours", "ratio", "target", "possible"
        )?;
        for row in &self.rows {
            let beside = format!("{} {} {}", row.beside.name, figure(row.beside.median()), row.unit);
            let target = match row.target {
                Some(Target::AtLeast(least)) => format!(">= {least}"),
                Some(Target::AtMost(most)) => format!("<= {most}"),
                None => "-".to_owned(),
            };
            let possible = row.possible.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            let (ours, ratio, met) = (figure(row.ours.median()), row.ratio, if row.met { "yes" } else { "NO" });
            writeln!(f, "{:<56} {beside:>40} {ours:>8} {ratio:>6.2} {target:>7} {possible:>9}  {met}", row.name)?;
        }
        Ok(())
    }
}

/// With as many digits as say something.
fn figure(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}
