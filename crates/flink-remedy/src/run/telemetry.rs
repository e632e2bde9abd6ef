use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::{LogFormat, RunError};

/// Changes what is logged while the process runs.
#[derive(Clone)]
pub(super) struct LogLevel(reload::Handle<EnvFilter, Registry>);

/// Starts logging to standard error.
pub(super) fn start(format: LogFormat, filter: &str) -> Result<LogLevel, RunError> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let lines = match format {
        LogFormat::Text => fmt::layer().with_ansi(false).with_writer(std::io::stderr).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(LogLevel(handle))
}

fn parse(filter: &str) -> Result<EnvFilter, RunError> {
    EnvFilter::try_new(filter).map_err(|_| RunError::LogLevel(filter.to_owned()))
}

impl LogLevel {
    /// Logs by this filter from now on.
    pub(super) fn set(&self, filter: &str) -> Result<(), RunError> {
        let filter = parse(filter)?;
        self.0.reload(filter).map_err(|error| RunError::LogLevel(error.to_string()))
    }
}
