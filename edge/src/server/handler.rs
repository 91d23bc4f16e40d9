//! The seam between connections and what answers them.

use std::net::SocketAddr;
use std::time::Instant;

use grandstand_common::error::ErrorKind;

use crate::codec::WireFormat;
use crate::conn::key::ConnKey;
use crate::websocket::error::ProtocolError;
use crate::websocket::frame::MessageKind;

/// What a client said of itself when it connected. Nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectInfo {
    /// The path that it asked for, without the query.
    pub path: &'static str,
    /// The encoding that was agreed on, and whether messages may be compressed.
    pub format: WireFormat,
    /// The token: `Authorization: Bearer`, else `?token=`, else the subprotocol `bearer.<token>`.
    pub token: Option<String>,
    /// `?user=`, which only a development server trusts.
    pub user: Option<String>,
    /// The `Origin` header, which browsers send.
    pub origin: Option<String>,
    /// The other end of the socket.
    pub peer: SocketAddr,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed, with this code if it gave one.
    Client(Option<u16>),
    /// The client broke the WebSocket protocol.
    Protocol(ProtocolError),
    /// The edge closed it: the core by [`Transport::close`](crate::conn::transport::Transport::close), or because the client was silent or too slow.
    Closed(ErrorKind),
    /// The socket ended or failed without a close frame.
    Lost,
}

impl CloseReason {
    /// The name in metrics: `client`, `lost`, or the error's code.
    pub fn label(self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Protocol(error) => error_kind(error).code(),
            Self::Closed(kind) => kind.code(),
            Self::Lost => "lost",
        }
    }
}

/// The client's code, the close code and the metric of a protocol error.
pub(crate) fn error_kind(error: ProtocolError) -> ErrorKind {
    match error {
        ProtocolError::CloseReason | ProtocolError::Utf8 => ErrorKind::BadUtf8,
        // 1007, as for text that is not UTF-8: the frames are valid, their content is not. RFC 7692 names no code.
        ProtocolError::Deflate => ErrorKind::BadDeflate,
        ProtocolError::TooBig { .. } => ErrorKind::TooBig,
        _ => ErrorKind::Protocol,
    }
}

/// What connections of one path lead to: the game core, or an echo.
///
/// All calls come from the shard's thread, never from within a call to [`Transport`](crate::conn::transport::Transport), and one at a time; an implementation
/// that keeps state keeps it in a `RefCell`. For one connection the order is `open`, then messages, then `closed` once.
pub trait Handler {
    /// A connection is there, and can be sent to.
    fn open(&self, conn: ConnKey, info: ConnectInfo, now: Instant);

    /// A whole message came. Text is known to be UTF-8. After [`pause`](crate::conn::transport::Transport::pause) none comes until it is resumed.
    fn message(&self, conn: ConnKey, kind: MessageKind, payload: &[u8], now: Instant);

    /// The outbox, which had been in use, ran empty.
    fn drained(&self, conn: ConnKey, now: Instant);

    /// The connection ended, or is closing: nothing comes any more, and nothing sent gets there. Also called for what was
    /// closed by [`close`](crate::conn::transport::Transport::close).
    fn closed(&self, conn: ConnKey, why: CloseReason, now: Instant);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_errors_have_their_close_codes() {
        let code = |error| error_kind(error).close_code();
        assert_eq!(code(ProtocolError::Unmasked), 1002);
        assert_eq!(code(ProtocolError::Length), 1002);
        assert_eq!(code(ProtocolError::Utf8), 1007);
        assert_eq!(code(ProtocolError::CloseReason), 1007);
        assert_eq!(code(ProtocolError::TooBig { limit: 1 }), 1009);
        assert_eq!(code(ProtocolError::Deflate), 1007);
    }
}
