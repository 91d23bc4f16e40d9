//! A connection's task: waits until its socket can do something, and has the session and the endpoint do it at once.
//!
//! There is one such task for every connection, so it holds next to nothing: no read buffer (bytes are read into one that
//! the whole shard shares, and acted on before anything else runs), no timer and no socket (they are in [`Conns`]).
//!
//! [`Conns`]: crate::conns::Conns

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tracing::debug;

use crate::conns::{Flushed, Phase};
use crate::endpoint::{Ending, Hello};
use crate::front::{Front, Route};
use crate::session::{Event, MessageKind, Session, frame};
use crate::sink::{ConnKey, Sink};

/// How often a connection may read before others have their turn.
const READS_PER_WAKE: usize = 4;

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

/// The future that drives one connection to its end.
pub(crate) struct Drive {
    front: Rc<Front>,
    route: Rc<Route>,
    key: ConnKey,
    session: Session,
    /// What was read and not acted on, because the endpoint paused.
    held: Option<Box<[u8]>>,
    peer: Peer,
    /// The endpoint knows that it ended.
    told: bool,
}

/// What to do next.
enum Turn {
    Again,
    Wait,
    End,
}

impl Drive {
    /// Opens the connection; `early` are bytes that came behind the handshake.
    pub(crate) fn open(
        front: Rc<Front>,
        route: Rc<Route>,
        socket: tokio::net::TcpStream,
        hello: Hello,
        early: &[u8],
    ) -> Self {
        let key = front.conns.insert(socket, route.outbox_bytes);
        front.metrics.connections.inc();
        let drive = Self {
            session: Session::new(route.message_bytes),
            held: (!early.is_empty()).then(|| early.into()),
            front,
            route,
            key,
            peer: Peer::Open,
            told: false,
        };
        drive.route.endpoint.open(key, hello, now());
        drive
    }

    fn tell(&mut self, why: Ending) {
        if !self.told {
            self.told = true;
            debug!(conn = ?self.key, ?why, "connection ends");
            self.front.metrics.on_closed(why);
            self.route.endpoint.closed(self.key, why, now());
        }
    }

    /// Writes what waits, and sees whether the connection is at its end.
    fn settle(&mut self, cx: &mut Context<'_>) -> Turn {
        let conns = &self.front.conns;
        let mut flushed = true;
        loop {
            match conns.poll_flush(self.key, cx) {
                Poll::Pending => flushed = false,
                Poll::Ready(Flushed::Drained) if !self.told => {
                    self.route.endpoint.drained(self.key, now());
                    continue;
                }
                Poll::Ready(_) => {}
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
                self.tell(Ending::Closed(kind));
                if self.peer == Peer::Broken && flushed {
                    self.peer = Peer::Shut;
                    self.front.conns.shut(self.key);
                }
            }
        }
        Turn::Again
    }

    /// Reads once and acts on it.
    fn read(&mut self, cx: &mut Context<'_>) -> Turn {
        let now = now();
        if let Some(mut held) = self.held.take() {
            self.feed(&mut held, now);
            return Turn::Again;
        }
        let front = Rc::clone(&self.front);
        let mut scratch = front.scratch.borrow_mut();
        match front.conns.poll_read(self.key, cx, &mut scratch, now) {
            Poll::Pending => Turn::Wait,
            Poll::Ready(Ok(0) | Err(_)) => Turn::End,
            Poll::Ready(Ok(count)) => {
                front.metrics.received_bytes.inc_by(count as u64);
                self.feed(&mut scratch[..count], now);
                Turn::Again
            }
        }
    }

    fn feed(&mut self, mut input: &mut [u8], now: Instant) {
        let mut conns = self.front.conns.clone();
        loop {
            let event = match self.session.handle_bytes(&mut input) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(fault) => {
                    conns.fail(self.key, fault);
                    self.peer = Peer::Broken;
                    return self.tell(Ending::Fault(fault));
                }
            };
            let endpoint = &self.route.endpoint;
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
                    return self.tell(Ending::Client(code));
                }
                Event::Text(_) | Event::Binary(_) | Event::Pong => {}
            }
            match conns.phase(self.key) {
                (Phase::Open, false) => {}
                (Phase::Open, true) => {
                    self.held = (!input.is_empty()).then(|| (&*input).into());
                    return;
                }
                (Phase::Closing(kind), _) => self.tell(Ending::Closed(kind)),
                (Phase::Closed | Phase::Dead, _) => return,
            }
        }
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.front.conns.register(this.key, cx);
        for _ in 0..READS_PER_WAKE {
            let turn = match this.settle(cx) {
                Turn::Again => this.read(cx),
                turn => turn,
            };
            match turn {
                Turn::Again => {}
                Turn::Wait => return Poll::Pending,
                Turn::End => {
                    this.tell(Ending::Lost);
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        self.front.conns.remove(self.key);
        self.front.metrics.connections.dec();
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
