//! The protocol side of one WebSocket connection: decoding, dispatch to the handler, and the close handshake.

#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use tracing::debug;

use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use crate::limits::Presence;
use crate::server::client_kind::ClientKind;
use crate::server::connections::{ConnState, FlushStatus};
use crate::server::context::ServerContext;
use crate::server::handler::CloseReason;
use crate::websocket::decoder::{Decoder, Event};
use crate::websocket::error::ProtocolError;
use crate::websocket::frame::{self, MAX_CONTROL_PAYLOAD, Opcode};
use crate::websocket::inflate::Inflater;

/// The most reads of one connection before other connections are driven.
const READS_PER_TURN: usize = 4;

/// The time for which one connection is driven before others, unless one message takes longer. Bytes that were read
/// and not handled by then wait for the connection's next turn.
const TURN: Duration = Duration::from_micros(100);

/// The most bytes of pongs that one read is answered with. If a client sends more pings, only the last ones are answered
/// (RFC 6455 section 5.5.3).
const PONGS_BYTES: usize = 16 * MAX_PONG;

/// The most bytes of a pong.
const MAX_PONG: usize = 2 + MAX_CONTROL_PAYLOAD;

/// The client's side of the close handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloseState {
    /// The client may send messages.
    Open,
    /// The client's close frame was received.
    Closed,
    /// The client broke the protocol or sent far too much. Its further bytes are read and discarded until it closes its
    /// socket.
    Broken,
    /// Like `Broken`, and the socket is shut down for writing.
    Shut,
}

/// One connection's protocol state.
#[derive(Debug)]
pub(crate) struct Connection {
    key: ConnKey,
    /// Counts the connection among those of its address.
    _presence: Presence,
    decoder: Decoder,
    /// Bytes read and not yet handled because the handler paused the connection, or because its turn was over.
    unread: Option<Box<[u8]>>,
    /// The index of its route among the server's.
    route: u8,
    kind: ClientKind,
    close_state: CloseState,
    /// Whether the handler's `closed` was called.
    close_reported: bool,
}

/// The buffers that all connections of a shard are read with.
#[derive(Debug)]
pub(super) struct ReadBuffers {
    pub(super) bytes: Vec<u8>,
    pub(super) inflater: Inflater,
    /// Pongs that are not sent yet; empty between two connections.
    pub(super) pongs: Vec<u8>,
}

/// One turn of a connection.
struct Turn<'a> {
    context: &'a ServerContext,
    inflater: &'a mut Inflater,
    pongs: &'a mut Vec<u8>,
    /// The time of the last read.
    now: Instant,
    /// The time at which other connections are due.
    ends: Instant,
}

/// The driver's next step for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Advance it again after other connections.
    Again,
    /// Wait for an event.
    Wait,
    /// Remove it.
    End,
}

impl Connection {
    /// Creates a connection of a kind at a route after its handshake. `early` holds the bytes received after the request.
    pub(super) fn new(
        key: ConnKey,
        presence: Presence,
        (index, kind): (u8, ClientKind),
        decoder: Decoder,
        early: Box<[u8]>,
    ) -> Self {
        Self {
            key,
            _presence: presence,
            decoder,
            unread: (!early.is_empty()).then_some(early),
            route: index,
            kind,
            close_state: CloseState::Open,
            close_reported: false,
        }
    }

    /// The kind of the connection, for metrics.
    pub(super) fn kind(&self) -> ClientKind {
        self.kind
    }

    /// Whether bytes were read and not yet handled.
    pub(super) fn has_input(&self) -> bool {
        self.unread.is_some()
    }

