//! The endpoint of `/v1/echo`.

use std::cell::RefCell;
use std::time::Instant;

use grandstand_common::error::ErrorKind;

use crate::conn::key::ConnKey;
use crate::conn::map::ConnMap;
use crate::conn::transport::{SendStatus, Transport};
use crate::server::connections::Connections;
use crate::server::handler::{CloseReason, ConnectInfo, Handler};
use crate::websocket::deflate::{DeflateOptions, Deflater};
use crate::websocket::frame::{MessageKind, Opcode, put_frame};

/// Sends every message back as it came, for the conformance suite.
///
/// Who may be sent compressed messages is. It reads no further while a client has not taken the answer, so it never holds more than a message for anybody.
#[derive(Debug)]
pub struct EchoHandler {
    conns: Connections,
    /// Those that are answered with compressed messages.
    deflated: RefCell<ConnMap<()>>,
    deflater: RefCell<Deflater>,
}

impl EchoHandler {
    /// The most bytes that a message, and an outbox, may have here.
    pub const LIMIT: u32 = 32 << 20;

    /// An echo on these connections.
    pub fn new(conns: Connections, deflate: DeflateOptions) -> Self {
        Self {
            conns,
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

    fn message(&self, conn: ConnKey, kind: MessageKind, payload: &[u8], _: Instant) {
        let opcode = match kind {
            MessageKind::Text => Opcode::Text,
            MessageKind::Binary => Opcode::Binary,
        };
        let mut out = Vec::new();
        match self.deflated.borrow().get(conn) {
            Some(()) => self
                .deflater
                .borrow_mut()
                .put_frame(&mut out, opcode, payload),
            None => put_frame(&mut out, opcode, payload),
        }
        let mut conns = self.conns.clone();
        match conns.send(conn, &out.into()) {
            SendStatus::Queued => conns.pause(conn, true),
            SendStatus::Full => conns.close(conn, ErrorKind::TooSlow),
            SendStatus::Written | SendStatus::Gone => {}
        }
    }

    fn drained(&self, conn: ConnKey, _: Instant) {
        self.conns.clone().pause(conn, false);
    }

    fn closed(&self, conn: ConnKey, _: CloseReason, _: Instant) {
        self.deflated.borrow_mut().remove(conn);
    }
}
