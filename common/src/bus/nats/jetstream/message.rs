//! Metadata of stored messages.

use std::str::FromStr;

use crate::bus::error::BusError;

/// The header that marks the deletion of a key.
pub(in crate::bus::nats) const KV_OPERATION: &str = "KV-Operation";
/// The metadata in the reply subject of a delivered message: `$JS.ACK.{stream}.{consumer}.{deliveries}.{stream
/// seq}.{consumer seq}.{time}.{pending}`, with `{domain}.{account}` after `ACK` on newer servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bus::nats) struct Delivery {
    pub(in crate::bus::nats) stream_seq: u64,
    pub(in crate::bus::nats) consumer_seq: u64,
    pub(in crate::bus::nats) time_ms: u64,
    pub(in crate::bus::nats) pending: u64,
}

impl FromStr for Delivery {
    type Err = BusError;

    fn from_str(subject: &str) -> Result<Self, BusError> {
        let malformed = BusError::Malformed("delivery subject");
        let Some(rest) = subject.strip_prefix("$JS.ACK.") else {
            return Err(malformed);
        };
        let skip = match rest.split('.').count() {
            7 => 3,
            9.. => 5,
            _ => return Err(malformed),
        };
        let mut numbers = rest.split('.').skip(skip).map(str::parse::<u64>);
        let mut number = || numbers.next().and_then(Result::ok);
        let (Some(stream_seq), Some(consumer_seq), Some(nanos), Some(pending)) =
            (number(), number(), number(), number())
        else {
            return Err(malformed);
        };
        Ok(Self {
            stream_seq,
            consumer_seq,
            time_ms: nanos / 1_000_000,
            pending,
        })
    }
}

/// Whether raw headers mark a deletion.
pub(super) fn is_marker_block(headers: &[u8]) -> bool {
    let text = String::from_utf8_lossy(headers);
    text.lines().any(|line| {
        line.split_once(':')
            .is_some_and(|(name, value)| is_marker(name, value.trim()))
    })
}

/// Whether a header marks a deletion by Grandstand, the `nats` tool or the server.
pub(in crate::bus::nats) fn is_marker(name: &str, value: &str) -> bool {
    match name {
        KV_OPERATION => matches!(value, "DEL" | "PURGE"),
        "Nats-Marker-Reason" => true,
        _ => false,
    }
}

/// Converts a time of JetStream to Unix milliseconds.
///
/// # Errors
/// If `rfc3339` is not a time. A guessed time would mean another message or stream.
pub(in crate::bus::nats) fn unix_ms(rfc3339: &str) -> Result<u64, BusError> {
    let time = async_nats::datetime::parse_rfc3339(rfc3339).ok();
    let ms = time.and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
    ms.ok_or(BusError::Malformed("a time"))
}
