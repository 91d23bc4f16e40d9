//! What is done when a connection's socket can do something: the session and the endpoint do it at once.
//!
//! One task drives all connections of a shard (`Front::drive_connections`). What is kept for each is next to nothing: no
//! read buffer (bytes are read into one that the whole shard shares, and acted on before anything else runs), no timer and
//! no socket (they are in [`Conns`]).
//!
//! [`Conns`]: crate::server::connections::Conns

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tracing::debug;

use crate::conn::transport::{ConnKey, Transport};
use crate::server::connections::{Flushed, News, Phase, Ready};
use crate::server::context::{Front, Route};
use crate::server::handler::{Ending, Hello};
use crate::server::yielding::yield_all;
use crate::websocket::decoder::{Decoder, Event};
use crate::websocket::frame::{self, MessageKind};
use crate::websocket::inflate::Inflater;

/// How often a connection may read before others have their turn.
const READS_PER_TURN: usize = 4;

/// How many connections are driven before the kernel is asked for news of others.
const TURNS: usize = 256;

/// How long connections are driven before other tasks have their turn: thousands may come or go at once.
const SLICE: Duration = Duration::from_micros(100);

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
struct Scratch {
    bytes: Vec<u8>,
    inflater: Inflater,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Again,
    Wait,
    End,
}

/// A socket that was upgraded, and what is known of its client.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) socket: std::net::TcpStream,
    /// The place of its route among the front's.
    pub(crate) route: u8,
    pub(crate) hello: Hello,
    /// What came behind the handshake.
    pub(crate) early: Box<[u8]>,
}

impl Front {
    /// Opens a connection.
    ///
    /// # Errors
    /// If the kernel cannot watch one more.
    pub(crate) fn open(&self, upgraded: Upgraded) -> io::Result<()> {
        let Upgraded {
            socket,
            route: place,
            hello,
            early,
        } = upgraded;
        let route = &self.routes[usize::from(place)];
        let key = self.conns.insert(socket, route.outbox_bytes)?;
        let drive = Drive {
            key,
            decoder: Decoder::new(route.message_bytes).with_deflate(hello.form.deflate),
            held: (!early.is_empty()).then_some(early),
            route: place,
            peer: Peer::Open,
            told: false,
        };
        if drive.held.is_some() {
            self.conns.wake(key);
        }
        self.drives.borrow_mut().insert(key, drive);
        self.metrics.connections.inc();
        route.endpoint.open(key, hello, now());
        Ok(())
    }

    /// Drives all connections, for ever.
    ///
    /// # Errors
    /// If the runtime cannot watch them, or if they are driven already.
    pub(crate) async fn drive_connections(self: Rc<Self>) -> io::Result<()> {
        let poll = self.conns.take_poll();
        let mut ready = Ready::new(poll.ok_or(io::ErrorKind::AlreadyExists)?)?;
        let mut scratch = Scratch {
            bytes: vec![0; self.options.scratch_bytes.max(1024)],
            inflater: Inflater::default(),
        };
        // Whose clients have hung up: thousands may at once, and nobody waits for what is done then.
        let mut leaving = VecDeque::new();
        loop {
            let (mut woken, mut begun) = (0, now());
            while woken < TURNS
                && let Some(key) = self.conns.next_woken()
            {
                woken += 1;
                self.turn(key, true, &mut scratch);
                begun = self.give_way(begun).await;
            }
            if woken > 0 || !leaving.is_empty() {
                ready.look()?;
            } else {
                tokio::select! {
                    news = ready.wait() => news?,
                    () = self.conns.woken() => ready.clear(),
                }
                begun = now();
            }
            loop {
                let mut hung_up = 0;
                for News {
                    index,
                    writable,
                    ended,
                } in ready.news()
                {
                    // Who comes to a place meanwhile of which there was news may be driven for nothing.
                    match self.conns.on_event(index, writable) {
                        Some(key) if ended => {
                            hung_up += 1;
                            leaving.push_back(key);
                        }
                        Some(key) => self.turn(key, false, &mut scratch),
                        None => {}
                    }
                    begun = self.give_way(begun).await;
                }
                if hung_up < Ready::MOST {
                    break;
                }
                // News come in the order in which things happened: behind those of thousands who leave may be who plays.
                ready.look()?;
            }
            self.turns.set_behind(false);
            self.part(&mut leaving, &mut scratch);
            self.count_inflated(scratch.inflater.take_counts());
            yield_all().await;
        }
    }

