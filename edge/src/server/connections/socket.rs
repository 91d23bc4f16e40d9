//! One connection's socket: reads, writes, queues unwritten frames, shuts down.

use std::io::{self, IoSlice, Read, Write};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use mio::net::TcpStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::server::connections::outbox::Outbox;
use crate::time::coarse::CoarseInstant;

/// The most items of an outbox in one vectored write.
const SLICES: usize = 64;

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnState {
    /// Messages flow.
    Open,
    /// The edge's close frame is written or queued as the last frame; the client's has not arrived.
    Closing(ErrorKind),
    /// Both close frames are written or queued.
    Closed,
    /// The socket failed, or the close handshake took too long.
    Dead,
}

/// The result of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushStatus {
    /// The outbox was empty before.
    Idle,
    /// The outbox became empty.
    Drained,
    /// The socket accepts no more bytes. An event follows when it does.
    Blocked,
}

/// A connection's entry in the table.
#[derive(Debug)]
pub(super) struct ConnEntry {
    pub(super) socket: TcpStream,
    pub(super) generation: u32,
    /// `None` unless the socket is blocked.
    pub(super) outbox: Option<Box<Outbox>>,
    /// The time at which bytes were last received, or a blocked socket last accepted bytes.
    pub(super) last_activity: CoarseInstant,
    /// The time at which the entry of the timer wheel that counts expires.
    pub(super) deadline: CoarseInstant,
    /// The outbox's cap.
    pub(super) cap: u32,
    pub(super) state: ConnState,
    /// Whether a ping was sent since `last_activity`.
    pub(super) pinged: bool,
    pub(super) paused: bool,
    /// The socket accepted no more bytes at the last write. An event follows when it does.
    pub(super) blocked: bool,
    /// Whether the connection is in the queue of connections to be driven.
    pub(super) woken: bool,
}

impl ConnEntry {
    /// Notes activity, which restarts the heartbeat.
    pub(super) fn on_activity(&mut self, now: CoarseInstant) {
        self.last_activity = now;
        self.pinged = false;
    }

    /// Whether the outbox is over its cap.
    pub(super) fn is_overfull(&self) -> bool {
        let outbox = self.outbox.as_ref();
        outbox.is_some_and(|outbox| outbox.is_overfull())
    }

    /// Writes to the socket. Returns the number of bytes that it accepted, 0 if it is blocked.
    pub(super) fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        loop {
            match self.socket.write(frames) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Queues `frames`, of which `written` bytes are written.
    pub(super) fn queue_rest(&mut self, frames: &Bytes, written: usize, control: bool) {
        let mut outbox = Box::new(Outbox::new(self.cap as usize));
        outbox.push_rest(frames.clone(), written, control);
        self.outbox = Some(outbox);
    }

    /// Writes or queues the connection's last frame, regardless of the cap.
    pub(super) fn send_last(&mut self, frame: &Bytes) {
        if let Some(outbox) = &mut self.outbox {
            outbox.push_last(frame.clone());
            return;
        }
        match self.write(frame) {
            Ok(count) if count == frame.len() => {}
            Ok(count) => self.queue_rest(frame, count, true),
            Err(_) => self.state = ConnState::Dead,
        }
    }

    /// Writes the outbox to the socket.
    pub(super) fn flush(&mut self, now: CoarseInstant) -> FlushStatus {
        while let Some(outbox) = &mut self.outbox {
            // Even if a discard has emptied the outbox: `Drained` promises a socket that accepts bytes.
            if self.blocked {
                return FlushStatus::Blocked;
            }
            if outbox.is_empty() {
                self.outbox = None;
                return FlushStatus::Drained;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = outbox.slices(&mut slices);
            match self.socket.write_vectored(&slices[..filled]) {
                Ok(count) => {
                    outbox.advance(count);
                    self.on_activity(now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.state = ConnState::Dead;
                    return FlushStatus::Idle;
                }
            }
        }
        FlushStatus::Idle
    }

    /// Reads available bytes into `buffer`. Returns 0 at the end of the stream.
    pub(super) fn read(&mut self, buffer: &mut [u8], now: CoarseInstant) -> io::Result<usize> {
        let count = loop {
            match self.socket.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.on_activity(now);
        Ok(count)
    }

    /// Whether the client has sent bytes or taken queued ones, and neither is noticed yet. A paused connection is not read,
    /// so only queued bytes count for it.
    pub(super) fn has_news(&self) -> bool {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.paused);
        flags.set(PollFlags::OUT, self.outbox.is_some());
        let mut socket = [PollFd::new(&self.socket, flags)];
        // A poll that fails decides nothing: the next read or write does.
        poll(&mut socket, Some(&Timespec::default())).is_err() || !socket[0].revents().is_empty()
    }

    /// Shuts the socket down for writing.
    pub(super) fn shut(&mut self) {
        let socket = socket2::SockRef::from(&self.socket);
        if socket.shutdown(std::net::Shutdown::Write).is_err() {
            self.state = ConnState::Dead;
        }
    }
}
