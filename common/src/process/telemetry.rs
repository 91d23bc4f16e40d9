//! The log: one line per event on standard error, for people or as JSON.

use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// The default filter: `info` and above from Grandstand, `warn` and above from others.
pub const DEFAULT_FILTER: &str = "warn,grandstand=info";

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl std::fmt::Display for LogFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = TelemetryError;
    fn from_str(text: &str) -> Result<Self, TelemetryError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(TelemetryError::Format),
        }
    }
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The format is unknown.
    #[error("the log format must be `text` or `json`")]
    Format,
    /// The filter cannot be parsed.
    #[error(
        "the log filter {filter:?} is invalid: {source}. Write levels and targets: `info,grandstand_edge=debug`"
    )]
    Filter {
        /// The given filter.
        filter: String,
        /// The parser's error.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The log is already set up.
    #[error("the log is already set up")]
    Twice,
}

/// Sets up the log. `filter` is as in `RUST_LOG`; an empty one means [`DEFAULT_FILTER`].
///
/// # Errors
/// If the filter is invalid, or the log is already set up.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    subscriber(format, filter, io::stderr)?
        .try_init()
        .map_err(|_| TelemetryError::Twice)
}

/// Validates a filter of a configuration.
///
/// # Errors
/// If the filter is invalid.
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    env_filter(filter).map(drop)
}

fn env_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let filter = match filter.trim() {
        "" => DEFAULT_FILTER,
        filter => filter,
    };
    EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(env_filter(filter)?)
        .with_writer(writer);
    Ok(match format {
        LogFormat::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            Box::new(builder.with_ansi(colours).finish())
        }
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(room = "memory-42", "opened");
            tracing::debug!("detail");
            tracing::info!(target: "async_nats", "chatter");
        });
        let bytes = lines.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_are_json() {
        let text = logged(LogFormat::Json, "");
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["message"], &line["room"]),
            (&"opened".into(), &"memory-42".into())
        );
    }

    #[test]
    fn the_filter_selects_the_log_lines() {
        let text = logged(LogFormat::Text, "grandstand_common=debug");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("opened") && text.contains("detail"), "{text}");
    }

    #[test]
    fn an_invalid_filter_is_reported() {
        let error = check_filter("grandstand=loud").unwrap_err();
        assert!(error.to_string().contains("grandstand=loud"), "{error}");
        assert!(check_filter("").is_ok());
    }

    #[test]
    fn log_formats_parse_from_their_names() {
        for format in [LogFormat::Text, LogFormat::Json] {
            assert_eq!(format.to_string().parse::<LogFormat>().unwrap(), format);
        }
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
