//! The QUIC connections of a shard: packets and timers in, packets out, and clients for the server.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use quinn_proto::{
    ConnectionHandle, DatagramEvent, EcnCodepoint, EndpointEvent, Incoming, Transmit,
};
use tracing::debug;

use crate::server::connections::CLOSE_GRACE;
use crate::server::driver::Driver;
use crate::server::quic::arrivals::Arrivals;
use crate::server::quic::budget::PacketBudget;
use crate::server::quic::clients::Clients;
use crate::server::quic::forward::Inlet;
use crate::server::quic::handover::Handover;
use crate::server::quic::link::{Conn, Wakes};
use crate::server::quic::packet::Packet;
use crate::server::quic::reception::Reception;
use crate::server::quic::session::{Session, Stage};
use crate::server::quic::settings::Settings;
use crate::server::quic::socket::{PacketSocket, Ports, UdpSockets};
use crate::server::quic::status::Status;
use crate::server::quic::timers::Timers;
use crate::time::coarse::CoarseInstant;
use crate::time::token_bucket::{Charge, Rate};

/// The most connections polled, and timers handled, before other tasks run.
const POLLS_PER_TURN: usize = 32;

/// The most packets that are handled before other tasks run.
const PACKETS_PER_TURN: usize = 64;

/// The most system calls that send packets of one connection before another one's turn.
const SENDS_PER_POLL: usize = 4;

/// The endpoint of a shard.
pub(super) struct Endpoint {
    clients: Clients,
    pub(super) socket: PacketSocket,
    pub(super) reception: Reception,
    status: Rc<Status>,
    settings: Settings,
    packets: Rate,
    start: Instant,
    proto: quinn_proto::Endpoint,
    /// The sessions, indexed by handle.
    sessions: Vec<Option<Session>>,
    timers: Timers,
    /// Clients whose handshakes have not begun.
    incoming: VecDeque<Incoming>,
    /// The packets to be sent next.
    out: Vec<u8>,
}

impl Endpoint {
    /// Creates the endpoint of a shard on the running runtime.
    ///
    /// # Errors
    /// If a socket cannot be used.
    pub(super) fn new(
        server: Rc<Driver>,
        sockets: UdpSockets,
        mut handover: Handover,
        mut settings: Settings,
        status: Rc<Status>,
        now: Instant,
    ) -> io::Result<Self> {
        let ports = Ports::new(sockets)?;
        let inlet = handover.take_inlet().map(Inlet::new).transpose()?;
        let arrivals = Arrivals::new(Rc::clone(&ports), inlet, Rc::clone(&status));
        let socket = PacketSocket::new(ports);
        let config = Arc::new(settings.endpoint(handover.place()));
        let allow_mtud = !socket.may_fragment();
        let clients = Clients {
            metrics: server.context.metrics.quic.clone(),
            wakes: Wakes::new(Rc::clone(&arrivals)),
            server,
        };
        Ok(Self {
            proto: quinn_proto::Endpoint::new(config, settings.current(), allow_mtud, None),
            socket,
            reception: Reception::new(arrivals, handover, clients.metrics.clone()),
            clients,
            status,
            packets: settings.packets(),
            settings,
            start: now,
            sessions: Vec::new(),
            timers: Timers::default(),
            incoming: VecDeque::new(),
            out: Vec::new(),
        })
    }

    /// The connections that must be polled.
    pub(super) fn wakes(&self) -> &Rc<Wakes> {
        &self.clients.wakes
    }

    /// The time of the next call of [`turn`](Self::turn), if nothing else happens.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Handles what has happened, up to limits. Returns whether something is left.
    ///
    /// # Errors
    /// If the socket fails.
    pub(super) fn turn(&mut self, now: Instant) -> io::Result<bool> {
        self.socket.flush();
        let mut has_more = self.reception.receive(&mut self.socket)?;
        if self.reception.arrivals.notice_end() {
            for session in self.sessions.iter().flatten() {
                self.clients.send_away(session);
            }
        }
        for _ in 0..PACKETS_PER_TURN {
            let Some(packet) = self.reception.next() else {
                break;
            };
            self.on_packet(packet, now);
        }
        has_more |= self.reception.has_packets();
        for _ in 0..self.clients.server.context.handshakes.limits().accepts {
            let Some(incoming) = self.incoming.pop_front() else {
                break;
            };
            self.accept(incoming, now);
        }
        for _ in 0..POLLS_PER_TURN {
            let Some(handle) = self.timers.pop_due(now) else {
                break;
            };
            self.on_timeout(handle, now);
        }
        for _ in 0..POLLS_PER_TURN {
            if self.socket.is_blocked() {
                break;
            }
            let Some(handle) = self.clients.wakes.pop() else {
                break;
            };
            self.poll(handle, now);
        }
        let can_poll = self.clients.wakes.len() > 0 && !self.socket.is_blocked();
        Ok(has_more || can_poll || !self.incoming.is_empty())
    }

