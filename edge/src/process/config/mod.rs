//! The edge's configuration: `config/edge.toml` shows every key.

mod limits;

mod proxy;

mod quic;

mod sections;

mod tls;

mod upgrade;

use std::time::Duration;

use grandstand_common::auth::AuthConfig;
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::envelope::{Limits, MAX_JSON_DEPTH};
use grandstand_common::layout::Layout;
use grandstand_common::process::config::{Checks, Config};
use grandstand_common::process::telemetry::LogSection;
use serde::{Deserialize, Serialize};

use crate::core::{ChainConfig, CoreConfig, DeliveryPolicy, RoomConfig};
use crate::limits::SharedLimits;
use crate::server::context::ServerOptions;
use crate::server::listen::ListenOptions;
#[cfg(feature = "quic")]
use crate::server::quic::{QuicOptions, UdpOptions};
use crate::server::tls::{Tls, TlsError};
use crate::websocket::deflate::DeflateOptions;

pub use limits::LimitsSection;
pub use proxy::ProxySection;
pub use quic::QuicSection;
pub use sections::{CompressionSection, EdgeSection, RoomsSection, TcpSection};
pub use tls::TlsSection;
pub(crate) use tls::now_s;
pub use upgrade::UpgradeSection;

/// The keys, beside limits, that count while an edge runs.
const LIVE: [&str; 24] = [
    "edge.admin_token",
    "edge.origins",
    "edge.drain_wait_ms",
    "edge.drain_ms",
    "edge.liveness_ms",
    "auth.secret",
    "auth.previous_secret",
    "auth.public_key_files",
    "auth.jwks",
    "auth.jwks_ca_file",
    "auth.jwks_refresh_s",
    "auth.jwks_min_refresh_s",
    "auth.anonymous_spectators",
    "auth.leeway_s",
    "auth.audience",
    "auth.issuer",
    "proxy.networks",
    "proxy.header_ms",
    "proxy.forwarded",
    "tls.certificate_files",
    "tls.key_files",
    "tls.least_version",
    "tls.reload_s",
    "log.filter",
];

/// The configuration of an edge process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeConfig {
    /// The edge's name, addresses and shards.
    pub edge: EdgeSection,
    /// The connection to NATS and the cluster's layout.
    pub cluster: ClusterSettings,
    /// The verification of tokens.
    pub auth: AuthConfig,
    /// Limits per client and per shard.
    pub limits: LimitsSection,
    /// Compression of messages.
    pub compression: CompressionSection,
    /// The delivery of rooms' updates.
    pub rooms: RoomsSection,
    /// Socket options.
    pub tcp: TcpSection,
    /// The listener with TLS.
    pub tls: TlsSection,
    /// The listener for QUIC.
    pub quic: QuicSection,
    /// Load balancers and proxies in front of the edge.
    pub proxy: ProxySection,
    /// Upgrades in place.
    pub upgrade: UpgradeSection,
    /// The log.
    pub log: LogSection,
}

impl Config for EdgeConfig {
    const ENV_PREFIX: &'static str = "GRANDSTAND_EDGE";

    fn validate(&self, checks: &mut Checks) {
        self.edge.validate(checks);
        self.cluster.validate(checks);
        self.auth.validate("auth", checks);
        self.limits.validate(checks);
        self.compression.validate(checks);
        self.rooms.validate(checks);
        self.tcp.validate(checks);
        self.tls.validate(checks, !self.quic.listen.is_empty());
        self.quic.validate(checks);
        self.proxy.validate(checks, !self.tls.listen.is_empty());
        self.upgrade.validate(checks);
        self.log.validate(checks);
    }

    fn is_live(key: &str) -> bool {
        key.starts_with("limits.") || LIVE.contains(&key)
    }

    fn log_filter(&self) -> &str {
        &self.log.filter
    }

