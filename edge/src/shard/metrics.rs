//! What shards count, and how it gets into the process' metrics.
//!
//! A core counts in plain numbers of its own; once a second its shard adds what is new to the counters that all shards
//! share, so that nothing is shared on the hot path.

use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::error::ErrorKind;
use grandstand_common::process::metrics::{CounterSet, Counters};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::core::{Core, Counts};
use crate::server::metrics::ServerMetrics;

/// A counter's name, what it counts, and where a core has it.
type Plain = (&'static str, &'static str, fn(&Counts) -> u64);

const PLAIN: [Plain; 15] = [
    ("messages_in", "Messages from clients", |c| c.messages_in),
    ("inputs", "Inputs that went to the log", |c| c.inputs),
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
        "Bytes that they became, sent to each of those who asked for it",
        |c| c.deflated.to_bytes,
    ),
    ("updates", "Updates taken from owners", |c| c.updates),
    (
        "stale",
        "Connections that fell behind and were served anew",
        |c| c.stale,
    ),
    (
        "appends_failed",
        "Appends whose receipt did not come",
        |c| c.appends_failed,
    ),
    ("chain_restarts", "Windows appended again", |c| {
        c.chain_restarts
    }),
    ("link_holes", "Holes in workers' numbers", |c| c.gaps),
    (
        "old_epochs",
        "Batches of an owner that has been replaced",
        |c| c.old_epochs,
    ),
    (
        "holds_overflowed",
        "Times that more came for delayed spectators than is held",
        |c| c.delays_overflowed,
    ),
    (
        "unreadable",
        "Messages from the bus that could not be read",
        |c| c.unreadable,
    ),
    (
        "live_dropped",
        "Live messages dropped because the bus takes no more",
        |c| c.live_dropped,
    ),
];

/// The metrics of an edge process.
pub struct EdgeMetrics {
    server: ServerMetrics,
    plain: [Counter; PLAIN.len()],
    errors: CounterSet<ErrorKind>,
    rooms: Gauge,
    /// What its connections to the bus count.
    pub bus: BusMetrics,
}

impl EdgeMetrics {
    /// Registers them as `grandstand_edge_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("edge");
        let bus = BusMetrics::default();
        bus.register(registry);
        let server = ServerMetrics::default();
        server.register(registry);
        let plain = PLAIN.map(|(name, help, _)| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        });
        let errors = Counters::register(registry, "errors", "What was refused to clients, and why");
        let rooms = Gauge::default();
        registry.register("rooms", "Rooms that are known here", rooms.clone());
        Self {
            server,
            plain,
            errors: errors.with_labels(&[]),
            rooms,
            bus,
        }
    }

    /// One shard's part of them.
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

/// One shard's way into the process' metrics.
pub struct ShardMetrics {
    /// The counters of its server.
    pub server: ServerMetrics,
    plain: [Counter; PLAIN.len()],
    errors: CounterSet<ErrorKind>,
    rooms: Gauge,
    /// What the process' connections to the bus count.
    pub bus: BusMetrics,
    published: Counts,
    published_rooms: i64,
}

impl ShardMetrics {
    /// Adds what the core has counted since the last call.
    pub fn publish(&mut self, core: &Core) {
        let counts = core.counts();
        for (counter, (_, _, of)) in self.plain.iter().zip(PLAIN) {
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
