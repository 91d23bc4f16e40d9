//! One connection's socket: reads, writes, queues unwritten frames, shuts down.

use std::io::{self, IoSlice, Write};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::conn::transport::SendStatus;
use crate::server::connections::flags::{Flag, Flags};
use crate::server::connections::link::Link;
use crate::server::connections::outbox::{FrameClass, Outbox};
use crate::server::connections::receive::{Received, receive, receive_encrypted};
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
    fn write(&mut self, frames: &Bytes) -> io::Result<usize> {
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
                Link::Events(stream) => {
                    let (count, is_free) = stream.write(frames)?;
                    if !is_free {
                        self.flags.set(Flag::Blocked, true);
                    }
                    return Ok(count);
                }
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

    /// Sends what the link has left to be sent: an answer of TLS of its own, or the rest of a record or event. Bytes that the
    /// socket does not accept are sent once it is writable.
    pub(super) fn send_kept(&mut self) {
        match self.link.send_kept() {
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

    /// Writes frames, or queues those that the link does not accept. There must be no outbox.
    pub(super) fn write_or_queue(&mut self, frames: &Bytes, class: FrameClass) -> SendStatus {
        match self.write(frames) {
            Ok(count) if self.has_written(count, frames.len()) => SendStatus::Written,
            Ok(count) => {
                self.queue_rest(frames, count, class);
                SendStatus::Queued
            }
            Err(_) => {
                self.state = ConnState::Dead;
                SendStatus::Gone
            }
        }
    }

    /// Writes the head of the response to the handshake, with the first frames. There must be no outbox.
    pub(super) fn write_first(
        &mut self,
        head: &Bytes,
        frames: &Bytes,
        class: FrameClass,
    ) -> SendStatus {
        let all = Bytes::from([head.as_ref(), frames].concat());
        let written = self.write_to_link(&all);
        let of_frames = |count: usize| count.checked_sub(head.len());
        match written.map(|count| (count, of_frames(count))) {
            Ok((count, Some(rest))) => {
                self.sent += rest as u64;
                if self.has_written(count, all.len()) {
                    return SendStatus::Written;
                }
                self.queue_rest(frames, rest, class);
                SendStatus::Queued
            }
            // A new socket that does not even take a head is lost.
            Ok((_, None)) | Err(_) => {
                self.state = ConnState::Dead;
                SendStatus::Gone
            }
        }
    }

    /// Queues `frames`, of which `written` bytes are written.
    fn queue_rest(&mut self, frames: &Bytes, written: usize, class: FrameClass) {
        let mut outbox = Box::new(Outbox::new(self.cap as usize));
        if written < frames.len() {
            outbox.push_rest(frames.clone(), written, class);
        }
        self.outbox = Some(outbox);
    }

    /// Whether all bytes of a write of `total` are with the kernel.
    fn has_written(&self, count: usize, total: usize) -> bool {
        count == total && !(self.flags.has(Flag::Blocked) && self.link.keeps_bytes())
    }

    /// Writes or queues the connection's last frame, regardless of the cap.
    pub(super) fn send_last(&mut self, frame: &Bytes) {
        match &mut self.outbox {
            Some(outbox) => outbox.push_last(frame.clone()),
            None => {
                self.write_or_queue(frame, FrameClass::Control);
            }
        }
    }

    /// Writes the outbox to the socket.
    pub(super) fn flush(&mut self, now: CoarseInstant) -> FlushStatus {
        while let Some(outbox) = &mut self.outbox {
            // Even if a discard has emptied the outbox: `Drained` promises a socket that accepts bytes.
            if self.flags.has(Flag::Blocked) {
                return FlushStatus::Blocked;
            }
            match self.link.send_kept() {
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
            if outbox.is_empty() {
                self.outbox = None;
                self.flags.set(Flag::Stale, false);
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
                // The events are sent at the start of the next round.
                Link::Events(stream) => Ok(stream.write_slices(slices)),
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
            Link::Plain(socket) => receive(socket, buffer)?,
            Link::Tls(_, tls) if tls.has_ended() => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Link::Tls(socket, tls) => {
                // Records that bring next to nothing are charged after they are decrypted, so that they are decrypted a
                // few at a time.
                let most = if self.flags.has(Flag::Bulk) {
                    buffer.len()
                } else {
                    FIRST_READ
                };
                let received = receive_encrypted(socket, tls, most, buffer);
                let is_bulk = |received: &Received| received.more && received.idle_records == 0;
                self.flags
                    .set(Flag::Bulk, received.as_ref().is_ok_and(is_bulk));
                self.send_kept();
                received?
            }
            Link::Quic(stream) => {
                let count = stream.read(buffer)?;
                Received {
                    count,
                    idle_records: 0,
                    more: true,
                }
            }
            Link::Events(stream) => stream.read(buffer)?,
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
        let received = receive(socket, buffer)?;
        self.on_activity(now);
        Ok(received)
    }

    /// Whether the client has sent bytes or taken queued ones, and neither is noticed yet. A connection that is paused, or
    /// whose outbox is over its cap, is not read, so only queued bytes count for it.
    pub(super) fn has_news(&self) -> bool {
        let socket = match (&self.link, self.link.socket()) {
            (Link::Quic(stream), _) => return stream.has_packets(),
            (_, Some(socket)) => socket,
            (_, None) => return false,
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
            Link::Plain(_) | Link::Tls(..) | Link::Events(_) => false,
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
            Link::Plain(_) | Link::Tls(..) | Link::Events(_) => false,
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
                self.send_kept();
            }
            Link::Events(stream) if is_drained => {
                // The connection is at its end in any case.
                stream.end().ok();
            }
            Link::Tls(..) | Link::Events(_) => {}
            Link::Quic(stream) => stream.end(),
        }
    }

    /// Shuts the link down for writing.
    pub(super) fn shut(&mut self) {
        if let Link::Quic(stream) = &mut self.link {
            return stream.finish();
        }
        self.end_link();
        let Some(socket) = self.link.socket() else {
            return;
        };
        let socket = socket2::SockRef::from(socket);
        if socket.shutdown(std::net::Shutdown::Write).is_err() {
            self.state = ConnState::Dead;
        }
    }
}
