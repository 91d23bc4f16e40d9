//! A connection's stream as the table of connections sees it, and what it shares with the endpoint.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::rc::Rc;

use bytes::Bytes;
use quinn_proto::{Connection, ConnectionHandle, ReadError, StreamId, WriteError};
use tokio::sync::Notify;

use crate::server::quic::arrivals::Arrivals;

/// The close code of a connection that ended as both sides wanted (RFC 6455 section 7.4.1).
const NORMAL_CLOSURE: u16 = 1000;

/// The connections of an endpoint that must be polled, because their streams were used.
pub(super) struct Wakes {
    queue: RefCell<VecDeque<ConnectionHandle>>,
    bell: Notify,
    arrivals: Rc<Arrivals>,
}

impl Wakes {
    pub(super) fn new(arrivals: Rc<Arrivals>) -> Rc<Self> {
        Rc::new(Self {
            queue: RefCell::default(),
            bell: Notify::new(),
            arrivals,
        })
    }

    /// Waits until a connection must be polled.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The number of connections that must be polled.
    pub(super) fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    /// The next connection that must be polled.
    pub(super) fn pop(&self) -> Option<ConnectionHandle> {
        self.queue.borrow_mut().pop_front()
    }

    /// Notes that a connection must be polled, which may be noted already.
    pub(super) fn push(&self, handle: ConnectionHandle, conn: &mut Conn) {
        if !std::mem::replace(&mut conn.is_queued, true) {
            self.queue.borrow_mut().push_back(handle);
            self.bell.notify_one();
        }
    }
}

