//! Answers to published messages, and the server's error codes.

use std::borrow::Cow;

use serde::Deserialize;

use crate::bus::error::BusError;

/// Error codes of the server (`server/errors.json` of nats-server).
pub(super) const WRONG_LAST_SEQUENCE: u32 = 10071;
pub(super) const WRONG_LAST_SEQUENCE_CONSTANT: u32 = 10164;
/// The server is about to be able to do it: a cluster elects a leader.
pub(super) const TEMPORARILY_UNAVAILABLE: u32 = 10008;
const STREAM_NOT_FOUND: u32 = 10059;
pub(super) const MESSAGE_NOT_FOUND: u32 = 10037;
pub(super) const DISABLED_FOR_ACCOUNT: u32 = 10039;
pub(super) const NOT_ENOUGH_SERVERS: u32 = 10005;
pub(super) const NO_CLUSTER: u32 = 10074;
pub(super) const EXISTS: u32 = 10058;
pub(super) const NO_RESOURCES: u32 = 10023;
pub(super) const NO_MEMORY: u32 = 10028;
pub(super) const NO_STORAGE: u32 = 10047;

/// An error of the server.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) err_code: u32,
    #[serde(default)]
    pub(super) description: String,
}

impl From<ApiError> for BusError {
    fn from(error: ApiError) -> Self {
        match error.err_code {
            STREAM_NOT_FOUND => Self::NoStream,
            code => Self::Server {
                code,
                description: error.description,
            },
        }
    }
}

#[derive(Deserialize)]
struct PubAck<'a> {
    error: Option<ApiError>,
    seq: Option<u64>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
}

/// Parses the answer to a message for a stream into its sequence.
pub(super) fn parse_pub_ack(payload: &[u8]) -> Result<u64, ApiError> {
    parse_pub_ack_of(payload).1
}

/// Parses like [`parse_pub_ack`], with the name of the stream; it is empty if the answer has none.
pub(super) fn parse_pub_ack_of(payload: &[u8]) -> (Cow<'_, str>, Result<u64, ApiError>) {
    let malformed = || ApiError {
        err_code: 0,
        description: "an answer that cannot be read".to_owned(),
    };
    match serde_json::from_slice(payload) {
        Ok(PubAck {
            error: Some(error),
            stream,
            ..
        }) => (stream, Err(error)),
        Ok(PubAck {
            seq: Some(seq),
            stream,
            ..
        }) => (stream, Ok(seq)),
        Ok(PubAck { stream, .. }) => (stream, Err(malformed())),
        Err(_) => (Cow::default(), Err(malformed())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acks_and_errors_of_publishes_are_parsed() {
        assert_eq!(parse_pub_ack(br#"{"stream":"IN_0","seq":7}"#).unwrap(), 7);
        let wrong = br#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"KV","seq":0}"#;
        assert_eq!(
            parse_pub_ack(wrong).unwrap_err().err_code,
            WRONG_LAST_SEQUENCE
        );
        assert_eq!(parse_pub_ack(b"nonsense").unwrap_err().err_code, 0);
    }
}
