use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// A Flink minor version as FKO spells it in `spec.flinkVersion`: `v1_20`.
///
/// FKO 1.15 knows `v1_13` to `v2_4`; a newer one is parsed and ordered just the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct FlinkVersion {
    major: u16,
    minor: u16,
}

/// A `flinkVersion` that is not of the form `v1_20`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("flinkVersion `{0}` is not of the form v1_20 (a `v`, the major and the minor version joined by `_`)")]
pub struct VersionError(String);

impl FlinkVersion {
    /// The oldest version that FKO's CRD lists.
    pub const OLDEST_KNOWN: Self = Self::new(1, 13);
    /// The newest version that FKO 1.15's CRD lists.
    pub const NEWEST_KNOWN: Self = Self::new(2, 4);

    /// The versions whose options the catalogue was read from, ascending.
    pub const CATALOGUED: [Self; 10] = [
        Self::new(1, 15),
        Self::new(1, 16),
        Self::new(1, 17),
        Self::new(1, 18),
        Self::new(1, 19),
        Self::new(1, 20),
        Self::new(2, 0),
        Self::new(2, 1),
        Self::new(2, 2),
        Self::new(2, 3),
    ];

    /// The versions that FKO 1.15 lists, ascending.
    pub fn known() -> impl Iterator<Item = Self> {
        let of = |major, minors: RangeInclusive<u16>| minors.map(move |minor| Self::new(major, minor));
        let first = Self::OLDEST_KNOWN;
        let last = Self::NEWEST_KNOWN;
        of(first.major, first.minor..=20).chain(of(last.major, 0..=last.minor))
    }

    /// The version `v{major}_{minor}`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The first number, 1 or 2 today.
    pub const fn major(self) -> u16 {
        self.major
    }

    /// The second number.
    pub const fn minor(self) -> u16 {
        self.minor
    }

    /// Whether FKO 1.15 lists this version.
    pub fn is_known(self) -> bool {
        (Self::OLDEST_KNOWN..=Self::new(1, 20)).contains(&self)
            || (Self::new(2, 0)..=Self::NEWEST_KNOWN).contains(&self)
    }
}

impl FromStr for FlinkVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let parse = || {
            let (major, minor) = text.strip_prefix('v')?.split_once('_')?;
            let number = |digits: &str| {
                let canonical =
                    digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
                canonical.then(|| digits.parse().ok()).flatten()
            };
            Some(Self::new(number(major)?, number(minor)?))
        };
        parse().ok_or_else(|| VersionError(text.to_owned()))
    }
}

impl TryFrom<String> for FlinkVersion {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl Serialize for FlinkVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for FlinkVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}_{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_order_and_print() {
        let parsed: Vec<FlinkVersion> =
            ["v1_13", "v1_20", "v2_0", "v2_4", "v2_11"].iter().map(|v| v.parse().unwrap()).collect();
        assert!(parsed.is_sorted());
        assert_eq!(parsed[4].to_string(), "v2_11");
        assert_eq!(parsed.iter().filter(|v| v.is_known()).count(), 4);
        let known: Vec<FlinkVersion> = FlinkVersion::known().collect();
        assert!(known.is_sorted() && known.iter().all(|v| v.is_known()));
        assert_eq!((known.len(), known[0], known[12]), (13, FlinkVersion::OLDEST_KNOWN, FlinkVersion::NEWEST_KNOWN));
    }

    #[test]
    fn anything_else_is_refused_with_the_form_it_should_have() {
        for text in ["", "1_20", "v1.20", "v1_", "v_1", "v01_2", "v1_20 ", "v1_2_3", "v1_99999999"] {
            let error = text.parse::<FlinkVersion>().unwrap_err();
            assert!(error.to_string().contains("of the form v1_20"), "{text}: {error}");
        }
    }
}
