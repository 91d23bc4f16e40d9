//! A shard's connections: sockets, outboxes and heartbeats.
//!
//! The core writes here straight to sockets, without waking anybody; a connection's task is woken only if its socket is
//! blocked, or if it must read again or end.

mod table;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use crate::session::{Fault, frame};
use crate::sink::{ConnKey, Sent, Sink};
use table::Table;

/// How many items of an outbox are offered to the kernel at once.
const SLICES: usize = 64;

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Messages flow.
    Open,
    /// Our close frame is written or queued, as the last; the client's is awaited.
    Closing(ErrorKind),
    /// Both close frames are written or queued.
    Closed,
    /// The socket failed, or took too long to close.
    Dead,
}

/// What [`Conns::poll_flush`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// There was nothing to write.
    Idle,
    /// The outbox has just run empty.
    Drained,
}

/// The connections of one shard. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Conns(Rc<RefCell<Table>>);

impl Conns {
    /// No connections yet. One that is silent for `heartbeat` is sent a ping, and after as long again is closed.
    pub fn new(heartbeat: Duration) -> Self {
        Self(Rc::new(RefCell::new(Table::new(heartbeat, now()))))
    }

    /// How many there are, those that are closing included.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that are not closing, to close them when the edge goes away.
    pub fn open_keys(&self) -> Vec<ConnKey> {
        self.0.borrow().open_keys()
    }

    /// Pings who is silent and ends who stays so. Returns when to call it again.
    pub(crate) fn handle_timeouts(&self, now: Instant) -> Option<Instant> {
        self.0.borrow_mut().handle_timeouts(now)
    }

    /// Takes a socket whose handshake is done, with an outbox of at most `cap` bytes.
    pub(crate) fn insert(&self, socket: TcpStream, cap: u32) -> ConnKey {
        self.0.borrow_mut().insert(socket, cap, now())
    }

    /// Drops the socket.
    pub(crate) fn remove(&self, key: ConnKey) {
        // A task that is dropped while the table is in use (a panic in there) leaves its socket to the process' end.
        if let Ok(mut table) = self.0.try_borrow_mut() {
            table.remove(key);
        }
    }

    /// Whom to wake if the connection is blocked, resumed or closed by somebody else than its task.
    pub(crate) fn register(&self, key: ConnKey, cx: &Context<'_>) {
        if let Some(conn) = self.0.borrow_mut().get_mut(key)
            && !conn.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker()))
        {
            conn.waker = Some(cx.waker().clone());
        }
    }

    /// How the connection stands, and whether it is paused.
    pub(crate) fn phase(&self, key: ConnKey) -> (Phase, bool) {
        match self.0.borrow_mut().get_mut(key) {
            Some(conn) => (conn.phase, conn.paused),
            None => (Phase::Dead, false),
        }
    }

    /// Writes what waits. `Pending`: the socket is blocked, and wakes the task when it is not.
    pub(crate) fn poll_flush(&self, key: ConnKey, cx: &mut Context<'_>) -> Poll<Flushed> {
        let mut table = self.0.borrow_mut();
        let Some(conn) = table.get_mut(key) else {
            return Poll::Ready(Flushed::Idle);
        };
        while let Some(outbox) = &mut conn.outbox {
            // Also if nothing is left after a discard: what comes next is to be for a socket that takes it.
            if ready!(conn.socket.poll_write_ready(cx)).is_err() {
                conn.phase = Phase::Dead;
                return Poll::Ready(Flushed::Idle);
            }
            if outbox.is_empty() {
                conn.outbox = None;
                return Poll::Ready(Flushed::Drained);
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = outbox.slices(&mut slices);
            match conn.socket.try_write_vectored(&slices[..filled]) {
                Ok(count) => {
                    outbox.advance(count);
                    let drained = outbox.is_empty();
                    conn.on_alive(now());
                    if drained {
                        conn.outbox = None;
                        return Poll::Ready(Flushed::Drained);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    conn.phase = Phase::Dead;
                    return Poll::Ready(Flushed::Idle);
                }
            }
        }
        Poll::Ready(Flushed::Idle)
    }

    /// Reads what is there into `scratch`; 0 bytes are the end.
    pub(crate) fn poll_read(
        &self,
        key: ConnKey,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        now: Instant,
    ) -> Poll<io::Result<usize>> {
        let mut table = self.0.borrow_mut();
        let Some(conn) = table.get_mut(key) else {
            return Poll::Ready(Ok(0));
        };
        let mut buf = ReadBuf::new(scratch);
        ready!(Pin::new(&mut conn.socket).poll_read(cx, &mut buf))?;
        conn.on_alive(now);
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Answers the client's close frame, unless ours went first.
    pub(crate) fn answer_close(&self, key: ConnKey, code: Option<u16>) {
        let mut table = self.0.borrow_mut();
        if table.end(key, &frame::close_reply(code), Phase::Closed, now()) {
            return;
        }
        if let Some(conn) = table.get_mut(key)
            && matches!(conn.phase, Phase::Closing(_))
        {
            conn.phase = Phase::Closed;
        }
    }

    /// Closes because of what the client sent.
    pub(crate) fn fail(&self, key: ConnKey, fault: Fault) {
        let close = frame::close(fault.kind().close_code(), &fault.to_string());
        let phase = Phase::Closing(fault.kind());
        self.0.borrow_mut().end(key, &close, phase, now());
    }

    /// Ends our direction, so that the client sees the end and what it has sent does not reset the connection before it
    /// has read the close frame.
    pub(crate) fn shut(&self, key: ConnKey) {
        if let Some(conn) = self.0.borrow_mut().get_mut(key) {
            let socket = socket2::SockRef::from(&conn.socket);
            if socket.shutdown(std::net::Shutdown::Write).is_err() {
                conn.phase = Phase::Dead;
            }
        }
    }
}

impl Sink for Conns {
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> Sent {
        self.0.borrow_mut().send(conn, frames, false)
    }

    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> Sent {
        let mut table = self.0.borrow_mut();
        let sent = table.send(conn, frames, true);
        if sent != Sent::Full {
            return sent;
        }
        table.discard_all(conn);
        table.close(conn, ErrorKind::TooSlow, now());
        Sent::Gone
    }

    fn discard(&mut self, conn: ConnKey) {
        if let Some(conn) = self.0.borrow_mut().get_mut(conn)
            && conn.phase == Phase::Open
            && let Some(outbox) = &mut conn.outbox
        {
            outbox.discard();
        }
    }

    fn close(&mut self, conn: ConnKey, why: ErrorKind) {
        self.0.borrow_mut().close(conn, why, now());
    }

    fn pause(&mut self, conn: ConnKey, paused: bool) {
        let mut table = self.0.borrow_mut();
        let Some(conn) = table.get_mut(conn) else {
            return;
        };
        if conn.paused && !paused {
            conn.on_alive(now());
            conn.wake();
        }
        conn.paused = paused;
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