    fn advise(&self, checks: &mut Checks) {
        self.auth.advise("auth", checks);
        if let Err(error) = self.certificates() {
            checks.require("tls.certificate_files", false, || error.to_string());
        }
        let message = self.limits.message_bytes;
        for (key, bytes, otherwise) in [
            (
                "limits.outbox_bytes",
                self.limits.outbox_bytes,
                "a slow consumer misses such a message and gets a snapshot instead",
            ),
            (
                "rooms.ring_bytes",
                self.rooms.ring_bytes,
                "no client can resume after such a message",
            ),
            (
                "rooms.hold_bytes",
                self.rooms.hold_bytes,
                "one such message makes all delayed spectators skip to a snapshot",
            ),
        ] {
            checks.require(key, bytes >= message, || {
                format!("is {bytes}, less than `limits.message_bytes` ({message}): {otherwise}")
            });
        }
    }
}

impl EdgeConfig {
    /// The time for which a shard may stall before `/health` fails.
    pub fn answer_within(&self) -> Duration {
        Duration::from_millis(self.edge.liveness_ms)
    }

    /// The core's configuration for a cluster with these partitions.
    pub fn core(&self, layout: Layout) -> CoreConfig {
        let limits = self.limits.core();
        CoreConfig {
            layout,
            limits: Limits {
                message_bytes: self.limits.message_bytes.into(),
                rooms: limits.rooms,
                window: ChainConfig::default().window as u64,
                json_depth: MAX_JSON_DEPTH as u64,
            },
            heartbeat: Duration::from_millis(self.edge.heartbeat_ms),
            clients: limits.clients,
            rooms: RoomConfig {
                ring_bytes: self.rooms.ring_bytes as usize,
                spectators: DeliveryPolicy::new(
                    self.rooms.spectator_max_rate_hz,
                    self.rooms.spectator_delay_ms,
                ),
                delay_bytes: self.rooms.hold_bytes as usize,
                outbox_bytes: self.limits.outbox_bytes as usize,
                linger: Duration::from_millis(self.rooms.linger_ms),
                player_input_bytes_per_s: limits.player_input_bytes_per_s,
                room_input_bytes_per_s: limits.room_input_bytes_per_s,
                chain: ChainConfig::default(),
            },
            shared: SharedLimits::default(),
            deflate: self.deflate(),
        }
    }

    /// The server's options.
    pub fn server(&self) -> ServerOptions {
        ServerOptions {
            handshakes: self.limits.handshakes(),
            deflate: self.compression.enabled,
            ..ServerOptions::default()
        }
    }

    /// The options of compression.
    pub fn deflate(&self) -> DeflateOptions {
        DeflateOptions {
            level: self.compression.level,
            min_bytes: self.compression.min_bytes,
        }
    }

