//! A shard's connections: sockets, outboxes and heartbeats.
//!
//! The core writes straight to sockets, without waking a task. Sockets are registered with a poll of the shard's own
//! (`Poller`), not with the runtime's. To the runtime all connections are one file descriptor and one task, which saves a
//! task and a registration per connection (together 512 to 640 bytes).

mod flags;

mod facts;

pub(crate) mod events;

pub(crate) mod waiters;

pub(crate) mod viewed;

pub(crate) mod ticket;

mod ticket_link;

mod link;

pub mod outbox;

mod poller;

mod receive;

mod opening;

mod silence;

mod socket;

mod slot;

mod heartbeat;

mod traffic;

mod table;

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::EdgeId;
use tokio::sync::{Notify, oneshot};

use crate::conn::key::ConnKey;
use crate::conn::session::EventSession;
use crate::conn::transport::{SendStatus, Transport};
use crate::limits::Presence;
use crate::server::handler::{ConnectInfo, error_kind};
use crate::websocket::error::ProtocolError;
use crate::websocket::frame;
use events::{PushError, PushedInput};
use flags::Flag;
use outbox::FrameClass;
use table::Table;
pub(crate) use traffic::Traffic;
use waiters::InputAnswer;

pub(crate) use facts::ConnFacts;
pub(crate) use link::Link;
pub(crate) use poller::{Poller, Readiness};
pub(crate) use receive::Received;
pub(crate) use socket::{ConnState, FlushStatus};
#[cfg(feature = "quic")]
pub(crate) use table::CLOSE_GRACE;

/// A link whose client's handshake is complete.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) link: Link,
    /// The index of its route among the server's.
    pub(crate) route: u8,
    pub(crate) info: ConnectInfo,
    /// Counts the connection.
    pub(crate) presence: Presence,
    /// The head of the response to the handshake, which is not written yet; empty if there is none.
    pub(crate) head: Bytes,
    /// Bytes received after the handshake.
    pub(crate) early: Box<[u8]>,
}

/// The connections of one shard. Clones are handles to the same connections.
#[derive(Debug, Clone)]
pub struct Connections(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    table: RefCell<Table>,
    /// `None` once the driver has taken it.
    poll: RefCell<Option<mio::Poll>>,
    /// Notified when a connection must be driven without an event of its socket.
    bell: Rc<Notify>,
}

