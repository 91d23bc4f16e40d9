//! The protocol side of one WebSocket connection: decoding, dispatch to the handler, and the close handshake.

#[cfg(test)]
mod tests;

use std::io;
use std::time::Instant;

use tracing::debug;

use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use crate::server::connections::{ConnState, FlushStatus};
use crate::server::context::ServerContext;
use crate::server::handler::{CloseReason, ConnectInfo};
use crate::server::routes::Route;
use crate::websocket::decoder::{Decoder, Event};
use crate::websocket::error::ProtocolError;
use crate::websocket::frame;
use crate::websocket::inflate::Inflater;

/// The most reads of one connection before other connections are driven.
const READS_PER_TURN: usize = 4;

/// The client's side of the close handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloseState {
    /// The client may send messages.
    Open,
    /// The client's close frame was received.
    Closed,
    /// The client broke the protocol. Its further bytes are read and discarded until it closes its socket.
    Broken,
    /// Like `Broken`, and the socket is shut down for writing.
    Shut,
}

/// One connection's protocol state.
#[derive(Debug)]
pub(crate) struct Connection {
    key: ConnKey,
    decoder: Decoder,
    /// Bytes read and not yet handled because the handler paused the connection.
    unread: Option<Box<[u8]>>,
    /// The index of its route among the server's.
    route: u8,
    close_state: CloseState,
    /// Whether the handler's `closed` was called.
    close_reported: bool,
}

/// The buffers that all connections of a shard are read with.
#[derive(Debug)]
pub(super) struct ReadBuffers {
    pub(super) bytes: Vec<u8>,
    pub(super) inflater: Inflater,
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
    /// Creates a connection after its handshake. `early` holds the bytes received behind the request.
    pub(super) fn new(
        key: ConnKey,
        index: u8,
        route: &Route,
        info: &ConnectInfo,
        early: Box<[u8]>,
    ) -> Self {
        Self {
            key,
            decoder: Decoder::new(route.message_bytes).with_deflate(info.format.deflate),
            unread: (!early.is_empty()).then_some(early),
            route: index,
            close_state: CloseState::Open,
            close_reported: false,
        }
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
        let ReadBuffers { bytes, inflater } = buffers;
        let mut more = true;
        for _ in 0..READS_PER_TURN {
            match self.settle(context) {
                Progress::Again if more => {}
                Progress::Again => return Progress::Wait,
                turn => return turn,
            }
            if let Some(mut unread) = self.unread.take() {
                self.feed(context, &mut unread, inflater, now());
                continue;
            }
            let now = now();
            match context.connections.read(self.key, bytes, now) {
                Ok(count) if count > 0 => {
                    context.count_received(count);
                    // A stream socket that returns fewer bytes than asked for is empty (epoll(7)).
                    more = wary || count == bytes.len();
                    self.feed(context, &mut bytes[..count], inflater, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Wait,
                _ => return Progress::End,
            }
        }
        match self.settle(context) {
            Progress::Again if !more => Progress::Wait,
            turn => turn,
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

    fn feed(
        &mut self,
        context: &ServerContext,
        mut input: &mut [u8],
        inflater: &mut Inflater,
        now: Instant,
    ) {
        let mut connections = context.connections.clone();
        loop {
            let event = match self.decoder.handle_bytes(&mut input, inflater) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(error) => {
                    if let ProtocolError::TooBig { .. } = error {
                        let start = self.decoder.take_start(inflater);
                        if !self.close_reported {
                            let handler = &context.route(self.route).handler;
                            handler.too_big(self.key, &start, now);
                        }
                    }
                    connections.fail(self.key, error);
                    self.close_state = CloseState::Broken;
                    return self.report_close(context, CloseReason::Protocol(error));
                }
            };
            let handler = &context.route(self.route).handler;
            match event {
                Event::Message(message) if !self.close_reported => {
                    handler.message(self.key, message, now);
                }
                Event::Ping(payload) => {
                    connections.send_control(self.key, &frame::pong(payload));
                }
                Event::Close(code) => {
                    connections.answer_close(self.key, code);
                    self.close_state = CloseState::Closed;
                    return self.report_close(context, CloseReason::Client(code));
                }
                Event::Message(_) | Event::Pong => {}
            }
            match connections.state(self.key) {
                (ConnState::Open, false) => {}
                (ConnState::Open, true) => {
                    self.unread = (!input.is_empty()).then(|| (&*input).into());
                    return;
                }
                (ConnState::Closing(kind), _) => {
                    self.report_close(context, CloseReason::Closed(kind))
                }
                (ConnState::Closed | ConnState::Dead, _) => return,
            }
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
