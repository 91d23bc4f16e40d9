//! The kind of a client's connection, for metrics.

use grandstand_common::envelope::Encoding;
use prometheus_client::encoding::EncodeLabelSet;

use crate::server::connections::Link;

/// The transport of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientTransport {
    /// WebSocket without TLS, as far as this edge sees it.
    Ws,
    /// WebSocket with TLS.
    Wss,
    /// QUIC.
    Quic,
    /// WebTransport.
    WebTransport,
    /// An event stream, or a view, over HTTP.
    Events,
}

/// The transport and the encoding of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientKind {
    transport: ClientTransport,
    encoding: Encoding,
}

/// The labels of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ClientLabels {
    transport: &'static str,
    encoding: &'static str,
}

impl ClientKind {
    /// The kind of a connection.
    pub(super) fn new(link: &Link, encoding: Encoding) -> Self {
        let transport = match link {
            Link::Plain(_) => ClientTransport::Ws,
            Link::Tls(..) => ClientTransport::Wss,
            Link::Quic(stream) if stream.is_webtransport() => ClientTransport::WebTransport,
            Link::Quic(_) => ClientTransport::Quic,
            Link::Events(_) => ClientTransport::Events,
        };
        Self {
            transport,
            encoding,
        }
    }

    /// The labels.
    pub(super) fn labels(self) -> ClientLabels {
        ClientLabels {
            transport: match self.transport {
                ClientTransport::Ws => "ws",
                ClientTransport::Wss => "wss",
                ClientTransport::Quic => "quic",
                ClientTransport::WebTransport => "webtransport",
                ClientTransport::Events => "events",
            },
            encoding: match self.encoding {
                Encoding::Json => "json",
                Encoding::Proto => "proto",
            },
        }
    }
}
