//! The log: one line per event on standard error, for people or as JSON.
//!
//! Logging never waits for standard error and never fails because of it (D28). Panics are logged like other events,
//! because the default hook writes to standard error directly.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

// Held to read or replace the filter's text.
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::process::config::Checks;
use crate::process::lossy::{self, LossyWriter};
use crate::supervisor::{Supervisor, text_of};

/// The default filter: `info` and above from Grandstand, `warn` and above from others. The bus logs once what the
/// client library of NATS reports (D31).
pub const DEFAULT_FILTER: &str = "warn,async_nats=off,grandstand=info";

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

/// The reason why the log cannot be set up.
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
    /// The log has ended.
    #[error("the log has ended")]
    Gone,
    /// The thread that writes the log cannot be started.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
}

/// The time that the process waits at its end for the reader of its log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The log of the process. Clones are handles to the same log.
#[derive(Clone)]
pub struct Log {
    writer: LossyWriter,
    replace: ReplaceFilter,
    filter: Arc<Mutex<String>>,
}

/// Replaces the filter of a subscriber, whose type has no name.
type ReplaceFilter = Arc<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// The section of the log in a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// The filter, as in `RUST_LOG`; empty for [`DEFAULT_FILTER`].
    pub filter: String,
}

impl LogSection {
    /// Checks the section.
    pub fn validate(&self, checks: &mut Checks) {
        if let Err(error) = check_filter(&self.filter) {
            checks.require("log.filter", false, || error.to_string());
        }
    }
}

/// The name and the meaning of the counter of lines that were dropped.
const DROPPED: (&str, &str) = (
    "log_lines_dropped",
    "Log lines dropped because standard error took no more (full) or failed (refused)",
);

/// Registers the metrics of a log without the log, for a description.
pub fn describe(registry: &mut Registry) {
    registry.register(DROPPED.0, DROPPED.1, lossy::no_lines());
}

impl Log {
    /// Registers the counter of lines that were dropped.
    pub fn register(&self, registry: &mut Registry) {
        self.writer.register(registry, DROPPED.0, DROPPED.1);
    }

    /// Writes a line for people, whatever the format and the filter.
    pub fn say(&self, line: &str) {
        // It never fails.
        writeln!(self.writer.clone(), "{line}").ok();
    }

    /// Waits up to a second until the log is written.
    pub fn finish(&self) {
        self.writer.finish(FLUSH_TIMEOUT);
    }

    /// The filter in use.
    pub fn filter(&self) -> String {
        self.filter.lock().clone()
    }

    /// Replaces the filter; an empty one means [`DEFAULT_FILTER`].
    ///
    /// # Errors
    /// If it is invalid.
    pub fn set_filter(&self, filter: &str) -> Result<(), TelemetryError> {
        let parsed = env_filter(filter)?;
        let mut current = self.filter.lock();
        (self.replace)(parsed).map_err(|_| TelemetryError::Gone)?;
        named_filter(filter).clone_into(&mut current);
        Ok(())
    }
}

/// Sets up the log. `filter` is as in `RUST_LOG`; an empty one means [`DEFAULT_FILTER`].
///
/// # Errors
/// If the filter is invalid, or the log is already set up.
pub fn init(
    format: LogFormat,
    filter: &str,
    supervisor: &Supervisor,
) -> Result<Log, TelemetryError> {
    let env_filter = env_filter(filter)?;
    let writer = LossyWriter::start("log", io::stderr(), supervisor)?;
    let for_lines = writer.clone();
    let (subscriber, replace) = subscriber(format, env_filter, move || for_lines.clone());
    subscriber.try_init().map_err(|_| TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    let filter = Arc::new(Mutex::new(named_filter(filter).to_owned()));
    Ok(Log {
        writer,
        replace,
        filter,
    })
}

/// Logs a panic. `RUST_BACKTRACE` adds the backtrace, as it does to the default hook's message.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place = panic
        .location()
        .map_or_else(String::new, ToString::to_string);
    let text = text_of(panic.payload());
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => {
            tracing::error!(thread, "panicked at {place}: {text}\n{backtrace}");
        }
        _ => tracing::error!(thread, "panicked at {place}: {text}"),
    }
}

/// Validates a filter of a configuration.
///
/// # Errors
/// If the filter is invalid.
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    env_filter(filter).map(drop)
}

fn named_filter(filter: &str) -> &str {
    match filter.trim() {
        "" => DEFAULT_FILTER,
        filter => filter,
    }
}

fn env_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let filter = named_filter(filter);
    EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })
}

fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    writer: W,
) -> (Box<dyn Subscriber + Send + Sync>, ReplaceFilter)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // It would print a failure to standard error, and panic if that fails.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            let builder = builder.with_ansi(colours).with_filter_reloading();
            let handle = builder.reload_handle();
            let replace = Arc::new(move |filter| handle.reload(filter));
            (Box::new(builder.finish()), replace)
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let replace = Arc::new(move |filter| handle.reload(filter));
            (Box::new(builder.finish()), replace)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::LogLines;

    fn logged(format: LogFormat, filter: &str) -> String {
        let lines = LogLines::default();
        let writer = lines.clone();
        let filter = env_filter(filter).unwrap();
        let (subscriber, _) = subscriber(format, filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(room = "memory-42", "opened");
            tracing::debug!("detail");
            tracing::info!(target: "async_nats", "chatter");
        });
        lines.text()
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
    fn the_filter_can_be_replaced() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = LogLines::default();
            let writer = lines.clone();
            let filter = env_filter("warn").unwrap();
            let (subscriber, replace) = subscriber(format, filter, move || writer.clone());
            tracing::subscriber::with_default(subscriber, || {
                for filter in ["info", "warn"] {
                    tracing::info!("unseen");
                    replace(env_filter(filter).unwrap()).unwrap();
                    tracing::info!("seen");
                }
            });
            let text = lines.text();
            // The first `seen`, and the second `unseen`, which is logged before its filter.
            assert_eq!(text.lines().count(), 2, "{text}");
        }
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
