//! Values as Flink's own parsers read them. `fixtures/flink-parsers.tsv` records what those parsers make of
//! many texts, and the tests here hold these functions against it.

mod duration;
mod memory;
#[cfg(test)]
mod tests;

pub use duration::parse_duration_ms;
pub use memory::parse_memory_bytes;

use crate::FlinkVersion;
use crate::is_steering;
use crate::options::ValueType;

/// A value that Flink would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither `true` nor `false`.
    #[error("`{0}` is no boolean: Flink accepts only true and false")]
    Bool(String),
    /// No number with a time unit.
    #[error("`{0}` is no duration that this Flink reads: write a number and a unit, such as `10 min` or `60s`")]
    Duration(String),
    /// No number with a memory unit.
    #[error("`{0}` is no memory size that Flink reads: write a number and a unit, such as `2g` or `2048 mb`")]
    Memory(String),
    /// Not one of the values of an enum.
    #[error("`{text}` is not one of {values}")]
    Enum {
        /// What is there.
        text: String,
        /// What may be there.
        values: String,
    },
    /// No number of the option's type.
    #[error("`{0}` is no number that Flink reads here")]
    Number(String),
}

/// What an error quotes of a value at most, in characters.
const QUOTED: usize = 60;

/// A value as an error quotes it: on one line, of bounded length.
fn quoted(text: &str) -> String {
    let readable = |c: char| if c.is_whitespace() && c != ' ' || is_steering(c) { '_' } else { c };
    let cut = if text.chars().nth(QUOTED).is_some() { "…" } else { "" };
    text.chars().take(QUOTED).map(readable).chain(cut.chars()).collect()
}

/// A boolean as Flink reads it: `true` or `false`, in any case (`ConfigurationUtils.convertToBoolean`).
pub fn parse_bool(text: &str) -> Result<bool, ValueError> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(ValueError::Bool(quoted(text)))
    }
}

/// The one of `values` that `text` names: in any case, otherwise to the letter, so that `-` is not `_`
/// (`ConfigurationUtils.convertToEnum`).
pub fn parse_enum(text: &str, values: &[&'static str]) -> Result<&'static str, ValueError> {
    let upper = text.to_uppercase();
    values
        .iter()
        .copied()
        .find(|value| value.to_uppercase() == upper)
        .ok_or_else(|| ValueError::Enum { text: quoted(text), values: values.join(", ") })
}

impl ValueType {
    /// Whether a job of this version reads `text` as a value of this type. Texts, maps and lists are not looked
    /// into: what they may hold is up to their option.
    pub fn check(&self, text: &str, version: FlinkVersion) -> Result<(), ValueError> {
        let number = |is_read: bool| if is_read { Ok(()) } else { Err(ValueError::Number(quoted(text))) };
        match self {
            Self::Bool => parse_bool(text).map(drop),
            Self::Int => parse_int(text).map(drop),
            Self::Long => number(text.parse::<i64>().is_ok()),
            Self::Float | Self::Double => number(is_decimal(text)),
            Self::Duration => parse_duration_ms(text, version).map(drop),
            Self::Memory => parse_memory_bytes(text).map(drop),
            Self::Enum(values) => parse_enum(text, values).map(drop),
            Self::Text | Self::Map | Self::List(_) => Ok(()),
        }
    }
}

/// A number of single precision as `Float.parseFloat` reads it, hexadecimal notation aside.
pub(crate) fn parse_float(text: &str) -> Result<f32, ValueError> {
    let digits = trimmed(text).trim_end_matches(['f', 'F', 'd', 'D']);
    let number = if is_decimal(text) { digits.parse().ok() } else { None };
    number.ok_or_else(|| ValueError::Number(quoted(text)))
}

/// A whole number of 32 bits as `Integer.parseInt` reads it.
pub(crate) fn parse_int(text: &str) -> Result<i32, ValueError> {
    text.parse().map_err(|_| ValueError::Number(quoted(text)))
}

/// Whether `Double.parseDouble` reads it, hexadecimal notation aside.
fn is_decimal(text: &str) -> bool {
    let trimmed = trimmed(text);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let digits = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
    matches!(unsigned, "NaN" | "Infinity")
        || (digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.parse::<f64>().is_ok())
}

/// `String.trim`, which knows control characters and the space only.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// The digits that a text starts with, and the unit after them as `TimeUtils` and `MemorySize` look it up.
fn number_and_unit(text: &str) -> (&str, String) {
    let text = trimmed(text);
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    (number, trimmed(unit).to_ascii_lowercase())
}
