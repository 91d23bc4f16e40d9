//! The operations of operators on every process: change the filter of its log, and drain it.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::answer::ApiAnswer;
use super::body::read_body;
use crate::process::shutdown::Signals;
use crate::process::telemetry::Log;

/// The operations of every process.
#[derive(Debug)]
pub struct Operations {
    log: Log,
    /// Notified when an operator wants the process to drain.
    drain: Notify,
}

/// The filter of the log, in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFilter {
    filter: String,
}

impl Operations {
    /// The operations of a process with this log.
    pub fn new(log: Log) -> Self {
        Self {
            log,
            drain: Notify::new(),
        }
    }

    /// Waits for a signal that ends the process, or for an operator who wants it to drain. Returns which it was.
    pub async fn ending_wanted(&self, signals: &mut Signals) -> &'static str {
        tokio::select! {
            signal = signals.next() => signal,
            () = self.drain.notified() => "POST /v1/drain",
        }
    }

    /// The filter of the log.
    pub fn show_log(&self) -> ApiAnswer {
        let filter = self.log.filter();
        ApiAnswer::json(StatusCode::OK, &LogFilter { filter })
    }

    /// Replaces the filter of the log.
    ///
    /// # Errors
    /// 400 if the body is no filter.
    pub fn set_log(&self, body: &Bytes) -> Result<ApiAnswer, ApiAnswer> {
        let LogFilter { filter } = read_body(body)?;
        let former = self.log.filter();
        self.log.set_filter(&filter).map_err(|error| {
            let text = error.to_string();
            ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_filter", &text)
        })?;
        let set = self.log.filter();
        tracing::warn!(
            former,
            filter = set,
            "an operator has changed the filter of the log"
        );
        Ok(self.show_log())
    }

    /// Begins to drain the process.
    pub fn drain(&self) -> ApiAnswer {
        tracing::warn!("an operator wants the process to drain");
        self.drain.notify_one();
        ApiAnswer {
            status: StatusCode::ACCEPTED,
            ..ApiAnswer::empty()
        }
    }
}
