use std::str::FromStr;

use serde::Deserialize;

/// How far we go, the mildest first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::IntoStaticStr,
)]
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
