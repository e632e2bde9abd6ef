//! Where jobs stand, as a reader wants to see it.

use anstyle::{AnsiColor, Style};
use flink_api::Standing;

/// Every standing, those first that somebody should look at.
pub(super) const STANDINGS: &[Standing] = &[
    Standing::Quarantined,
    Standing::Invalid,
    Standing::Open,
    Standing::Held,
    Standing::Pending,
    Standing::OptedOut,
    Standing::ModeOff,
    Standing::Remediated,
    Standing::Compliant,
    Standing::Unknown,
];

/// The word of the report.
pub(super) const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Compliant => "Compliant",
        Standing::Remediated => "Remediated",
        Standing::Pending => "Pending",
        Standing::Held => "Held",
        Standing::Open => "Open",
        Standing::Quarantined => "Quarantined",
        Standing::OptedOut => "OptedOut",
        Standing::ModeOff => "ModeOff",
        Standing::Invalid => "Invalid",
        Standing::Unknown => "Unknown",
    }
}

/// How it looks on a terminal.
pub(super) fn style(standing: Standing) -> Style {
    match standing {
        Standing::Compliant | Standing::Remediated => AnsiColor::Green.on_default(),
        Standing::Pending => AnsiColor::Blue.on_default(),
        Standing::Held => AnsiColor::Yellow.on_default(),
        Standing::Open => AnsiColor::Red.on_default(),
        Standing::Quarantined | Standing::Invalid => AnsiColor::Red.on_default().bold(),
        Standing::OptedOut | Standing::ModeOff | Standing::Unknown => Style::new().dimmed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_report_and_each_has_its_place() {
        for standing in STANDINGS {
            assert_eq!(serde_json::to_value(standing).unwrap(), word(*standing));
        }
        let words: std::collections::BTreeSet<&str> = STANDINGS.iter().map(|standing| word(*standing)).collect();
        // The schema's nine, and the one of another version.
        assert_eq!((words.len(), STANDINGS.len()), (10, 10));
    }
}
