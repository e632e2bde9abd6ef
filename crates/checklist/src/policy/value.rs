use std::fmt;

use flink_conf::{FlinkVersion, parse_duration_ms, parse_memory_bytes};
use serde::{Deserialize, Serialize};

use super::schema::{described, written_as_text};

/// The strictest reader of durations: Flink before 2.1 refuses ISO-8601.
const STRICTEST: FlinkVersion = FlinkVersion::new(1, 20);

/// A time span in a notation that every Flink reads, such as `10 min`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span {
    text: String,
    milliseconds: u64,
}

impl Span {
    /// A span that is known to be one.
    pub(crate) fn known(text: &str, milliseconds: u64) -> Self {
        Self { text: text.to_owned(), milliseconds }
    }

    /// The span in milliseconds.
    pub fn milliseconds(&self) -> u64 {
        self.milliseconds
    }

    /// The span as it is written into a configuration.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match parse_duration_ms(&text, STRICTEST) {
            Ok(milliseconds) if milliseconds > 0 && has_unit(&text) => Ok(Self { text, milliseconds }),
            Ok(0) => Err(format!("`{text}` is no time at all; write a span such as `1 min`")),
            Ok(_) => Err(format!("`{text}` has no unit; write a span such as `1 min`")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

written_as_text!(Span, "Span", { "type": "string", "maxLength": 40, "pattern": "^ *[0-9]*[1-9][0-9]* *[A-Za-zµ]+$" });

/// An amount of memory as Flink writes it, such as `256 mb`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes {
    text: String,
    bytes: u64,
}

impl Bytes {
    /// An amount that is known to be one.
    pub(crate) fn known(text: &str, bytes: u64) -> Self {
        Self { text: text.to_owned(), bytes }
    }

    /// The amount in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match parse_memory_bytes(&text) {
            Ok(bytes) if has_unit(&text) => Ok(Self { text, bytes }),
            Ok(_) => Err(format!("`{text}` has no unit; write an amount such as `256 mb`")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

written_as_text!(Bytes, "Bytes", { "type": "string", "maxLength": 40, "pattern": "^ *[0-9]+ *[A-Za-z]+$" });

/// A number of at least 1 by which something grows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Factor(pub(super) f64);

impl TryFrom<f64> for Factor {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        if number.is_finite() && number >= 1.0 { Ok(Self(number)) } else { Err(format!("{number} is less than 1")) }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

described!(Factor, "Factor", { "type": "number", "minimum": 1 });

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(pub(super) f64);

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&number) { Ok(Self(number)) } else { Err(format!("{number} is not from 0 to 1")) }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

described!(Share, "Share", { "type": "number", "minimum": 0, "maximum": 1 });

fn has_unit(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_amounts_are_those_that_every_flink_reads() {
        let span = |text: &str| Span::try_from(text.to_owned());
        assert_eq!(span("10 min").unwrap().milliseconds(), 600_000);
        for text in ["PT10M", "10", "0 s", "soon", ""] {
            assert!(span(text).is_err(), "{text}");
        }
        let amount = |text: &str| Bytes::try_from(text.to_owned());
        assert_eq!(amount("256 mb").unwrap().bytes(), 256 << 20);
        for text in ["256Mi", "256", ""] {
            assert!(amount(text).is_err(), "{text}");
        }
    }
}
