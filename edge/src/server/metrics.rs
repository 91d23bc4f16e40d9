//! Metrics of a shard's sockets.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The reason why an accept failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum AcceptFailure {
    /// The process or the machine is out of file descriptors or memory.
    Exhausted,
    /// The connection ended before it was accepted, or the network failed.
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

/// The metrics of the sockets. Clones share their counters.
#[derive(Debug, Clone, Default)]
pub struct ServerMetrics {
    /// WebSocket connections, including those that are closing.
    pub connections: Gauge,
    /// Connections before their upgrade.
    pub handshakes: Gauge,
    /// Connections accepted.
    pub accepted: Counter,
    /// Times that accepting paused at the limit of concurrent handshakes.
    pub accept_waits: Counter,
    /// Bytes read from WebSocket connections.
    pub received_bytes: Counter,
    /// Bytes of clients' compressed messages, as received.
    pub inflate_in_bytes: Counter,
    /// Bytes of clients' compressed messages, inflated.
    pub inflate_out_bytes: Counter,
    accept_failures: Family<Failed, Counter>,
    refused: Family<Why, Counter>,
    closed: Family<Why, Counter>,
}

impl ServerMetrics {
    /// Registers the metrics with a registry whose prefix is `grandstand_edge`.
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
            "Times that accepting paused at the limit of concurrent handshakes",
            self.accept_waits.clone(),
        );
        registry.register(
            "received_bytes",
            "Bytes read from WebSocket connections",
            self.received_bytes.clone(),
        );
        registry.register(
            "inflate_in_bytes",
            "Bytes of clients' compressed messages, as received",
            self.inflate_in_bytes.clone(),
        );
        registry.register(
            "inflate_out_bytes",
            "Bytes of clients' compressed messages, inflated",
            self.inflate_out_bytes.clone(),
        );
        registry.register(
            "accept_failures",
            "Failed accepts, by reason",
            self.accept_failures.clone(),
        );
        registry.register(
            "handshakes_refused",
            "Handshakes answered with an HTTP error, by reason",
            self.refused.clone(),
        );
        registry.register(
            "closed",
            "Closed WebSocket connections, by reason",
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
