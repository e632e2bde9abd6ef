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
    /// The least that the ratio has to be; `None` for what is only told.
    pub(crate) at_least: Option<f64>,
    pub(crate) met: bool,
}

impl Row {
    pub(crate) fn new(
        name: &str,
        unit: &'static str,
        beside: &Measured,
        ours: &Measured,
        at_least: Option<f64>,
    ) -> Self {
        let ratio = ours.median() / beside.median();
        let spread = ours.spread().max(beside.spread());
        let met = at_least.is_none_or(|least| ratio * (1.0 + spread) >= least);
        Self { name: name.to_owned(), unit, beside: beside.clone(), ours: ours.clone(), ratio, at_least, met }
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
        writeln!(f, "{:<52} {:>28} {:>10} {:>7} {:>8}  met", "what", "beside", "ours", "ratio", "target")?;
        for row in &self.rows {
            let beside = format!("{} {:.0} {}", row.beside.name, row.beside.median(), row.unit);
            let target = row.at_least.map_or_else(|| "-".to_owned(), |least| format!(">= {least}"));
            let met = if row.met { "yes" } else { "NO" };
            writeln!(
                f,
                "{:<52} {beside:>28} {:>10.0} {:>7.2} {target:>8}  {met}",
                row.name,
                row.ours.median(),
                row.ratio
            )?;
        }
        Ok(())
    }
}
