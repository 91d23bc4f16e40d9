//! The seam between the edge's core and its sockets.

use bytes::Bytes;
use grandstand_common::error::ErrorKind;

use crate::conn::key::ConnKey;

/// What became of bytes for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendStatus {
    /// The kernel has them.
    Written,
    /// They wait in the connection's outbox for a slow socket.
    Queued,
    /// They were refused: the outbox is at its cap. Nothing of them was taken.
    Full,
    /// There is no such connection (any more).
    Gone,
}

/// Where the core puts what is for clients: the shard's connections, or a simulation's.
pub trait Transport {
    /// Sends whole WebSocket frames, straight to the socket if nothing waits before them.
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus;

    /// Like [`send`](Self::send), for what must not be lost while the connection lives: it may exceed the cap, up to twice
    /// of it, and ends the connection with `too_slow` beyond that.
    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus;

    /// Drops what waits in the outbox, except for the rest of a frame that has begun. The core hears of the outbox's
    /// running empty through `Core::handle_drained`, also if nothing waited.
    fn discard(&mut self, conn: ConnKey);

    /// Closes with a close frame behind all that waits, then the close handshake.
    fn close(&mut self, conn: ConnKey, why: ErrorKind);

    /// Stops or resumes reading from the connection (its window is full). Its heartbeat deadline is suspended meanwhile.
    fn pause(&mut self, conn: ConnKey, paused: bool);
}
