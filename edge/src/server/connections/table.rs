//! The table of a shard's connections, with their heartbeats and deadlines.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::EdgeId;
use mio::{Interest, Registry, Token};
use slotmap::{DefaultKey, SlotMap};
use tokio::sync::Notify;

use crate::conn::key::ConnKey;
use crate::conn::map::ConnMap;
use crate::conn::transport::SendStatus;
use crate::server::connections::facts::{ConnFacts, Facts};
use crate::server::connections::flags::{Flag, Flags};
use crate::server::connections::heartbeat::{Beat, beat};
use crate::server::connections::link::Link;
use crate::server::connections::opening::Opening;
use crate::server::connections::outbox::{FrameClass, Outbox};
use crate::server::connections::silence::silence;
use crate::server::connections::slot::{conn_key, slot_key};
use crate::server::connections::socket::{ConnEntry, ConnState};
use crate::server::connections::traffic::Traffic;
use crate::time::coarse::CoarseInstant;
use crate::time::wheel::TimerWheel;
use crate::websocket::frame;

/// The most time for the close handshake.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// An empty ping.
const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// The connections of a shard by slot, with their heartbeats and deadlines.
#[derive(Debug)]
pub(super) struct Table {
    conns: SlotMap<DefaultKey, ConnEntry>,
    wheel: TimerWheel<ConnKey>,
    heartbeat: Duration,
    start: Instant,
    registry: Registry,
    /// Connections to be driven without an event of their sockets, each at most once.
    woken: VecDeque<ConnKey>,
    bell: Rc<Notify>,
    /// The data that only operators ask for, apart from the data that every write touches.
    facts: ConnMap<Facts>,
    /// The response to the handshake of the connection that is being opened: a write costs more than all else of it.
    opening: Opening,
    traffic: Traffic,
}

impl Table {
    pub(super) fn new(
        heartbeat: Duration,
        registry: Registry,
        bell: Rc<Notify>,
        now: Instant,
    ) -> Self {
        Self {
            conns: SlotMap::new(),
            wheel: TimerWheel::new(now),
            heartbeat,
            start: now,
            registry,
            woken: VecDeque::new(),
            bell,
            facts: ConnMap::default(),
            opening: Opening::default(),
            traffic: Traffic::default(),
        }
    }

    /// Begins to open a connection: sends `head` before its first frames. [`end_opening`](Self::end_opening) must follow
    /// before another connection is opened.
    pub(super) fn begin_opening(&mut self, key: ConnKey, head: Bytes) {
        self.opening.begin(key, head);
    }

