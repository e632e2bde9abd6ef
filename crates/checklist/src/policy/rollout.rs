use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::written_as_text;
use super::window::opening;
use super::{Opening, Span, Window};

/// The first FKO that keeps the state of a job over every upgrade (FLINK-39270).
const KEEPS_STATE: OperatorVersion = OperatorVersion { major: 1, minor: 15 };

/// When and how many running jobs may restart in mode Apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "each is one line of the policy, independent of the others")]
pub struct Rollout {
    /// Whether nothing restarts at all, approved or not.
    pub paused: bool,
    /// How many jobs of the cluster may be on their way from our change back to stable.
    pub max_concurrent: NonZeroU16,
    /// How many jobs of the cluster may restart for us within an hour, by the records on the jobs that are there.
    pub per_hour: NonZeroU16,
    /// How long nobody else may have changed a job before it restarts for us.
    pub quiet_period: Span,
    /// When jobs may restart; at any time where there are none.
    pub windows: Vec<Window>,
    /// How long before its restart a job says so, on itself and by an Event.
    pub notice: Option<Span>,
    /// The Flink Kubernetes Operator (FKO) that runs here, such as `1.15`.
    pub operator_version: Option<OperatorVersion>,
    /// Versions of FKO before 1.15, or `unknown`, under which jobs may restart all the same.
    pub accepted_operator_versions: Vec<AcceptedOperator>,
    /// Whether a savepoint is taken before each restart, by a `FlinkStateSnapshot` (FKO 1.10 and newer).
    pub savepoint_first: bool,
    /// Whether running jobs of upgrade mode stateless restart too. They start empty.
    pub stateless: bool,
    /// Whether session clusters restart too. All their jobs go down.
    pub sessions: bool,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            paused: false,
            max_concurrent: NonZeroU16::MIN,
            per_hour: NonZeroU16::MIN.saturating_add(5),
            quiet_period: Span::known("10 min", 600_000),
            windows: Vec::new(),
            notice: None,
            operator_version: None,
            accepted_operator_versions: Vec::new(),
            savepoint_first: false,
            stateless: false,
            sessions: false,
        }
    }
}

impl Rollout {
    /// Whether jobs may restart under the FKO that runs here.
    pub fn accepts_operator(&self) -> bool {
        let accepted = &self.accepted_operator_versions;
        match self.operator_version {
            Some(version) => version >= KEEPS_STATE || accepted.contains(&AcceptedOperator::Version(version)),
            None => accepted.contains(&AcceptedOperator::Unknown),
        }
    }

    /// FKO's version in words.
    pub fn operator(&self) -> String {
        self.operator_version.map_or_else(|| "unknown".to_owned(), |version| version.to_string())
    }

    /// When the quiet period after a change at `changed` is over; for ever quiet where that cannot be told.
    pub fn quiet_until(&self, changed: Timestamp) -> Timestamp {
        after(changed, &self.quiet_period)
    }

    /// Whether jobs may restart at this time, as far as windows go, or when the next one opens.
    pub fn opening(&self, now: Timestamp) -> Opening {
        opening(&self.windows, now)
    }

    /// When a job restarts that was announced at this time: when the notice is over and a window is open.
    pub fn announced_for(&self, announced: Timestamp) -> Timestamp {
        let over = self.notice.as_ref().map_or(announced, |notice| after(announced, notice));
        match self.opening(over) {
            Opening::Open => over,
            Opening::At(opens, _) => opens,
            Opening::Never => Timestamp::MAX,
        }
    }

    /// Whether the notice that was given at this time is over.
    pub fn is_noticed(&self, announced: Timestamp, now: Timestamp) -> bool {
        self.notice.as_ref().is_none_or(|notice| after(announced, notice) <= now)
    }
}

fn after(time: Timestamp, span: &Span) -> Timestamp {
    let span = i64::try_from(span.milliseconds()).unwrap_or(i64::MAX);
    time.checked_add(jiff::SignedDuration::from_millis(span)).unwrap_or(Timestamp::MAX)
}

/// A version of FKO, without its patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct OperatorVersion {
    major: u16,
    minor: u16,
}

/// A text that is no version of FKO.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of the Flink Kubernetes Operator: write one such as \"1.15\", in quotes")]
pub struct OperatorVersionError(String);

impl FromStr for OperatorVersion {
    type Err = OperatorVersionError;

    fn from_str(text: &str) -> Result<Self, OperatorVersionError> {
        let number = |part: Option<&str>| part?.parse().ok();
        let mut parts = text.split('.');
        match (
            number(parts.next()),
            number(parts.next()),
            parts.next().is_none_or(|patch| number(Some(patch)).is_some()),
        ) {
            (Some(major), Some(minor), true) if parts.next().is_none() => Ok(Self { major, minor }),
            _ => Err(OperatorVersionError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for OperatorVersion {
    type Error = OperatorVersionError;

    fn try_from(text: String) -> Result<Self, OperatorVersionError> {
        text.parse()
    }
}

impl fmt::Display for OperatorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

written_as_text!(OperatorVersion, "OperatorVersion", {
    "type": "string",
    "maxLength": 40,
    "pattern": r"^[0-9]+\.[0-9]+(\.[0-9]+)?$",
});

/// An FKO that a platform accepts at its own risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum AcceptedOperator {
    /// This one.
    Version(OperatorVersion),
    /// Whichever it is, where no version is given.
    Unknown,
}

impl fmt::Display for AcceptedOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

written_as_text!(AcceptedOperator, "AcceptedOperator", {
    "type": "string",
    "maxLength": 40,
    "pattern": r"^(unknown|[0-9]+\.[0-9]+(\.[0-9]+)?)$",
});

impl TryFrom<String> for AcceptedOperator {
    type Error = OperatorVersionError;

    fn try_from(text: String) -> Result<Self, OperatorVersionError> {
        if text == "unknown" { Ok(Self::Unknown) } else { text.parse().map(Self::Version) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(document: serde_json::Value) -> Rollout {
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn an_operator_that_loses_state_is_accepted_by_name_only() {
        for (document, accepted) in [
            (json!({}), false),
            (json!({"acceptedOperatorVersions": ["unknown"]}), true),
            (json!({"acceptedOperatorVersions": ["1.7"]}), false),
            (json!({"operatorVersion": "1.7"}), false),
            (json!({"operatorVersion": "1.7.0", "acceptedOperatorVersions": ["1.8", "1.7"]}), true),
            (json!({"operatorVersion": "1.14", "acceptedOperatorVersions": ["unknown"]}), false),
            (json!({"operatorVersion": "1.15"}), true),
            (json!({"operatorVersion": "2.0.1"}), true),
        ] {
            assert_eq!(rollout(document.clone()).accepts_operator(), accepted, "{document}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "1", "v1.7", "1.7.x", "1.7.0.1", "unknown"] {
            assert!(text.parse::<OperatorVersion>().is_err(), "{text}");
        }
        assert_eq!("1.12.1".parse::<OperatorVersion>().unwrap().to_string(), "1.12");
    }

    #[test]
    fn the_quiet_period_is_counted_from_the_change() {
        let changed: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let quiet = rollout(json!({"quietPeriod": "90 s"}));
        assert_eq!(quiet.quiet_until(changed).to_string(), "2026-01-02T03:05:35Z");
        assert_eq!(quiet.quiet_until(Timestamp::MAX), Timestamp::MAX);
    }
}
