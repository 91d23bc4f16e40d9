//! Clients' sockets: from the listener to whole messages.

pub mod listen;

pub mod http;

pub(crate) mod limiter;

pub mod routes;

pub mod context;

mod driver;

pub(crate) mod connection;

pub mod connections;

pub mod handler;

pub mod echo;

pub mod metrics;

pub(crate) mod yielding;

#[cfg(test)]
pub(crate) mod testing;

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;

use connections::Connections;
use context::{ServerContext, ServerOptions};
use driver::Driver;
use metrics::ServerMetrics;
use routes::Routes;

/// How long to sleep at most before looking at the timers again: one that is set meanwhile may come before all others.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// The server of one shard.
pub struct Server {
    context: Rc<ServerContext>,
    driver: Rc<Driver>,
}

impl Server {
    /// A server for these routes, whose endpoints send through `conns`.
    pub fn new(
        options: ServerOptions,
        conns: Connections,
        metrics: ServerMetrics,
        paths: Routes,
    ) -> Self {
        let context = ServerContext::new(options, conns, metrics, paths);
        let driver = Driver::new(Rc::clone(&context));
        Self { context, driver }
    }

    /// Starts the tasks of handshakes and connections on the running `LocalSet`. They run as long as that, also when no
    /// connection is accepted any more.
    pub fn start(&self) {
        spawn_local(drive_timers(Rc::clone(&self.context)));
        let context = Rc::clone(&self.context);
        spawn_local(async move { context.limiter.drive().await });
        let driver = Rc::clone(&self.driver);
        spawn_local(async move {
            if let Err(error) = driver.drive().await {
                tracing::error!(%error, "connections are not driven any more");
            }
        });
    }

    /// Accepts connections forever. Dropping the future stops the accepting and nothing else.
    ///
    /// # Errors
    /// If the listener cannot be used with the running runtime. Once it accepts it never ends by itself.
    pub fn accept(&self, listener: TcpListener) -> impl Future<Output = io::Result<()>> + 'static {
        listen::drive_accept(Rc::clone(&self.driver), listener)
    }

    #[cfg(test)]
    pub(crate) fn context(&self) -> &ServerContext {
        &self.context
    }
}

/// Runs heartbeats and deadlines of all connections, forever.
async fn drive_timers(context: Rc<ServerContext>) {
    loop {
        let now = tokio::time::Instant::now();
        let longest = now + LONGEST_SLEEP;
        let next = context.conns.handle_timeouts(now.into_std());
        context.publish_received();
        let until = next.map_or(longest, |next| longest.min(next.into()));
        tokio::time::sleep_until(until).await;
    }
}
