//! The seam between the edge's core and its sockets.

use bytes::Bytes;
use grandstand_common::error::ErrorKind;

use crate::conn::key::ConnKey;

/// The result of sending bytes to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendStatus {
    /// The kernel took all of them.
    Written,
    /// The bytes wait in the connection's outbox for a slow socket.
    Queued,
    /// All of them were refused because the outbox is at its cap.
    Full,
    /// The connection is closed or closing.
    Gone,
}

/// Sends the core's frames to its clients: over a shard's connections, or over a simulation's.
pub trait Transport {
    /// Sends whole WebSocket frames: straight to the socket if the outbox is empty, otherwise through the outbox.
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus;

    /// Like [`send`](Self::send), for frames that must not be dropped while the connection lives. They may fill the outbox
    /// up to twice its cap; beyond that the connection is closed with `too_slow`.
    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus;

    /// Sends one whole frame as a datagram, which may be lost, and may arrive out of order. Returns whether the
    /// connection can do that with a frame of this size.
    fn send_datagram(&mut self, _conn: ConnKey, _frame: &Bytes) -> bool {
        false
    }

    /// Whether the socket has accepted all frames, so that [`send`](Self::send) goes straight to it. If it has not,
    /// `Core::handle_drained` follows once it has.
    fn is_drained(&self, conn: ConnKey) -> bool;

    /// Drops the data frames in the outbox, but neither control frames nor the rest of a frame that was partly written.
    /// `Core::handle_drained` follows once the outbox is empty, even if it was empty before.
    fn discard(&mut self, conn: ConnKey);

    /// Queues a close frame after the outbox, then performs the close handshake.
    fn close(&mut self, conn: ConnKey, why: ErrorKind);

    /// Stops or resumes reading from the connection. Its heartbeat deadline is suspended while it is paused.
    fn pause(&mut self, conn: ConnKey, paused: bool);
}
