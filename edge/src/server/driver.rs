//! The task that drives all connections of a shard.
//!
//! A connection takes little memory here. It has no read buffer, because bytes are read into one that the whole shard
//! shares and are handled before anything else runs. Its timer and its socket are in [`Connections`].
//!
//! [`Connections`]: crate::server::connections::Connections

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use grandstand_common::process::admin::Pulse;

use crate::conn::key::ConnKey;
use crate::conn::map::ConnMap;
use crate::server::client_kind::ClientKind;
use crate::server::connection::{Connection, Progress, ReadBuffers};
use crate::server::connections::{Link, Poller, Readiness, Upgraded};
use crate::server::context::ServerContext;
use crate::server::handler::CloseReason;
use crate::server::tls::session::MIN_BUFFER;
use crate::server::yielding::yield_cpu;
use crate::websocket::decoder::Decoder;
use crate::websocket::inflate::Inflater;

/// The most woken connections driven before the kernel is polled for others.
const WAKES_PER_POLL: usize = 256;

/// The time for which connections are driven before other tasks run: thousands may connect or disconnect at once.
const SLICE: Duration = Duration::from_micros(100);

/// The connections of a shard, and the loop that drives them.
pub(crate) struct Driver {
    pub(super) context: Rc<ServerContext>,
    connections: RefCell<ConnMap<Connection>>,
}

impl Driver {
    pub(super) fn new(context: Rc<ServerContext>) -> Rc<Self> {
        let driver = Rc::new(Self {
            context,
            connections: RefCell::default(),
        });
        let weak = Rc::downgrade(&driver);
        driver.context.set_opener(Box::new(move |upgraded| {
            let driver = weak.upgrade().ok_or(io::ErrorKind::NotConnected)?;
            driver.open(upgraded)
        }));
        driver
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If the kernel cannot watch one more.
    pub(crate) fn open(&self, upgraded: Upgraded) -> io::Result<ConnKey> {
        let context = &self.context;
        let Upgraded {
            link,
            route: index,
            info,
            presence,
            head,
            early,
        } = upgraded;
        let route = context.route(index);
        let kind = ClientKind::new(&link, info.format.encoding);
        let masked = !matches!(link, Link::Quic(_) | Link::Events(_));
        let limits = route.limits.get();
        let key = context
            .connections
            .insert(link, info.peer.ip(), limits.outbox_bytes)?;
        context.announce(key);
        let decoder = Decoder::new(limits.message_bytes)
            .with_deflate(info.format.deflate)
            .with_masks(masked);
        let connection = Connection::new(key, presence, (index, kind), decoder, early);
        if connection.has_input() {
            context.connections.wake(key);
        }
        self.connections.borrow_mut().insert(key, connection);
        context.metrics.on_open(kind);
        if !head.is_empty() {
            context.connections.begin_opening(key, head);
        }
        route.handler.open(key, info, now());
        context.connections.end_opening(key);
        Ok(key)
    }

    /// Drives all connections, forever. Each turn answers `pulse`.
    ///
    /// # Errors
    /// If the runtime cannot watch them, or if they are already driven.
    pub(crate) async fn drive(self: Rc<Self>, pulse: Rc<Pulse>) -> io::Result<()> {
        let context = &*self.context;
        let poll = context.connections.take_poll();
        let mut poller = Poller::new(poll.ok_or(io::ErrorKind::AlreadyExists)?)?;
        let mut buffers = ReadBuffers {
            bytes: vec![0; context.options.scratch_bytes.max(MIN_BUFFER)],
            inflater: Inflater::default(),
            pongs: Vec::new(),
        };
        // Connections whose clients hung up. Thousands may do so at once, and no client waits for their removal.
        let mut leaving = VecDeque::new();
        loop {
            let (mut woken, mut begun) = (0, now());
            let until = begun + SLICE;
            while woken < WAKES_PER_POLL
                && let Some(key) = context.connections.next_woken()
            {
                woken += 1;
                self.advance(key, true, &mut buffers);
                begun = self.yield_if_due(begun).await;
                // Woken connections may have much input left, and the events of the others come from the kernel.
                if begun >= until {
                    break;
                }
            }
            if woken > 0 || !leaving.is_empty() {
                poller.poll_now()?;
            } else {
                tokio::select! {
                    result = poller.wait() => result?,
                    () = context.connections.woken() => poller.clear(),
                }
                begun = now();
            }
            loop {
                let mut hung_up = 0;
                for Readiness {
                    key,
                    writable,
                    ended,
                } in poller.events()
                {
                    match context.connections.on_event(key, writable) {
                        true if ended => {
                            hung_up += 1;
                            leaving.push_back(key);
                        }
                        true => self.advance(key, false, &mut buffers),
                        false => {}
                    }
                    begun = self.yield_if_due(begun).await;
                }
                if hung_up < Poller::MAX_EVENTS {
                    break;
                }
                // Events come in the order in which they happened, so events of active players may come after those of
                // thousands of clients that hung up.
                poller.poll_now()?;
            }
            context.handshake_turns.set_overloaded(false);
            self.end_leaving(&mut leaving, &mut buffers);
            context.count_inflated(buffers.inflater.take_counts());
            pulse.answer();
            yield_cpu().await;
        }
    }

    /// Yields to other tasks if the slice that started at `begun` is over. Returns the start of the current slice.
    async fn yield_if_due(&self, begun: Instant) -> Instant {
        if now().duration_since(begun) < SLICE {
            return begun;
        }
        self.context.handshake_turns.set_overloaded(true);
        yield_cpu().await;
        now()
    }

    /// Removes connections whose clients hung up, for at most one slice.
    fn end_leaving(&self, leaving: &mut VecDeque<ConnKey>, buffers: &mut ReadBuffers) {
        let begun = now();
        while let Some(key) = leaving.pop_front() {
            self.advance(key, true, buffers);
            if now().duration_since(begun) >= SLICE {
                return;
            }
        }
    }

    /// Advances one connection until it blocks. `wary`: whether the socket may have more bytes even after a short read.
    fn advance(&self, key: ConnKey, wary: bool, buffers: &mut ReadBuffers) {
        let context = &*self.context;
        let mut connections = self.connections.borrow_mut();
        let Some(connection) = connections.get_mut(key) else {
            return;
        };
        match connection.advance(context, wary, buffers) {
            Progress::Again => context.connections.wake(key),
            Progress::Wait => {}
            Progress::End => {
                connection.report_close(context, CloseReason::Lost);
                context.on_end(key, connection.kind());
                connections.remove(key);
                context.connections.remove(key);
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for connection in self.connections.get_mut().values() {
            self.context.metrics.on_end(connection.kind());
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
