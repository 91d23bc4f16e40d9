//! Answers to published messages, and the server's error codes.

use serde::Deserialize;

use crate::bus::error::BusError;

/// Error codes of the server's (`server/errors.json` of nats-server).
pub(super) const WRONG_LAST_SEQUENCE: u32 = 10071;
pub(super) const WRONG_LAST_SEQUENCE_CONSTANT: u32 = 10164;
const STREAM_NOT_FOUND: u32 = 10059;
pub(super) const MESSAGE_NOT_FOUND: u32 = 10037;
pub(super) const NO_META_LEADER: u32 = 10008;
pub(super) const STREAM_OFFLINE: u32 = 10118;
pub(super) const NOT_ENOUGH_SERVERS: u32 = 10005;
pub(super) const NO_CLUSTER: u32 = 10074;

/// What the server says when it refuses.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) err_code: u32,
    #[serde(default)]
    pub(super) description: String,
}

impl From<Fault> for BusError {
    fn from(fault: Fault) -> Self {
        match fault.err_code {
            STREAM_NOT_FOUND => Self::NoStream,
            code => Self::Server {
                code,
                description: fault.description,
            },
        }
    }
}

#[derive(Deserialize)]
struct Published {
    error: Option<Fault>,
    seq: Option<u64>,
}

/// Reads the answer to a message for a stream: its sequence.
pub(super) fn published(payload: &[u8]) -> Result<u64, Fault> {
    let malformed = || Fault {
        err_code: 0,
        description: "an answer that cannot be read".to_owned(),
    };
    let answer: Published = serde_json::from_slice(payload).map_err(|_| malformed())?;
    match answer {
        Published {
            error: Some(fault), ..
        } => Err(fault),
        Published { seq: Some(seq), .. } => Ok(seq),
        Published { .. } => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_published_messages_are_read() {
        assert_eq!(published(br#"{"stream":"IN_0","seq":7}"#).unwrap(), 7);
        let wrong = br#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"KV","seq":0}"#;
        assert_eq!(published(wrong).unwrap_err().err_code, WRONG_LAST_SEQUENCE);
        assert_eq!(published(b"nonsense").unwrap_err().err_code, 0);
    }
}
