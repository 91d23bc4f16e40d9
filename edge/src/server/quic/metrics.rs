//! Metrics of QUIC.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, &'static str)>;

/// The metrics of QUIC. Clones share their counters.
#[derive(Debug, Clone, Default)]
pub struct QuicMetrics {
    connections: Family<Labels, Gauge>,
    handshakes: Family<Labels, Counter>,
    /// Packets received.
    pub(super) received: Counter,
    /// Packets sent.
    pub(super) sent: Counter,
    /// Messages that came as datagrams.
    pub(super) datagrams_received: Counter,
    /// Packets handed over to another shard.
    pub(super) handed_over: Counter,
    /// Packets forwarded to an earlier process.
    pub(super) forwarded: Counter,
    /// Packets of clients that send too many.
    pub(super) refused: Counter,
    /// Packets that another shard or process was too busy to take.
    pub(super) lost: Counter,
}

impl QuicMetrics {
    /// Registers the metrics with a registry whose prefix is `grandstand_edge`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "quic_connections",
            "Clients connected over QUIC, by transport",
            self.connections.clone(),
        );
        registry.register(
            "quic_handshakes",
            "QUIC handshakes, by result",
            self.handshakes.clone(),
        );
        registry.register(
            "quic_packets_received",
            "QUIC packets received",
            self.received.clone(),
        );
        registry.register("quic_packets_sent", "QUIC packets sent", self.sent.clone());
        registry.register(
            "quic_datagrams_received",
            "Messages of clients that came as datagrams",
            self.datagrams_received.clone(),
        );
        registry.register(
            "quic_packets_handed_over",
            "QUIC packets that the kernel gave to another shard than their connection's",
            self.handed_over.clone(),
        );
        registry.register(
            "quic_packets_forwarded",
            "QUIC packets forwarded to an earlier process, which drains",
            self.forwarded.clone(),
        );
        registry.register(
            "quic_packets_refused",
            "QUIC packets dropped because their client sends more than quic.packets_per_s, or from forged addresses",
            self.refused.clone(),
        );
        registry.register(
            "quic_packets_lost",
            "QUIC packets dropped because the shard or the process of their connection was too busy",
            self.lost.clone(),
        );
    }

    /// Makes each family have a series, so that a description of the metrics sees its labels.
    pub(crate) fn touch(&self) {
        drop(self.connections(""));
        self.on_handshake("");
    }

    /// The connected clients of a transport.
    pub(super) fn connections(&self, transport: &'static str) -> Gauge {
        let labels = vec![("transport", transport)];
        self.connections.get_or_create_owned(&labels)
    }

    /// The handshakes with this result.
    #[cfg(test)]
    pub(super) fn handshakes(&self, result: &'static str) -> u64 {
        let labels = vec![("result", result)];
        self.handshakes.get_or_create(&labels).get()
    }

    /// Counts a handshake: `open`, `failed`, `late`, `limited`, `retry`, `dropped` or `refused`.
    pub(super) fn on_handshake(&self, result: &'static str) {
        let labels = vec![("result", result)];
        self.handshakes.get_or_create(&labels).inc();
    }
}
