//! Handles the events of a connection for its client: connected, reading, writing, gone.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use quinn_proto::{ConnectionHandle, Event, StreamEvent, StreamId};
use tracing::{debug, warn};

use crate::conn::transport::Transport;
use crate::server::connections::{ConnState, Link, Upgraded};
use crate::server::driver::Driver;
use crate::server::handler::ConnectInfo;
use crate::server::quic::hello::{BadHello, Hello, whole_message};
use crate::server::quic::link::{Conn, QuicLink, Wakes};
use crate::server::quic::metrics::QuicMetrics;
use crate::server::quic::session::{Session, Stage, Streams};

/// The path of native clients in [`ConnectInfo`].
const NATIVE_PATH: &str = "grandstand/1";

/// Handles the events of connections for the server.
pub(super) struct Clients {
    pub(super) server: Rc<Driver>,
    pub(super) metrics: QuicMetrics,
    pub(super) wakes: Rc<Wakes>,
}

/// A client that has sent its first message.
struct Greeted {
    streams: Streams,
    info: ConnectInfo,
    /// The bytes after the message.
    early: Vec<u8>,
}

impl Clients {
    /// Handles an event of a connection.
    pub(super) fn on_event(&self, session: &mut Session, event: Event, now: Instant) {
        match event {
            Event::Connected => {
                let server = &self.server.context;
                let client = session.conn.borrow().proto.remote_address().ip();
                if !session.is_charged
                    && let Some(arrived) = &mut session.arrived
                    && let Err(refused) = server.charge(arrived, client)
                {
                    debug!(?refused, "a client over QUIC is refused");
                    self.leave_handshake(session, "limited");
                    let why = ErrorKind::RateLimited;
                    session.refuse(why.close_code(), why.code(), now);
                } else if !session.begin() {
                    session.refuse(ErrorKind::Protocol.close_code(), "bad_protocol", now);
                }
            }
            Event::ConnectionLost { reason } => {
                debug!(%reason, "a QUIC connection has ended");
                self.leave_handshake(session, "failed");
                session.conn.borrow_mut().is_lost = true;
                if let Some(key) = session.stop(now) {
                    self.server.context.connections.wake(key);
                }
            }
            Event::Stream(event) => self.on_stream(session, event, now),
            Event::DatagramReceived => self.on_datagrams(session, now),
            Event::HandshakeDataReady | Event::DatagramsUnblocked => {}
        }
    }

    /// Charges a client for what it sends beside messages, as for frames that are none.
    fn charge(&self, session: &Session, count: u32, now: Instant) {
        let context = &self.server.context;
        if let Stage::Open(key, _) = session.stage
            && context.connections.state(key).0 == ConnState::Open
        {
            context.route(0).handler.frames(key, count, now);
        }
    }

    /// Handles the messages that have come as datagrams. Messages before the client is connected are dropped, and those
    /// that are no frame.
    fn on_datagrams(&self, session: &mut Session, now: Instant) {
        loop {
            let received = session.conn.borrow_mut().proto.datagrams().recv();
            let Some(received) = received else {
                return;
            };
            let Stage::Open(key, streams) = session.stage else {
                continue;
            };
            let context = &self.server.context;
            let frame = match streams.datagram_prefix() {
                Some(prefix) => received.strip_prefix(&prefix),
                None => Some(&received[..]),
            };
            let is_read = context.connections.state(key) == (ConnState::Open, false);
            match frame.and_then(whole_message) {
                Some(message) if is_read => {
                    context.count_received(received.len());
                    context.connections.count_received(key, received.len());
                    self.metrics.datagrams_received.inc();
                    context.route(0).handler.message(key, message, now);
                }
                Some(_) => {}
                None => self.charge(session, 1, now),
            }
        }
    }

    fn on_stream(&self, session: &mut Session, event: StreamEvent, now: Instant) {
        let connections = &self.server.context.connections;
        let open_stream = |session: &Session, id: StreamId| match session.stage {
            Stage::Open(key, streams) => Some((key, streams, streams.frames == id)),
            _ => None,
        };
        match event {
            StreamEvent::Opened { dir } => {
                let surplus = session.take_streams(dir);
                if surplus > 0 {
                    self.charge(session, surplus, now);
                }
            }
            StreamEvent::Readable { id } => match open_stream(session, id) {
                Some((key, _, true)) => connections.wake(key),
                // A session of WebTransport ends with its request.
                Some((key, streams, false)) => {
                    let (bytes, has_ended) = session.discard(id);
                    let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
                    self.charge(session, kib.saturating_add(1), now);
                    if has_ended && streams.request == Some(id) {
                        session.conn.borrow_mut().is_lost = true;
                        connections.wake(key);
                    }
                }
                None if matches!(session.stage, Stage::Handshake | Stage::Ending(_)) => {
                    session.discard(id);
                }
                None => {}
            },
            StreamEvent::Writable { id } => {
                if let Some((key, _, true)) = open_stream(session, id) {
                    connections.on_event(key, true);
                    connections.wake(key);
                }
            }
            StreamEvent::Stopped { id, .. } => match open_stream(session, id) {
                Some((key, _, true)) => {
                    session.conn.borrow_mut().is_lost = true;
                    connections.wake(key);
                }
                Some(_) => {}
                None => session.on_finished(id),
            },
            StreamEvent::Finished { id } => session.on_finished(id),
            StreamEvent::Available { .. } => {}
        }
    }

