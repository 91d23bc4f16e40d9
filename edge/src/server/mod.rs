//! Clients' sockets: from the listener to complete messages.

pub mod listen;

pub mod http;

pub(crate) mod handshake_turns;

mod handshake_log;

mod client_kind;

pub mod handshakes;

pub mod routes;

pub mod context;

mod driver;

pub(crate) mod connection;

pub mod connections;

pub mod handler;

pub(crate) mod backend;

pub mod tls;

#[cfg(feature = "quic")]
pub mod quic;

#[cfg(not(feature = "quic"))]
pub mod no_quic;

pub mod proxy;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

pub mod echo;

pub mod metrics;

pub(crate) mod yielding;

pub(crate) mod farewell;

#[cfg(test)]
pub(crate) mod testing;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use grandstand_common::id::EdgeId;
use grandstand_common::process::admin::Pulse;
use grandstand_common::supervisor::Supervisor;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use connections::Connections;
use context::{ServerContext, ServerOptions};
use driver::Driver;
use handshakes::HandshakeLimits;
use listen::{Listener, ListenerEnd};
use metrics::ServerMetrics;
#[cfg(not(feature = "quic"))]
pub(crate) use no_quic as quic;
use quic::{QuicListener, Status};
use routes::{RouteLimits, Routes};
use yielding::yield_cpu;

/// The longest sleep between two checks of the timers, because a timer set during the sleep may be due first.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// Heartbeats and deadlines handled before other tasks run. A ping takes the kernel 3 to 20 µs.
const TIMEOUTS_PER_TURN: usize = 16;

/// The server of one shard.
pub struct Server {
    context: Rc<ServerContext>,
    driver: Rc<Driver>,
}

impl Server {
    /// Creates a server for these routes, whose handlers send through `connections`. `edge` names its connections in
    /// the log.
    pub fn new(
        options: ServerOptions,
        connections: Connections,
        metrics: ServerMetrics,
        routes: Routes,
        edge: EdgeId,
    ) -> Self {
        let context = ServerContext::new(options, connections, metrics, routes, edge);
        let driver = Driver::new(Rc::clone(&context));
        Self { context, driver }
    }

    /// Starts the tasks for handshakes and connections on the running `LocalSet`. They run until it is dropped, even after
    /// the server stops accepting. The loop that drives the connections answers `pulse`. Returns the handle of that loop.
    pub fn start(&self, supervisor: &Supervisor, pulse: Rc<Pulse>) -> AbortHandle {
        supervisor.keep_local("heartbeats", drive_timers(Rc::clone(&self.context)));
        let context = Rc::clone(&self.context);
        supervisor.keep_local("handshakes", async move {
            context.handshake_turns.drive().await
        });
        let driver = Rc::clone(&self.driver);
        supervisor.keep_local("connections", driver.drive(pulse))
    }

    /// Accepts the connections of a listener until `end` says otherwise, or forever if its sender is dropped. `supervisor`
    /// starts their handshakes.
    ///
    /// # Errors
    /// If the listener cannot be registered with the running runtime.
    pub fn accept(
        &self,
        listener: Listener,
        supervisor: &Supervisor,
        end: watch::Receiver<Option<ListenerEnd>>,
    ) -> impl Future<Output = io::Result<()>> + use<> {
        let driver = Rc::clone(&self.driver);
        listen::drive_accept(driver, listener, supervisor.clone(), end)
    }

    /// Whether no connection is open, and no handshake is in progress. False while a listener accepts.
    pub fn is_empty(&self) -> bool {
        self.context.connections.is_empty() && !self.context.has_handshakes()
    }

    /// Serves clients over QUIC on the running `LocalSet`, as soon as the listener's sockets come.
    pub fn serve_quic(&self, listener: QuicListener, supervisor: &Supervisor) -> Rc<Status> {
        quic::serve(Rc::clone(&self.driver), listener, supervisor)
    }

    /// Replaces limits while the server runs.
    pub fn limits(&self) -> ServerLimits {
        ServerLimits(Rc::clone(&self.context))
    }

    #[cfg(test)]
    pub(crate) fn context(&self) -> &ServerContext {
        &self.context
    }
}

/// A handle to the limits of a running server that can be replaced.
pub struct ServerLimits(Rc<ServerContext>);

impl ServerLimits {
    /// Replaces the limits of handshakes, and those of further connections of the first route.
    pub fn set(&self, handshakes: HandshakeLimits, route: RouteLimits) {
        self.0.set_limits(handshakes, route);
    }
}

/// Runs the heartbeats and deadlines of all connections, forever.
async fn drive_timers(context: Rc<ServerContext>) {
    loop {
        let now = tokio::time::Instant::now();
        let longest = now + LONGEST_SLEEP;
        let connections = &context.connections;
        let next = connections.handle_timeouts(TIMEOUTS_PER_TURN, now.into_std());
        if next.is_some_and(|next| next <= now.into_std()) {
            yield_cpu().await;
            continue;
        }
        context.publish();
        let until = next.map_or(longest, |next| longest.min(next.into()));
        tokio::time::sleep_until(until).await;
    }
}