    /// Reads the certificates. `None` without `tls.listen` and `quic.listen`.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn certificates(&self) -> Result<Option<Tls>, TlsError> {
        let are_needed = self.tls.address().or(self.quic.address()).is_some();
        are_needed.then(|| self.tls.tls()).transpose()
    }

    /// The options of the sockets for QUIC; `None` if there are none.
    #[cfg(feature = "quic")]
    pub fn quic_listener(&self) -> Option<UdpOptions> {
        self.quic.udp(self.edge.exclusive)
    }

    /// The options of connections over QUIC.
    #[cfg(feature = "quic")]
    pub fn quic(&self) -> QuicOptions {
        let heartbeat = Duration::from_millis(self.edge.heartbeat_ms);
        self.quic.options(heartbeat)
    }

    /// The options of the listeners with TLS; `None` if there are none.
    pub fn tls_listener(&self) -> Option<ListenOptions> {
        let addr = self.tls.address()?;
        Some(ListenOptions {
            addr,
            ..self.listener()
        })
    }

    /// The options of the listeners without TLS.
    pub fn listener(&self) -> ListenOptions {
        let some = |bytes: u32| (bytes > 0).then_some(bytes as usize);
        ListenOptions {
            backlog: i32::try_from(self.tcp.backlog).unwrap_or(i32::MAX),
            exclusive: self.edge.exclusive,
            send_buffer: some(self.tcp.send_buffer_bytes),
            receive_buffer: some(self.tcp.receive_buffer_bytes),
            unsent: (self.tcp.unsent_bytes > 0).then_some(self.tcp.unsent_bytes),
            user_timeout: (self.tcp.user_timeout_ms > 0)
                .then(|| Duration::from_millis(self.tcp.user_timeout_ms)),
            ..ListenOptions::new(self.edge.listen)
        }
    }

    /// The number of shards on this machine.
    pub fn shards(&self) -> usize {
        match self.edge.shards {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            shards => shards.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grandstand_common::process::config::{self, Sources, check_documented};

    #[test]
    fn the_documented_file_has_every_key_and_its_default() {
        check_documented::<EdgeConfig>(include_str!("../../../../config/edge.toml")).unwrap();
    }

    fn problems(environment: &[(&str, &str)]) -> String {
        let secret = (
            "GRANDSTAND_EDGE_AUTH_SECRET",
            "0123456789abcdef0123456789abcdef",
        );
        let environment = [secret].into_iter().chain(environment.iter().copied());
        let mut out = Vec::new();
        let sources = Sources::new(None).environment(environment);
        config::check::<EdgeConfig>(&sources, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_check_finds_values_that_contradict_each_other() {
        assert!(problems(&[]).contains("is valid"));
        for (key, value, part) in [
            (
                "EDGE_ORIGINS",
                "https://play.example/lobby",
                "https://play.example\"",
            ),
            ("EDGE_ORIGINS", "https://*.Play.example:443/", "is valid"),
            ("CLUSTER_URL", "ws://nats:8080", "WebSocket"),
            (
                "CLUSTER_CREDENTIALS",
                "/nowhere/nats.creds",
                "/nowhere/nats.creds",
            ),
            ("AUTH_SECRET", "", "auth"),
            ("LIMITS_MESSAGE_BURST", "0", "limits.message_burst"),
            ("LIMITS_OUTBOX_BYTES", "65535", "limits.message_bytes"),
            ("ROOMS_RING_BYTES", "65535", "limits.message_bytes"),
            ("ROOMS_HOLD_BYTES", "65536", "is valid"),
            ("ROOMS_FLUSH_INTERVAL_US", "1500", "1000"),
            ("ROOMS_LINGER_MS", "100000000", "rooms.linger_ms"),
            (
                "TCP_SEND_BUFFER_BYTES",
                "4294967295",
                "tcp.send_buffer_bytes",
            ),
            ("TCP_USER_TIMEOUT_MS", "5000000000", "tcp.user_timeout_ms"),
            (
                "QUIC_LISTEN",
                "127.0.0.1:8443",
                if cfg!(feature = "quic") {
                    "tls.certificate_files"
                } else {
                    "built without QUIC"
                },
            ),
        ] {
            let name = format!("GRANDSTAND_EDGE_{key}");
            let found = problems(&[(name.as_str(), value)]);
            assert!(found.contains(part), "{key}: {found}");
        }
    }

    #[test]
    fn a_short_secret_stops_the_start() {
        for (secret, good) in [("x".repeat(31), false), ("x".repeat(32), true)] {
            let name = "GRANDSTAND_EDGE_AUTH_SECRET";
            let sources = Sources::new(None).environment([(name, secret)]);
            let loaded = config::load::<EdgeConfig>(&sources).map_err(|e| e.to_string());
            assert_eq!(loaded.is_ok(), good, "{loaded:?}");
            let text = loaded.err().unwrap_or_default();
            assert_eq!(text.contains("auth.secret"), !good, "{text}");
            assert!(!text.contains("xxx"), "{text}");
        }
    }

    #[test]
    fn the_addresses_for_clients_and_admin_must_differ() {
        let sources = |admin| {
            Sources::new(None)
                .environment([("GRANDSTAND_EDGE_AUTH_SECRET", "s".repeat(32))])
                .flag("--listen", "edge.listen", Some("127.0.0.1:9000"))
                .flag("--admin", "edge.admin", Some(admin))
        };
        let error = config::load::<EdgeConfig>(&sources("127.0.0.1:9000")).unwrap_err();
        assert!(error.to_string().contains("--admin"), "{error}");
        config::load::<EdgeConfig>(&sources("127.0.0.1:9001")).unwrap();
        for taken in ["0.0.0.0:9000", "[::]:9000"] {
            assert!(
                config::load::<EdgeConfig>(&sources(taken)).is_err(),
                "{taken}"
            );
        }
        config::load::<EdgeConfig>(&sources("127.0.0.2:9000")).unwrap();
    }
}
