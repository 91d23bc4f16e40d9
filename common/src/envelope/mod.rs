//! The client protocol, version 1: what clients and edges say to each other, in two encodings.
//!
//! The encoding is the WebSocket subprotocol: JSON in text frames or protobuf in binary frames, the same
//! names and fields in both (`proto/grandstand.proto`). A client's messages are checked in full when they are decoded,
//! so whatever holds a [`ClientMessage`] need not check again.

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
    Players, Role, ServerMessage,
};

/// Understands a client's message: the payload of one WebSocket message.
///
/// # Errors
/// Says what is wrong and how to mend it, with the message's `id`, `room` and `seq` as far as they were understood.
pub fn decode_client(
    encoding: Encoding,
    payload: &[u8],
) -> Result<ClientMessage, Box<DecodeError>> {
    match encoding {
        Encoding::Json => json::decode_client(payload),
        Encoding::Proto => proto::decode_client(payload),
    }
}

/// Appends an edge's message to `out`. JSON data is copied as it is: it was checked where it came in.
pub fn encode_server(encoding: Encoding, message: &ServerMessage<'_>, out: &mut impl BufMut) {
    match encoding {
        Encoding::Json => json::encode_server(message, out),
        Encoding::Proto => proto::encode_server(message, out),
    }
}

/// Appends a client's message to `out`: for clients written in Rust.
pub fn encode_client(encoding: Encoding, message: &ClientMessage, out: &mut impl BufMut) {
    match encoding {
        Encoding::Json => json::encode_client(message, out),
        Encoding::Proto => proto::encode_client(message, out),
    }
}

/// Understands an edge's message: for clients written in Rust.
///
/// # Errors
/// As [`decode_client`]. A client ignores what fails with [`ErrorKind::UnknownType`](crate::error::ErrorKind::UnknownType).
pub fn decode_server(encoding: Encoding, payload: &[u8]) -> Result<ServerEvent, Box<DecodeError>> {
    match encoding {
        Encoding::Json => json::decode_server(payload),
        Encoding::Proto => proto::decode_server(payload),
    }
}
