//! What all connections of a shard share: where they lead, their limits, and the one buffer that they are read into.

mod metrics;
#[cfg(test)]
pub(crate) mod testing;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::conns::Conns;
use crate::endpoint::Endpoint;

pub use metrics::{AcceptFailure, FrontMetrics};

/// How long to sleep at most before looking at the timers again: one that is set meanwhile may come before all others.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// Limits of a shard's listener and handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontOptions {
    /// From accept to upgrade.
    pub handshake_timeout: Duration,
    /// Handshakes at once; more wait in the listener's backlog.
    pub handshakes: usize,
    /// The most bytes of a request's header, at least 8192 (hyper's least).
    pub header_bytes: usize,
    /// The buffer that all connections are read into.
    pub scratch_bytes: usize,
}

impl Default for FrontOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            handshakes: 1024,
            header_bytes: 16 << 10,
            scratch_bytes: 64 << 10,
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
    pub(crate) routes: Vec<Rc<Route>>,
    pub(crate) pages: Pages,
    pub(crate) scratch: RefCell<Box<[u8]>>,
    pub(crate) handshakes: Arc<Semaphore>,
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
            routes: paths.routes.into_iter().map(Rc::new).collect(),
            pages: paths.pages,
            scratch: RefCell::new(vec![0; options.scratch_bytes.max(1024)].into_boxed_slice()),
            handshakes: Arc::new(Semaphore::new(options.handshakes.max(1))),
        })
    }

    /// Heartbeats and deadlines of all connections, for ever. To run as long as there are connections, also when none are
    /// accepted any more.
    pub async fn drive_timers(self: Rc<Self>) {
        loop {
            let now = tokio::time::Instant::now();
            let longest = now + LONGEST_SLEEP;
            let next = self.conns.handle_timeouts(now.into_std());
            let until = next.map_or(longest, |next| longest.min(next.into()));
            tokio::time::sleep_until(until).await;
        }
    }
}
