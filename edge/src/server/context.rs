//! The state that the listener, the handshakes and the driver of a shard share.

use std::cell::{Cell, OnceCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use grandstand_common::histogram::{LocalHistogram, micros};
use grandstand_common::id::EdgeId;
use tokio::sync::Semaphore;

use crate::conn::key::ConnKey;
use crate::conn::name::ConnName;
use crate::conn::session::EventSession;
use crate::limits::{Arrived, Refused, SharedLimits};
use crate::server::backend::ApiBackend;
use crate::server::client_kind::ClientKind;
use crate::server::connections::{Connections, Traffic, Upgraded};
use crate::server::handshake_log::HandshakeLog;
use crate::server::handshake_turns::HandshakeTurns;
use crate::server::handshakes::{HandshakeLimits, Handshakes};
use crate::server::metrics::ServerMetrics;
use crate::server::proxy::SharedProxy;
use crate::server::routes::{Pages, Route, RouteLimits, Routes};
use crate::websocket::inflate::InflateStats;

/// The most refused clients that are answered at the same time. Further ones are closed.
const REFUSALS: usize = 64;

/// Limits of a shard's listener and handshakes.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The limits of handshakes.
    pub handshakes: HandshakeLimits,
    /// The most bytes of a request's header, at least 8192 (hyper's minimum).
    pub header_bytes: usize,
    /// Bytes of the buffer into which all connections are read.
    pub scratch_bytes: usize,
    /// Whether to accept clients' offers of `permessage-deflate`.
    pub deflate: bool,
    /// The proxies in front of the edge.
    pub proxy: SharedProxy,
    /// The limits of addresses, which all shards share.
    pub limits: SharedLimits,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            handshakes: HandshakeLimits::default(),
            header_bytes: 16 << 10,
            scratch_bytes: 64 << 10,
            deflate: false,
            proxy: SharedProxy::default(),
            limits: SharedLimits::default(),
        }
    }
}

/// The shard's connections, routes, limits and metrics.
pub(crate) struct ServerContext {
    edge: EdgeId,
    pub(crate) connections: Connections,
    pub(crate) metrics: ServerMetrics,
    pub(crate) options: ServerOptions,
    pub(crate) routes: Vec<Route>,
    pub(crate) pages: Arc<dyn Pages>,
    /// The API over HTTP, if it is on.
    pub(crate) api: Option<Rc<dyn ApiBackend>>,
    /// Bytes received and not yet added to the metrics, which all shards share.
    received: Cell<u64>,
    /// The traffic that was added to the metrics.
    published: Cell<Traffic>,
    durations: LocalHistogram,
    handshake_durations: LocalHistogram,
    pub(crate) handshakes: Handshakes,
    pub(crate) handshake_turns: HandshakeTurns,
    pub(super) handshake_log: HandshakeLog,
    /// A permit for each refused client that is answered.
    pub(super) refusals: Arc<Semaphore>,
    /// Opens connections that have no socket. Set by the driver.
    opener: OnceCell<Opener>,
}

/// Opens a connection.
pub(super) type Opener = Box<dyn Fn(Upgraded) -> io::Result<ConnKey>>;

impl ServerContext {
    pub(super) fn new(
        options: ServerOptions,
        connections: Connections,
        metrics: ServerMetrics,
        routes: Routes,
        edge: EdgeId,
    ) -> Rc<Self> {
        Rc::new(Self {
            edge,
            connections,
            published: Cell::default(),
            durations: metrics.durations.local(),
            handshake_durations: metrics.handshake_durations.local(),
            metrics,
            routes: routes.routes,
            pages: routes.pages,
            api: routes.api,
            received: Cell::new(0),
            handshakes: Handshakes::new(options.handshakes),
            handshake_turns: HandshakeTurns::new(options.handshakes.accepts),
            handshake_log: HandshakeLog::default(),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            opener: OnceCell::new(),
            options,
        })
    }

    /// Whether a handshake is in progress, or a listener waits for the next one.
    pub(super) fn has_handshakes(&self) -> bool {
        self.handshakes.in_progress() > 0
    }

    /// Replaces the limits of handshakes, and those of further connections of the first route.
    pub(super) fn set_limits(&self, handshakes: HandshakeLimits, route: RouteLimits) {
        self.handshakes.set(handshakes);
        self.handshake_turns
            .set_per_turn(self.handshakes.limits().accepts);
        if let Some(first) = self.routes.first() {
            first.limits.set(route);
        }
    }

