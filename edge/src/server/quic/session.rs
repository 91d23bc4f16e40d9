//! A QUIC connection from its handshake to its end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use quinn_proto::crypto::rustls::HandshakeData;
use quinn_proto::{Dir, StreamId, VarInt};
use smallvec::SmallVec;
use tokio::sync::OwnedSemaphorePermit;

use crate::conn::key::ConnKey;
use crate::limits::Arrived;
use crate::server::connections::CLOSE_GRACE;
use crate::server::quic::budget::PacketBudget;
use crate::server::quic::link::Conn;
use crate::server::quic::settings::HTTP3;
use crate::server::quic::webtransport::{self, WebTransport};

/// The code with which a connection of HTTP/3 ends, whose session has told why (RFC 9114 section 8.1).
const H3_NO_ERROR: u32 = 0x100;

/// The stage of a connection.
pub(super) enum Stage {
    /// TLS is being negotiated.
    Handshake,
    /// The client has not sent its first message: its stream, and what has arrived on it.
    Native(Option<StreamId>, Vec<u8>),
    /// The client has not opened its session.
    WebTransport(WebTransport),
    /// The client is connected: its key, and its streams.
    Open(ConnKey, Streams),
    /// The edge has ended the streams, of which the client has not acknowledged these. A client with WebTransport then
    /// closes the connection itself: browsers forget why the session has ended if the edge is faster.
    Ending(SmallVec<[StreamId; 2]>),
    /// Nothing more is exchanged but the packets that close the connection.
    Over,
}

/// The streams of a connected client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Streams {
    /// The one that carries the frames.
    pub(super) frames: StreamId,
    /// The one of the request that opened the session, with WebTransport.
    pub(super) request: Option<StreamId>,
}

impl Streams {
    /// The byte with which datagrams begin, with WebTransport: a quarter of the number of the request's stream (RFC 9297
    /// section 2.1), which is less than 64.
    pub(super) fn datagram_prefix(&self) -> Option<[u8; 1]> {
        let quarter = VarInt::from(self.request?).into_inner() / 4;
        u8::try_from(quarter).ok().map(|byte| [byte])
    }
}

/// A connection of an endpoint.
pub(super) struct Session {
    pub(super) conn: Rc<RefCell<Conn>>,
    pub(super) stage: Stage,
    pub(super) budget: PacketBudget,
    /// Held until the client is connected.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// Counts the client until it is connected.
    pub(super) arrived: Option<Arrived>,
    /// The client's address was charged before the handshake.
    pub(super) is_charged: bool,
    /// The time by which the stage must be over: that of a handshake, that of an end, and that after it.
    pub(super) deadline: Option<Instant>,
    /// The time of its entry among the timers.
    pub(super) armed: Option<Instant>,
    /// Counts the connected clients of its transport.
    pub(super) counted: Option<Gauge>,
    is_http3: bool,
}

impl Session {
    pub(super) fn new(
        conn: Rc<RefCell<Conn>>,
        permit: OwnedSemaphorePermit,
        budget: PacketBudget,
        arrived: Arrived,
        is_charged: bool,
        deadline: Instant,
    ) -> Self {
        Self {
            conn,
            stage: Stage::Handshake,
            budget,
            permit: Some(permit),
            arrived: Some(arrived),
            is_charged,
            deadline: Some(deadline),
            armed: None,
            counted: None,
            is_http3: false,
        }
    }

    /// Begins the protocol that TLS has negotiated. Returns whether that is possible.
    pub(super) fn begin(&mut self) -> bool {
        let mut conn = self.conn.borrow_mut();
        let data = conn.proto.crypto_session().handshake_data();
        let data = data.and_then(|data| data.downcast::<HandshakeData>().ok());
        let protocol = data.and_then(|data| data.protocol);
        self.is_http3 = protocol.is_some_and(|protocol| protocol == HTTP3);
        self.stage = if self.is_http3 {
            match WebTransport::begin(&mut conn) {
                Ok(session) => Stage::WebTransport(session),
                Err(_) => return false,
            }
        } else {
            Stage::Native(None, Vec::new())
        };
        true
    }

