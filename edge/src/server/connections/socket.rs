//! One connection's socket: reads, writes, queues unwritten frames, shuts down.

use std::io::{self, IoSlice, Read, Write};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use mio::net::TcpStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::server::connections::flags::{Flag, Flags};
use crate::server::connections::link::Link;
use crate::server::connections::outbox::Outbox;
use crate::server::tls::wire::with_wire;
use crate::time::coarse::CoarseInstant;

/// The most items of an outbox in one vectored write.
const SLICES: usize = 64;

/// The most bytes that are read with TLS at once, unless the last read was full of data.
const FIRST_READ: usize = 4 << 10;

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
    /// Records of TLS that have brought next to nothing.
    pub(crate) idle_records: u32,
    /// Whether the socket may have more. A stream socket that returns fewer bytes than asked for is empty (epoll(7)).
    pub(crate) more: bool,
}

/// A connection's entry in the table.
#[derive(Debug)]
pub(super) struct ConnEntry {
    pub(super) link: Link,
    /// `None` unless the link is blocked.
    pub(super) outbox: Option<Box<Outbox>>,
    /// The time at which bytes were last received, or a blocked socket last accepted bytes.
    pub(super) last_activity: CoarseInstant,
    /// The time at which the entry of the timer wheel that counts expires.
    pub(super) deadline: CoarseInstant,
    /// The outbox's cap.
    pub(super) cap: u32,
    /// The bytes of frames that the link has accepted.
    pub(super) sent: u64,
    pub(super) state: ConnState,
    pub(super) flags: Flags,
}

impl ConnEntry {
    /// Notes activity, which restarts the heartbeat.
    pub(super) fn on_activity(&mut self, now: CoarseInstant) {
        self.last_activity = now;
        self.flags.set(Flag::Pinged, false);
    }

    /// Whether the outbox is over its cap.
    pub(super) fn is_overfull(&self) -> bool {
        let outbox = self.outbox.as_ref();
        outbox.is_some_and(|outbox| outbox.is_overfull())
    }

    /// Writes to the link. Returns the number of bytes that it accepted, 0 if it is blocked. With TLS, a record that is
    /// encrypted counts as accepted even if the socket is blocked before its end.
    pub(super) fn write(&mut self, frames: &Bytes) -> io::Result<usize> {
        let count = self.write_to_link(frames)?;
        self.sent += count as u64;
        Ok(count)
    }

