//! What a rule makes of a job, in one sign.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use checklist::RULES;
use flink_api::ReportContent;
use serde::Serialize;

use super::fleet::Job;

/// What a rule makes of a job; where it makes several things of it, the first of these is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Cell {
    /// Wrong or missing, and nothing is pending for it.
    Gap,
    /// What would close a gap is pending, and something stands in the way.
    Held,
    /// What would close a gap is pending.
    Pending,
    /// A human must decide.
    Advice,
    /// Filled by us.
    Filled,
    /// Right by default only.
    Implicit,
    /// Left alone by annotation.
    OptedOut,
}

impl Cell {
    /// Every kind of cell, in the order of the legend.
    pub(super) const ALL: &[Self] =
        &[Self::Gap, Self::Held, Self::Pending, Self::Advice, Self::Filled, Self::Implicit, Self::OptedOut];

    /// One character.
    pub(super) const fn sign(self) -> char {
        match self {
            Self::Gap => '✗',
            Self::Held => '‖',
            Self::Pending => '◔',
            Self::Advice => '!',
            Self::Filled => '✓',
            Self::Implicit => '~',
            Self::OptedOut => '-',
        }
    }

    /// What the sign means.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Held => "gap, its fill is held",
            Self::Pending => "gap, its fill is pending",
            Self::Advice => "for a human",
            Self::Filled => "filled",
            Self::Implicit => "right by default only",
            Self::OptedOut => "opted out",
        }
    }

    /// How it looks on a terminal.
    pub(super) fn style(self) -> Style {
        match self {
            Self::Gap => AnsiColor::Red.on_default().bold(),
            Self::Held | Self::Advice => AnsiColor::Yellow.on_default(),
            Self::Pending => AnsiColor::Blue.on_default(),
            Self::Filled => AnsiColor::Green.on_default(),
            Self::Implicit => AnsiColor::Cyan.on_default(),
            Self::OptedOut => Style::new().dimmed(),
        }
    }
}

/// The cells of a job's row, by the codes of rules.
pub(super) fn cells(content: &ReportContent) -> BTreeMap<String, Cell> {
    let pending = content.pending.iter().flat_map(|pending| &pending.rules);
    let waits = if content.hold.is_some() { Cell::Held } else { Cell::Pending };
    let is_pending = |code: &String| content.pending.iter().any(|pending| pending.rules.contains(code));
    let mut cells: BTreeMap<String, Cell> = BTreeMap::new();
    let mut add = |code: &String, cell: Cell| {
        cells.entry(code.clone()).and_modify(|first| *first = cell.min(*first)).or_insert(cell);
    };
    for finding in &content.findings.items {
        match finding.verdict.as_str() {
            "Gap" if is_pending(&finding.rule) => add(&finding.rule, waits),
            "Gap" => add(&finding.rule, Cell::Gap),
            "Advice" => add(&finding.rule, Cell::Advice),
            "Implicit" => add(&finding.rule, Cell::Implicit),
            // A word of another version: nothing that we could draw.
            _ => {}
        }
    }
    // A fill can come from a rule that another fill makes applicable: it stands below no finding.
    let has_finding = |code: &String| content.findings.items.iter().any(|finding| finding.rule == *code);
    pending.filter(|code| !has_finding(code)).for_each(|code| add(code, waits));
    content.filled.iter().for_each(|filled| add(&filled.rule, Cell::Filled));
    content.opt_out.iter().flat_map(|opt_out| &opt_out.rules).for_each(|code| add(code, Cell::OptedOut));
    cells
}

/// The rules that have something to tell of any job, in the order of the catalogue; strange ones last.
pub(super) fn columns(jobs: &[Job]) -> Vec<&str> {
    let told: std::collections::BTreeSet<&str> =
        jobs.iter().flat_map(|job| job.rules.keys().map(String::as_str)).collect();
    let mut codes: Vec<&str> = told.into_iter().collect();
    codes.sort_by_key(|code| RULES.iter().position(|rule| rule.code == *code).unwrap_or(RULES.len()));
    codes
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fleet::tests::job;
    use super::*;

    fn cells_of(content: &Value) -> BTreeMap<String, Cell> {
        cells(&serde_json::from_value(content.clone()).unwrap())
    }

    #[test]
    fn a_gap_is_held_or_pending_only_where_its_own_rule_is() {
        let finding = |rule: &str, verdict: &str| json!({"rule": rule, "verdict": verdict});
        let mut content = json!({
            "findings": {"items": [finding("CKP003", "Gap"), finding("HA001", "Gap"), finding("MET002", "Advice"),
                                   finding("LOG001", "Implicit"), finding("CFG001", "Advice"), finding("XYZ001", "Odd")]},
            "pending": {"rules": ["CKP003", "LOG001", "RST001"]},
            "filled": [{"rule": "MET001"}, {"rule": "MET002"}],
            "optOut": {"rules": ["JOB001"]},
        });
        let cells = cells_of(&content);
        for (code, cell) in [
            ("CKP003", Some(Cell::Pending)),
            ("RST001", Some(Cell::Pending)),
            ("HA001", Some(Cell::Gap)),
            ("MET002", Some(Cell::Advice)),
            ("LOG001", Some(Cell::Implicit)),
            ("MET001", Some(Cell::Filled)),
            ("JOB001", Some(Cell::OptedOut)),
            ("XYZ001", None),
        ] {
            assert_eq!(cells.get(code).copied(), cell, "{code}");
        }
        content["hold"] = json!({"reason": "Stateless"});
        let cells = cells_of(&content);
        assert_eq!((cells["CKP003"], cells["HA001"]), (Cell::Held, Cell::Gap));
    }

    #[test]
    fn columns_stand_in_the_order_of_the_catalogue() {
        let jobs = [
            job("n", "a", &json!({"filled": [{"rule": "MET001"}, {"rule": "ZZZ001"}]})),
            job("n", "b", &json!({"optOut": {"rules": ["CKP003", "JOB001"]}})),
        ];
        assert_eq!(columns(&jobs), ["JOB001", "CKP003", "MET001", "ZZZ001"]);
    }

    #[test]
    fn every_sign_is_one_of_its_own() {
        let signs: std::collections::BTreeSet<char> = Cell::ALL.iter().map(|cell| cell.sign()).collect();
        assert_eq!(signs.len(), Cell::ALL.len());
        assert!(Cell::ALL.is_sorted());
    }
}