    /// The name of its transport in metrics.
    pub(super) fn transport(&self) -> &'static str {
        if self.is_http3 {
            "webtransport"
        } else {
            "native"
        }
    }

    /// Takes the streams that the client has opened. Returns the number of those of which nothing is needed.
    pub(super) fn take_streams(&mut self, dir: Dir) -> u32 {
        let mut conn = self.conn.borrow_mut();
        let mut surplus = 0;
        while let Some(id) = conn.proto.streams().accept(dir) {
            let is_wanted = match &mut self.stage {
                Stage::Native(stream @ None, _) if dir == Dir::Bi => {
                    *stream = Some(id);
                    true
                }
                Stage::WebTransport(session) if dir == Dir::Bi => session.add(id),
                _ => false,
            };
            if is_wanted {
                continue;
            }
            surplus += 1;
            if dir == Dir::Uni && self.is_http3 {
                // The streams of HTTP/3 in one direction are read and ignored.
                discard(&mut conn, id);
                continue;
            }
            let none = VarInt::from_u32(0);
            conn.proto.recv_stream(id).stop(none).ok();
            if dir == Dir::Bi {
                conn.proto.send_stream(id).reset(none).ok();
            }
        }
        surplus
    }

    /// Reads a stream of which nothing is needed. Returns the number of bytes, and whether it has ended.
    pub(super) fn discard(&mut self, stream: StreamId) -> (usize, bool) {
        let mut conn = self.conn.borrow_mut();
        let bytes = discard(&mut conn, stream);
        let end = conn.read(stream, &mut [0]);
        let has_ended = end.is_err_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof);
        (bytes, has_ended)
    }

    /// Ends the streams. The connection is closed once the client has acknowledged them.
    pub(super) fn end(&mut self) {
        let Stage::Open(_, Streams { frames, request }) = self.stage else {
            return;
        };
        let mut conn = self.conn.borrow_mut();
        let (code, reason) = conn.reason;
        // It fails if the stream has ended already.
        conn.proto.send_stream(frames).finish().ok();
        if let Some(request) = request {
            webtransport::close(&mut conn, request, code, reason);
        }
        let mut left = SmallVec::new();
        for stream in [Some(frames), request].into_iter().flatten() {
            let stopped = conn.proto.send_stream(stream).stopped();
            if stopped.is_ok_and(|by| by.is_none()) {
                left.push(stream);
            }
        }
        self.stage = Stage::Ending(left);
    }

    /// Notes that the client has acknowledged the end of a stream, or does not want the rest of it.
    pub(super) fn on_finished(&mut self, stream: StreamId) {
        if let Stage::Ending(left) = &mut self.stage {
            left.retain(|id| *id != stream);
        }
    }

    /// Whether the connection is to be closed now.
    pub(super) fn is_to_close(&self) -> bool {
        !self.is_http3 && matches!(&self.stage, Stage::Ending(left) if left.is_empty())
    }

    /// Closes the connection.
    pub(super) fn close(&mut self, now: Instant) {
        let mut conn = self.conn.borrow_mut();
        let (code, reason) = conn.reason;
        let code = if self.is_http3 {
            VarInt::from_u32(H3_NO_ERROR)
        } else {
            VarInt::from(code)
        };
        let reason = Bytes::from_static(reason.as_bytes());
        conn.proto.close(now, code, reason);
        conn.is_lost = true;
        drop(conn);
        self.stop(now);
    }

    /// Closes a connection whose client is not connected.
    pub(super) fn refuse(&mut self, code: u16, reason: &'static str, now: Instant) {
        self.conn.borrow_mut().reason = (code, reason);
        self.close(now);
    }

    /// Notes that the connection is over. Returns the key of its client, if it was connected.
    pub(super) fn stop(&mut self, now: Instant) -> Option<ConnKey> {
        self.permit = None;
        self.arrived = None;
        self.deadline = Some(now + CLOSE_GRACE);
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Open(key, _) => Some(key),
            _ => None,
        }
    }

    /// Whether the connection has been over for long enough, whatever its client still sends.
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Over) && self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether the client knows that it is disconnected.
    pub(super) fn is_settled(&self) -> bool {
        match &self.stage {
            Stage::Over => true,
            Stage::Ending(left) => left.is_empty(),
            _ => false,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(counted) = &self.counted {
            counted.dec();
        }
    }
}

fn discard(conn: &mut Conn, stream: StreamId) -> usize {
    let mut buffer = [0; 512];
    let mut bytes = 0;
    while let Ok(count) = conn.read(stream, &mut buffer) {
        bytes += count;
    }
    bytes
}
