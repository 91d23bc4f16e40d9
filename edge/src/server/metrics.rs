//! Metrics of a shard's sockets.

use grandstand_common::histogram::{Histogram, LATENCY, LIFETIME};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rustls::ProtocolVersion;

use crate::server::client_kind::{ClientKind, ClientLabels};
use crate::server::quic::metrics::QuicMetrics;

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
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TlsHandshake {
    version: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabels {
    route: &'static str,
    code: &'static str,
}

/// The metrics of certificates. Clones share their gauges.
#[derive(Debug, Clone, Default)]
pub struct CertificateMetrics {
    days_left: Family<Vec<(&'static str, String)>, Gauge>,
}

impl CertificateMetrics {
    /// Registers the metrics with a registry whose prefix is `grandstand_edge`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tls_certificate_days_left",
            "Days until a TLS certificate in use expires, by its file",
            self.days_left.clone(),
        );
    }

    /// Makes each family have a series, so that a description of the metrics sees its labels.
    pub(crate) fn touch(&self) {
        self.set_days_left("", 0);
    }

    pub(crate) fn set_days_left(&self, file: &str, days: i64) {
        let labels = vec![("file", file.to_owned())];
        self.days_left.get_or_create(&labels).set(days);
    }

    /// Removes a file that is not used any more.
    pub(crate) fn forget(&self, file: &str) {
        self.days_left.remove(&vec![("file", file.to_owned())]);
    }
}

/// The metrics of the sockets. Clones share their counters.
#[derive(Debug, Clone)]
pub struct ServerMetrics {
    /// Connections of clients, including those that are closing.
    pub connections: Gauge,
    /// Connections of clients, by transport and encoding.
    pub(super) clients: Family<ClientLabels, Gauge>,
    /// The lifetimes of connections of clients that have ended, in seconds.
    pub(super) durations: Histogram,
    /// The time from the accept of a connection to its upgrade, in microseconds.
    pub(super) handshake_durations: Histogram,
    /// Connections before their upgrade.
    pub handshakes: Gauge,
    /// Connections accepted.
    pub accepted: Counter,
    /// Times that accepting paused at the limit of concurrent handshakes.
    pub accept_waits: Counter,
    /// Bytes read from clients' connections.
    pub received_bytes: Counter,
    /// Bytes of frames that the kernel, TLS or QUIC has accepted.
    pub sent_bytes: Counter,
    /// Bytes of frames that wait for blocked sockets.
    pub outbox_bytes: Gauge,
    /// Slow clients whose queued frames were dropped, and that have not read the rest yet.
    pub stale_clients: Gauge,
    /// Bytes of clients' compressed messages, as received.
    pub inflate_in_bytes: Counter,
    /// Bytes of clients' compressed messages, inflated.
    pub inflate_out_bytes: Counter,
    accept_failures: Family<Failed, Counter>,
    refused: Family<ReasonLabel, Counter>,
    closed: Family<ReasonLabel, Counter>,
    proxy_refused: Family<ReasonLabel, Counter>,
    tls_handshakes: Family<TlsHandshake, Counter>,
    api_requests: Family<ApiLabels, Counter>,
    /// The metrics of QUIC.
    pub quic: QuicMetrics,
}

impl Default for ServerMetrics {
    fn default() -> Self {
        Self {
            connections: Gauge::default(),
            clients: Family::default(),
            durations: Histogram::new(&LIFETIME),
            handshake_durations: Histogram::new(&LATENCY),
            handshakes: Gauge::default(),
            accepted: Counter::default(),
            accept_waits: Counter::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            outbox_bytes: Gauge::default(),
            stale_clients: Gauge::default(),
            inflate_in_bytes: Counter::default(),
            inflate_out_bytes: Counter::default(),
            accept_failures: Family::default(),
            refused: Family::default(),
            closed: Family::default(),
            proxy_refused: Family::default(),
            tls_handshakes: Family::default(),
            api_requests: Family::default(),
            quic: QuicMetrics::default(),
        }
    }
}

