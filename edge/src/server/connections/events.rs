//! The link of an event stream: a response over HTTP that never ends, and the requests of its client.
//!
//! To the connection above, it is a client that speaks WebSocket. The frames of the edge leave as server-sent events, and the
//! inputs that the client sends in requests arrive as frames. The link answers pings as soon as the socket has accepted them, and
//! closes when the client is in its room no more.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use grandstand_common::envelope::EventHead;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, RoomId};
use mio::net::TcpStream;
use tokio::sync::oneshot;

use crate::codec::events::{EventEncoder, EventId, Passed};
use crate::conn::key::ConnKey;
use crate::conn::session::{EventSession, JOIN_ID};
use crate::server::connections::receive::{Received, receive, receive_encrypted};
use crate::server::connections::ticket::Ticket;
use crate::server::connections::ticket_link::{Said, TicketLink};
use crate::server::connections::viewed::Viewed;
use crate::server::connections::waiters::{InputAnswer, Waiters};
use crate::server::tls::session::TlsSession;
use crate::websocket::frame;

/// The most bytes that are read with TLS at once.
const READ: usize = 4 << 10;

/// The milliseconds after which a client connects again whose stream has ended, as the first event says.
const RETRY_MS: u32 = 2_000;

/// The link of an event stream.
#[derive(Debug)]
pub(crate) struct EventLink {
    /// `None` for a view: the link ends with the first snapshot.
    socket: Option<TcpStream>,
    /// The request that waits for the view.
    view: Option<oneshot::Sender<Viewed>>,
    /// The ticket of a queue, whose client has no socket.
    ticket: Option<Box<TicketLink>>,
    tls: Option<Box<TlsSession>>,
    encoder: EventEncoder,
    /// Bytes of events, of which the first `sent` are with the socket or TLS.
    unsent: Vec<u8>,
    sent: usize,
    /// Frames of the client that are not read yet.
    input: VecDeque<u8>,
    has_news: bool,
    room: RoomId,
    secret: u128,
    waiters: Waiters,
    /// Whether the client's close frame is among the input.
    is_closed: bool,
}

/// The parts of an event stream that its request names.
#[derive(Debug)]
pub(crate) struct EventStream {
    /// The room.
    pub(crate) room: RoomId,
    /// The secret of its session.
    pub(crate) secret: u128,
    /// The epoch in which the client resumes; empty if it does not.
    pub(crate) epoch: String,
}

/// An input that came in a request.
#[derive(Debug)]
pub(crate) struct PushedInput {
    pub(crate) room: RoomId,
    pub(crate) seq: u64,
    /// The message, in JSON.
    pub(crate) message: String,
}

/// The reason why an input does not reach an event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushError {
    /// There is no such stream, or it is of another room.
    NoSession,
    /// Too much of the client waits already.
    Full,
}

impl EventLink {
    /// Creates the link of a stream whose response has been begun.
    pub(crate) fn new(
        socket: TcpStream,
        tls: Option<Box<TlsSession>>,
        stream: EventStream,
    ) -> Self {
        Self {
            socket: Some(socket),
            tls,
            encoder: EventEncoder::new(stream.epoch),
            ..Self::without_socket(stream.room, stream.secret)
        }
    }

    /// Creates the link of a request for the view of a lane.
    pub(crate) fn of_view(room: RoomId, view: oneshot::Sender<Viewed>) -> Self {
        Self {
            view: Some(view),
            ..Self::without_socket(room, rand::random())
        }
    }

    /// Creates the link of a ticket in a queue.
    pub(crate) fn of_ticket(queue: RoomId, secret: u128, ticket: Ticket) -> Self {
        Self {
            ticket: Some(Box::new(TicketLink::new(ticket))),
            ..Self::without_socket(queue, secret)
        }
    }