    fn write_to_link(&mut self, frames: &Bytes) -> io::Result<usize> {
        loop {
            let written = match &mut self.link {
                Link::Plain(socket) => socket.write(frames),
                Link::Tls(..) => return self.write_encrypted(&[IoSlice::new(frames)]),
                Link::Quic(stream) => stream.write(frames),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.flags.set(Flag::Blocked, true);
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
        let Link::Tls(socket, tls) = &mut self.link else {
            return Ok(0);
        };
        let mut slices = slices.to_vec();
        let mut rest = slices.as_mut_slice();
        let mut total = 0;
        loop {
            if !tls.send(socket)? {
                self.flags.set(Flag::Blocked, true);
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

    /// Sends what TLS has left to be sent: an answer of its own, or the rest of a record. Bytes that the socket does not
    /// accept are sent once it is writable.
    pub(super) fn send_encrypted(&mut self) {
        let Link::Tls(socket, tls) = &mut self.link else {
            return;
        };
        match tls.send(socket) {
            Ok(true) => {}
            Ok(false) => {
                self.flags.set(Flag::Blocked, true);
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
        count == total && !(self.flags.has(Flag::Blocked) && matches!(self.link, Link::Tls(..)))
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
            if self.flags.has(Flag::Blocked) {
                return FlushStatus::Blocked;
            }
            if let Link::Tls(socket, tls) = &mut self.link {
                match tls.send(socket) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.flags.set(Flag::Blocked, true);
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
            let written = match &mut self.link {
                Link::Plain(socket) => socket.write_vectored(slices),
                // The rest of the record is sent at the start of the next round.
                Link::Tls(_, tls) => tls.encrypt_record(slices),
                Link::Quic(stream) => stream.write_slices(slices),
            };
            match written {
                Ok(count) => {
                    outbox.advance(count);
                    self.sent += count as u64;
                    self.on_activity(now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.flags.set(Flag::Blocked, true);
                }
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
        let received = match &mut self.link {
            Link::Plain(socket) => {
                let count = read(socket, buffer)?;
                let more = count == buffer.len();
                Received {
                    count,
                    idle_records: 0,
                    more,
                }
            }
            Link::Tls(..) => self.read_encrypted(buffer)?,
            Link::Quic(stream) => {
                let count = stream.read(buffer)?;
                Received {
                    count,
                    idle_records: 0,
                    more: true,
                }
            }
        };
        self.on_activity(now);
        Ok(received)
    }

    /// Reads available bytes that nobody looks at. With TLS they are not decrypted.
    pub(super) fn read_unseen(
        &mut self,
        buffer: &mut [u8],
        now: CoarseInstant,
    ) -> io::Result<Received> {
        let Link::Tls(socket, _) = &mut self.link else {
            return self.read(buffer, now);
        };
        let count = read(socket, buffer)?;
        self.on_activity(now);
        Ok(Received {
            count,
            idle_records: 0,
            more: count == buffer.len(),
        })
    }

    fn read_encrypted(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let Link::Tls(socket, tls) = &mut self.link else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if tls.has_ended() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Records that bring next to nothing are charged after they are decrypted, so that they are decrypted a few at a time.
        let most = match self.flags.has(Flag::Bulk) {
            true => buffer.len(),
            false => FIRST_READ,
        };
        let (result, decrypted, more) = with_wire(buffer.len(), |wire| {
            let kept = tls.take_partial(wire);
            let end = wire.len().min(kept + most);
            let result = read(socket, &mut wire[kept..end]);
            let count = *result.as_ref().unwrap_or(&0);
            // Without new bytes this only keeps the incomplete record again.
            let decrypted = tls.decrypt(&mut wire[..kept + count], buffer);
            (result, decrypted, kept + count == end)
        });
        let idle_records = tls.take_idle_records();
        self.flags.set(Flag::Bulk, more && idle_records == 0);
        self.send_encrypted();
        result?;
        let decrypted =
            decrypted.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if decrypted.ended && decrypted.count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Received {
            count: decrypted.count,
            idle_records,
            more: more || decrypted.ended,
        })
    }

    /// Whether the client has sent bytes or taken queued ones, and neither is noticed yet. A connection that is paused, or
    /// whose outbox is over its cap, is not read, so only queued bytes count for it.
    pub(super) fn has_news(&self) -> bool {
        let socket = match &self.link {
            Link::Plain(socket) | Link::Tls(socket, _) => socket,
            Link::Quic(stream) => return stream.has_packets(),
        };
        let mut flags = PollFlags::empty();
        let is_read = !self.flags.has(Flag::Paused) && !self.is_overfull();
        flags.set(PollFlags::IN, is_read);
        flags.set(PollFlags::OUT, self.outbox.is_some());
        let mut socket = [PollFd::new(socket, flags)];
        // A poll that fails decides nothing: the next read or write does.
        poll(&mut socket, Some(&Timespec::default())).is_err() || !socket[0].revents().is_empty()
    }

    /// Sends a frame as a datagram. Returns whether the link can.
    pub(super) fn send_datagram(&mut self, frame: &Bytes) -> bool {
        match &mut self.link {
            Link::Plain(_) | Link::Tls(..) => false,
            Link::Quic(stream) => {
                let is_sent = stream.send_datagram(frame);
                self.sent += if is_sent { frame.len() as u64 } else { 0 };
                is_sent
            }
        }
    }

    /// Asks the client for a sign of life without a message, if the link can. Returns whether it can.
    pub(super) fn ping_link(&mut self) -> bool {
        match &mut self.link {
            Link::Plain(_) | Link::Tls(..) => false,
            Link::Quic(stream) => {
                stream.ping();
                true
            }
        }
    }

    /// Tells a client with TLS or QUIC that nothing follows, if the link accepts it.
    pub(super) fn end_link(&mut self) {
        let is_drained = self.outbox.is_none();
        match &mut self.link {
            Link::Plain(_) => {}
            Link::Tls(_, tls) if is_drained => {
                tls.encrypt_end();
                self.send_encrypted();
            }
            Link::Tls(..) => {}
            Link::Quic(stream) => stream.end(),
        }
    }

    /// Shuts the link down for writing.
    pub(super) fn shut(&mut self) {
        if let Link::Quic(stream) = &mut self.link {
            return stream.finish();
        }
        self.end_link();
        let (Link::Plain(socket) | Link::Tls(socket, _)) = &self.link else {
            return;
        };
        let socket = socket2::SockRef::from(socket);
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
