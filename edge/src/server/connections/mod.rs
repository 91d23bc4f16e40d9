//! A shard's connections: sockets, outboxes and heartbeats.
//!
//! The core writes here straight to sockets, without waking anybody. Sockets are registered with a poll of the shard's own
//! (`Poller`), not with the runtime's: to the runtime all connections are one file descriptor and one task, so that a
//! connection costs neither a task nor a registration there (together 512 to 640 bytes).

pub mod outbox;

mod poller;

mod socket;

mod table;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use tokio::sync::Notify;

use crate::conn::key::ConnKey;
use crate::conn::transport::{SendStatus, Transport};
use crate::server::handler::{ConnectInfo, error_kind};
use crate::websocket::error::ProtocolError;
use crate::websocket::frame;
use table::Table;

pub(crate) use poller::{Poller, Readiness};
pub(crate) use socket::{ConnState, FlushStatus};

/// A socket that was upgraded, and what is known of its client.
#[derive(Debug)]
pub(crate) struct UpgradedSocket {
    pub(crate) socket: std::net::TcpStream,
    /// The place of its route among the front's.
    pub(crate) route: u8,
    pub(crate) info: ConnectInfo,
    /// What came behind the handshake.
    pub(crate) early: Box<[u8]>,
}

/// The connections of one shard. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Connections(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    table: RefCell<Table>,
    /// Until somebody drives them.
    poll: RefCell<Option<mio::Poll>>,
    /// Rung when a connection is to be driven of which the kernel has no news.
    bell: Rc<Notify>,
}

impl Connections {
    /// No connections yet. One that is silent for `heartbeat` is sent a ping, and after as long again is closed.
    ///
    /// # Errors
    /// If the process may not open more files.
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

    /// The kernel's side of all connections, for the one that drives them; `None` if it was taken before.
    pub(crate) fn take_poll(&self) -> Option<mio::Poll> {
        self.0.poll.borrow_mut().take()
    }

    /// What one connection takes in the table, in bytes.
    #[cfg(test)]
    pub(crate) const fn entry_bytes() -> usize {
        size_of::<Option<socket::ConnEntry>>()
    }

    /// Waits until [`next_woken`](Self::next_woken) may have something.
    pub(crate) async fn woken(&self) {
        self.0.bell.notified().await;
    }

    /// How many there are, those that are closing included.
    pub fn len(&self) -> usize {
        self.0.table.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that are not closing, to close them when the edge goes away.
    pub fn open_keys(&self) -> Vec<ConnKey> {
        self.0.table.borrow().open_keys()
    }

    /// Pings who is silent and ends who stays so. Returns when to call it again.
    pub(crate) fn handle_timeouts(&self, now: Instant) -> Option<Instant> {
        self.0.table.borrow_mut().handle_timeouts(now)
    }

    /// Takes a socket whose handshake is done, with an outbox of at most `cap` bytes.
    ///
    /// # Errors
    /// If the kernel cannot watch one more.
    pub(crate) fn insert(&self, socket: std::net::TcpStream, cap: u32) -> io::Result<ConnKey> {
        let socket = mio::net::TcpStream::from_std(socket);
        self.0.table.borrow_mut().insert(socket, cap, now())
    }

    /// Drops the socket.
    pub(crate) fn remove(&self, key: ConnKey) {
        self.0.table.borrow_mut().remove(key);
    }

    /// Has the connection driven soon.
    pub(crate) fn wake(&self, key: ConnKey) {
        self.0.table.borrow_mut().wake(key);
    }

    /// The next connection to be driven that was woken by somebody else than the kernel.
    pub(crate) fn next_woken(&self) -> Option<ConnKey> {
        self.0.table.borrow_mut().next_woken()
    }

    /// The connection at this place, of which the kernel has news.
    pub(crate) fn on_event(&self, index: usize, writable: bool) -> Option<ConnKey> {
        self.0.table.borrow_mut().on_event(index, writable)
    }

    /// How the connection stands, and whether it is paused.
    pub(crate) fn state(&self, key: ConnKey) -> (ConnState, bool) {
        match self.0.table.borrow_mut().get_mut(key) {
            Some(conn) => (conn.state, conn.paused),
            None => (ConnState::Dead, false),
        }
    }

    /// Writes what waits.
    pub(crate) fn flush(&self, key: ConnKey) -> FlushStatus {
        let mut table = self.0.table.borrow_mut();
        let now = table.coarse(now());
        let Some(conn) = table.get_mut(key) else {
            return FlushStatus::Idle;
        };
        conn.flush(now)
    }

    /// Reads what is there into `scratch`; 0 bytes are the end.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there; anything else is the end.
    pub(crate) fn read(&self, key: ConnKey, scratch: &mut [u8], now: Instant) -> io::Result<usize> {
        let mut table = self.0.table.borrow_mut();
        let now = table.coarse(now);
        let Some(conn) = table.get_mut(key) else {
            return Ok(0);
        };
        conn.read(scratch, now)
    }

    /// Answers the client's close frame, unless ours went first.
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

    /// Closes because of what the client sent.
    pub(crate) fn fail(&self, key: ConnKey, error: ProtocolError) {
        let kind = error_kind(error);
        let close = frame::close(kind.close_code(), &error.to_string());
        let state = ConnState::Closing(kind);
        self.0.table.borrow_mut().end(key, &close, state, now());
    }

    /// Ends our direction, so that the client sees the end and what it has sent does not reset the connection before it
    /// has read the close frame.
    pub(crate) fn shut(&self, key: ConnKey) {
        if let Some(conn) = self.0.table.borrow_mut().get_mut(key) {
            conn.shut();
        }
    }
}

impl Transport for Connections {
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        self.0.table.borrow_mut().send(conn, frames, false)
    }

    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        let mut table = self.0.table.borrow_mut();
        let sent = table.send(conn, frames, true);
        if sent != SendStatus::Full {
            return sent;
        }
        table.discard_all(conn);
        table.close(conn, ErrorKind::TooSlow, now());
        SendStatus::Gone
    }

    fn discard(&mut self, conn: ConnKey) {
        self.0.table.borrow_mut().discard(conn);
    }

    fn close(&mut self, conn: ConnKey, why: ErrorKind) {
        self.0.table.borrow_mut().close(conn, why, now());
    }

    fn pause(&mut self, conn: ConnKey, paused: bool) {
        let mut table = self.0.table.borrow_mut();
        let now = table.coarse(now());
        let Some(found) = table.get_mut(conn) else {
            return;
        };
        if std::mem::replace(&mut found.paused, paused) && !paused {
            found.on_activity(now);
            table.wake(conn);
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