    fn without_socket(room: RoomId, secret: u128) -> Self {
        Self {
            socket: None,
            view: None,
            ticket: None,
            tls: None,
            encoder: EventEncoder::new(String::new()),
            unsent: Vec::new(),
            sent: 0,
            input: VecDeque::new(),
            has_news: false,
            room,
            secret,
            waiters: Waiters::default(),
            is_closed: false,
        }
    }

    pub(super) fn socket(&self) -> Option<&TcpStream> {
        self.socket.as_ref()
    }

    pub(super) fn socket_mut(&mut self) -> Option<&mut TcpStream> {
        self.socket.as_mut()
    }

    /// Queues the first event, which names the session.
    pub(super) fn announce(&mut self, edge: &EdgeId, key: ConnKey) {
        if self.socket.is_none() {
            return;
        }
        let session = EventSession {
            edge: edge.clone(),
            key,
            secret: self.secret,
        };
        let event = format!(
            "retry: {RETRY_MS}\ndata: {{\"type\":\"session\",\"session\":\"{session}\"}}\n\n"
        );
        self.unsent.extend_from_slice(event.as_bytes());
    }

    /// Whether frames of the client have come since the last call.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Whether this is the secret of the stream's session.
    pub(super) fn has_secret(&self, secret: u128) -> bool {
        self.secret == secret
    }

    /// Takes an input of the client, and answers `waiter` once the stream has. At most `most` bytes wait.
    pub(super) fn push(
        &mut self,
        input: PushedInput,
        waiter: oneshot::Sender<InputAnswer>,
        most: usize,
    ) -> Result<(), PushError> {
        if self.is_closed || self.room != input.room {
            return Err(PushError::NoSession);
        }
        let is_full = !self.input.is_empty() && self.input.len() + input.message.len() > most;
        if is_full || self.waiters.is_full() {
            return Err(PushError::Full);
        }
        if let Some(ticket) = &mut self.ticket {
            let said = ticket.ask(&input.message, waiter);
            self.say(said);
            return Ok(());
        }
        self.put_input(&frame::text(&input.message));
        self.waiters.push(input.seq, waiter);
        Ok(())
    }

    /// Writes frames. Returns the bytes that are done, and whether the socket accepts more.
    pub(super) fn write(&mut self, frames: &[u8]) -> io::Result<(usize, bool)> {
        let mut done = 0;
        loop {
            if !self.send()? {
                return Ok((done, false));
            }
            if done == frames.len() {
                return Ok((done, true));
            }
            done += self.turn(&frames[done..]);
        }
    }

    /// Turns some of these frames into events, which [`send`](Self::send) writes. Returns the bytes that are done.
    pub(super) fn write_slices(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let filled = slices.iter().find(|slice| !slice.is_empty());
        filled.map_or(0, |slice| self.turn(slice))
    }

    /// Writes events that are not sent. Returns whether all are.
    pub(super) fn send(&mut self) -> io::Result<bool> {
        let Some(socket) = &mut self.socket else {
            return Ok(true);
        };
        loop {
            if let Some(tls) = &mut self.tls
                && !tls.send(socket)?
            {
                return Ok(false);
            }
            let rest = &self.unsent[self.sent..];
            if rest.is_empty() {
                self.unsent.clear();
                self.sent = 0;
                return Ok(true);
            }
            let written = match &mut self.tls {
                None => socket.write(rest),
                Some(tls) => tls.encrypt_record(&[IoSlice::new(rest)]),
            };
            match written {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads frames of the client. Its stream carries only the response, so bytes on it are discarded, and count like
    /// records of TLS that bring nothing.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        if !self.input.is_empty() {
            let count = self.input.len().min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(self.input.drain(..count)) {
                *to = from;
            }
            return Ok(Received {
                count,
                idle_records: 0,
                more: true,
            });
        }
        let Some(socket) = &mut self.socket else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let received = match &mut self.tls {
            None => receive(socket, buffer)?,
            Some(tls) if tls.has_ended() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(tls) => {
                let received = receive_encrypted(socket, tls, READ, buffer);
                // TLS may have an answer of its own.
                self.send()?;
                received?
            }
        };
        Ok(Received {
            count: 0,
            idle_records: received.idle_records.max(1),
            more: received.more,
        })
    }

    /// Tells a client with TLS that nothing follows, if all is sent.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.send()?
            && let (Some(tls), Some(socket)) = (&mut self.tls, &mut self.socket)
        {
            tls.encrypt_end();
            tls.send(socket)?;
        }
        Ok(())
    }