impl ServerMetrics {
    /// Registers the metrics with a registry whose prefix is `grandstand_edge`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "connections",
            "Clients connected, over WebSocket or QUIC",
            self.connections.clone(),
        );
        registry.register(
            "clients",
            "Clients connected, by transport (ws, wss, quic, webtransport, events) and encoding (json, proto)",
            self.clients.clone(),
        );
        registry.register(
            "connection_duration_seconds",
            "Lifetimes of connections of clients that have ended, to the second",
            self.durations.clone(),
        );
        registry.register(
            "handshake_duration_seconds",
            "Time from the accept of a connection to its upgrade; over QUIC, to its first message",
            self.handshake_durations.clone(),
        );
        registry.register(
            "sent_bytes",
            "Bytes of frames to clients that the kernel, TLS or QUIC has accepted",
            self.sent_bytes.clone(),
        );
        registry.register(
            "outbox_bytes",
            "Bytes of frames that wait for blocked sockets, with their places in the queues",
            self.outbox_bytes.clone(),
        );
        registry.register(
            "stale_clients",
            "Slow clients whose queued frames were dropped, until they have read what they were sent before",
            self.stale_clients.clone(),
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
            "Bytes read from clients' connections",
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
            "Closed connections of clients, by reason",
            self.closed.clone(),
        );
        registry.register(
            "proxy_refused",
            "Connections to listeners for proxies that were closed before a request, by reason",
            self.proxy_refused.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes, by version and result",
            self.tls_handshakes.clone(),
        );
        registry.register(
            "api_requests",
            "Requests of the HTTP API, by route and code",
            self.api_requests.clone(),
        );
        self.quic.register(registry);
    }

    /// Makes each family have a series, so that a description of the metrics sees its labels.
    pub(crate) fn touch(&self) {
        self.on_accept_failure(AcceptFailure::Connection);
        self.on_refused("");
        self.on_proxy_refused("");
        self.on_tls_handshake(None);
        self.on_api("", "");
        self.on_closed("");
        drop(self.clients.get_or_create(&ClientLabels::default()));
        self.quic.touch();
    }

    /// Counts a connection that opens.
    pub(super) fn on_open(&self, kind: ClientKind) {
        self.connections.inc();
        self.clients.get_or_create(&kind.labels()).inc();
    }

    /// Counts a connection down that has ended.
    pub(super) fn on_end(&self, kind: ClientKind) {
        self.connections.dec();
        self.clients.get_or_create(&kind.labels()).dec();
    }

    pub(crate) fn on_accept_failure(&self, reason: AcceptFailure) {
        self.accept_failures.get_or_create(&Failed { reason }).inc();
    }

    pub(crate) fn on_refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn on_proxy_refused(&self, reason: &'static str) {
        self.proxy_refused
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// Counts a TLS handshake: the negotiated version and whether it was resumed, `None` if it has failed.
    pub(crate) fn on_tls_handshake(&self, negotiated: Option<(ProtocolVersion, bool)>) {
        let version = match negotiated {
            Some((ProtocolVersion::TLSv1_3, _)) => "1.3",
            Some((ProtocolVersion::TLSv1_2, _)) => "1.2",
            _ => "",
        };
        let result = match negotiated {
            Some((_, true)) => "resumed",
            Some((_, false)) => "full",
            None => "failed",
        };
        let labels = TlsHandshake { version, result };
        self.tls_handshakes.get_or_create(&labels).inc();
    }

    /// Counts a request of the API: its route, and the code of its error or `ok`.
    pub(crate) fn on_api(&self, route: &'static str, code: &'static str) {
        let labels = ApiLabels { route, code };
        self.api_requests.get_or_create(&labels).inc();
    }

    pub(crate) fn on_closed(&self, reason: &'static str) {
        self.closed.get_or_create(&ReasonLabel { reason }).inc();
    }
}
