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
pub use self::event::{EventHead, PlayerState, ServerEvent};
pub use self::message::{
    ClientKind, ClientMessage, DecodeError, Encoding, Join, Limits, MAX_LISTED_PLAYERS,
    MessageContext, PROTOCOL, Payload, Players, Role, ServerMessage,
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

/// The most bytes of a message that [`read_context`] looks at.
pub const MAX_CONTEXT_BYTES: usize = 4096;

/// Reads only what an error that answers the message must name, from its first [`MAX_CONTEXT_BYTES`]. For messages that are
/// refused without being decoded, and for the start of one that is too big.
pub fn read_context(encoding: Encoding, payload: &[u8]) -> MessageContext {
    let payload = &payload[..payload.len().min(MAX_CONTEXT_BYTES)];
    match encoding {
        Encoding::Json => json::read_context(payload),
        Encoding::Proto => proto::read_context(payload),
    }
}

/// Reads the fields at the start of an edge's message in JSON: of a long one, those before its data.
pub fn read_head(start: &[u8]) -> EventHead {
    json::read_head(start)
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