    /// The name of a connection, for the log.
    pub(super) fn name(&self, key: ConnKey) -> ConnName<'_> {
        ConnName {
            edge: &self.edge,
            key,
        }
    }

    /// Sets what opens connections.
    pub(super) fn set_opener(&self, opener: Opener) {
        // A shard has one driver.
        self.opener.set(opener).ok();
    }

    /// Opens a connection that has no socket.
    ///
    /// # Errors
    /// If the shard ends.
    pub(super) fn open(&self, upgraded: Upgraded) -> io::Result<ConnKey> {
        match self.opener.get() {
            Some(open) => open(upgraded),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Counts a connection of the process that is no further one of its address.
    ///
    /// # Errors
    /// If a limit of the process is reached.
    pub(super) fn arrive_within(&self) -> Result<Arrived, Refused> {
        self.options.limits.arrive(None, now())
    }

    /// Sends an event stream the event that names its session.
    pub(super) fn announce(&self, key: ConnKey) {
        self.connections.announce(key, &self.edge);
    }

    /// The session of a client of this shard.
    pub(super) fn session(&self, key: ConnKey, secret: u128) -> EventSession {
        EventSession {
            edge: self.edge.clone(),
            key,
            secret,
        }
    }

    /// Whether this is the id of the shard.
    pub(super) fn is_edge(&self, edge: &EdgeId) -> bool {
        self.edge == *edge
    }

    /// Counts a connection from `peer`, whose address is the client's unless a proxy has still to name it.
    ///
    /// # Errors
    /// If a limit is reached.
    pub(super) fn arrive(&self, peer: IpAddr) -> Result<Arrived, Refused> {
        let address = (!self.options.proxy.trusts(peer)).then_some(peer);
        self.options.limits.arrive(address, now())
    }

    /// Counts a connection from an address that the client has not proved to be its own.
    ///
    /// # Errors
    /// If a limit of the process is reached.
    #[cfg(feature = "quic")]
    pub(super) fn arrive_unproven(&self) -> Result<Arrived, Refused> {
        self.options.limits.arrive(None, now())
    }

    /// Charges a client for a handshake, unless its address is a proxy's.
    ///
    /// # Errors
    /// If a limit is reached.
    pub(super) fn charge(&self, arrived: &mut Arrived, client: IpAddr) -> Result<(), Refused> {
        if self.options.proxy.trusts(client) {
            Ok(())
        } else {
            arrived.charge(client, now())
        }
    }

    pub(super) fn route(&self, index: u8) -> &Route {
        &self.routes[usize::from(index)]
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }

    /// Notes how long a client's handshake took.
    pub(super) fn on_upgraded(&self, took: Duration) {
        self.handshake_durations.observe(micros(took));
    }

    /// Counts a connection that ends.
    pub(super) fn on_end(&self, key: ConnKey, kind: ClientKind) {
        self.metrics.on_end(kind);
        if let Some(facts) = self.connections.facts(key) {
            self.durations.observe(facts.age.as_secs());
        }
    }

    /// Adds what was counted since the last call to the metrics.
    pub(super) fn publish(&self) {
        self.metrics.received_bytes.inc_by(self.received.take());
        self.durations.publish();
        self.handshake_durations.publish();
        self.publish_traffic(self.connections.traffic());
    }

    fn publish_traffic(&self, now: Traffic) {
        let before = self.published.replace(now);
        let metrics = &self.metrics;
        metrics.sent_bytes.inc_by(now.sent - before.sent);
        let growth = |now: u64, before: u64| now as i64 - before as i64;
        metrics
            .outbox_bytes
            .inc_by(growth(now.queued, before.queued));
        metrics
            .stale_clients
            .inc_by(growth(now.stale, before.stale));
    }

    pub(super) fn count_inflated(&self, counts: InflateStats) {
        if counts != InflateStats::default() {
            self.metrics.inflate_in_bytes.inc_by(counts.from_bytes);
            self.metrics.inflate_out_bytes.inc_by(counts.to_bytes);
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Drop for ServerContext {
    fn drop(&mut self) {
        self.publish();
        // The connections end with it.
        let sent = self.published.get().sent;
        self.publish_traffic(Traffic {
            sent,
            ..Traffic::default()
        });
    }
}
