//! What may be wrong with what a client sends.

/// How a client broke the protocol. The connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// RSV1 to RSV3 are set where no extension that was agreed on has a meaning for them.
    #[error("reserved bits are set")]
    ReservedBits,
    /// An opcode that RFC 6455 reserves.
    #[error("reserved opcode")]
    Opcode,
    /// A client's frame without a mask.
    #[error("frame is not masked")]
    Unmasked,
    /// A close, ping or pong that says that it goes on.
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// A close, ping or pong of more than 125 bytes.
    #[error("control frame is longer than 125 bytes")]
    LongControl,
    /// A length that takes more bytes than it must, or has its top bit set.
    #[error("length is not encoded in the fewest bytes")]
    Length,
    /// A continuation, but no message has begun.
    #[error("continuation of nothing")]
    NothingToContinue,
    /// A new message inside another one.
    #[error("message inside a message")]
    Interleaved,
    /// A close frame of one byte.
    #[error("close frame of one byte")]
    CloseLength,
    /// A close code that must not be sent.
    #[error("close code {0} must not be sent")]
    CloseCode(u16),
    /// A close reason that is not UTF-8.
    #[error("close reason is not UTF-8")]
    CloseReason,
    /// A text message that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A compressed message that is not deflate, or ends in the middle of it.
    #[error("message cannot be inflated")]
    Deflate,
    /// A message over the limit.
    #[error("message is longer than {limit} bytes")]
    TooBig {
        /// The limit.
        limit: u32,
    },
}

/// Checks a close frame's payload (RFC 6455 sections 5.5.1 and 7.4).
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
