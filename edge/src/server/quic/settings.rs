//! The settings that the endpoint of a shard offers its clients.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use ring::{hkdf, hmac};

use crate::server::quic::cid::{Place, ShardCids};
use crate::server::tls::Tls;
use crate::time::token_bucket::Rate;

/// The ALPN of clients that open one stream and speak the protocol of the WebSocket on it.
pub const NATIVE: &[u8] = b"grandstand/1";

/// The ALPN of HTTP/3, and with it of WebTransport.
pub const HTTP3: &[u8] = b"h3";

/// The streams in both directions that a client may have open: the request of a WebTransport session, and its stream.
const STREAMS: u32 = 2;

/// The streams in one direction that a client may have open. HTTP/3 has three, and clients try out ones of unknown types.
const ONE_WAY_STREAMS: u32 = 8;

/// The bytes that a client may send on a stream ahead of the edge.
const STREAM_WINDOW: u32 = 64 << 10;

/// The bytes of datagrams that wait to be read, and to be sent.
const DATAGRAM_BYTES: usize = 16 << 10;

/// The most bytes that a client's handshake may have.
const HANDSHAKE_BYTES: usize = 16 << 10;

/// The most bytes of all packets that wait for their handshakes to begin.
const WAITING_BYTES: u64 = 4 << 20;

/// The seconds of packets that may come at once.
const BURST_S: u32 = 4;

/// The settings of QUIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuicOptions {
    /// The silence after which a connection is lost.
    pub idle: Duration,
    /// The most bytes written to a connection that its client has not acknowledged. Further ones wait in its outbox, where
    /// outdated updates can be dropped.
    pub send_window: u32,
    /// The average packets of a client beyond one for each that the edge sends it; 0 for no limit.
    pub packets_per_s: u32,
}

impl QuicOptions {
    /// The rate of packets that a client may send.
    fn packets(&self) -> Rate {
        let burst = self.packets_per_s.saturating_mul(BURST_S);
        Rate::new(self.packets_per_s, burst)
    }
}

/// Makes the configuration of new connections, with the certificates of the moment.
#[derive(Debug)]
pub(super) struct Settings {
    tls: Tls,
    packets: Rate,
    transport: Arc<TransportConfig>,
    made: Option<(Arc<rustls::ServerConfig>, Arc<ServerConfig>)>,
}

impl Settings {
    pub(super) fn new(tls: Tls, options: QuicOptions) -> Self {
        Self {
            tls,
            packets: options.packets(),
            transport: Arc::new(transport(options)),
            made: None,
        }
    }

    /// The rate of packets that a client may send.
    pub(super) fn packets(&self) -> Rate {
        self.packets
    }

    /// The configuration of a connection that begins now. `None` if TLS 1.3 is not available.
    pub(super) fn current(&mut self) -> Option<Arc<ServerConfig>> {
        let current = self.tls.config();
        if let Some((from, made)) = &self.made
            && Arc::ptr_eq(from, &current)
        {
            return Some(Arc::clone(made));
        }
        let mut config = rustls::ServerConfig::clone(&current);
        config.alpn_protocols = vec![NATIVE.to_vec(), HTTP3.to_vec()];
        // A replayed packet of 0-RTT data would open a second connection for the same token.
        config.max_early_data_size = 0;
        let crypto = QuicServerConfig::try_from(config).ok()?;
        let key = self.tls.derive(b"grandstand quic address tokens 1");
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&key);
        let mut config = ServerConfig::new(Arc::new(crypto), Arc::new(key));
        config
            .transport_config(Arc::clone(&self.transport))
            .migration(true)
            .incoming_buffer_size(HANDSHAKE_BYTES as u64)
            .incoming_buffer_size_total(WAITING_BYTES);
        let made = Arc::new(config);
        self.made = Some((current, Arc::clone(&made)));
        Some(made)
    }

    /// The configuration of a shard's endpoint. Edges with the same ticket secret answer packets of each other's lost
    /// connections with a reset that the clients believe.
    pub(super) fn endpoint(&self, place: Place) -> EndpointConfig {
        let key = self.tls.derive(b"grandstand quic stateless reset 1");
        let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &key)));
        config.cid_generator(move || Box::new(ShardCids(place)));
        config
    }
}

fn transport(options: QuicOptions) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(STREAMS.into())
        .max_concurrent_uni_streams(ONE_WAY_STREAMS.into())
        .max_idle_timeout(IdleTimeout::try_from(options.idle).ok())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(VarInt::from_u32(STREAM_WINDOW * (STREAMS + 1)))
        .send_window(options.send_window.into())
        .crypto_buffer_size(HANDSHAKE_BYTES)
        .datagram_receive_buffer_size(Some(DATAGRAM_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BYTES);
    config
}