impl Connections {
    /// Creates an empty table. A connection that is silent for `heartbeat` is pinged, and closed after the same time again.
    ///
    /// # Errors
    /// If the process cannot open another file descriptor.
    pub fn new(heartbeat: Duration) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let bell = Rc::new(Notify::new());
        let registry = poll.registry().try_clone()?;
        let table = Table::new(heartbeat, registry, Rc::clone(&bell), now());
        Ok(Self(Rc::new(Shared {
            table: RefCell::new(table),
            poll: RefCell::new(Some(poll)),
            bell,
        })))
    }

    /// The poll with which all sockets are registered; `None` if it was already taken.
    pub(crate) fn take_poll(&self) -> Option<mio::Poll> {
        self.0.poll.borrow_mut().take()
    }

    /// The size of one connection's slot, in bytes: its entry and the version of its key.
    #[cfg(test)]
    pub(crate) const fn entry_bytes() -> usize {
        size_of::<(socket::ConnEntry, u32)>()
    }

    /// The size of what is kept of one connection for operators, in bytes.
    #[cfg(test)]
    pub(crate) const fn facts_bytes() -> usize {
        crate::conn::map::ConnMap::<facts::Facts>::slot_bytes()
    }

    /// Waits until [`next_woken`](Self::next_woken) may return a connection.
    pub(crate) async fn woken(&self) {
        self.0.bell.notified().await;
    }

    /// The number of connections, including those that are closing.
    pub fn len(&self) -> usize {
        self.0.table.borrow().len()
    }

    /// Whether there are no connections.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All connections.
    pub(crate) fn keys(&self) -> Vec<ConnKey> {
        self.0.table.borrow().keys()
    }

    /// Makes the driver take a turn.
    pub(crate) fn ring(&self) {
        self.0.bell.notify_one();
    }

    /// The connections that are not closing.
    pub fn open_keys(&self) -> Vec<ConnKey> {
        self.0.table.borrow().open_keys()
    }

    /// Whether messages flow, or would if the connection were not paused.
    pub(crate) fn is_open(&self, key: ConnKey) -> bool {
        self.state(key).0 == ConnState::Open
    }

    /// Pings silent connections and closes those that stay silent, up to `limit` of them. Returns when to call it again.
    pub(crate) fn handle_timeouts(&self, limit: usize, now: Instant) -> Option<Instant> {
        self.0.table.borrow_mut().handle_timeouts(limit, now)
    }

    /// Adds a link to a client at this address, with an outbox of at most `cap` bytes.
    ///
    /// # Errors
    /// If the kernel cannot watch another socket.
    pub(crate) fn insert(&self, link: Link, address: IpAddr, cap: u32) -> io::Result<ConnKey> {
        let mut table = self.0.table.borrow_mut();
        table.insert(link, address, cap, now())
    }

    /// Sends `head` before the first frames of a connection that is being opened, until
    /// [`end_opening`](Self::end_opening).
    pub(crate) fn begin_opening(&self, key: ConnKey, head: Bytes) {
        self.0.table.borrow_mut().begin_opening(key, head);
    }

    /// Sends the head of a new connection, unless it was sent with its first frames.
    pub(crate) fn end_opening(&self, key: ConnKey) {
        self.0.table.borrow_mut().end_opening(key);
    }

    /// The facts about a connection that operators see; `None` if it was removed.
    pub(crate) fn facts(&self, key: ConnKey) -> Option<ConnFacts> {
        self.0.table.borrow().facts(key, now())
    }

    /// Counts bytes that a connection has received beside its stream.
    #[cfg(feature = "quic")]
    pub(crate) fn count_received(&self, key: ConnKey, bytes: usize) {
        self.0.table.borrow_mut().count_received(key, bytes);
    }

    /// Sends an event stream its first event, which names its session. Other connections get nothing.
    pub(crate) fn announce(&self, key: ConnKey, edge: &EdgeId) {
        self.0.table.borrow_mut().announce(key, edge);
    }

    /// Passes an input of a request to its event stream. The answer goes to `waiter`, which is dropped with the stream.
    pub(crate) fn push(
        &self,
        session: &EventSession,
        input: PushedInput,
        waiter: oneshot::Sender<InputAnswer>,
    ) -> Result<(), PushError> {
        let mut table = self.0.table.borrow_mut();
        let conn = table.event_stream(session.key, session.secret);
        let conn = conn.ok_or(PushError::NoSession)?;
        let most = conn.cap as usize;
        let Link::Events(stream) = &mut conn.link else {
            return Err(PushError::NoSession);
        };
        stream.push(input, waiter, most)?;
        table.wake(session.key);
        Ok(())
    }

    /// Removes the connection and closes its socket.
    pub(crate) fn remove(&self, key: ConnKey) {
        self.0.table.borrow_mut().remove(key);
    }

    /// Schedules the connection to be driven.
    pub(crate) fn wake(&self, key: ConnKey) {
        self.0.table.borrow_mut().wake(key);
    }

    /// The next connection that was scheduled by [`wake`](Self::wake).
    pub(crate) fn next_woken(&self) -> Option<ConnKey> {
        self.0.table.borrow_mut().next_woken()
    }

    /// Notes an event of a connection's socket. Returns whether there is such a connection.
    pub(crate) fn on_event(&self, key: ConnKey, writable: bool) -> bool {
        self.0.table.borrow_mut().on_event(key, writable)
    }

    /// The connection's state and whether it is paused, by the handler or because its outbox is over the cap: its client
    /// is read again once it has read more of the answers. [`ConnState::Dead`] if it was removed.
    pub(crate) fn state(&self, key: ConnKey) -> (ConnState, bool) {
        match self.0.table.borrow_mut().get_mut(key) {
            Some(conn) => (
                conn.state,
                conn.flags.has(Flag::Paused) || conn.is_overfull(),
            ),
            None => (ConnState::Dead, false),
        }
    }

    /// Notes that a packet of the client has arrived.
    #[cfg(feature = "quic")]
    pub(crate) fn on_activity(&self, key: ConnKey, now: Instant) {
        if let Some((conn, now)) = self.0.table.borrow_mut().get_at(key, now) {
            conn.on_activity(now);
        }
    }

    /// Writes the connection's outbox to its link.
    pub(crate) fn flush(&self, key: ConnKey) -> FlushStatus {
        let mut table = self.0.table.borrow_mut();
        let now = table.coarse(now());
        let flushed = table.measured(key, |conn| (conn.flush(now), conn.link.take_news()));
        let (status, wakes) = flushed.unwrap_or((FlushStatus::Idle, false));
        if wakes {
            table.wake(key);
        }
        status
    }

    /// The traffic of all connections.
    pub(crate) fn traffic(&self) -> Traffic {
        self.0.table.borrow().traffic()
    }

    /// Reads available bytes into `scratch`.
    ///
    /// # Errors
    /// `WouldBlock` if no bytes are available; any other error means that the connection is lost.
    pub(crate) fn read(
        &self,
        key: ConnKey,
        scratch: &mut [u8],
        now: Instant,
    ) -> io::Result<Received> {
        let mut table = self.0.table.borrow_mut();
        let (conn, now) = table.get_at(key, now).ok_or(io::ErrorKind::NotConnected)?;
        let received = conn.read(scratch, now)?;
        table.count_received(key, received.count);
        Ok(received)
    }

    /// Reads available bytes into `scratch` that nobody looks at.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_unseen(
        &self,
        key: ConnKey,
        scratch: &mut [u8],
        now: Instant,
    ) -> io::Result<Received> {
        let mut table = self.0.table.borrow_mut();
        let (conn, now) = table.get_at(key, now).ok_or(io::ErrorKind::NotConnected)?;
        conn.read_unseen(scratch, now)
    }

    /// Replies to the client's close frame, unless the edge has already sent one.
    pub(crate) fn answer_close(&self, key: ConnKey, code: Option<u16>) {
        let mut table = self.0.table.borrow_mut();
        if table.end(key, &frame::close_reply(code), ConnState::Closed, now()) {
            return;
        }
        if let Some(conn) = table.get_mut(key)
            && matches!(conn.state, ConnState::Closing(_))
        {
            conn.state = ConnState::Closed;
        }
    }

    /// Closes the connection because of the client's protocol error.
    pub(crate) fn fail(&self, key: ConnKey, error: ProtocolError) {
        let kind = error_kind(error);
        let close = frame::close(kind.close_code(), &error.to_string());
        let state = ConnState::Closing(kind);
        self.0.table.borrow_mut().end(key, &close, state, now());
    }

    /// Shuts the socket down for writing, so that the client sees the end of the stream. The socket stays open for reading,
    /// because closing it with unread bytes would reset the connection before the client has read the close frame.
    pub(crate) fn shut(&self, key: ConnKey) {
        if let Some(conn) = self.0.table.borrow_mut().get_mut(key) {
            conn.shut();
        }
    }
}