    /// Connects a client that has sent what it must.
    pub(super) fn advance(&self, session: &mut Session, handle: ConnectionHandle, now: Instant) {
        let limit = self.server.context.options.header_bytes;
        let conn = Rc::clone(&session.conn);
        let peer = conn.borrow().proto.remote_address();
        let found = match &mut session.stage {
            Stage::Native(Some(stream), received) => {
                let read = read_hello(&mut conn.borrow_mut(), *stream, received, limit);
                read.map(|hello| {
                    hello.map(|mut hello| {
                        let early = std::mem::take(&mut hello.rest);
                        let streams = Streams {
                            frames: *stream,
                            request: None,
                        };
                        Greeted {
                            streams,
                            info: hello.info(NATIVE_PATH, peer),
                            early,
                        }
                    })
                })
                .map_err(|_| ())
            }
            Stage::WebTransport(begun) => {
                let opened = begun.advance(&mut conn.borrow_mut(), limit, peer);
                opened
                    .map(|opened| {
                        opened.map(|opened| {
                            let streams = Streams {
                                frames: opened.stream,
                                request: Some(opened.request),
                            };
                            Greeted {
                                streams,
                                info: opened.info,
                                early: opened.early,
                            }
                        })
                    })
                    .map_err(|_| ())
            }
            _ => return,
        };
        match found {
            Ok(None) => {}
            Ok(Some(greeted)) => self.open(session, handle, greeted, now),
            Err(()) => {
                self.leave_handshake(session, "failed");
                session.refuse(ErrorKind::Protocol.close_code(), "bad_hello", now);
            }
        }
    }

    fn open(
        &self,
        session: &mut Session,
        handle: ConnectionHandle,
        greeted: Greeted,
        now: Instant,
    ) {
        let Greeted {
            streams,
            info,
            early,
        } = greeted;
        let conn = Rc::clone(&session.conn);
        let wakes = Rc::clone(&self.wakes);
        let prefix = streams.datagram_prefix();
        let link = QuicLink::new(handle, conn, streams.frames, prefix, wakes);
        let Some(arrived) = session.arrived.take() else {
            return;
        };
        let opened = self.server.open(Upgraded {
            link: Link::Quic(Box::new(link)),
            route: 0,
            info,
            presence: arrived.open(),
            head: Bytes::new(),
            early: early.into(),
        });
        if let Some(deadline) = session.deadline {
            let limit = self.server.context.handshakes.limits().timeout;
            let left = deadline.saturating_duration_since(now);
            self.server.context.on_upgraded(limit.saturating_sub(left));
        }
        self.leave_handshake(session, "open");
        match opened {
            Ok(key) => {
                let counted = self.metrics.connections(session.transport());
                counted.inc();
                session.counted = Some(counted);
                session.stage = Stage::Open(key, streams);
                // More may have arrived than was read.
                self.server.context.connections.wake(key);
            }
            Err(error) => {
                warn!(%error, "cannot open a QUIC connection");
                session.refuse(ErrorKind::Internal.close_code(), "internal", now);
            }
        }
    }

    /// Closes a connection that has brought far more packets than it may.
    pub(super) fn on_flood(&self, session: &mut Session, now: Instant) {
        let why = ErrorKind::RateLimited;
        match session.stage {
            Stage::Open(key, _) => {
                self.server.context.connections.clone().close(key, why);
            }
            Stage::Ending(_) | Stage::Over => {}
            _ => {
                self.leave_handshake(session, "limited");
                session.refuse(why.close_code(), why.code(), now);
            }
        }
    }

    /// Closes a client because its packets do not arrive any more.
    pub(super) fn send_away(&self, session: &Session) {
        if let Stage::Open(key, _) = session.stage {
            let mut connections = self.server.context.connections.clone();
            connections.close(key, ErrorKind::GoingAway);
        }
    }

    /// Counts a handshake as over, once.
    fn leave_handshake(&self, session: &mut Session, result: &'static str) {
        if session.permit.take().is_some() {
            session.deadline = None;
            self.server.context.metrics.handshakes.dec();
            self.metrics.on_handshake(result);
        }
    }

    /// Closes a connection whose handshake or whose end takes too long.
    pub(super) fn on_late(&self, session: &mut Session, now: Instant) {
        match session.stage {
            // It is forgotten.
            Stage::Over => {}
            Stage::Ending(_) => session.close(now),
            _ => {
                self.leave_handshake(session, "late");
                session.refuse(ErrorKind::Timeout.close_code(), "handshake_timeout", now);
            }
        }
    }
}

/// Reads a native client's first message; `None` if it is incomplete.
fn read_hello(
    conn: &mut Conn,
    stream: StreamId,
    received: &mut Vec<u8>,
    limit: usize,
) -> Result<Option<Hello>, BadHello> {
    let mut buffer = [0; 2048];
    while received.len() <= limit
        && let Ok(count) = conn.read(stream, &mut buffer)
    {
        received.extend_from_slice(&buffer[..count]);
    }
    Hello::read(received, limit)
}
