//! Records in buckets beside the rooms: checkpoints, quarantine records, leases.

use serde::de::DeserializeOwned;

/// Reads the record stored at `key`. An unreadable record counts as missing, and the log names it: rooms are then read
/// from their snapshots and the log, which need no record to be right.
pub(crate) fn read_record<T: DeserializeOwned>(key: &str, value: &[u8]) -> Option<T> {
    serde_json::from_slice(value)
        .inspect_err(|error| {
            tracing::error!(key, %error, "a stored record cannot be read and counts as missing; look at the bucket with `nats kv get`");
        })
        .ok()
}
