//! Publishes shards' counts as the process' metrics.
//!
//! A core counts in plain numbers of its own. Once a second its shard adds the difference to the counters that all shards
//! share, so that the hot path shares nothing.

use grandstand_common::auth::KeySetMetrics;
use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::error::ErrorKind;
use grandstand_common::process::metrics::{CounterSet, Counters, Label};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::core::{Core, Counts};
use crate::limits::Limit;
use crate::server::metrics::{CertificateMetrics, ServerMetrics};

/// A counter's name, its help text, and its value among a core's counts.
type CounterSpec = (&'static str, &'static str, fn(&Counts) -> u64);

const CORE_COUNTERS: [CounterSpec; 15] = [
    ("messages_in", "Messages from clients", |c| c.messages_in),
    ("inputs", "Inputs appended to the log", |c| c.inputs),
    ("writes", "Writes to members of lanes", |c| c.writes),
    (
        "encodings",
        "Messages encoded for all members of a lane",
        |c| c.encodings,
    ),
    (
        "deflate_in_bytes",
        "Bytes of messages for all members of a lane that were compressed",
        |c| c.deflated.from_bytes,
    ),
    (
        "deflate_out_bytes",
        "Bytes of these messages after compression, counted once per message",
        |c| c.deflated.to_bytes,
    ),
    ("updates", "Updates taken from owners", |c| c.updates),
    (
        "stale",
        "Slow clients whose queued frames were dropped or that were closed",
        |c| c.stale,
    ),
    (
        "appends_failed",
        "Appends to the log that were not confirmed",
        |c| c.appends_failed,
    ),
    ("chain_restarts", "Windows of inputs appended again", |c| {
        c.chain_restarts
    }),
    ("link_holes", "Gaps in workers' sequence numbers", |c| {
        c.gaps
    }),
    (
        "old_epochs",
        "Batches ignored because a newer owner has replaced their sender",
        |c| c.old_epochs,
    ),
    (
        "holds_overflowed",
        "Times that the buffer for delayed spectators overflowed",
        |c| c.delays_overflowed,
    ),
    (
        "unreadable",
        "Messages from the bus that could not be decoded",
        |c| c.unreadable,
    ),
    (
        "live_dropped",
        "Live messages dropped because too many commands wait for the bus",
        |c| c.live_dropped,
    ),
];

/// Whether the edge is degraded, since when, and why. Clones share the gauges.
#[derive(Debug, Clone, Default)]
pub struct DegradedMetrics {
    degraded: Family<Vec<(&'static str, &'static str)>, Gauge>,
    since: Family<Vec<(&'static str, &'static str)>, Gauge>,
}

impl DegradedMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "degraded",
            "1 while the edge is degraded, by why: nats, owners, log, memory",
            self.degraded.clone(),
        );
        registry.register(
            "degraded_since_seconds",
            "The Unix time since when the edge is degraded, by why; 0 if it is not",
            self.since.clone(),
        );
    }

    /// Sets since when the edge is degraded for this reason; `None` if it is not.
    pub(crate) fn set(&self, why: &'static str, since: Option<u64>) {
        let labels = vec![("why", why)];
        let seconds = since.unwrap_or(0) as i64;
        self.degraded
            .get_or_create(&labels)
            .set(i64::from(since.is_some()));
        self.since.get_or_create(&labels).set(seconds);
    }
}

impl Label for Limit {
    const NAME: &'static str = "limit";
    const ALL: &'static [Self] = &Limit::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        self.name()
    }
}

/// The metrics of the limits that all shards share.
#[derive(Debug, Clone)]
pub struct LimitMetrics {
    pub(crate) refused: CounterSet<Limit>,
    pub(crate) addresses: Gauge,
    pub(crate) players: Gauge,
    pub(crate) memory_used: Gauge,
    pub(crate) memory_limit: Gauge,
}

