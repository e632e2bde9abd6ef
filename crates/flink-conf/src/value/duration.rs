use super::{ValueError, number_and_unit, quoted, trimmed};
use crate::FlinkVersion;

/// The first Flink that reads ISO-8601 durations, and numbers beyond 64 bits.
const V2_1: FlinkVersion = FlinkVersion::new(2, 1);

const NANOS_PER_MS: i128 = 1_000_000;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A duration in milliseconds as Flink's `TimeUtils.parseDuration` reads it: a number and a unit, a bare
/// number being milliseconds; ISO-8601 (`PT10M`) from Flink 2.1 on only. Below one millisecond it is cut.
///
/// What Flink reads but cannot turn into milliseconds (some 292 million years) is an error here.
pub fn parse_duration_ms(text: &str, version: FlinkVersion) -> Result<u64, ValueError> {
    nanos(text, version)
        .and_then(|nanos| i64::try_from(nanos / NANOS_PER_MS).ok())
        .and_then(|ms| u64::try_from(ms).ok())
        .ok_or_else(|| ValueError::Duration(quoted(text)))
}

fn nanos(text: &str, version: FlinkVersion) -> Option<i128> {
    let (number, unit) = number_and_unit(text);
    if number.is_empty() {
        return if version >= V2_1 { iso_nanos(trimmed(text)).filter(|nanos| *nanos >= 0) } else { None };
    }
    let number: i128 = number.parse().ok()?;
    if version < V2_1 && i64::try_from(number).is_err() {
        return None;
    }
    number.checked_mul(unit_nanos(&unit)?)
}

/// The labels of `TimeUtils.TimeUnit`.
fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => NANOS_PER_MS,
        "d" | "day" | "days" => 86_400 * NANOS_PER_SECOND,
        "h" | "hour" | "hours" => 3_600 * NANOS_PER_SECOND,
        "m" | "min" | "minute" | "minutes" => 60 * NANOS_PER_SECOND,
        "s" | "sec" | "secs" | "second" | "seconds" => NANOS_PER_SECOND,
        "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        _ => return None,
    })
}

/// `java.time.Duration.parse`: `[+-]PnDTnHnMn.nS`, in any case, each number with a sign of its own.
fn iso_nanos(text: &str) -> Option<i128> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None if rest.is_empty() => return None,
        None => (rest, ""),
    };
    let (days, after_days) = part(days, 'D', 86_400)?;
    let (hours, time) = part(time, 'H', 3_600)?;
    let (minutes, time) = part(time, 'M', 60)?;
    let seconds = seconds_nanos(time)?;
    after_days.is_empty().then_some(sign * (days + hours + minutes + seconds))
}

/// The nanoseconds of an optional number before `unit`, and what follows.
fn part(text: &str, unit: char, seconds: i128) -> Option<(i128, &str)> {
    let Some((number, rest)) = text.split_once(unit) else { return Some((0, text)) };
    Some((i128::from(number.parse::<i64>().ok()?) * seconds * NANOS_PER_SECOND, rest))
}

/// An optional number of seconds with up to nine digits behind a point or comma.
fn seconds_nanos(text: &str) -> Option<i128> {
    if text.is_empty() {
        return Some(0);
    }
    let number = text.strip_suffix('S')?;
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, ""));
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    let fraction: i128 = if is_fraction { format!("{fraction:0<9}").parse().ok()? } else { return None };
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    Some(i128::from(whole.parse::<i64>().ok()?) * NANOS_PER_SECOND + sign * fraction)
}