    /// Handles a packet of a connection of this shard, or of a new one.
    fn on_packet(&mut self, packet: Packet, now: Instant) {
        let Packet {
            from,
            to,
            ecn,
            data,
        } = packet;
        let bytes = data.len();
        let coarse = self.coarse(now);
        let ecn = ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8));
        self.out.clear();
        match self.proto.handle(now, from, to, ecn, data, &mut self.out) {
            None => {}
            Some(DatagramEvent::Response(transmit)) => self.answer(transmit),
            Some(DatagramEvent::NewConnection(incoming)) => self.on_incoming(incoming),
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let Some(Some(session)) = self.sessions.get_mut(handle.0) else {
                    return;
                };
                let mut conn = session.conn.borrow_mut();
                let elsewhere = from != conn.proto.remote_address();
                let budget = &mut session.budget;
                let rate = self.packets;
                match budget.on_received(bytes, elsewhere, rate, coarse) {
                    Charge::Allowed => conn.proto.handle_event(event),
                    // As if the network had dropped it.
                    refused => {
                        self.clients.metrics.refused.inc();
                        if refused == Charge::Refused || conn.is_lost {
                            return;
                        }
                        conn.is_flooded = true;
                    }
                }
                self.clients.wakes.push(handle, &mut conn);
                if let Stage::Open(key, _) = session.stage {
                    self.clients
                        .server
                        .context
                        .connections
                        .on_activity(key, now);
                }
            }
        }
    }

    /// Sends packets that are of no connection, unless the socket is blocked. Their clients ask again.
    fn answer(&mut self, transmit: Transmit) {
        if !self.socket.is_blocked() {
            self.clients.metrics.sent.inc();
            self.socket.send(transmit, &self.out);
        }
    }

    /// Queues a new client for its handshake, or answers that it must prove its address or go elsewhere.
    fn on_incoming(&mut self, incoming: Incoming) {
        self.out.clear();
        if !self.status.is_accepting() {
            self.clients.metrics.on_handshake("refused");
            let answer = self.proto.refuse(incoming, &mut self.out);
            return self.answer(answer);
        }
        let context = &self.clients.server.context;
        let limit = context.handshakes.limits().concurrent;
        let free = context.handshakes.free();
        if free <= self.incoming.len() {
            // As in a listener's backlog, the client waits and asks again.
            self.clients.metrics.on_handshake("dropped");
            return self.proto.ignore(incoming);
        }
        // Under load, a handshake begins only for clients that receive packets at the address that they name.
        if limit - free >= limit.div_ceil(4) && !incoming.remote_address_validated() {
            match self.proto.retry(incoming, &mut self.out) {
                Ok(answer) => {
                    self.clients.metrics.on_handshake("retry");
                    self.answer(answer);
                }
                Err(error) => self.proto.ignore(error.into_incoming()),
            }
            return;
        }
        self.incoming.push_back(incoming);
    }

    /// Begins a client's handshake.
    fn accept(&mut self, incoming: Incoming, now: Instant) {
        if !self.status.is_accepting() {
            return self.on_incoming(incoming);
        }
        let context = &self.clients.server.context;
        let Some((permit, config)) = context.handshakes.try_begin().zip(self.settings.current())
        else {
            self.clients.metrics.on_handshake("dropped");
            return self.proto.ignore(incoming);
        };
        self.out.clear();
        let is_proven = incoming.remote_address_validated();
        let arrived = if is_proven {
            context.arrive(incoming.remote_address().ip())
        } else {
            context.arrive_unproven()
        };
        let arrived = match arrived {
            Ok(arrived) => arrived,
            Err(refused) => {
                self.clients.metrics.on_handshake("limited");
                if refused.is_flood {
                    return self.proto.ignore(incoming);
                }
                let answer = self.proto.refuse(incoming, &mut self.out);
                return self.answer(answer);
            }
        };
        let accepted = self
            .proto
            .accept(incoming, now, &mut self.out, Some(config));
        let (handle, proto) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(error = %error.cause, "a QUIC handshake has failed");
                self.clients.metrics.on_handshake("failed");
                if let Some(answer) = error.response {
                    self.answer(answer);
                }
                return;
            }
        };
        context.metrics.accepted.inc();
        context.metrics.handshakes.inc();
        self.status.on_begin();
        let conn = Conn::new(proto);
        self.clients.wakes.push(handle, &mut conn.borrow_mut());
        let deadline = now + context.handshakes.limits().timeout;
        let budget = PacketBudget::new(self.packets, self.coarse(now));
        let session = Session::new(conn, permit, budget, arrived, is_proven, deadline);
        if self.sessions.len() <= handle.0 {
            self.sessions.resize_with(handle.0 + 1, || None);
        }
        self.sessions[handle.0] = Some(session);
    }

    fn on_timeout(&mut self, handle: ConnectionHandle, now: Instant) {
        let Some(Some(session)) = self.sessions.get_mut(handle.0) else {
            return;
        };
        session.armed = None;
        let mut conn = session.conn.borrow_mut();
        conn.proto.handle_timeout(now);
        self.clients.wakes.push(handle, &mut conn);
    }

    /// Handles a connection's events, sends its packets, and sets its timer.
    fn poll(&mut self, handle: ConnectionHandle, now: Instant) {
        let Some(mut session) = self.sessions.get_mut(handle.0).and_then(Option::take) else {
            return;
        };
        let was_settled = session.is_settled();
        let conn = Rc::clone(&session.conn);
        conn.borrow_mut().is_queued = false;
        loop {
            let event = conn.borrow_mut().proto.poll();
            let Some(event) = event else {
                break;
            };
            self.clients.on_event(&mut session, event, now);
        }
        self.clients.advance(&mut session, handle, now);
        if std::mem::take(&mut conn.borrow_mut().is_flooded) {
            self.clients.on_flood(&mut session, now);
        }
        if std::mem::take(&mut conn.borrow_mut().is_ending) {
            session.end();
            if let Stage::Ending(_) = session.stage {
                session.deadline = Some(now + CLOSE_GRACE);
            }
        }
        if session.is_to_close() {
            session.close(now);
        }
        if session.deadline.is_some_and(|deadline| deadline <= now) {
            self.clients.on_late(&mut session, now);
        }
        let mut conn = conn.borrow_mut();
        while let Some(event) = conn.proto.poll_endpoint_events() {
            if let Some(reply) = self.proto.handle_event(handle, event) {
                conn.proto.handle_event(reply);
            }
        }
        let sent = self.transmit(handle, &mut conn, now);
        session.budget.on_sent(sent);
        if session.is_settled() && !was_settled {
            self.status.on_end();
        }
        self.arm(&mut session, handle, &mut conn);
        if conn.proto.is_drained() {
            return;
        }
        drop(conn);
        if session.is_forgotten(now) {
            // Otherwise a client decides how long: three times what it makes the round trip look like.
            self.timers.replace(handle, session.armed, None);
            self.proto.handle_event(handle, EndpointEvent::drained());
            return;
        }
        self.sessions[handle.0] = Some(session);
    }

    /// Sends a connection's packets, up to a limit. Returns their number.
    fn transmit(&mut self, handle: ConnectionHandle, conn: &mut Conn, now: Instant) -> usize {
        let mut sent = 0;
        for _ in 0..SENDS_PER_POLL {
            if self.socket.is_blocked() {
                break;
            }
            self.out.clear();
            let segments = self.socket.max_segments();
            let Some(transmit) = conn.proto.poll_transmit(now, segments, &mut self.out) else {
                return sent;
            };
            let segment = transmit.segment_size.unwrap_or(transmit.size);
            let packets = transmit.size.div_ceil(segment.max(1));
            sent += packets;
            self.clients.metrics.sent.inc_by(packets as u64);
            self.socket.send(transmit, &self.out);
        }
        self.clients.wakes.push(handle, conn);
        sent
    }

    /// Sets the timer of a connection.
    fn arm(&mut self, session: &mut Session, handle: ConnectionHandle, conn: &mut Conn) {
        let next = conn.proto.poll_timeout();
        let next = next.into_iter().chain(session.deadline).min();
        let next = next.filter(|_| !conn.proto.is_drained());
        self.timers.replace(handle, session.armed, next);
        session.armed = next;
    }

    fn coarse(&self, now: Instant) -> CoarseInstant {
        CoarseInstant::new(now.saturating_duration_since(self.start))
    }
}
