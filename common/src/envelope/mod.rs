//! The client protocol, version 1: the messages between clients and edges, in two encodings.
//!
//! The WebSocket subprotocol selects the encoding: JSON in text frames or protobuf in binary frames, with the same
//! names and fields (`proto/grandstand.proto`). Decoding checks a client's message completely, so code that holds a
//! [`ClientMessage`] does not check it again.

mod message;

mod check;

mod event;

mod json;

mod proto;

#[cfg(test)]
mod tests;

use bytes::BufMut;

pub(crate) use self::check::is_relayable;
pub use self::check::{MAX_CLIENT_BYTES, MAX_INTEGER, MAX_JSON_DEPTH};
pub use self::event::{PlayerState, ServerEvent};
pub use self::message::{
    ClientKind, ClientMessage, DecodeError, Encoding, Join, Limits, MAX_LISTED_PLAYERS, PROTOCOL,
    Payload, Players, Role, ServerMessage,
};

/// Decodes a client's message.
///
/// # Errors
/// The problem and how to fix it, with the message's `id`, `room` and `seq` as far as they could be read.
pub fn decode_client(payload: Payload<'_>) -> Result<ClientMessage, Box<DecodeError>> {
    match payload {
        Payload::Json(text) => json::decode_client(text),
        Payload::Proto(bytes) => proto::decode_client(bytes),
    }
}

/// Appends an edge's message to `out`. JSON data is copied unchanged, because the edge that received it checked it.
pub fn encode_server(encoding: Encoding, message: &ServerMessage<'_>, out: &mut impl BufMut) {
    match encoding {
        Encoding::Json => json::encode_server(message, out),
        Encoding::Proto => proto::encode_server(message, out),
    }
}

/// Appends a client's message to `out`. For clients written in Rust.
pub fn encode_client(encoding: Encoding, message: &ClientMessage, out: &mut impl BufMut) {
    match encoding {
        Encoding::Json => json::encode_client(message, out),
        Encoding::Proto => proto::encode_client(message, out),
    }
}

/// Decodes an edge's message. For clients written in Rust.
///
/// # Errors
/// As [`decode_client`]. A client ignores messages that fail with
/// [`ErrorKind::UnknownType`](crate::error::ErrorKind::UnknownType).
pub fn decode_server(encoding: Encoding, payload: &[u8]) -> Result<ServerEvent, Box<DecodeError>> {
    match encoding {
        Encoding::Json => json::decode_server(payload),
        Encoding::Proto => proto::decode_server(payload),
    }
}
