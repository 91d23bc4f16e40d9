//! Messages as whole WebSocket frames, ready for the socket.

use bytes::Bytes;
use grandstand_common::envelope::{Encoding, ServerMessage, encode_server};

use crate::session::frame::{MAX_HEADER, header_len, opcode_of, put_header};

/// Appends `message` as one frame to `out`.
pub fn put_message(out: &mut Vec<u8>, encoding: Encoding, message: &ServerMessage<'_>) {
    let start = out.len();
    out.extend_from_slice(&[0; MAX_HEADER]);
    encode_server(encoding, message, out);
    // Only now is the length known, and with it the header's: the payload moves up to it.
    let payload = start + MAX_HEADER;
    let len = out.len() - payload;
    let header = header_len(len);
    out.copy_within(payload.., start + header);
    out.truncate(out.len() - (MAX_HEADER - header));
    put_header(
        &mut &mut out[start..start + header],
        opcode_of(encoding),
        len,
    );
}

/// `message` as one frame.
pub fn message(encoding: Encoding, message: &ServerMessage<'_>) -> Bytes {
    let mut out = Vec::new();
    put_message(&mut out, encoding, message);
    out.into()
}
