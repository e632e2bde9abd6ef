use std::str::FromStr;

/// How far we go, the mildest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, strum::IntoStaticStr)]
pub enum Mode {
    /// Nothing at all.
    Off,
    /// Findings and Events only.
    Advise,
    /// Fill where it costs no restart; a running job waits for its next deployment.
    #[default]
    NextDeploy,
    /// As `NextDeploy`, and restart a running job once for its gaps where that is safe.
    Apply,
}

/// A word that is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mode: write Off, Advise, NextDeploy or Apply")]
pub struct ModeError(String);

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        match text {
            "Off" => Ok(Self::Off),
            "Advise" => Ok(Self::Advise),
            "NextDeploy" => Ok(Self::NextDeploy),
            "Apply" => Ok(Self::Apply),
            _ => Err(ModeError(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.into())
    }
}

/// Delays of the exponential-delay restart strategy, in Flink's notation (never ISO-8601, which Flink
/// before 2.1 refuses). The defaults are those of Flink 1.19 and newer (FLIP-364).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartBackoff {
    /// First wait.
    pub initial: String,
    /// Longest wait.
    pub max: String,
    /// Factor from one wait to the next.
    pub multiplier: String,
    /// Time without failure after which the wait starts anew.
    pub reset_threshold: String,
    /// Share of the wait that is random, 0 to 1.
    pub jitter: String,
}

impl Default for RestartBackoff {
    fn default() -> Self {
        Self {
            initial: "1 s".into(),
            max: "1 min".into(),
            multiplier: "1.5".into(),
            reset_threshold: "1 h".into(),
            jitter: "0.1".into(),
        }
    }
}

/// What the platform wants: the mode, and the parameters of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How far we go.
    pub mode: Mode,
    /// Filled by `no-restart-backoff`.
    pub restart_backoff: RestartBackoff,
    /// Port of the Prometheus reporter that `no-metrics-reporter` fills (Flink's default is 9249).
    pub reporter_port: u16,
}

impl Default for Policy {
    fn default() -> Self {
        Self { mode: Mode::default(), restart_backoff: RestartBackoff::default(), reporter_port: 9249 }
    }
}