    /// Lets others have their turn if what has `begun` has lasted for its slice, and there is more to do; returns when the
    /// present slice began.
    async fn give_way(&self, begun: Instant) -> Instant {
        if now().duration_since(begun) < SLICE {
            return begun;
        }
        self.turns.set_behind(true);
        yield_all().await;
        now()
    }

    /// Ends connections whose clients have hung up, for one slice.
    fn part(&self, leaving: &mut VecDeque<ConnKey>, scratch: &mut Scratch) {
        let begun = now();
        while let Some(key) = leaving.pop_front() {
            self.turn(key, true, scratch);
            if now().duration_since(begun) >= SLICE {
                return;
            }
        }
    }

    /// Lets one connection do what it can. `wary`: there may be more to read than a read brings.
    fn turn(&self, key: ConnKey, wary: bool, scratch: &mut Scratch) {
        let mut drives = self.drives.borrow_mut();
        let Some(drive) = drives.get_mut(key) else {
            return;
        };
        match drive.turn(self, wary, scratch) {
            Turn::Again => self.conns.wake(key),
            Turn::Wait => {}
            Turn::End => {
                drive.tell(self, Ending::Lost);
                drives.remove(key);
                self.conns.remove(key);
                self.metrics.connections.dec();
            }
        }
    }

    fn route(&self, drive: &Drive) -> &Route {
        &self.routes[usize::from(drive.route)]
    }
}

impl Drive {
    fn turn(&mut self, front: &Front, wary: bool, scratch: &mut Scratch) -> Turn {
        let Scratch { bytes, inflater } = scratch;
        let mut more = true;
        for _ in 0..READS_PER_TURN {
            match self.settle(front) {
                Turn::Again if more => {}
                Turn::Again => return Turn::Wait,
                turn => return turn,
            }
            if let Some(mut held) = self.held.take() {
                self.feed(front, &mut held, inflater, now());
                continue;
            }
            let now = now();
            match front.conns.read(self.key, bytes, now) {
                Ok(count) if count > 0 => {
                    front.count_received(count);
                    // A socket that gave less than was asked for is empty (epoll(7)).
                    more = wary || count == bytes.len();
                    self.feed(front, &mut bytes[..count], inflater, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::Wait,
                _ => return Turn::End,
            }
        }
        match self.settle(front) {
            Turn::Again if !more => Turn::Wait,
            turn => turn,
        }
    }

    fn tell(&mut self, front: &Front, why: Ending) {
        if !self.told {
            self.told = true;
            debug!(conn = ?self.key, ?why, "connection ends");
            front.metrics.on_closed(why);
            front.route(self).endpoint.closed(self.key, why, now());
        }
    }

    /// Writes what waits, and sees whether the connection is at its end.
    fn settle(&mut self, front: &Front) -> Turn {
        let conns = &front.conns;
        let mut flushed = true;
        loop {
            match conns.flush(self.key) {
                Flushed::Blocked => flushed = false,
                Flushed::Drained if !self.told => {
                    front.route(self).endpoint.drained(self.key, now());
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
                self.tell(front, Ending::Closed(kind));
                if self.peer == Peer::Broken && flushed {
                    self.peer = Peer::Shut;
                    conns.shut(self.key);
                }
            }
        }
        Turn::Again
    }

    fn feed(&mut self, front: &Front, mut input: &mut [u8], inflater: &mut Inflater, now: Instant) {
        let mut conns = front.conns.clone();
        loop {
            let event = match self.decoder.handle_bytes(&mut input, inflater) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(error) => {
                    conns.fail(self.key, error);
                    self.peer = Peer::Broken;
                    return self.tell(front, Ending::Protocol(error));
                }
            };
            let endpoint = &front.routes[usize::from(self.route)].endpoint;
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
                    return self.tell(front, Ending::Client(code));
                }
                Event::Text(_) | Event::Binary(_) | Event::Pong => {}
            }
            match conns.phase(self.key) {
                (Phase::Open, false) => {}
                (Phase::Open, true) => {
                    self.held = (!input.is_empty()).then(|| (&*input).into());
                    return;
                }
                (Phase::Closing(kind), _) => self.tell(front, Ending::Closed(kind)),
                (Phase::Closed | Phase::Dead, _) => return,
            }
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
