//! Violations of the WebSocket protocol by a client.

/// A client's violation of the protocol. The connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A bit of RSV1 to RSV3 is set to which no negotiated extension gives a meaning.
    #[error("reserved bits are set")]
    ReservedBits,
    /// The opcode is reserved by RFC 6455.
    #[error("opcode is reserved")]
    Opcode,
    /// The frame is not masked.
    #[error("frame is not masked")]
    Unmasked,
    /// The frame is masked, on a transport whose frames are not.
    #[error("frame is masked")]
    Masked,
    /// A close, ping or pong does not have the FIN bit.
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// A close, ping or pong is longer than 125 bytes.
    #[error("control frame is longer than 125 bytes")]
    LongControl,
    /// The length is not encoded in the fewest bytes, or its top bit is set.
    #[error("length is not encoded in the fewest bytes")]
    Length,
    /// A continuation frame arrived outside a message.
    #[error("continuation frame outside a message")]
    NothingToContinue,
    /// A new message started inside a fragmented one.
    #[error("new message inside a fragmented message")]
    Interleaved,
    /// The payload of a close frame is one byte long.
    #[error("payload of the close frame is one byte long")]
    CloseLength,
    /// The close code must not be sent on the wire.
    #[error("close code {0} must not be sent")]
    CloseCode(u16),
    /// The close reason is not UTF-8.
    #[error("close reason is not UTF-8")]
    CloseReason,
    /// A text message is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A compressed message is not valid DEFLATE data, or is truncated.
    #[error("message cannot be inflated")]
    Deflate,
    /// A message is longer than the limit.
    #[error("message is longer than {limit} bytes")]
    TooBig {
        /// The limit in bytes.
        limit: u32,
    },
}

/// Checks a close frame's payload and returns its code, if any (RFC 6455 sections 5.5.1 and 7.4).
pub(super) fn close_code(payload: &[u8]) -> Result<Option<u16>, ProtocolError> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(ProtocolError::CloseLength),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(ProtocolError::CloseCode(code));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(ProtocolError::CloseReason);
    }
    Ok(Some(code))
}
