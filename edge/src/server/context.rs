//! What all connections of a shard share: where they lead, their limits, and the one buffer that they are read into.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_local;

use crate::conn::map::ConnMap;
use crate::server::connection::Drive;
use crate::server::connections::Conns;
use crate::server::handler::Endpoint;
use crate::server::limiter::Turns;
use crate::websocket::inflate::InflateStats;

use crate::server::metrics::FrontMetrics;

/// How long to sleep at most before looking at the timers again: one that is set meanwhile may come before all others.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// Limits of a shard's listener and handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontOptions {
    /// From accept to upgrade.
    pub handshake_timeout: Duration,
    /// Handshakes at once; more wait in the listener's backlog.
    pub handshakes: usize,
    /// Connections accepted, and requests answered, before all else has its turn.
    pub accepts: usize,
    /// The most bytes of a request's header, at least 8192 (hyper's least).
    pub header_bytes: usize,
    /// The buffer that all connections are read into.
    pub scratch_bytes: usize,
    /// Agree on compression with clients that offer it.
    pub deflate: bool,
}

impl Default for FrontOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            handshakes: 1024,
            accepts: 2,
            header_bytes: 16 << 10,
            scratch_bytes: 64 << 10,
            deflate: false,
        }
    }
}

/// A path on which WebSockets are spoken.
pub struct Route {
    /// The path, like `/v1/ws`.
    pub path: &'static str,
    /// What its connections lead to.
    pub endpoint: Rc<dyn Endpoint>,
    /// The most bytes of a client's message.
    pub message_bytes: u32,
    /// The most bytes that wait for a slow client.
    pub outbox_bytes: u32,
}

/// A page for browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// What it is.
    pub body: &'static [u8],
}

/// The pages that are served beside the WebSockets, by path.
pub type Pages = BTreeMap<&'static str, Page>;

/// What is served.
#[derive(Default)]
pub struct Paths {
    /// Where WebSockets are spoken.
    pub routes: Vec<Route>,
    /// What is shown beside them.
    pub pages: Pages,
}

/// The front of a shard.
pub struct Front {
    /// The shard's connections.
    pub conns: Conns,
    /// What is counted.
    pub metrics: FrontMetrics,
    pub(crate) options: FrontOptions,
    pub(crate) routes: Vec<Route>,
    pub(crate) pages: Pages,
    pub(crate) drives: RefCell<ConnMap<Drive>>,
    /// Bytes that are not in the metrics yet, which all shards share.
    received: Cell<u64>,
    pub(crate) handshakes: Arc<Semaphore>,
    pub(crate) turns: Turns,
}

impl Front {
    /// A front for these routes, whose endpoints send through `conns`.
    pub fn new(
        options: FrontOptions,
        conns: Conns,
        metrics: FrontMetrics,
        paths: Paths,
    ) -> Rc<Self> {
        Rc::new(Self {
            conns,
            metrics,
            options,
            routes: paths.routes,
            pages: paths.pages,
            drives: RefCell::default(),
            received: Cell::new(0),
            handshakes: Arc::new(Semaphore::new(options.handshakes.max(1))),
            turns: Turns::new(options.accepts),
        })
    }

    /// Starts what drives handshakes and connections, on the running `LocalSet`. It goes on as long as that, also when
    /// nobody is accepted any more.
    pub fn start(self: &Rc<Self>) {
        spawn_local(Rc::clone(self).drive_timers());
        let front = Rc::clone(self);
        spawn_local(async move { front.turns.drive().await });
        let front = Rc::clone(self);
        spawn_local(async move {
            if let Err(error) = front.drive_connections().await {
                tracing::error!(%error, "connections are not driven any more");
            }
        });
    }

    /// Heartbeats and deadlines of all connections, for ever.
    async fn drive_timers(self: Rc<Self>) {
        loop {
            let now = tokio::time::Instant::now();
            let longest = now + LONGEST_SLEEP;
            let next = self.conns.handle_timeouts(now.into_std());
            self.metrics.received_bytes.inc_by(self.received.take());
            let until = next.map_or(longest, |next| longest.min(next.into()));
            tokio::time::sleep_until(until).await;
        }
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }

    pub(crate) fn count_inflated(&self, counts: InflateStats) {
        if counts != InflateStats::default() {
            self.metrics.inflate_in_bytes.inc_by(counts.from_bytes);
            self.metrics.inflate_out_bytes.inc_by(counts.to_bytes);
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let left = self.drives.get_mut().len();
        self.metrics.connections.dec_by(left as i64);
        self.metrics.received_bytes.inc_by(self.received.take());
    }
}
