//! Entries of the log.

use grandstand_common::wire;

/// A decoded entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logged {
    pub(crate) seq: u64,
    pub(crate) time_ms: u64,
    pub(crate) entry: wire::Entry,
}

impl Logged {
    /// An entry with its place. A copy from an earlier log keeps the time that it had there (D7, D33).
    pub(crate) fn new(seq: u64, stored_ms: u64, entry: wire::Entry) -> Self {
        let time_ms = match entry.logged_ms {
            0 => stored_ms,
            logged_ms => logged_ms,
        };
        Self {
            seq,
            time_ms,
            entry,
        }
    }
}