impl LimitMetrics {
    fn register(registry: &mut Registry) -> Self {
        let refused = Counters::register(
            registry,
            "limited",
            "Connections and joins refused, by the limit in `[limits]` that was reached",
        );
        let addresses = Gauge::default();
        let players = Gauge::default();
        registry.register(
            "limited_addresses",
            "Addresses that are counted for the limits",
            addresses.clone(),
        );
        registry.register(
            "limited_players",
            "Players that are counted for the limits",
            players.clone(),
        );
        let memory_used = Gauge::default();
        let memory_limit = Gauge::default();
        registry.register(
            "memory_used_bytes",
            "Memory in use, as `limits.memory_percent` counts it",
            memory_used.clone(),
        );
        registry.register(
            "memory_limit_bytes",
            "Memory that may be used: that of `limits.memory_bytes`, of the cgroup or of the machine",
            memory_limit.clone(),
        );
        Self {
            refused: refused.with_labels(&[]),
            addresses,
            players,
            memory_used,
            memory_limit,
        }
    }
}

/// The metrics of an edge process.
pub struct EdgeMetrics {
    server: ServerMetrics,
    plain: [Counter; CORE_COUNTERS.len()],
    errors: CounterSet<ErrorKind>,
    rooms: Gauge,
    /// Whether the edge is degraded, since when, and why.
    pub degraded: DegradedMetrics,
    /// The key set of tokens.
    pub key_set: KeySetMetrics,
    /// The certificates.
    pub certificates: CertificateMetrics,
    /// The metrics of its connections to the bus.
    pub bus: BusMetrics,
    /// The limits that all shards share.
    pub limits: LimitMetrics,
}

impl EdgeMetrics {
    /// Registers the metrics with the prefix `grandstand_edge_`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("edge");
        let bus = BusMetrics::default();
        bus.register(registry);
        let server = ServerMetrics::default();
        server.register(registry);
        let plain = CORE_COUNTERS.map(|(name, help, _)| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        });
        let errors = Counters::register(registry, "errors", "Errors sent to clients, by code");
        let rooms = Gauge::default();
        registry.register("rooms", "Rooms open on this edge", rooms.clone());
        let degraded = DegradedMetrics::default();
        degraded.register(registry);
        let certificates = CertificateMetrics::default();
        certificates.register(registry);
        let key_set = KeySetMetrics::default();
        key_set.register(registry);
        let limits = LimitMetrics::register(registry);
        Self {
            limits,
            degraded,
            key_set,
            certificates,
            server,
            plain,
            errors: errors.with_labels(&[]),
            rooms,
            bus,
        }
    }

    /// One shard's handle to these metrics.
    pub fn shard(&self) -> ShardMetrics {
        ShardMetrics {
            server: self.server.clone(),
            plain: self.plain.clone(),
            errors: self.errors.clone(),
            rooms: self.rooms.clone(),
            bus: self.bus.clone(),
            published: Counts::default(),
            published_rooms: 0,
        }
    }
}

/// One shard's handle to the process' metrics.
pub struct ShardMetrics {
    /// The counters of its server.
    pub server: ServerMetrics,
    plain: [Counter; CORE_COUNTERS.len()],
    errors: CounterSet<ErrorKind>,
    rooms: Gauge,
    /// The metrics of the process' connections to the bus.
    pub bus: BusMetrics,
    /// The core's counts at the last call of [`publish`](Self::publish).
    published: Counts,
    published_rooms: i64,
}

impl ShardMetrics {
    /// Adds the core's counts since the last call.
    pub fn publish(&mut self, core: &Core) {
        let counts = core.counts();
        for (counter, (_, _, of)) in self.plain.iter().zip(CORE_COUNTERS) {
            counter.inc_by(of(counts) - of(&self.published));
        }
        for (&kind, &count) in &counts.errors {
            let before = self.published.errors.get(&kind).copied().unwrap_or(0);
            self.errors.add(kind, count - before);
        }
        let rooms = core.sizes().0 as i64;
        self.rooms.inc_by(rooms - self.published_rooms);
        self.published_rooms = rooms;
        self.published = counts.clone();
    }
}

impl Drop for ShardMetrics {
    fn drop(&mut self) {
        self.rooms.dec_by(self.published_rooms);
    }
}
