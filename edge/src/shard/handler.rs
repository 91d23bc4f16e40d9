//! The handler of `/v1/ws`: makes connections clients of the core.

use std::rc::Rc;
use std::time::Instant;

use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::{Payload, ServerMessage};
use tracing::debug;

use crate::codec;
use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use crate::server::handler::{CloseReason, ConnectInfo, Handler};
use crate::shard::admission::AdmissionPolicy;
use crate::shard::handle::Shard;
use crate::websocket::frame::Message;

/// Passes connections and their messages to a shard's core.
#[derive(Debug)]
pub struct CoreHandler {
    shard: Rc<Shard>,
    admission: AdmissionPolicy,
}

impl CoreHandler {
    /// Creates a handler for this shard's core.
    pub fn new(shard: Rc<Shard>, admission: AdmissionPolicy) -> Self {
        Self { shard, admission }
    }
}

impl Handler for CoreHandler {
    fn open(&self, conn: ConnKey, info: ConnectInfo, _: Instant) {
        let ConnectInfo { format, peer, .. } = info;
        match self.admission.admit(&info, unix_ms()) {
            Ok(grants) => self.shard.run(|core, conns, now| {
                let connection = core.name(conn);
                debug!(%connection, %peer, player = %grants.player(), "client connected");
                core.handle_open(conn, format, grants, now, conns);
            }),
            Err((kind, message)) => self.shard.run(|core, conns, _| {
                let connection = core.name(conn);
                debug!(%connection, %peer, code = kind.code(), message, "client refused");
                core.count_refused(kind);
                let error = ServerMessage::Error {
                    id: None,
                    code: kind.code(),
                    message: &message,
                    room: None,
                    seq: None,
                    retry_after_ms: None,
                };
                conns.send_control(conn, &codec::message(format.encoding, &error));
                conns.close(conn, kind);
            }),
        }
    }

    fn message(&self, conn: ConnKey, message: Message<'_>, _: Instant) {
        let payload = match message {
            Message::Text(text) => Payload::Json(text),
            Message::Binary(bytes) => Payload::Proto(bytes),
        };
        self.shard.run(|core, conns, now| {
            core.handle_message(conn, payload, now, conns);
        });
    }

    fn too_big(&self, conn: ConnKey, start: &[u8], _: Instant) {
        self.shard.run(|core, conns, now| {
            core.handle_too_big(conn, start, now, conns);
        });
    }

    fn frames(&self, conn: ConnKey, count: u32, _: Instant) {
        self.shard.run(|core, conns, now| {
            core.handle_frames(conn, count, now, conns);
        });
    }

    fn drained(&self, conn: ConnKey, _: Instant) {
        self.shard
            .run(|core, conns, now| core.handle_drained(conn, now, conns));
    }

    fn closed(&self, conn: ConnKey, _: CloseReason, _: Instant) {
        self.shard.run(|core, _, now| core.handle_closed(conn, now));
    }
}
