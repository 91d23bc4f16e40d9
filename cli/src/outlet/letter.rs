//! Letters: items that an endpoint has not taken, as the bucket of outlets keeps them.

use grandstand_common::bus::OutItem;
use serde::{Deserialize, Serialize};

/// An item that an endpoint has not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Letter {
    /// The id of the item.
    pub(super) id: String,
    pub(super) endpoint: String,
    pub(super) topic: String,
    /// The time at which the stream stored it, Unix milliseconds.
    pub(super) stored_ms: u64,
    /// The failed attempts so far.
    pub(super) attempts: u32,
    /// The time of the next attempt, Unix milliseconds; `None` for a dead letter, which is not sent again.
    pub(super) next_ms: Option<u64>,
    /// The time of the last attempt, Unix milliseconds.
    pub(super) failed_ms: u64,
    /// The reason why it failed.
    pub(super) why: String,
    /// The body of the request.
    pub(super) body: String,
}

impl Letter {
    /// The letter of an item before its first attempt.
    pub(super) fn new(endpoint: &str, item: &OutItem) -> Self {
        Self {
            id: item.id.clone(),
            endpoint: endpoint.to_owned(),
            topic: item.topic.to_string(),
            stored_ms: item.time_ms,
            attempts: 0,
            next_ms: None,
            failed_ms: 0,
            why: String::new(),
            body: String::from_utf8_lossy(&item.body).into_owned(),
        }
    }

    pub(super) fn key(&self) -> String {
        format!("{}{}", prefix(&self.endpoint), self.id)
    }
}

/// The beginning of the keys of all letters.
pub(super) const ALL: &str = "letter.";

/// The beginning of the keys of an endpoint's letters.
pub(super) fn prefix(endpoint: &str) -> String {
    format!("{ALL}{endpoint}.")
}

/// The beginning of the key that says since when an endpoint wants no requests any more.
pub(super) fn gone_prefix(endpoint: &str) -> String {
    format!("gone.{endpoint}.")
}

/// The key that says since when an endpoint wants no requests any more.
pub(super) fn gone_key(endpoint: &str) -> String {
    format!("gone.{endpoint}.since")
}
