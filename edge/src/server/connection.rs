//! One WebSocket connection: its decoder, its handler and its end.

#[cfg(test)]
mod tests;

use std::io;
use std::time::Instant;

use tracing::debug;

use crate::conn::transport::{ConnKey, Transport};
use crate::server::connections::{Flushed, Phase};
use crate::server::context::ServerContext;
use crate::server::handler::{Ending, Hello};
use crate::server::routes::Route;
use crate::websocket::decoder::{Decoder, Event};
use crate::websocket::frame::{self, MessageKind};
use crate::websocket::inflate::Inflater;

/// How often a connection may read before others have their turn.
const READS_PER_TURN: usize = 4;

/// How far the client has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// It talks.
    Open,
    /// Its close frame came.
    Closed,
    /// It broke the protocol; what it still sends is read and thrown away until it closes its socket.
    Broken,
    /// So it is, and our direction is ended.
    Shut,
}

/// What drives one connection to its end.
#[derive(Debug)]
pub(crate) struct Drive {
    key: ConnKey,
    decoder: Decoder,
    /// What was read and not acted on, because the endpoint paused.
    held: Option<Box<[u8]>>,
    /// The place of its route among the front's.
    route: u8,
    peer: Peer,
    /// The endpoint knows that it ended.
    told: bool,
}

/// What all connections are read with.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) bytes: Vec<u8>,
    pub(super) inflater: Inflater,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Again,
    Wait,
    End,
}

impl Drive {
    /// A connection right after its handshake. `early` came behind the request.
    pub(super) fn new(
        key: ConnKey,
        index: u8,
        route: &Route,
        hello: &Hello,
        early: Box<[u8]>,
    ) -> Self {
        Self {
            key,
            decoder: Decoder::new(route.message_bytes).with_deflate(hello.form.deflate),
            held: (!early.is_empty()).then_some(early),
            route: index,
            peer: Peer::Open,
            told: false,
        }
    }

    /// Whether bytes were read and not acted on.
    pub(super) fn has_input(&self) -> bool {
        self.held.is_some()
    }

    /// Advances the connection until it blocks. `wary`: more may be there to read than one read brings.
    pub(super) fn turn(
        &mut self,
        context: &ServerContext,
        wary: bool,
        scratch: &mut Scratch,
    ) -> Turn {
        let Scratch { bytes, inflater } = scratch;
        let mut more = true;
        for _ in 0..READS_PER_TURN {
            match self.settle(context) {
                Turn::Again if more => {}
                Turn::Again => return Turn::Wait,
                turn => return turn,
            }
            if let Some(mut held) = self.held.take() {
                self.feed(context, &mut held, inflater, now());
                continue;
            }
            let now = now();
            match context.conns.read(self.key, bytes, now) {
                Ok(count) if count > 0 => {
                    context.count_received(count);
                    // A socket that gave less than was asked for is empty (epoll(7)).
                    more = wary || count == bytes.len();
                    self.feed(context, &mut bytes[..count], inflater, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::Wait,
                _ => return Turn::End,
            }
        }
        match self.settle(context) {
            Turn::Again if !more => Turn::Wait,
            turn => turn,
        }
    }

    pub(super) fn tell(&mut self, context: &ServerContext, why: Ending) {
        if !self.told {
            self.told = true;
            debug!(conn = ?self.key, ?why, "connection ends");
            context.metrics.on_closed(why.label());
            context
                .route(self.route)
                .endpoint
                .closed(self.key, why, now());
        }
    }

    /// Writes what waits, and sees whether the connection is at its end.
    fn settle(&mut self, context: &ServerContext) -> Turn {
        let conns = &context.conns;
        let mut flushed = true;
        loop {
            match conns.flush(self.key) {
                Flushed::Blocked => flushed = false,
                Flushed::Drained if !self.told => {
                    context.route(self.route).endpoint.drained(self.key, now());
                    continue;
                }
                Flushed::Drained | Flushed::Idle => {}
            }
            break;
        }
        let (phase, paused) = conns.phase(self.key);
        match phase {
            Phase::Open if paused => return Turn::Wait,
            Phase::Open => {}
            Phase::Dead => return Turn::End,
            Phase::Closed if flushed => return Turn::End,
            Phase::Closed => return Turn::Wait,
            Phase::Closing(kind) => {
                self.tell(context, Ending::Closed(kind));
                if self.peer == Peer::Broken && flushed {
                    self.peer = Peer::Shut;
                    conns.shut(self.key);
                }
            }
        }
        Turn::Again
    }

    fn feed(
        &mut self,
        context: &ServerContext,
        mut input: &mut [u8],
        inflater: &mut Inflater,
        now: Instant,
    ) {
        let mut conns = context.conns.clone();
        loop {
            let event = match self.decoder.handle_bytes(&mut input, inflater) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(error) => {
                    conns.fail(self.key, error);
                    self.peer = Peer::Broken;
                    return self.tell(context, Ending::Protocol(error));
                }
            };
            let endpoint = &context.route(self.route).endpoint;
            match event {
                Event::Text(payload) if !self.told => {
                    endpoint.message(self.key, MessageKind::Text, payload, now);
                }
                Event::Binary(payload) if !self.told => {
                    endpoint.message(self.key, MessageKind::Binary, payload, now);
                }
                Event::Ping(payload) => {
                    conns.send_control(self.key, &frame::pong(payload));
                }
                Event::Close(code) => {
                    conns.answer_close(self.key, code);
                    self.peer = Peer::Closed;
                    return self.tell(context, Ending::Client(code));
                }
                Event::Text(_) | Event::Binary(_) | Event::Pong => {}
            }
            match conns.phase(self.key) {
                (Phase::Open, false) => {}
                (Phase::Open, true) => {
                    self.held = (!input.is_empty()).then(|| (&*input).into());
                    return;
                }
                (Phase::Closing(kind), _) => self.tell(context, Ending::Closed(kind)),
                (Phase::Closed | Phase::Dead, _) => return,
            }
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
