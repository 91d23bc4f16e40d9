//! The format of records in the folder, and the report of damaged ones.

use bytes::Bytes;
use grandstand_types::id::Partition;

use crate::bus::types::LogEntry;

/// The reason why the folder cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] fjall::Error),
    /// The record beside the store cannot be written.
    #[error("cannot write the record beside the store: {0}")]
    Record(#[from] std::io::Error),
    /// A record is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// A record that cannot be parsed. Damage is reported and never skipped.
#[derive(Debug, thiserror::Error)]
#[error("in {keyspace:?} the record under {key} {why}")]
pub(super) struct Damaged {
    keyspace: &'static str,
    key: String,
    why: &'static str,
}

impl Damaged {
    pub(super) fn new(keyspace: &'static str, key: &[u8], why: &'static str) -> Self {
        let key = match std::str::from_utf8(key) {
            Ok(text) if !text.chars().any(char::is_control) => format!("{text:?}"),
            _ => key.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        Self { keyspace, key, why }
    }
}

/// The key in `meta` of the numbers of streams and partitions.
pub(super) const LAYOUT: &str = "layout";

/// The key in `meta` under which a batch stores the number of its commit.
pub(super) const COMMIT: &str = "commit";

/// The fault of a value in `log`.
pub(super) const NO_ENTRY: &str = "is not an entry of the log";

pub(super) fn log_key(partition: Partition, seq: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&partition.0.to_be_bytes());
    key[2..].copy_from_slice(&seq.to_be_bytes());
    key
}

pub(super) fn number(bytes: &[u8], index: usize) -> Option<u64> {
    let at = bytes.get(index * 8..index * 8 + 8)?;
    Some(u64::from_be_bytes(at.try_into().ok()?))
}

pub(super) fn numbers<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(N * 8);
    for number in numbers {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes
}

pub(super) fn encode_entry(entry: &LogEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + entry.subject.len() + entry.payload.len());
    bytes.extend(entry.time_ms.to_be_bytes());
    bytes.extend((entry.subject.len() as u16).to_be_bytes());
    bytes.extend(entry.subject.as_bytes());
    bytes.extend(&entry.payload);
    bytes
}

pub(super) fn parse_log_key(key: &[u8]) -> Result<(Partition, u64), Damaged> {
    let wrong = || Damaged::new("log", key, "has a key whose length is not 10 bytes");
    let (partition, seq) = key.split_at_checked(2).ok_or_else(wrong)?;
    let partition = u16::from_be_bytes(partition.try_into().map_err(|_| wrong())?);
    let seq = u64::from_be_bytes(seq.try_into().map_err(|_| wrong())?);
    Ok((Partition(partition), seq))
}

/// Parses an entry into time, subject and payload.
pub(super) fn parse_entry(bytes: &[u8]) -> Option<(u64, &str, &[u8])> {
    let time_ms = number(bytes, 0)?;
    let length = usize::from(u16::from_be_bytes(bytes.get(8..10)?.try_into().ok()?));
    let (subject, payload) = bytes[10..].split_at_checked(length)?;
    Some((time_ms, std::str::from_utf8(subject).ok()?, payload))
}

pub(super) fn decode_entry(key: &[u8], value: &[u8]) -> Result<LogEntry, Damaged> {
    let (_, seq) = parse_log_key(key)?;
    let (time_ms, subject, payload) =
        parse_entry(value).ok_or_else(|| Damaged::new("log", key, NO_ENTRY))?;
    Ok(LogEntry {
        seq,
        time_ms,
        subject: subject.to_owned(),
        payload: Bytes::copy_from_slice(payload),
    })
}
