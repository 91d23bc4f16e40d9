//! The interface between connections and the code that handles their messages.

use std::net::SocketAddr;
use std::time::Instant;

use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane, RoomId};

use crate::codec::WireFormat;
use crate::conn::key::ConnKey;
use crate::websocket::error::ProtocolError;
use crate::websocket::frame::Message;

/// A client's handshake: its path, its formats and its unverified credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectInfo {
    /// The requested path, without the query.
    pub path: &'static str,
    /// The negotiated encoding and compression.
    pub format: WireFormat,
    /// The token: `Authorization: Bearer`, else `?token=`, else the subprotocol `bearer.<token>`.
    pub token: Option<String>,
    /// `?user=`, which only a development server trusts.
    pub user: Option<String>,
    /// The `Origin` header, which browsers send.
    pub origin: Option<String>,
    /// The client's address, as far as trusted proxies in front of the edge name it; otherwise that of the socket.
    pub peer: SocketAddr,
}

/// The reason why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed the connection, with this code if it sent one.
    Client(Option<u16>),
    /// The client broke the WebSocket protocol.
    Protocol(ProtocolError),
    /// The edge closed the connection: through [`Transport::close`](crate::conn::transport::Transport::close), or
    /// because the client was silent or too slow.
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

/// The kind of error that a protocol error is reported as.
pub(crate) fn error_kind(error: ProtocolError) -> ErrorKind {
    match error {
        ProtocolError::CloseReason | ProtocolError::Utf8 => ErrorKind::BadUtf8,
        // RFC 7692 names no code. 1007 is also the code of text that is not UTF-8: the frames are valid, their content
        // is not.
        ProtocolError::Deflate => ErrorKind::BadDeflate,
        ProtocolError::TooBig { .. } => ErrorKind::TooBig,
        _ => ErrorKind::Protocol,
    }
}

/// Handles the connections of one path: the core, or an echo.
///
/// Calls come from the shard's thread, one at a time and never from within a call to
/// [`Transport`](crate::conn::transport::Transport), so that an implementation can keep its state in a `RefCell`. Each
/// connection gets `open`, then its messages, then `closed` once.
pub trait Handler {
    /// A connection opened and accepts frames.
    fn open(&self, conn: ConnKey, info: ConnectInfo, now: Instant);

    /// A connection that is open wants the view of a lane, as the answer to a join with this id. It neither plays nor sends.
    fn watch(&self, _conn: ConnKey, _room: &RoomId, _lane: Lane, _id: u64, _now: Instant) {}

    /// A complete message arrived. A connection that is paused with
    /// [`pause`](crate::conn::transport::Transport::pause) delivers no messages until it is resumed.
    fn message(&self, conn: ConnKey, message: Message<'_>, now: Instant);

    /// A message exceeded the route's limit; `start` holds its first bytes, as far as they have arrived. The connection
    /// closes afterwards.
    fn too_big(&self, _conn: ConnKey, _start: &[u8], _now: Instant) {}

    /// `count` frames arrived that are not messages: pings, pongs and fragments. They are not handled yet, so that a client
    /// that sends too many can be closed first.
    fn frames(&self, conn: ConnKey, count: u32, now: Instant);

    /// The connection's outbox became empty.
    fn drained(&self, conn: ConnKey, now: Instant);

    /// The connection closed or is closing, also through [`close`](crate::conn::transport::Transport::close): no message
    /// follows, and frames sent to it are dropped.
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
