use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use checklist::Platform;
use controller::operator_config::{CONFIG_YAML, FLINK_CONF, LOG_FILE, PlatformError, platform_from_files};

/// Where FKO's own configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OperatorConfig {
    /// Jobs get nothing from it.
    None,
    /// A directory with its files, or one configuration file.
    Path(PathBuf),
}

/// Why FKO's configuration is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorConfigError {
    /// The system does not let us read it.
    #[error("{path}: {problem}")]
    Unreadable {
        /// Where.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// It is there, but says nothing.
    #[error("{path}: {problem}")]
    Platform {
        /// Where.
        path: String,
        /// What is wrong.
        problem: PlatformError,
    },
}

impl OperatorConfig {
    /// What a text names.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "none" => Self::None,
            path => Self::Path(PathBuf::from(path)),
        }
    }

    /// What it gives to jobs.
    pub(crate) fn load(&self) -> Result<Platform, OperatorConfigError> {
        let path = match self {
            Self::None => return Ok(Platform::default()),
            Self::Path(path) => path,
        };
        let files = if path.is_dir() { directory(path)? } else { BTreeMap::from([file(path)?]) };
        platform_from_files(&files)
            .map_err(|problem| OperatorConfigError::Platform { path: path.display().to_string(), problem })
    }
}

/// A directory's files by name: those that FKO reads with their text, the others for the error that names them.
fn directory(path: &Path) -> Result<BTreeMap<String, String>, OperatorConfigError> {
    let unreadable = |error: &io::Error| unreadable(path, error);
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(path).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if [FLINK_CONF, CONFIG_YAML, LOG_FILE].contains(&name.as_str()) {
            files.insert(name, read(&entry.path())?);
        } else if !name.starts_with('.') {
            files.insert(name, String::new());
        }
    }
    Ok(files)
}

/// A configuration file under any name: `config.yaml` and what looks nested is YAML, anything else flat.
fn file(path: &Path) -> Result<(String, String), OperatorConfigError> {
    let text = read(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match name.as_str() {
        FLINK_CONF | CONFIG_YAML => name,
        _ if text.lines().any(|line| line.starts_with(' ') && !line.trim().is_empty()) => CONFIG_YAML.to_owned(),
        _ => FLINK_CONF.to_owned(),
    };
    Ok((name, text))
}

fn read(path: &Path) -> Result<String, OperatorConfigError> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> OperatorConfigError {
    let problem = if error.kind() == io::ErrorKind::NotFound {
        "no such file or directory; give the Flink operator's configuration, or `none`".to_owned()
    } else {
        format!("cannot be read: {error}")
    };
    OperatorConfigError::Unreadable { path: path.display().to_string(), problem }
}
