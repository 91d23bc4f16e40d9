//! What a shard counts about its sockets.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Why a connection could not be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum AcceptFailure {
    /// The process or the machine has no file descriptors or memory left.
    Exhausted,
    /// The connection was gone before it was accepted, or the network failed.
    Connection,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    reason: AcceptFailure,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

/// A shard's counters. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct ServerMetrics {
    /// WebSocket connections, those that are closing included.
    pub connections: Gauge,
    /// Connections before their upgrade.
    pub handshakes: Gauge,
    /// Connections accepted.
    pub accepted: Counter,
    /// Times that nobody was accepted because as many handshakes were in progress as may be.
    pub accept_waits: Counter,
    /// Bytes read from WebSocket connections.
    pub received_bytes: Counter,
    /// Bytes of compressed messages, as they came.
    pub inflate_in_bytes: Counter,
    /// What they became.
    pub inflate_out_bytes: Counter,
    accept_failures: Family<Failed, Counter>,
    refused: Family<Why, Counter>,
    closed: Family<Why, Counter>,
}

impl ServerMetrics {
    /// Puts them into a registry, whose prefix is `grandstand_edge`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "connections",
            "WebSocket connections",
            self.connections.clone(),
        );
        registry.register(
            "handshakes",
            "Connections before their upgrade",
            self.handshakes.clone(),
        );
        registry.register("accepted", "Connections accepted", self.accepted.clone());
        registry.register(
            "accept_waits",
            "Times that nobody was accepted because as many handshakes were in progress as may be",
            self.accept_waits.clone(),
        );
        registry.register(
            "received_bytes",
            "Bytes read from WebSocket connections",
            self.received_bytes.clone(),
        );
        registry.register(
            "inflate_in_bytes",
            "Bytes of clients' compressed messages, as they came",
            self.inflate_in_bytes.clone(),
        );
        registry.register(
            "inflate_out_bytes",
            "Bytes of clients' compressed messages, inflated",
            self.inflate_out_bytes.clone(),
        );
        registry.register(
            "accept_failures",
            "Connections that could not be accepted, by reason",
            self.accept_failures.clone(),
        );
        registry.register(
            "handshakes_refused",
            "Handshakes answered with an HTTP error, by reason",
            self.refused.clone(),
        );
        registry.register(
            "closed",
            "WebSocket connections that ended, by reason",
            self.closed.clone(),
        );
    }

    pub(crate) fn on_accept_failure(&self, reason: AcceptFailure) {
        self.accept_failures.get_or_create(&Failed { reason }).inc();
    }

    pub(crate) fn on_refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Why { reason }).inc();
    }

    pub(crate) fn on_closed(&self, reason: &'static str) {
        self.closed.get_or_create(&Why { reason }).inc();
    }
}
