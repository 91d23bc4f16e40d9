//! The reply of an endpoint.

use std::collections::BTreeMap;

use grandstand_game::{CallError, Data, PlayerId};
use serde::Deserialize;
use serde_json::Value;

/// The most updates of a reply.
const MOST_UPDATES: usize = 256;

/// The most bytes of a view.
const VIEW_BYTES: usize = 256 * 1024;

/// The reply of an endpoint: what the room does now.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reply {
    /// Updates for all, in order.
    pub(super) updates: Vec<Value>,
    /// Messages for one player each.
    pub(super) direct: BTreeMap<PlayerId, Value>,
    /// The view after the updates.
    pub(super) snapshot: Option<Value>,
    /// The refusal of what happened.
    pub(super) reject: Option<Refusal>,
    /// Players who leave.
    pub(super) kick: Vec<PlayerId>,
    /// Whether the room ends.
    pub(super) close: bool,
}

/// The refusal of a player's join or message.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// A reply that is missing, or that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Reply {
    /// Reads the reply. Nothing, `null` and `{}` change nothing.
    pub(super) fn read(data: &Data) -> Result<Self, Failure> {
        let bad = |why: String| Failure {
            code: "bad_reply",
            message: format!("the back end of this room replies with something else: {why}"),
        };
        let Data::Json(text) = data else {
            return Err(bad("bytes instead of JSON".to_owned()));
        };
        let reply: Option<Self> =
            serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
        let reply = reply.unwrap_or_default();
        if reply.updates.len() > MOST_UPDATES {
            let count = reply.updates.len();
            return Err(bad(format!("{count} updates, more than {MOST_UPDATES}")));
        }
        let bytes = reply
            .snapshot
            .as_ref()
            .map_or(0, |view| view.to_string().len());
        if bytes > VIEW_BYTES {
            return Err(bad(format!(
                "a snapshot of {bytes} bytes, more than {VIEW_BYTES}"
            )));
        }
        Ok(reply)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let code = match error {
            CallError::Timeout => "backend_timeout",
            CallError::Status(_) => "backend_error",
            CallError::NoEndpoint => "no_backend",
            CallError::BadAnswer => "bad_reply",
            _ => "backend_unavailable",
        };
        Self {
            code,
            message: format!("the back end of this room has not replied: {error}"),
        }
    }
}
