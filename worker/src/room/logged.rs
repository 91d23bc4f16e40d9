//! Entries of the log.

use grandstand_common::wire;

/// A decoded entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logged {
    pub(crate) seq: u64,
    pub(crate) time_ms: u64,
    pub(crate) entry: wire::Entry,
}
