use std::fmt;

use cronexpr::{Crontab, parse_crontab};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::Span;
use crate::storage::shown;

/// When running jobs may restart: from each time of a schedule on, for so long.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "AnyWindow")]
pub struct Window {
    schedule: String,
    duration: Span,
    time_zone: String,
    #[serde(skip_serializing)]
    crontab: Crontab,
}

/// From each time of a schedule on, for so long; or a window that may never open.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnyWindow {
    /// Minute, hour, day of month, month and day of week, such as `0 2 * * 1-5`.
    #[schemars(length(max = 100), regex(pattern = r"^ *[^ ]+( +[^ ]+){4} *$"))]
    schedule: String,
    /// How long it stays open.
    duration: Span,
    /// Whose clock counts: a name of the IANA database, such as Europe/Berlin.
    time_zone: String,
}

/// A window that never opens, or whose times are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not five fields.
    #[error(
        "the schedule `{0}` has not five fields; write minute, hour, day of month, month and day of week, such as `0 2 * * 1-5`"
    )]
    Fields(String),
    /// Fields that mean nothing.
    #[error("the schedule `{schedule}` cannot be read: {why}")]
    Schedule {
        /// The schedule.
        schedule: String,
        /// What is wrong.
        why: String,
    },
    /// No zone of the IANA database.
    #[error("`{0}` is no time zone; write the name of one, such as Europe/Berlin or UTC")]
    TimeZone(String),
    /// Such as the 30th of February.
    #[error("the schedule `{0}` never comes")]
    Never(String),
}

/// Whether a window is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// One is, or none is asked for.
    Open,
    /// The next one opens then.
    At(Timestamp, String),
    /// None will within years.
    Never,
}

impl Window {
    /// Whether it is open at this time, or when it opens next.
    pub fn at(&self, now: Timestamp) -> Opening {
        let began_since = now.checked_sub(self.length()).ok().and_then(|since| self.next(since));
        match (began_since, self.next(now)) {
            (Some(began), _) if began <= now => Opening::Open,
            (_, Some(next)) => Opening::At(next, self.to_string()),
            (_, None) => Opening::Never,
        }
    }

    /// The first time of the schedule after this one.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.crontab.find_next(after).ok().map(|time| time.timestamp())
    }

    fn length(&self) -> SignedDuration {
        SignedDuration::from_millis(i64::try_from(self.duration.milliseconds()).unwrap_or(i64::MAX))
    }
}

/// Whether any of these windows is open, or which opens next. Without windows nothing waits for one.
pub(super) fn opening(windows: &[Window], now: Timestamp) -> Opening {
    let at = windows.iter().map(|window| window.at(now));
    let earlier = |one: Opening, other: Opening| match (&one, &other) {
        (Opening::Open, _) | (_, Opening::Never) => one,
        (_, Opening::Open) | (Opening::Never, _) => other,
        (Opening::At(first, _), Opening::At(second, _)) => {
            if first <= second {
                one
            } else {
                other
            }
        }
    };
    at.reduce(earlier).unwrap_or(Opening::Open)
}

impl TryFrom<AnyWindow> for Window {
    type Error = WindowError;

    fn try_from(any: AnyWindow) -> Result<Self, WindowError> {
        let AnyWindow { schedule, duration, time_zone } = any;
        let fields: Vec<&str> = schedule.split_whitespace().collect();
        if fields.len() != 5 {
            return Err(WindowError::Fields(shown(&schedule)));
        }
        if TimeZone::get(&time_zone).is_err() {
            return Err(WindowError::TimeZone(shown(&time_zone)));
        }
        let crontab = parse_crontab(&format!("{} {time_zone}", fields.join(" "))).map_err(|error| {
            // Its last line is the reason, behind a mark below the place.
            let text = error.to_string();
            let why = text.lines().next_back().unwrap_or_default().trim_start().trim_start_matches('^').trim();
            WindowError::Schedule { schedule: shown(&schedule), why: shown(why) }
        })?;
        let window = Self { schedule: fields.join(" "), duration, time_zone, crontab };
        // From the first day of a leap year on, so that the 29th of February is one that comes.
        let leap_year = Timestamp::from_second(1_704_067_200).unwrap_or(Timestamp::UNIX_EPOCH);
        if window.next(leap_year).is_none() {
            return Err(WindowError::Never(shown(&schedule)));
        }
        Ok(window)
    }
}

