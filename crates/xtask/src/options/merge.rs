use std::collections::{BTreeMap, BTreeSet};

use super::row::Row;

/// A run of versions, by index, in which an option is the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) row: Row,
}

/// One option through the versions, oldest span first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) spans: Vec<Span>,
}

impl Chain {
    /// The key in the newest version that has the option.
    pub(crate) fn newest_key(&self) -> &str {
        self.spans.last().map_or("", |span| &span.row.key)
    }

    /// The key under which a version before this chain's oldest span has the option: the same one, or else the
    /// first alias that was a key of its own then.
    fn earlier_key(&self, rows: &BTreeMap<String, Row>) -> Option<String> {
        let oldest = &self.spans.first()?.row;
        std::iter::once(&oldest.key).chain(&oldest.aliases).find(|key| rows.contains_key(*key)).cloned()
    }

    fn put_before(&mut self, version: usize, row: &Row) {
        match self.spans.first_mut() {
            Some(span) if span.row == *row && span.first == version + 1 => span.first = version,
            _ => self.spans.insert(0, Span { first: version, last: version, row: row.clone() }),
        }
    }
}

/// Follows each option from its newest key back to its oldest, by the aliases that its successors name, and
/// sorts by the newest key. An option that was split (`state.backend.local-recovery`) is in both chains.
pub(crate) fn chains(versions: &[BTreeMap<String, Row>]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for (version, rows) in versions.iter().enumerate().rev() {
        let mut claimed = BTreeSet::new();
        for chain in &mut chains {
            if let Some(key) = chain.earlier_key(rows) {
                chain.put_before(version, &rows[&key]);
                claimed.insert(key);
            }
        }
        for row in rows.values().filter(|row| !claimed.contains(&row.key)) {
            let mut chain = Chain::default();
            chain.put_before(version, row);
            chains.push(chain);
        }
    }
    chains.sort_by(|a, b| a.newest_key().cmp(b.newest_key()));
    chains
}

#[cfg(test)]
mod tests {
    use super::super::row::parse;
    use super::*;

    fn merged(versions: &[&str]) -> Vec<String> {
        let versions: Vec<_> = versions.iter().map(|text| parse(&text.replace(' ', "\t")).unwrap()).collect();
        let span = |span: &Span| format!("{}-{} {}", span.first, span.last, span.row.key);
        chains(&versions).iter().map(|c| c.spans.iter().map(span).collect::<Vec<_>>().join(", ")).collect()
    }

    #[test]
    fn a_renamed_option_is_one() {
        let versions = ["old bool    \n", "old bool    \n", "new bool  old  \n"];
        assert_eq!(merged(&versions), ["0-1 old, 2-2 new"]);
    }

    #[test]
    fn a_changed_default_is_a_new_span_and_a_gap_stays_one() {
        let versions = ["a int =1   \n", "b int    \n", "a int =1   \nb int =2   \n"];
        assert_eq!(merged(&versions), ["0-0 a, 2-2 a", "1-1 b, 2-2 b"]);
    }

    #[test]
    fn a_split_option_is_in_both_and_a_dropped_one_ends() {
        let versions = ["old bool    \ngone int    \n", "one bool  old  \ntwo bool  old  \n"];
        assert_eq!(merged(&versions), ["0-0 gone", "0-0 old, 1-1 one", "0-0 old, 1-1 two"]);
    }
}
