//! The seam between connections and what answers them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Instant;

use grandstand_common::error::ErrorKind;

use crate::codec::WireFormat;
use crate::conn::map::ConnMap;
use crate::conn::transport::{ConnKey, SendStatus, Transport};
use crate::server::connections::Conns;
use crate::websocket::decoder::MessageKind;
use crate::websocket::deflate::{DeflateOptions, Deflater};
use crate::websocket::error::Fault;
use crate::websocket::frame::{Opcode, put_frame};

/// What a client said of itself when it connected. Nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The path that it asked for, without the query.
    pub path: &'static str,
    /// The encoding that was agreed on, and whether messages may be compressed.
    pub form: WireFormat,
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
pub enum Ending {
    /// The client closed, with this code if it gave one.
    Client(Option<u16>),
    /// The client broke the WebSocket protocol.
    Fault(Fault),
    /// The edge closed it: the core by [`Transport::close`], or because the client was silent or too slow.
    Closed(ErrorKind),
    /// The socket ended or failed without a close frame.
    Lost,
}

impl Ending {
    /// The name in metrics: `client`, `lost`, or the error's code.
    pub fn label(self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Fault(fault) => fault.kind().code(),
            Self::Closed(kind) => kind.code(),
            Self::Lost => "lost",
        }
    }
}

/// What connections of one path lead to: the game core, or [`Echo`].
///
/// All calls come from the shard's thread, never from within a call to [`Transport`], and one at a time; an implementation
/// that keeps state keeps it in a `RefCell`. For one connection the order is `open`, then messages, then `closed` once.
pub trait Endpoint {
    /// A connection is there, and can be sent to.
    fn open(&self, conn: ConnKey, hello: Hello, now: Instant);

    /// A whole message came. Text is known to be UTF-8. After [`Transport::pause`] none comes until it is resumed.
    fn message(&self, conn: ConnKey, kind: MessageKind, payload: &[u8], now: Instant);

    /// The outbox, which had been in use, ran empty.
    fn drained(&self, conn: ConnKey, now: Instant);

    /// The connection ended, or is closing: nothing comes any more, and nothing sent gets there. Also called for what was
    /// closed by [`Transport::close`].
    fn closed(&self, conn: ConnKey, why: Ending, now: Instant);
}

/// Sends every message back as it came, for the conformance suite.
///
/// Who may be sent compressed messages is. It reads no further while a client has not taken the answer, so it never holds more than a message for anybody.
#[derive(Debug)]
pub struct Echo {
    conns: Conns,
    /// Those that are answered with compressed messages.
    deflated: RefCell<ConnMap<()>>,
    deflater: RefCell<Deflater>,
}

impl Echo {
    /// The most bytes that a message, and an outbox, may have here.
    pub const LIMIT: u32 = 32 << 20;

    /// An echo on these connections.
    pub fn new(conns: Conns, deflate: DeflateOptions) -> Self {
        Self {
            conns,
            deflated: RefCell::default(),
            deflater: RefCell::new(Deflater::new(deflate)),
        }
    }
}

impl Endpoint for Echo {
    fn open(&self, conn: ConnKey, hello: Hello, _: Instant) {
        if hello.form.deflate {
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

    fn closed(&self, conn: ConnKey, _: Ending, _: Instant) {
        self.deflated.borrow_mut().remove(conn);
    }
}
