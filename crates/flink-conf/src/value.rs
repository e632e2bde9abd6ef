use crate::FlinkVersion;

/// A value that Flink would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither `true` nor `false`.
    #[error("`{0}` is no boolean: Flink accepts only true and false")]
    Bool(String),
    /// No number with a time unit.
    #[error("`{0}` is no duration that this Flink reads: write a number and a unit, such as `10 min` or `60s`")]
    Duration(String),
}

/// A boolean as Flink reads it: `true` or `false`, in any case (`ConfigurationUtils.convertToBoolean`).
pub fn parse_bool(text: &str) -> Result<bool, ValueError> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(ValueError::Bool(text.to_owned()))
    }
}

/// A duration in milliseconds as Flink's `TimeUtils.parseDuration` reads it: a number and a unit, a bare
/// number being milliseconds; ISO-8601 (`PT10M`) from Flink 2.1 on only. Below one millisecond it is cut.
pub fn parse_duration_ms(text: &str, version: FlinkVersion) -> Result<u64, ValueError> {
    let error = || ValueError::Duration(text.to_owned());
    let trimmed = text.trim();
    if trimmed.starts_with(['P', 'p']) && version >= FlinkVersion::new(2, 1) {
        return iso_ms(trimmed).ok_or_else(error);
    }
    let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = trimmed.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let (multiplier, divisor) = unit_ms(unit.trim()).ok_or_else(error)?;
    number.checked_mul(multiplier).map(|ms| ms / divisor).ok_or_else(error)
}

/// The labels of `TimeUtils.TimeUnit` as (multiplier, divisor) to milliseconds.
fn unit_ms(unit: &str) -> Option<(u64, u64)> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => (1, 1),
        "d" | "day" | "days" => (86_400_000, 1),
        "h" | "hour" | "hours" => (3_600_000, 1),
        "m" | "min" | "minute" | "minutes" => (60_000, 1),
        "s" | "sec" | "secs" | "second" | "seconds" => (1_000, 1),
        "µs" | "micro" | "micros" | "microsecond" | "microseconds" => (1, 1_000),
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => (1, 1_000_000),
        _ => return None,
    })
}

/// The part of ISO-8601 durations that `java.time.Duration` prints: days, hours, minutes, whole seconds.
fn iso_ms(text: &str) -> Option<u64> {
    let upper = text.to_ascii_uppercase();
    let (days, time) = match upper.strip_prefix('P')?.split_once('T') {
        Some((days, time)) => (days, time),
        None => (upper.strip_prefix('P')?, ""),
    };
    let mut total = 0_u64;
    let mut parts = 0;
    for (part, units) in
        [(days, &[('D', 86_400_000)][..]), (time, &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)][..])]
    {
        let mut rest = part;
        for (unit, ms) in units {
            if let Some((number, after)) = rest.split_once(*unit) {
                total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*ms)?)?;
                rest = after;
                parts += 1;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (parts > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: FlinkVersion = FlinkVersion::new(1, 20);
    const V2: FlinkVersion = FlinkVersion::new(2, 1);

    #[test]
    fn booleans_are_true_and_false_only() {
        assert_eq!(parse_bool("TRUE"), Ok(true));
        assert_eq!(parse_bool("false"), Ok(false));
        for text in ["yes", "1", "", " true"] {
            assert_eq!(parse_bool(text), Err(ValueError::Bool(text.to_owned())));
        }
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, ms) in [
            ("10 min", 600_000),
            ("60s", 60_000),
            ("500", 500),
            (" 1 d ", 86_400_000),
            ("1500 micros", 1),
            ("2 HOURS", 7_200_000),
        ] {
            assert_eq!(parse_duration_ms(text, V1), Ok(ms), "{text}");
        }
        for text in ["", "min", "10 fortnights", "1.5 s", "-1 s", "99999999999999999999"] {
            assert!(parse_duration_ms(text, V1).is_err(), "{text}");
        }
    }

    #[test]
    fn iso_durations_are_read_from_flink_2_1_on() {
        assert!(parse_duration_ms("PT10M", V1).is_err());
        assert_eq!(parse_duration_ms("PT10M", V2), Ok(600_000));
        assert_eq!(parse_duration_ms("P1DT1H30S", V2), Ok(86_400_000 + 3_600_000 + 30_000));
        for text in ["P", "PT", "PT10", "PTM"] {
            assert!(parse_duration_ms(text, V2).is_err(), "{text}");
        }
    }
}
