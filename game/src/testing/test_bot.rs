//! A bot of a test room.

use std::collections::BTreeMap;

use grandstand_types::data::Data;
use grandstand_types::id::PlayerId;

/// The bots of a room by name.
pub(super) type TestBots = BTreeMap<PlayerId, TestBot>;

/// A bot of a test room.
#[derive(Debug)]
pub(super) struct TestBot {
    pub(super) think_ms: u64,
    /// The time of its next input, Unix milliseconds, and the input, if it can move.
    pub(super) next: Option<(u64, Data)>,
}

impl TestBot {
    pub(super) fn new(think_ms: u64) -> Self {
        Self {
            think_ms,
            next: None,
        }
    }
}
