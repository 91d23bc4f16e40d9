//! The handler of `/v1/ws`: makes connections clients of the core.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use grandstand_common::auth::Grants;
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::{Payload, ServerMessage};
use grandstand_common::id::{Lane, RoomId};
use tracing::debug;

use crate::codec;
use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use crate::core::WatchRequest;
use crate::server::handler::{CloseReason, ConnectInfo, Handler};
use crate::shard::admission::{AdmissionPolicy, Refusal};
use crate::shard::handle::Shard;
use crate::websocket::frame::Message;

/// The most clients of a shard that wait until the key set of tokens has been read.
const MAX_WAITING: usize = 1024;

/// Passes connections and their messages to a shard's core.
#[derive(Debug)]
pub struct CoreHandler {
    gate: Rc<Gate>,
}

/// Admits clients.
#[derive(Debug)]
struct Gate {
    shard: Rc<Shard>,
    admission: AdmissionPolicy,
    /// The clients that wait until the key set of tokens has been read.
    waiting: Cell<usize>,
}

impl CoreHandler {
    /// Creates a handler for this shard's core.
    pub fn new(shard: Rc<Shard>, admission: AdmissionPolicy) -> Self {
        Self {
            gate: Rc::new(Gate {
                shard,
                admission,
                waiting: Cell::new(0),
            }),
        }
    }

    fn shard(&self) -> &Shard {
        &self.gate.shard
    }
}

impl Gate {
    /// Makes a connection a client, or refuses it.
    fn open(&self, conn: ConnKey, info: &ConnectInfo, admitted: Result<Grants, Refusal>) {
        let format = info.format;
        let peer = info.peer;
        match admitted {
            Ok(grants) => self.shard.run(|core, conns, now| {
                let connection = core.name(conn);
                let player = grants.player().map(|player| player.as_str());
                debug!(%connection, %peer, player, "client connected");
                core.handle_open(conn, format, grants, now, conns);
            }),
            Err(Refusal { kind, message, .. }) => self.shard.run(|core, conns, _| {
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

    /// Admits a client once the key set of tokens has been read. Nothing is read from the client meanwhile.
    async fn open_later(self: Rc<Self>, conn: ConnKey, info: ConnectInfo) {
        let admitted = self.admission.admit_after_read(&info, unix_ms).await;
        self.waiting.set(self.waiting.get() - 1);
        let is_open = self.shard.run(|_, conns, _| {
            conns.pause(conn, false);
            conns.is_open(conn)
        });
        if is_open {
            self.open(conn, &info, admitted);
        }
    }
}

impl Handler for CoreHandler {
    fn open(&self, conn: ConnKey, info: ConnectInfo, _: Instant) {
        let gate = &self.gate;
        let admitted = gate.admission.admit(&info, unix_ms());
        let waits = matches!(&admitted, Err(refusal) if refusal.is_key_unknown)
            && gate.waiting.get() < MAX_WAITING;
        if !waits {
            return gate.open(conn, &info, admitted);
        }
        gate.waiting.set(gate.waiting.get() + 1);
        gate.shard.run(|_, conns, _| conns.pause(conn, true));
        let opening = Rc::clone(gate).open_later(conn, info);
        gate.shard.supervisor.run_local("admission", opening);
    }

    fn watch(&self, conn: ConnKey, room: &RoomId, lane: Lane, id: u64, _: Instant) {
        self.shard().run(|core, conns, now| {
            let join = WatchRequest { room, lane, id };
            core.handle_watch(conn, join, now, conns);
        });
    }

    fn message(&self, conn: ConnKey, message: Message<'_>, _: Instant) {
        let payload = match message {
            Message::Text(text) => Payload::Json(text),
            Message::Binary(bytes) => Payload::Proto(bytes),
        };
        self.shard().run(|core, conns, now| {
            core.handle_message(conn, payload, now, conns);
        });
    }

    fn too_big(&self, conn: ConnKey, start: &[u8], _: Instant) {
        self.shard().run(|core, conns, now| {
            core.handle_too_big(conn, start, now, conns);
        });
    }

    fn frames(&self, conn: ConnKey, count: u32, _: Instant) {
        self.shard().run(|core, conns, now| {
            core.handle_frames(conn, count, now, conns);
        });
    }

    fn drained(&self, conn: ConnKey, _: Instant) {
        self.shard()
            .run(|core, conns, now| core.handle_drained(conn, now, conns));
    }

    fn closed(&self, conn: ConnKey, _: CloseReason, _: Instant) {
        self.shard()
            .run(|core, _, now| core.handle_closed(conn, now));
    }
}
