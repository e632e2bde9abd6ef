use std::io::{self, Write};

use flink_conf::plain;
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
        LogFormat::Text => fmt::layer().with_ansi(false).with_writer(|| OneLine(io::stderr())).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(|| OneLine(io::stderr())).boxed(),
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

/// Writes each event on one line, whatever it quotes: nobody who names an object or answers a request may forge another line.
/// The layer hands each event over at once.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = plain(text.trim_end_matches('\n').to_owned()) + "\n";
        // At once: other threads write too.
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is written to it stays to be read.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_it_quotes() {
        let hostile = "x\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{202e}\u{2028}";
        let kept = Kept::default();
        let lines: [Box<dyn Layer<Registry> + Send + Sync>; 2] = [
            fmt::layer()
                .with_ansi(false)
                .with_writer({
                    let kept = kept.clone();
                    move || OneLine(kept.clone())
                })
                .boxed(),
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_writer({
                    let kept = kept.clone();
                    move || OneLine(kept.clone())
                })
                .boxed(),
        ];
        for layer in lines {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                tracing::info!(error = %hostile, name = hostile, "look failed: {hostile}");
            });
        }
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(text.chars().all(|c| c == '\n' || !flink_conf::is_steering(c)), "{text:?}");
        assert!(text.lines().all(|line| line.contains("forged")), "{text:?}");
    }
}