    /// Advances the connection until it blocks. `wary`: whether the socket may have more bytes even after a short read.
    pub(super) fn advance(
        &mut self,
        context: &ServerContext,
        wary: bool,
        buffers: &mut ReadBuffers,
    ) -> Progress {
        let ReadBuffers {
            bytes,
            inflater,
            pongs,
        } = buffers;
        let now = now();
        let mut turn = Turn {
            context,
            inflater,
            pongs,
            now,
            ends: now + TURN,
        };
        let mut more = true;
        for read in 0..READS_PER_TURN {
            match self.settle(context) {
                Progress::Again if more || self.has_input() => {}
                Progress::Again => return Progress::Wait,
                progress => return progress,
            }
            if read > 0 {
                turn.now = self::now();
                if turn.now >= turn.ends {
                    return Progress::Again;
                }
            }
            if let Some(mut unread) = self.unread.take() {
                self.feed(&mut unread, &mut turn);
                continue;
            }
            let read = match self.close_state {
                CloseState::Open | CloseState::Closed => {
                    context.connections.read(self.key, bytes, turn.now)
                }
                CloseState::Broken | CloseState::Shut => {
                    context.connections.read_unseen(self.key, bytes, turn.now)
                }
            };
            match read {
                Ok(received) => {
                    context.count_received(received.count);
                    more = wary || received.more;
                    self.charge_records(received.idle_records, &turn);
                    self.feed(&mut bytes[..received.count], &mut turn);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Wait,
                Err(_) => return Progress::End,
            }
        }
        match self.settle(context) {
            Progress::Again if !more && !self.has_input() => Progress::Wait,
            progress => progress,
        }
    }

    pub(super) fn report_close(&mut self, context: &ServerContext, why: CloseReason) {
        if !self.close_reported {
            self.close_reported = true;
            let connection = context.name(self.key);
            debug!(%connection, ?why, "connection closed");
            context.metrics.on_closed(why.label());
            context
                .route(self.route)
                .handler
                .closed(self.key, why, now());
        }
    }

    /// Writes the outbox, then checks whether the connection is paused or at its end.
    fn settle(&mut self, context: &ServerContext) -> Progress {
        let connections = &context.connections;
        let mut flushed = true;
        loop {
            match connections.flush(self.key) {
                FlushStatus::Blocked => flushed = false,
                FlushStatus::Drained if !self.close_reported => {
                    context.route(self.route).handler.drained(self.key, now());
                    continue;
                }
                FlushStatus::Drained | FlushStatus::Idle => {}
            }
            break;
        }
        let (state, paused) = connections.state(self.key);
        match state {
            ConnState::Open if paused => return Progress::Wait,
            ConnState::Open => {}
            ConnState::Dead => return Progress::End,
            ConnState::Closed if flushed => return Progress::End,
            ConnState::Closed => return Progress::Wait,
            ConnState::Closing(kind) => {
                self.report_close(context, CloseReason::Closed(kind));
                if self.close_state == CloseState::Broken && flushed {
                    self.close_state = CloseState::Shut;
                    connections.shut(self.key);
                }
            }
        }
        Progress::Again
    }

    /// Handles bytes until the turn is over, then answers the pings among them.
    fn feed(&mut self, input: &mut [u8], turn: &mut Turn<'_>) {
        // The rest of a broken stream is discarded unseen.
        if matches!(self.close_state, CloseState::Broken | CloseState::Shut) {
            return;
        }
        turn.pongs.clear();
        self.handle(input, turn);
        self.answer_pings(turn);
    }

    /// Handles bytes until the turn is over. Pongs are left in the turn.
    fn handle(&mut self, mut input: &mut [u8], turn: &mut Turn<'_>) {
        let context = turn.context;
        let now = turn.now;
        let handler = &context.route(self.route).handler;
        loop {
            let event = match self.decoder.handle_bytes(&mut input, turn.inflater) {
                Ok(event) => event,
                Err(error) => {
                    self.answer_pings(turn);
                    if let ProtocolError::TooBig { .. } = error {
                        let start = self.decoder.take_start(turn.inflater);
                        if !self.close_reported {
                            handler.too_big(self.key, &start, now);
                        }
                    }
                    context.connections.fail(self.key, error);
                    self.close_state = CloseState::Broken;
                    return self.report_close(context, CloseReason::Protocol(error));
                }
            };
            let is_last = event.is_none();
            let mut frames = 0;
            match event {
                Some(Event::Message(message)) if !self.close_reported => {
                    // The answer to a message does not overtake pongs for the pings before it.
                    send_pongs(context, self.key, turn.pongs);
                    handler.message(self.key, message, now);
                }
                Some(Event::Ping(payload)) => {
                    frames = 1;
                    if turn.pongs.len() + MAX_PONG > PONGS_BYTES {
                        turn.pongs.clear();
                    }
                    frame::put_frame(turn.pongs, Opcode::Pong, payload);
                }
                Some(Event::Pong) => frames = 1,
                Some(Event::Close(code)) => {
                    self.answer_pings(turn);
                    context.connections.answer_close(self.key, code);
                    self.close_state = CloseState::Closed;
                    return self.report_close(context, CloseReason::Client(code));
                }
                Some(Event::Message(_)) | None => {}
            }
            frames += self.decoder.take_fragments();
            if is_last && frames == 0 {
                return;
            }
            if frames > 0 && !self.close_reported {
                handler.frames(self.key, frames, now);
            }
            match context.connections.state(self.key) {
                (ConnState::Open, false) => {}
                (ConnState::Open, true) => return self.keep(input),
                (ConnState::Closing(kind), _) => {
                    self.report_close(context, CloseReason::Closed(kind));
                    if kind == ErrorKind::RateLimited {
                        self.close_state = CloseState::Broken;
                        return;
                    }
                }
                (ConnState::Closed | ConnState::Dead, _) => return,
            }
            if !input.is_empty() && self::now() >= turn.ends {
                return self.keep(input);
            }
        }
    }

    /// Charges records of TLS that have brought next to nothing, as frames.
    fn charge_records(&mut self, count: u32, turn: &Turn<'_>) {
        if count == 0 || self.close_reported {
            return;
        }
        let context = turn.context;
        let handler = &context.route(self.route).handler;
        handler.frames(self.key, count, turn.now);
        if let (ConnState::Closing(kind @ ErrorKind::RateLimited), _) =
            context.connections.state(self.key)
        {
            self.report_close(context, CloseReason::Closed(kind));
            self.close_state = CloseState::Broken;
        }
    }

    /// Keeps bytes that are not handled yet.
    fn keep(&mut self, rest: &[u8]) {
        self.unread = (!rest.is_empty()).then(|| rest.into());
    }

    /// Sends the pongs of a turn.
    fn answer_pings(&self, turn: &mut Turn<'_>) {
        send_pongs(turn.context, self.key, turn.pongs);
    }
}

/// Sends pongs that are not sent yet.
fn send_pongs(context: &ServerContext, key: ConnKey, pongs: &mut Vec<u8>) {
    if !pongs.is_empty() {
        let frames = Bytes::copy_from_slice(pongs);
        pongs.clear();
        let mut connections = context.connections.clone();
        connections.send_control(key, &frames);
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