    fn turn(&mut self, frames: &[u8]) -> usize {
        let (count, passed) = self.encoder.encode(frames, &mut self.unsent);
        let is_whole = passed.is_some();
        match passed {
            None => {}
            Some(Passed::Ping(payload)) => self.pong(&payload),
            Some(Passed::Close) => self.close(),
            Some(Passed::Message { head, text }) if self.view.is_some() => {
                self.see(&head, text);
            }
            Some(Passed::Message { head, .. }) if self.ticket.is_some() => self.see_ticket(&head),
            Some(Passed::Message { head, text }) => {
                let code = head.code.unwrap_or_default();
                let is_final = head.id == Some(JOIN_ID) && !is_temporary(&code);
                match head.kind.as_str() {
                    "ack" | "reject" | "error" if head.seq.is_some() => {
                        let answer = InputAnswer {
                            kind: head.kind,
                            code,
                            retry_after_ms: head.retry_after_ms,
                            text: text.unwrap_or_default(),
                        };
                        self.waiters.answer(head.seq.unwrap_or(0), &answer);
                    }
                    "left" => self.close(),
                    "error" if is_final => self.close(),
                    _ => {}
                }
            }
        }
        if self.socket.is_none() && is_whole {
            self.unsent.clear();
        }
        count
    }

    /// Answers the request for the view with a message that says what it is.
    fn see(&mut self, head: &EventHead, text: Option<String>) {
        let seen = Viewed::of_message(head, text, || self.snapshot(head));
        if let Some(seen) = seen
            && let Some(view) = self.view.take()
        {
            // The request may have given up.
            view.send(seen).ok();
            self.close();
        }
    }

    /// The snapshot whose event has just been made.
    fn snapshot(&self, head: &EventHead) -> Option<Viewed> {
        let text = self.event_text()?;
        let id = EventId {
            epoch: self.encoder.epoch().to_owned(),
            version: head.version?,
        };
        Some(Viewed::Snapshot {
            id,
            text: text.to_owned(),
        })
    }

    /// The message whose event has just been made.
    fn event_text(&self) -> Option<&str> {
        let event = std::str::from_utf8(&self.unsent).ok()?;
        event.lines().find_map(|line| line.strip_prefix("data: "))
    }

    /// Answers a ping, unless it is that of a ticket after which nobody asks.
    fn pong(&mut self, payload: &[u8]) {
        match self.ticket.as_mut().and_then(|ticket| ticket.ping()) {
            Some(said) => self.say(said),
            None => self.put_input(&frame::pong(payload)),
        }
    }

    /// Passes a message to the ticket.
    fn see_ticket(&mut self, head: &EventHead) {
        if let Some(mut ticket) = self.ticket.take() {
            let said = self.event_text().map(|text| ticket.see(head, text));
            self.ticket = Some(ticket);
            self.say(said.unwrap_or_default());
        }
    }

    /// Sends what the client of a ticket says.
    fn say(&mut self, said: Said) {
        for message in said.messages {
            self.put_input(&frame::text(&message));
        }
        if said.closes {
            self.close();
        }
    }

    /// Closes as a client does.
    fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.put_input(&frame::close(1000, ""));
        }
    }

    fn put_input(&mut self, frame: &[u8]) {
        self.has_news = true;
        self.input.extend(frame);
    }
}

/// Whether a join with this error is still answered when it can be.
fn is_temporary(code: &str) -> bool {
    code == ErrorKind::RoomUnavailable.code()
}