    /// Sends the head of the response to a handshake if nothing else was sent.
    pub(super) fn end_opening(&mut self, key: ConnKey) {
        let Some(head) = self.opening.take(key) else {
            return;
        };
        let write = |conn: &mut ConnEntry| {
            conn.write_first(&head, &Bytes::new(), FrameClass::Control) == SendStatus::Written
        };
        if self.measured(key, write) == Some(false) {
            self.wake(key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.conns.len()
    }

    pub(super) fn keys(&self) -> Vec<ConnKey> {
        self.conns.keys().map(conn_key).collect()
    }

    pub(super) fn open_keys(&self) -> Vec<ConnKey> {
        let open = |(_, conn): &(DefaultKey, &ConnEntry)| conn.state == ConnState::Open;
        let open = self.conns.iter().filter(open);
        open.map(|(key, _)| conn_key(key)).collect()
    }

    /// Converts a time to the resolution that connections store.
    pub(super) fn coarse(&self, now: Instant) -> CoarseInstant {
        CoarseInstant::new(now.saturating_duration_since(self.start))
    }

    /// The facts about a connection that operators see.
    pub(super) fn facts(&self, key: ConnKey, now: Instant) -> Option<ConnFacts> {
        let (facts, conn) = (self.facts.get(key)?, self.conns.get(slot_key(key))?);
        let since = self.start + Duration::from_secs(facts.since_s.into());
        Some(ConnFacts {
            address: facts.address,
            age: now.saturating_duration_since(since),
            received: facts.received,
            sent: conn.sent,
        })
    }

    /// Counts bytes that were received.
    pub(super) fn count_received(&mut self, key: ConnKey, bytes: usize) {
        if let Some(facts) = self.facts.get_mut(key) {
            facts.received += bytes as u64;
        }
    }

    /// Adds a link to a client at this address, with an outbox of at most `cap` bytes.
    ///
    /// # Errors
    /// If the kernel cannot watch another socket.
    pub(super) fn insert(
        &mut self,
        mut link: Link,
        address: IpAddr,
        cap: u32,
        now: Instant,
    ) -> io::Result<ConnKey> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let (start, heartbeat, registry) = (self.start, self.heartbeat, &self.registry);
        let mut deadline = now;
        let key = self.conns.try_insert_with_key(|key| {
            let key = conn_key(key);
            if let Some(socket) = link.socket_mut() {
                registry.register(socket, Token(key.to_bits() as usize), interest)?;
            }
            deadline += silence(heartbeat, key);
            Ok::<_, io::Error>(ConnEntry {
                link,
                outbox: None,
                last_activity: CoarseInstant::new(now.saturating_duration_since(start)),
                deadline: CoarseInstant::new(deadline.saturating_duration_since(start)),
                cap,
                sent: 0,
                state: ConnState::Open,
                flags: Flags::default(),
            })
        })?;
        let key = conn_key(key);
        self.wheel.insert(deadline, key);
        let since_s = now.saturating_duration_since(self.start).as_secs() as u32;
        self.facts.insert(key, Facts::new(address, since_s));
        if let Some(conn) = self.get_mut(key) {
            conn.send_kept();
        }
        Ok(key)
    }

    /// Sends an event stream its first event.
    pub(super) fn announce(&mut self, key: ConnKey, edge: &EdgeId) {
        if let Some(conn) = self.get_mut(key)
            && let Link::Events(stream) = &mut conn.link
        {
            stream.announce(edge, key);
            conn.send_kept();
        }
    }

    /// The event stream with this key and secret, unless it is closing.
    pub(super) fn event_stream(&mut self, key: ConnKey, secret: u128) -> Option<&mut ConnEntry> {
        let conn = self.get_mut(key).filter(|c| c.state == ConnState::Open)?;
        let is_its = matches!(&conn.link, Link::Events(stream) if stream.has_secret(secret));
        is_its.then_some(conn)
    }

    /// Changes a connection, and counts what it is sent and what waits for it.
    #[inline]
    pub(super) fn measured<T>(
        &mut self,
        key: ConnKey,
        change: impl FnOnce(&mut ConnEntry) -> T,
    ) -> Option<T> {
        let conn = self.conns.get_mut(slot_key(key))?;
        let before = Traffic::of(conn);
        let result = change(conn);
        self.traffic.change(before, Traffic::of(conn));
        Some(result)
    }

    /// The traffic of all connections.
    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub(super) fn get_mut(&mut self, key: ConnKey) -> Option<&mut ConnEntry> {
        self.conns.get_mut(slot_key(key))
    }

    /// A connection, and `now` in the resolution that connections store.
    pub(super) fn get_at(
        &mut self,
        key: ConnKey,
        now: Instant,
    ) -> Option<(&mut ConnEntry, CoarseInstant)> {
        let now = self.coarse(now);
        Some((self.get_mut(key)?, now))
    }

    /// Notes an event of a connection's socket. Returns whether there is such a connection.
    pub(super) fn on_event(&mut self, key: ConnKey, writable: bool) -> bool {
        let conn = self.get_mut(key);
        conn.map(|conn| {
            if writable {
                conn.flags.set(Flag::Blocked, false);
            }
        })
        .is_some()
    }

    pub(super) fn remove(&mut self, key: ConnKey) {
        // Closing the socket removes it from the poll.
        if let Some(mut conn) = self.conns.remove(slot_key(key)) {
            self.traffic.remove(&conn);
            conn.end_link();
        }
        self.facts.remove(key);
    }

    /// Queues the connection to be driven.
    pub(super) fn wake(&mut self, key: ConnKey) {
        if let Some(conn) = self.get_mut(key)
            && !conn.flags.set(Flag::Woken, true)
        {
            self.woken.push_back(key);
            self.bell.notify_one();
        }
    }

    /// The next connection to be driven.
    pub(super) fn next_woken(&mut self) -> Option<ConnKey> {
        let key = self.woken.pop_front()?;
        if let Some(conn) = self.get_mut(key) {
            conn.flags.set(Flag::Woken, false);
        }
        Some(key)
    }

    pub(super) fn send(&mut self, key: ConnKey, frames: &Bytes, class: FrameClass) -> SendStatus {
        let head = self.opening.take(key);
        let sent = self.measured(key, |conn| {
            if conn.state != ConnState::Open {
                return (SendStatus::Gone, false);
            }
            if let Some(outbox) = &mut conn.outbox {
                return (outbox.push(frames.clone(), class), false);
            }
            let sent = match head {
                Some(head) => conn.write_first(&head, frames, class),
                None => conn.write_or_queue(frames, class),
            };
            (sent, sent != SendStatus::Written || conn.link.take_news())
        });
        let (sent, wakes) = sent.unwrap_or((SendStatus::Gone, false));
        if wakes {
            self.wake(key);
        }
        sent
    }

    /// Sends a frame as a datagram. Returns whether the connection can. A closed one needs no frames.
    pub(super) fn send_datagram(&mut self, key: ConnKey, frame: &Bytes) -> bool {
        let sent = self.measured(key, |conn| {
            conn.state != ConnState::Open || conn.send_datagram(frame)
        });
        sent.unwrap_or(true)
    }

    /// Whether the connection has no outbox, or is gone.
    pub(super) fn is_drained(&self, key: ConnKey) -> bool {
        let conn = self.conns.get(slot_key(key));
        conn.is_none_or(|conn| conn.outbox.is_none())
    }

    pub(super) fn discard(&mut self, key: ConnKey) {
        let was_drained = self.measured(key, |conn| {
            if conn.state != ConnState::Open {
                return false;
            }
            conn.flags.set(Flag::Stale, true);
            match &mut conn.outbox {
                Some(outbox) => outbox.discard(),
                None => {
                    conn.outbox = Some(Box::new(Outbox::new(conn.cap as usize)));
                    return true;
                }
            }
            false
        });
        if was_drained == Some(true) {
            // The driver finds an empty outbox drained, and the core is notified.
            self.wake(key);
        }
    }

    pub(super) fn discard_all(&mut self, key: ConnKey) {
        self.measured(key, |conn| {
            if let Some(outbox) = &mut conn.outbox {
                outbox.discard_all();
            }
        });
    }

    pub(super) fn close(&mut self, key: ConnKey, why: ErrorKind, now: Instant) {
        let close = frame::close(why.close_code(), why.code());
        self.end(key, &close, ConnState::Closing(why), now);
    }

    /// Sends the last frame and starts the deadline of the close handshake. Returns whether the connection was open.
    pub(super) fn end(
        &mut self,
        key: ConnKey,
        last: &Bytes,
        state: ConnState,
        now: Instant,
    ) -> bool {
        let deadline = now + CLOSE_GRACE;
        let coarse_deadline = self.coarse(deadline);
        let head = self.opening.take(key);
        let was_open = self.measured(key, |conn| {
            if conn.state != ConnState::Open {
                return false;
            }
            conn.state = state;
            if let (Link::Quic(stream), ConnState::Closing(why)) = (&mut conn.link, state) {
                stream.set_reason(why.close_code(), why.code());
            }
            match head {
                Some(head) => drop(conn.write_first(&head, last, FrameClass::Control)),
                None => conn.send_last(last),
            }
            conn.deadline = coarse_deadline;
            true
        });
        if was_open != Some(true) {
            return false;
        }
        self.wake(key);
        self.wheel.insert(deadline, key);
        true
    }

    /// Handles up to `limit` connections whose deadlines have passed. Returns when to call it again.
    pub(super) fn handle_timeouts(&mut self, limit: usize, now: Instant) -> Option<Instant> {
        let coarse = self.coarse(now);
        for _ in 0..limit {
            let Some(key) = self.wheel.poll_expired(now) else {
                return self.wheel.next_deadline();
            };
            let heartbeat = self.heartbeat;
            let tolerated = silence(heartbeat, key);
            // A connection with a later deadline has a later entry in the wheel.
            let due = self.get_mut(key).filter(|c| coarse.has_reached(c.deadline));
            match due.map(|conn| beat(conn, coarse, heartbeat, tolerated)) {
                None => {}
                Some(Beat::Dead) => self.wake(key),
                Some(Beat::Close(why)) => {
                    self.discard_all(key);
                    self.close(key, why, now);
                }
                Some(Beat::Wait { wait, pings, wakes }) => {
                    if wakes {
                        self.wake(key);
                    }
                    if pings {
                        self.send(key, &PING, FrameClass::Control);
                    }
                    self.wheel.insert(now + wait, key);
                }
            }
        }
        Some(now)
    }
}
