//! The handler of `/v1/echo`.

use std::cell::RefCell;
use std::time::Instant;

use grandstand_common::error::ErrorKind;

use crate::conn::key::ConnKey;
use crate::conn::map::ConnMap;
use crate::conn::transport::{SendStatus, Transport};
use crate::server::connections::Connections;
use crate::server::handler::{CloseReason, ConnectInfo, Handler};
use crate::websocket::deflate::{DeflateOptions, Deflater};
use crate::websocket::frame::{Message, Opcode, put_frame};

/// Sends every message back to its client, for the conformance suite.
///
/// Replies are compressed if the client negotiated compression. A connection is paused until the client has read the
/// reply, so that at most one message is queued per client.
#[derive(Debug)]
pub struct EchoHandler {
    connections: Connections,
    /// Connections that negotiated compression.
    deflated: RefCell<ConnMap<()>>,
    deflater: RefCell<Deflater>,
}

impl EchoHandler {
    /// The most bytes of a message and of an outbox on an echo route.
    pub const LIMIT: u32 = 32 << 20;

    /// Creates an echo handler that sends through `connections`.
    pub fn new(connections: Connections, deflate: DeflateOptions) -> Self {
        Self {
            connections,
            deflated: RefCell::default(),
            deflater: RefCell::new(Deflater::new(deflate)),
        }
    }
}

impl Handler for EchoHandler {
    fn open(&self, conn: ConnKey, info: ConnectInfo, _: Instant) {
        if info.format.deflate {
            self.deflated.borrow_mut().insert(conn, ());
        }
    }

    fn message(&self, conn: ConnKey, message: Message<'_>, _: Instant) {
        let (opcode, payload) = match message {
            Message::Text(text) => (Opcode::Text, text.as_bytes()),
            Message::Binary(bytes) => (Opcode::Binary, bytes),
        };
        let mut out = Vec::new();
        match self.deflated.borrow().get(conn) {
            Some(()) => self
                .deflater
                .borrow_mut()
                .put_frame(&mut out, opcode, payload),
            None => put_frame(&mut out, opcode, payload),
        }
        let mut connections = self.connections.clone();
        match connections.send(conn, &out.into()) {
            SendStatus::Queued => connections.pause(conn, true),
            SendStatus::Full => connections.close(conn, ErrorKind::TooSlow),
            SendStatus::Written | SendStatus::Gone => {}
        }
    }

    fn frames(&self, _: ConnKey, _: u32, _: Instant) {}

    fn drained(&self, conn: ConnKey, _: Instant) {
        self.connections.clone().pause(conn, false);
    }

    fn closed(&self, conn: ConnKey, _: CloseReason, _: Instant) {
        self.deflated.borrow_mut().remove(conn);
    }
}
