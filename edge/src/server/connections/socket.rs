//! One connection's socket: reads, writes, queues what the socket does not take, shuts.

use std::io::{self, IoSlice, Read, Write};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use mio::net::TcpStream;

use crate::server::connections::outbox::Outbox;
use crate::time::coarse::CoarseInstant;

/// How many items of an outbox are offered to the kernel at once.
const SLICES: usize = 64;

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnState {
    /// Messages flow.
    Open,
    /// Our close frame is written or queued, as the last; the client's is awaited.
    Closing(ErrorKind),
    /// Both close frames are written or queued.
    Closed,
    /// The socket failed, or took too long to close.
    Dead,
}

/// What a flush found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushStatus {
    /// There was nothing to write.
    Idle,
    /// The outbox has just run empty.
    Drained,
    /// The socket takes no more. When it does, the kernel says so.
    Blocked,
}

/// One connection.
#[derive(Debug)]
pub(super) struct ConnEntry {
    pub(super) socket: TcpStream,
    pub(super) generation: u32,
    /// Only while the socket is blocked.
    pub(super) outbox: Option<Box<Outbox>>,
    /// When something was last heard of it, or a blocked socket took something.
    pub(super) last_activity: CoarseInstant,
    /// When its entry in the wheel that counts comes out.
    pub(super) deadline: CoarseInstant,
    /// The outbox's cap.
    pub(super) cap: u32,
    pub(super) state: ConnState,
    /// A ping is out since `alive`.
    pub(super) pinged: bool,
    pub(super) paused: bool,
    /// The socket took no more when it was last written to; the kernel says when it does.
    pub(super) blocked: bool,
    /// It stands in the queue of those to be driven.
    pub(super) woken: bool,
}

impl ConnEntry {
    /// Something was heard of it.
    pub(super) fn on_activity(&mut self, now: CoarseInstant) {
        self.last_activity = now;
        self.pinged = false;
    }

    /// How many bytes the socket takes now.
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

    /// Queues what the socket did not take.
    pub(super) fn queue_rest(&mut self, frames: &Bytes, written: usize, control: bool) {
        let mut outbox = Box::new(Outbox::new(self.cap as usize));
        outbox.push_rest(frames.clone(), written, control);
        self.outbox = Some(outbox);
    }

    /// Writes or queues without regard to the cap, as the last.
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

    /// Writes what waits in the outbox.
    pub(super) fn flush(&mut self, now: CoarseInstant) -> FlushStatus {
        while let Some(outbox) = &mut self.outbox {
            // Also if nothing is left after a discard: what comes next is to be for a socket that takes it.
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

    /// Reads what is there into `buffer`; 0 bytes are the end.
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

    /// Ends our direction.
    pub(super) fn shut(&mut self) {
        let socket = socket2::SockRef::from(&self.socket);
        if socket.shutdown(std::net::Shutdown::Write).is_err() {
            self.state = ConnState::Dead;
        }
    }
}
