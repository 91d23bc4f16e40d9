//! The log: one line per event on standard error, for people or as JSON.

use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged if nothing else is said: our own events from `info` up, others' from `warn` up.
pub const DEFAULT_FILTER: &str = "warn,grandstand=info";

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
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

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// No such format.
    #[error("the log's format must be `text` or `json`")]
    Format,
    /// The filter cannot be understood.
    #[error(
        "the log's filter {filter:?} is wrong: {source}. Write levels and targets: `info,grandstand_edge=debug`"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// There is one already.
    #[error("the log was set up before")]
    Twice,
}

/// Begins the log. `filter` is as in `RUST_LOG`; if it is empty, [`DEFAULT_FILTER`].
///
/// # Errors
/// If the filter is wrong, or there is a log already.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    subscriber(format, filter, io::stderr)?
        .try_init()
        .map_err(|_| TelemetryError::Twice)
}

/// Whether `filter` is one, for checking a configuration.
///
/// # Errors
/// If it is not.
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
    fn the_filter_says_what_is_logged() {
        let text = logged(LogFormat::Text, "grandstand_common=debug");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("opened") && text.contains("detail"), "{text}");
    }

    #[test]
    fn a_wrong_filter_is_told() {
        let error = check_filter("grandstand=loud").unwrap_err();
        assert!(error.to_string().contains("grandstand=loud"), "{error}");
        assert!(check_filter("").is_ok());
    }

    #[test]
    fn formats_have_names() {
        for format in [LogFormat::Text, LogFormat::Json] {
            assert_eq!(format.to_string().parse::<LogFormat>().unwrap(), format);
        }
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
