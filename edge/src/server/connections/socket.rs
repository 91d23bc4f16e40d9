//! One connection's socket: reads, writes, queues unwritten frames, shuts down.

use std::io::{self, IoSlice, Read, Write};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use mio::net::TcpStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::server::connections::outbox::Outbox;
use crate::server::tls::session::TlsSession;
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

/// The result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// The bytes read. 0 if TLS needs more of them.
    pub(crate) count: usize,
    /// Whether the socket may have more. A stream socket that returns fewer bytes than asked for is empty (epoll(7)).
    pub(crate) more: bool,
}

thread_local! {
    /// Encrypted bytes, between the socket and the session.
    static WIRE: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

/// A connection's entry in the table.
#[derive(Debug)]
pub(super) struct ConnEntry {
    pub(super) socket: TcpStream,
    pub(super) tls: Option<Box<TlsSession>>,
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

    /// Writes to the socket. Returns the number of bytes that it accepted, 0 if it is blocked. With TLS, a record that is
    /// encrypted counts as accepted even if the socket is blocked before its end.
    pub(super) fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        if self.tls.is_some() {
            return self.write_encrypted(&[IoSlice::new(frames)]);
        }
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

    /// Encrypts and writes records until all bytes are encrypted or the socket is blocked. Returns the number of bytes
    /// encrypted.
    fn write_encrypted(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return Ok(0);
        };
        let mut slices = slices.to_vec();
        let mut rest = slices.as_mut_slice();
        let mut total = 0;
        loop {
            if !tls.send(&mut self.socket)? {
                self.blocked = true;
                return Ok(total);
            }
            if rest.iter().all(|slice| slice.is_empty()) {
                return Ok(total);
            }
            let count = tls.encrypt_record(rest)?;
            total += count;
            IoSlice::advance_slices(&mut rest, count);
        }
    }

    /// Sends what TLS has left to be sent: an answer of its own, or the rest of a record. What the socket does not accept is
    /// sent once it is writable.
    pub(super) fn send_encrypted(&mut self) {
        let Some(tls) = &mut self.tls else {
            return;
        };
        match tls.send(&mut self.socket) {
            Ok(true) => {}
            Ok(false) => {
                self.blocked = true;
                let cap = self.cap as usize;
                self.outbox
                    .get_or_insert_with(|| Box::new(Outbox::new(cap)));
            }
            Err(_) => self.state = ConnState::Dead,
        }
    }

    /// Queues `frames`, of which `written` bytes are written.
    pub(super) fn queue_rest(&mut self, frames: &Bytes, written: usize, control: bool) {
        let mut outbox = Box::new(Outbox::new(self.cap as usize));
        if written < frames.len() {
            outbox.push_rest(frames.clone(), written, control);
        }
        self.outbox = Some(outbox);
    }

    /// Whether all bytes of a write of `total` are with the kernel.
    pub(super) fn has_written(&self, count: usize, total: usize) -> bool {
        count == total && !(self.blocked && self.tls.is_some())
    }

    /// Writes or queues the connection's last frame, regardless of the cap.
    pub(super) fn send_last(&mut self, frame: &Bytes) {
        if let Some(outbox) = &mut self.outbox {
            outbox.push_last(frame.clone());
            return;
        }
        match self.write(frame) {
            Ok(count) if self.has_written(count, frame.len()) => {}
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
            if let Some(tls) = &mut self.tls {
                match tls.send(&mut self.socket) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.blocked = true;
                        return FlushStatus::Blocked;
                    }
                    Err(_) => {
                        self.state = ConnState::Dead;
                        return FlushStatus::Idle;
                    }
                }
            }
            if outbox.is_empty() {
                self.outbox = None;
                return FlushStatus::Drained;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = outbox.slices(&mut slices);
            let slices = &slices[..filled];
            let written = match &mut self.tls {
                None => self.socket.write_vectored(slices),
                // The rest of the record is sent at the start of the next round.
                Some(tls) => tls.encrypt_record(slices),
            };
            match written {
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

    /// Reads available bytes into `buffer`. The error is `UnexpectedEof` at the end of the stream.
    pub(super) fn read(&mut self, buffer: &mut [u8], now: CoarseInstant) -> io::Result<Received> {
        let received = match self.tls {
            None => {
                let count = read(&mut self.socket, buffer)?;
                let more = count == buffer.len();
                Received { count, more }
            }
            Some(_) => self.read_encrypted(buffer)?,
        };
        self.on_activity(now);
        Ok(received)
    }

    fn read_encrypted(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let Some(tls) = &mut self.tls else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if tls.has_ended() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut wire = WIRE.take();
        wire.resize(buffer.len(), 0);
        let kept = tls.take_partial(&mut wire);
        let result = read(&mut self.socket, &mut wire[kept..]);
        let count = *result.as_ref().unwrap_or(&0);
        // Without new bytes this only keeps the incomplete record again.
        let decrypted = tls.decrypt(&mut wire[..kept + count], buffer);
        let more = kept + count == wire.len();
        WIRE.set(wire);
        self.send_encrypted();
        result?;
        let decrypted =
            decrypted.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if decrypted.ended && decrypted.count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Received {
            count: decrypted.count,
            more: more || decrypted.ended,
        })
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

    /// Tells a client with TLS that nothing follows, if the socket accepts it.
    pub(super) fn end_tls(&mut self) {
        if let Some(tls) = &mut self.tls
            && self.outbox.is_none()
        {
            tls.encrypt_end();
            self.send_encrypted();
        }
    }

    /// Shuts the socket down for writing.
    pub(super) fn shut(&mut self) {
        self.end_tls();
        let socket = socket2::SockRef::from(&self.socket);
        if socket.shutdown(std::net::Shutdown::Write).is_err() {
            self.state = ConnState::Dead;
        }
    }
}

/// Reads from a socket. The error is `UnexpectedEof` at its end.
fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