impl JsonSchema for Window {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        AnyWindow::json_schema(generator)
    }
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {} for {}", self.schedule, self.time_zone, self.duration)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn window(schedule: &str, duration: &str, time_zone: &str) -> Result<Window, String> {
        let document = json!({"schedule": schedule, "duration": duration, "timeZone": time_zone});
        serde_json::from_value(document).map_err(|error| error.to_string())
    }

    /// `open`, or when it opens in the window's own time.
    fn at(window: &Window, now: &str) -> String {
        match window.at(now.parse().unwrap()) {
            Opening::Open => "open".to_owned(),
            Opening::At(time, _) => time.to_string(),
            Opening::Never => "never".to_owned(),
        }
    }

    #[test]
    fn a_window_is_open_from_its_time_on_for_so_long() {
        let night = window("0 2 * * 1-5", "2 h", "Europe/Berlin").unwrap();
        for (now, expected) in [
            ("2026-01-06T00:59:59Z", "2026-01-06T01:00:00Z"),
            ("2026-01-06T01:00:00Z", "open"),
            ("2026-01-06T02:59:59Z", "open"),
            ("2026-01-06T03:00:00Z", "2026-01-07T01:00:00Z"),
            // From Friday to Monday.
            ("2026-01-09T12:00:00Z", "2026-01-12T01:00:00Z"),
            // In summer an hour earlier by UTC.
            ("2026-07-07T00:00:00Z", "open"),
        ] {
            assert_eq!(at(&night, now), expected, "{now}");
        }
    }

    #[test]
    fn a_window_goes_on_over_midnight() {
        let late = window("30 22 * * 6", "4 h", "America/New_York").unwrap();
        assert_eq!(at(&late, "2026-01-11T07:29:00Z"), "open", "Sunday, 02:29");
        assert_eq!(at(&late, "2026-01-11T07:30:00Z"), "2026-01-18T03:30:00Z");
    }

    #[test]
    fn in_spring_a_time_that_the_clock_leaps_over_opens_nothing() {
        // On 2026-03-29 clocks go from 02:00 to 03:00.
        let within = window("30 2 * * *", "1 h", "Europe/Berlin").unwrap();
        assert_eq!(at(&within, "2026-03-28T12:00:00Z"), "2026-03-30T00:30:00Z");
        // One that began before goes on for its whole length.
        let before = window("0 1 * * *", "3 h", "Europe/Berlin").unwrap();
        assert_eq!(at(&before, "2026-03-29T02:59:00Z"), "open", "04:59 by the clock");
        assert_eq!(at(&before, "2026-03-29T03:00:00Z"), "2026-03-29T23:00:00Z");
    }

    #[test]
    fn in_autumn_a_time_that_comes_twice_opens_twice() {
        // On 2026-10-25 clocks go from 03:00 back to 02:00.
        let within = window("30 2 * * *", "30 min", "Europe/Berlin").unwrap();
        for (now, expected) in [
            ("2026-10-25T00:30:00Z", "open"),
            ("2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"),
            ("2026-10-25T01:45:00Z", "open"),
            ("2026-10-25T02:00:00Z", "2026-10-26T01:30:00Z"),
        ] {
            assert_eq!(at(&within, now), expected, "{now}");
        }
    }

    #[test]
    fn of_several_windows_the_next_counts() {
        let windows = [window("0 2 * * *", "1 h", "UTC").unwrap(), window("0 14 * * 2", "1 h", "UTC").unwrap()];
        let at = |now: &str| opening(&windows, now.parse().unwrap());
        assert_eq!(at("2026-01-06T14:30:00Z"), Opening::Open);
        assert_eq!(at("2026-01-06T02:30:00Z"), Opening::Open);
        let Opening::At(time, which) = at("2026-01-06T12:00:00Z") else { panic!("it is closed") };
        assert_eq!((time.to_string().as_str(), which.as_str()), ("2026-01-06T14:00:00Z", "`0 14 * * 2` UTC for 1 h"));
        assert_eq!(opening(&[], Timestamp::UNIX_EPOCH), Opening::Open);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for (schedule, duration, time_zone, named) in [
            ("0 2 * *", "2 h", "UTC", "has not five fields"),
            ("0 2 * * 1-5 UTC", "2 h", "UTC", "has not five fields"),
            ("0 25 * * *", "2 h", "UTC", "must be in range 0..=23"),
            ("0 2 * * noday", "2 h", "UTC", "cannot be read"),
            ("0 2 30 2 *", "2 h", "UTC", "never comes"),
            ("0 2 * * *", "2", "UTC", "has no unit"),
            ("0 2 * * *", "2 h", "Europe/Atlantis", "is no time zone"),
        ] {
            let error = window(schedule, duration, time_zone).unwrap_err();
            assert!(error.contains(named) && !error.contains('\n'), "{schedule}: {error}");
        }
        assert!(window("0 2 29 2 *", "2 h", "Asia/Tokyo").is_ok());
    }
}
