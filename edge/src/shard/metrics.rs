//! Publishes shards' counts as the process' metrics.
//!
//! A core counts in plain numbers of its own. Once a second its shard adds the difference to the counters that all shards
//! share, so that the hot path shares nothing.

use std::cell::RefCell;
use std::rc::Rc;

use grandstand_common::auth::KeySetMetrics;
use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::error::ErrorKind;
use grandstand_common::process::metrics::{CounterSet, Counters, Label as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::codec::{ReceivedKind, SentKind};
use crate::core::{Core, Counts};
use crate::server::metrics::{CertificateMetrics, ServerMetrics};
use crate::shard::durations::{AppendDurations, ShardDurations};
use crate::shard::labels::DropReason;
use crate::shard::limit_metrics::LimitMetrics;
use crate::shard::meters::Meters;

/// A counter's name, its help text, and its value among a core's counts.
type CounterSpec = (&'static str, &'static str, fn(&Counts) -> u64);

const CORE_COUNTERS: [CounterSpec; 16] = [
    ("messages_in", "Messages from clients", |c| c.messages_in),
    ("inputs", "Inputs appended to the log", |c| c.inputs),
    (
        "sessions_resumed",
        "Joins that were answered with the updates that the client had missed",
        |c| c.resumed,
    ),
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

/// The metrics of cores, beside the plain counters. Clones share them.
#[derive(Debug, Clone)]
struct CoreMetrics {
    errors: CounterSet<ErrorKind>,
    received: CounterSet<ReceivedKind>,
    sent: CounterSet<SentKind>,
    dropped: CounterSet<DropReason>,
    rooms: Gauge,
    players: Gauge,
    viewers: Gauge,
}

impl CoreMetrics {
    fn register(registry: &mut Registry) -> Self {
        let errors = Counters::register(registry, "errors", "Errors sent to clients, by code");
        let received = Counters::register(
            registry,
            "received_messages",
            "Messages from clients that were within their limits, by kind",
        );
        let sent = Counters::register(
            registry,
            "sent_messages",
            "Messages for clients, by kind; one for all members of a lane counts once for each of them",
        );
        let dropped = Counters::register(
            registry,
            "messages_dropped",
            "Times that messages were dropped, by reason: slow_client and edge_behind (a snapshot follows), live_backlog, \
             delay_full, old_owner, unreadable",
        );
        let [rooms, players, viewers] = [
            ("rooms", "Rooms open on this edge"),
            ("players", "Players in rooms of this edge"),
            ("viewers", "Spectators in rooms of this edge"),
        ]
        .map(|(name, help)| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        });
        Self {
            errors: errors.with_labels(&[]),
            received: received.with_labels(&[]),
            sent: sent.with_labels(&[]),
            dropped: dropped.with_labels(&[]),
            rooms,
            players,
            viewers,
        }
    }

    /// Adds the differences between two counts.
    fn add(&self, now: &Counts, before: &Counts) {
        for &kind in ReceivedKind::ALL.iter() {
            let count = |counts: &Counts| counts.received[kind as usize];
            self.received.add(kind, count(now) - count(before));
        }
        for kind in SentKind::ALL {
            let count = |counts: &Counts| counts.sent.get(kind) + counts.broadcast.get(kind);
            self.sent.add(kind, count(now) - count(before));
        }
        for &reason in DropReason::ALL {
            self.dropped
                .add(reason, reason.count(now) - reason.count(before));
        }
    }
}

/// The metrics of an edge process.
pub struct EdgeMetrics {
    server: ServerMetrics,
    plain: [Counter; CORE_COUNTERS.len()],
    core: CoreMetrics,
    durations: ShardDurations,
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
    /// Registers the metrics, but for the latency of rooms with the prefix `grandstand_edge_`.
    pub fn register(registry: &mut Registry) -> Self {
        let durations = ShardDurations::default();
        registry.register(
            "room_latency_seconds",
            "Time from an input's arrival at an edge to the write of its update to the last member of a lane on this edge",
            durations.rooms(),
        );
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
        let core = CoreMetrics::register(registry);
        durations.register(registry);
        registry.register_collector(Box::new(AppendDurations(bus.clone())));
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
            core,
            durations,
            bus,
        }
    }

    /// Makes each family have a series, so that a description of the metrics sees its labels.
    pub fn touch(&self) {
        self.server.touch();
        self.degraded.set("", None);
        self.key_set.touch();
        self.certificates.touch();
        self.durations.touch();
    }

    /// The handle of the shard with this number to these metrics. Only its thread uses it.
    pub fn shard(&self, number: usize) -> ShardMetrics {
        ShardMetrics {
            server: self.server.clone(),
            plain: self.plain.clone(),
            core: self.core.clone(),
            durations: self.durations.clone(),
            number,
            bus: self.bus.clone(),
            published: Counts::default(),
            published_sizes: [0; 3],
        }
    }
}

/// One shard's handle to the process' metrics.
pub struct ShardMetrics {
    /// The counters of its server.
    pub server: ServerMetrics,
    plain: [Counter; CORE_COUNTERS.len()],
    core: CoreMetrics,
    durations: ShardDurations,
    /// The number of the shard.
    number: usize,
    /// The metrics of the process' connections to the bus.
    pub bus: BusMetrics,
    /// The core's counts at the last call of [`publish`](Self::publish).
    published: Counts,
    published_sizes: [i64; 3],
}

impl ShardMetrics {
    /// The meters of the shard.
    pub(crate) fn meters(&self) -> Rc<RefCell<Meters>> {
        Rc::new(RefCell::new(self.durations.meters(self.number)))
    }

    /// Adds the core's counts since the last call, and what was measured.
    pub(crate) fn publish(&mut self, core: &mut Core, meters: &Meters) {
        meters.publish();
        let sizes = core.lists().sizes();
        let input_latency = &mut core.tallies().input_latency;
        self.durations.input_latency.publish(input_latency);
        let counts = core.counts();
        for (counter, (_, _, of)) in self.plain.iter().zip(CORE_COUNTERS) {
            counter.inc_by(of(counts) - of(&self.published));
        }
        for (&kind, &count) in &counts.errors {
            let before = self.published.errors.get(&kind).copied().unwrap_or(0);
            self.core.errors.add(kind, count - before);
        }
        self.core.add(counts, &self.published);
        self.published = counts.clone();
        let (rooms, _, [players, viewers]) = sizes;
        self.publish_sizes([rooms as i64, players as i64, viewers as i64]);
    }

    fn publish_sizes(&mut self, sizes: [i64; 3]) {
        let before = std::mem::replace(&mut self.published_sizes, sizes);
        let gauges = [&self.core.rooms, &self.core.players, &self.core.viewers];
        for (gauge, (now, before)) in gauges.into_iter().zip(sizes.into_iter().zip(before)) {
            gauge.inc_by(now - before);
        }
    }
}

impl Drop for ShardMetrics {
    fn drop(&mut self) {
        self.publish_sizes([0; 3]);
    }
}