/// A QUIC connection.
pub(super) struct Conn {
    pub(super) proto: Connection,
    /// Whether the connection is among the [`Wakes`].
    pub(super) is_queued: bool,
    /// Nothing more can be sent, and nothing more arrives.
    pub(super) is_lost: bool,
    /// The client sends far more packets than it may.
    pub(super) is_flooded: bool,
    /// The code and the reason with which the edge ends it.
    pub(super) reason: (u16, &'static str),
    /// The edge ends it.
    pub(super) is_ending: bool,
}

impl Conn {
    pub(super) fn new(proto: Connection) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            proto,
            is_queued: false,
            is_lost: false,
            is_flooded: false,
            reason: (NORMAL_CLOSURE, ""),
            is_ending: false,
        }))
    }

    /// Reads what has arrived on a stream. The error is `WouldBlock` if nothing has, and `UnexpectedEof` at its end.
    pub(super) fn read(&mut self, stream: StreamId, buffer: &mut [u8]) -> io::Result<usize> {
        let mut receiver = self.proto.recv_stream(stream);
        let Ok(mut chunks) = receiver.read(true) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let mut count = 0;
        let mut end = None;
        while count < buffer.len() {
            match chunks.next(buffer.len() - count) {
                Ok(Some(chunk)) => {
                    let to = count + chunk.bytes.len();
                    buffer[count..to].copy_from_slice(&chunk.bytes);
                    count = to;
                }
                Ok(None) | Err(ReadError::Reset(_)) => {
                    end = Some(io::ErrorKind::UnexpectedEof);
                    break;
                }
                Err(ReadError::Blocked) => {
                    end = Some(io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        // The caller polls the connection for packets, so credit for the client leaves with them.
        let _ = chunks.finalize();
        match end {
            Some(io::ErrorKind::WouldBlock) if count == 0 && self.is_lost => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Some(end) if count == 0 => Err(end.into()),
            _ => Ok(count),
        }
    }
}

/// The stream that carries a connection's frames.
pub(crate) struct QuicLink {
    handle: ConnectionHandle,
    conn: Rc<RefCell<Conn>>,
    stream: StreamId,
    /// The first byte of datagrams, with WebTransport.
    session: Option<[u8; 1]>,
    wakes: Rc<Wakes>,
}

impl QuicLink {
    pub(super) fn new(
        handle: ConnectionHandle,
        conn: Rc<RefCell<Conn>>,
        stream: StreamId,
        session: Option<[u8; 1]>,
        wakes: Rc<Wakes>,
    ) -> Self {
        Self {
            handle,
            conn,
            stream,
            session,
            wakes,
        }
    }

    /// Writes without copying. Returns the number of bytes accepted.
    ///
    /// # Errors
    /// `WouldBlock` if the client has to acknowledge earlier bytes first.
    pub(crate) fn write(&mut self, frames: &Bytes) -> io::Result<usize> {
        let mut chunks = [frames.clone()];
        self.with(|conn, stream| {
            let written = conn.proto.send_stream(stream).write_chunks(&mut chunks);
            written.map(|written| written.bytes).map_err(failure)
        })
    }

    /// Whether it is a stream of a session of WebTransport.
    pub(crate) fn is_webtransport(&self) -> bool {
        self.session.is_some()
    }

    /// Writes several pieces. Returns the number of bytes accepted.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn write_slices(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.with(|conn, stream| {
            let mut total = 0;
            for slice in slices {
                match conn.proto.send_stream(stream).write(slice) {
                    Ok(count) => total += count,
                    Err(_) if total > 0 => break,
                    Err(error) => return Err(failure(error)),
                }
            }
            Ok(total)
        })
    }

    /// Sends a frame that may be lost. The oldest that wait to be sent are dropped for it. Returns whether the client takes
    /// datagrams of this size.
    pub(crate) fn send_datagram(&mut self, frame: &Bytes) -> bool {
        let mut conn = self.conn.borrow_mut();
        let datagram = match self.session {
            None => frame.clone(),
            Some(session) => [&session[..], frame].concat().into(),
        };
        let sent = conn.proto.datagrams().send(datagram, true).is_ok();
        if sent {
            self.wakes.push(self.handle, &mut conn);
        }
        sent
    }

    /// Reads what has arrived.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has arrived, `UnexpectedEof` at the end of the stream and if the connection is lost.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut conn = self.conn.borrow_mut();
        let read = conn.read(self.stream, buffer);
        if read.is_ok() {
            self.wakes.push(self.handle, &mut conn);
        }
        read
    }

    /// Makes the client acknowledge a packet.
    pub(crate) fn ping(&mut self) {
        let mut conn = self.conn.borrow_mut();
        conn.proto.ping();
        self.wakes.push(self.handle, &mut conn);
    }

    /// Whether packets have arrived that are not handled yet. They may be of any connection.
    pub(crate) fn has_packets(&self) -> bool {
        self.wakes.arrivals.has_packets()
    }

    /// Ends the stream after the bytes that were written.
    pub(crate) fn finish(&mut self) {
        let mut conn = self.conn.borrow_mut();
        // It fails if the client has stopped the stream; then there is nothing to end.
        conn.proto.send_stream(self.stream).finish().ok();
        self.wakes.push(self.handle, &mut conn);
    }

    /// Sets the code and the reason with which the connection will end.
    pub(crate) fn set_reason(&mut self, code: u16, reason: &'static str) {
        self.conn.borrow_mut().reason = (code, reason);
    }

    /// Closes the connection, once the client has acknowledged what was written.
    pub(crate) fn end(&mut self) {
        let mut conn = self.conn.borrow_mut();
        conn.is_ending = true;
        self.wakes.push(self.handle, &mut conn);
    }

    fn with<T>(
        &mut self,
        write: impl FnOnce(&mut Conn, StreamId) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut conn = self.conn.borrow_mut();
        if conn.is_lost {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let result = write(&mut conn, self.stream);
        self.wakes.push(self.handle, &mut conn);
        result
    }
}

impl fmt::Debug for QuicLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicLink")
            .field("handle", &self.handle)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

fn failure(error: WriteError) -> io::Error {
    match error {
        WriteError::Blocked => io::ErrorKind::WouldBlock.into(),
        WriteError::Stopped(_) | WriteError::ClosedStream => io::ErrorKind::BrokenPipe.into(),
    }
}
