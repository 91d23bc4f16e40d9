//! One task drives all connections of a shard.
//!
//! What is kept for each is next to nothing: no read buffer (bytes are read into one that the whole shard shares, and acted
//! on before anything else runs), no timer and no socket (they are in [`Connections`]).
//!
//! [`Connections`]: crate::server::connections::Connections

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::conn::key::ConnKey;
use crate::conn::map::ConnMap;
use crate::server::connection::{Connection, Progress, ReadBuffers};
use crate::server::connections::{Poller, Readiness, UpgradedSocket};
use crate::server::context::ServerContext;
use crate::server::handler::CloseReason;
use crate::server::yielding::yield_cpu;
use crate::websocket::inflate::Inflater;

/// How many connections are driven before the kernel is asked for news of others.
const TURNS: usize = 256;

/// How long connections are driven before other tasks have their turn: thousands may come or go at once.
const SLICE: Duration = Duration::from_micros(100);

/// The connections of a shard, and the loop that drives them.
pub(crate) struct Driver {
    pub(super) context: Rc<ServerContext>,
    connections: RefCell<ConnMap<Connection>>,
}

impl Driver {
    pub(super) fn new(context: Rc<ServerContext>) -> Rc<Self> {
        let connections = RefCell::default();
        Rc::new(Self {
            context,
            connections,
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If the kernel cannot watch one more.
    pub(crate) fn open(&self, upgraded: UpgradedSocket) -> io::Result<()> {
        let context = &self.context;
        let UpgradedSocket {
            socket,
            route: index,
            info,
            early,
        } = upgraded;
        let route = context.route(index);
        let key = context.conns.insert(socket, route.outbox_bytes)?;
        let connection = Connection::new(key, index, route, &info, early);
        if connection.has_input() {
            context.conns.wake(key);
        }
        self.connections.borrow_mut().insert(key, connection);
        context.metrics.connections.inc();
        route.handler.open(key, info, now());
        Ok(())
    }

    /// Drives all connections, for ever.
    ///
    /// # Errors
    /// If the runtime cannot watch them, or if they are driven already.
    pub(crate) async fn drive(self: Rc<Self>) -> io::Result<()> {
        let context = &*self.context;
        let poll = context.conns.take_poll();
        let mut ready = Poller::new(poll.ok_or(io::ErrorKind::AlreadyExists)?)?;
        let mut buffers = ReadBuffers {
            bytes: vec![0; context.options.scratch_bytes.max(1024)],
            inflater: Inflater::default(),
        };
        // Whose clients have hung up: thousands may at once, and nobody waits for what is done then.
        let mut leaving = VecDeque::new();
        loop {
            let (mut woken, mut begun) = (0, now());
            while woken < TURNS
                && let Some(key) = context.conns.next_woken()
            {
                woken += 1;
                self.advance(key, true, &mut buffers);
                begun = self.yield_if_due(begun).await;
            }
            if woken > 0 || !leaving.is_empty() {
                ready.look()?;
            } else {
                tokio::select! {
                    news = ready.wait() => news?,
                    () = context.conns.woken() => ready.clear(),
                }
                begun = now();
            }
            loop {
                let mut hung_up = 0;
                for Readiness {
                    index,
                    writable,
                    ended,
                } in ready.news()
                {
                    // Who comes to a place meanwhile of which there was news may be driven for nothing.
                    match context.conns.on_event(index, writable) {
                        Some(key) if ended => {
                            hung_up += 1;
                            leaving.push_back(key);
                        }
                        Some(key) => self.advance(key, false, &mut buffers),
                        None => {}
                    }
                    begun = self.yield_if_due(begun).await;
                }
                if hung_up < Poller::MOST {
                    break;
                }
                // Readiness come in the order in which things happened: behind those of thousands who leave may be who plays.
                ready.look()?;
            }
            context.limiter.set_overloaded(false);
            self.end_leaving(&mut leaving, &mut buffers);
            context.count_inflated(buffers.inflater.take_counts());
            yield_cpu().await;
        }
    }

    /// Lets others have their turn if what has `begun` has lasted for its slice, and there is more to do; returns when the
    /// present slice began.
    async fn yield_if_due(&self, begun: Instant) -> Instant {
        if now().duration_since(begun) < SLICE {
            return begun;
        }
        self.context.limiter.set_overloaded(true);
        yield_cpu().await;
        now()
    }

    /// Ends connections whose clients have hung up, for one slice.
    fn end_leaving(&self, leaving: &mut VecDeque<ConnKey>, buffers: &mut ReadBuffers) {
        let begun = now();
        while let Some(key) = leaving.pop_front() {
            self.advance(key, true, buffers);
            if now().duration_since(begun) >= SLICE {
                return;
            }
        }
    }

    /// Lets one connection do what it can. `wary`: there may be more to read than a read brings.
    fn advance(&self, key: ConnKey, wary: bool, buffers: &mut ReadBuffers) {
        let context = &*self.context;
        let mut connections = self.connections.borrow_mut();
        let Some(connection) = connections.get_mut(key) else {
            return;
        };
        match connection.advance(context, wary, buffers) {
            Progress::Again => context.conns.wake(key),
            Progress::Wait => {}
            Progress::End => {
                connection.report_close(context, CloseReason::Lost);
                connections.remove(key);
                context.conns.remove(key);
                context.metrics.connections.dec();
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let left = self.connections.get_mut().len();
        self.context.metrics.connections.dec_by(left as i64);
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
