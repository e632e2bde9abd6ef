use serde::{Deserialize, Serialize};

/// FKO's kinds with a job in them, which we judge and write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `FlinkDeployment`: an application cluster or a session cluster.
    #[default]
    #[serde(rename = "FlinkDeployment")]
    Deployment,
    /// `FlinkBlueGreenDeployment`: a template of an application cluster.
    #[serde(rename = "FlinkBlueGreenDeployment")]
    BlueGreenDeployment,
    /// `FlinkSessionJob`: a job on a session cluster.
    #[serde(rename = "FlinkSessionJob")]
    SessionJob,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[Self::Deployment, Self::BlueGreenDeployment, Self::SessionJob];

    /// The kind's name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "FlinkDeployment",
            Self::BlueGreenDeployment => "FlinkBlueGreenDeployment",
            Self::SessionJob => "FlinkSessionJob",
        }
    }

    /// The name of its resource in paths and rights.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "flinkdeployments",
            Self::BlueGreenDeployment => "flinkbluegreendeployments",
            Self::SessionJob => "flinksessionjobs",
        }
    }

    /// Where the object keeps what rules judge and what we write.
    pub const fn spec(self) -> &'static [&'static str] {
        match self {
            Self::Deployment | Self::SessionJob => &["spec"],
            Self::BlueGreenDeployment => &["spec", "template", "spec"],
        }
    }

    /// The kind of this name in the API.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}