impl Transport for Connections {
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        self.0
            .table
            .borrow_mut()
            .send(conn, frames, FrameClass::Data)
    }

    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        let mut table = self.0.table.borrow_mut();
        let sent = table.send(conn, frames, FrameClass::Control);
        if sent != SendStatus::Full {
            return sent;
        }
        table.discard_all(conn);
        table.close(conn, ErrorKind::TooSlow, now());
        SendStatus::Gone
    }

    fn send_datagram(&mut self, conn: ConnKey, frame: &Bytes) -> bool {
        self.0.table.borrow_mut().send_datagram(conn, frame)
    }

    fn is_drained(&self, conn: ConnKey) -> bool {
        self.0.table.borrow().is_drained(conn)
    }

    fn discard(&mut self, conn: ConnKey) {
        self.0.table.borrow_mut().discard(conn);
    }

    fn close(&mut self, conn: ConnKey, why: ErrorKind) {
        self.0.table.borrow_mut().close(conn, why, now());
    }

    fn pause(&mut self, conn: ConnKey, paused: bool) {
        let mut table = self.0.table.borrow_mut();
        let Some((found, now)) = table.get_at(conn, now()) else {
            return;
        };
        if found.flags.set(Flag::Paused, paused) && !paused {
            found.on_activity(now);
            table.wake(conn);
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
