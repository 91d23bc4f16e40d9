//! The edge's configuration: `config/edge.toml` shows every key.

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::auth::AuthConfig;
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::envelope::{Limits, MAX_JSON_DEPTH};
use grandstand_common::id::EdgeId;
use grandstand_common::process::config::{Checks, Config};
use serde::{Deserialize, Serialize};

use crate::core::{ChainConfig, ClientConfig, CoreConfig, DeliveryPolicy, RoomConfig};
use crate::server::context::ServerOptions;
use crate::server::listen::ListenOptions;
use crate::websocket::deflate::DeflateOptions;

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
}

/// The edge's name, addresses and shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeSection {
    /// Prefix of the shards' ids.
    pub name: String,
    /// Address for clients.
    pub listen: SocketAddr,
    /// Address for health and metrics.
    pub admin: SocketAddr,
    /// Number of shards, each a thread with its own listener; 0 for one per core.
    pub shards: u16,
    /// Whether to refuse to start if another process listens on the address, even if that process shares it.
    pub exclusive: bool,
    /// Origins from which browsers may connect; all if empty.
    pub origins: Vec<String>,
    /// Milliseconds of silence after which a client is pinged; after the same time again it is closed.
    pub heartbeat_ms: u64,
    /// Milliseconds over which clients are told to reconnect when the edge shuts down.
    pub drain_ms: u64,
}

impl Default for EdgeSection {
    fn default() -> Self {
        Self {
            name: "edge".to_owned(),
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            admin: SocketAddr::from(([127, 0, 0, 1], 8081)),
            shards: 0,
            exclusive: true,
            origins: Vec::new(),
            heartbeat_ms: 25_000,
            drain_ms: 10_000,
        }
    }
}

/// Limits per client and per shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// The most bytes of a client's message.
    pub message_bytes: u32,
    /// The most rooms per connection.
    pub rooms: u16,
    /// The most messages of a client per second, on average; 0 for unlimited.
    pub messages_per_s: u32,
    /// The most messages that a client may send at once.
    pub message_burst: u32,
    /// The most bytes queued for a slow client.
    pub outbox_bytes: u32,
    /// Whether to close slow players (4008) instead of sending them a snapshot once their outboxes are empty.
    pub close_slow_players: bool,
    /// The most milliseconds from accept to upgrade.
    pub handshake_ms: u64,
    /// The most concurrent handshakes per shard.
    pub handshakes: u32,
    /// The most connections accepted, and handshakes answered, before the other tasks of a shard run.
    pub accepts: u32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            rooms: 64,
            messages_per_s: 500,
            message_burst: 2000,
            outbox_bytes: 256 * 1024,
            close_slow_players: false,
            handshake_ms: 10_000,
            handshakes: 1024,
            accepts: 2,
        }
    }
}

/// Compression of messages, `permessage-deflate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionSection {
    /// Whether to accept clients' offers.
    pub enabled: bool,
    /// The level, from 1 (fastest) to 9 (smallest).
    pub level: u32,
    /// Messages with fewer bytes are not compressed.
    pub min_bytes: u32,
}

impl Default for CompressionSection {
    fn default() -> Self {
        let options = DeflateOptions::default();
        Self {
            enabled: false,
            level: options.level,
            min_bytes: options.min_bytes,
        }
    }
}

/// The delivery of rooms' updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomsSection {
    /// Bytes of updates kept per lane for clients that resume. The same as the workers'.
    pub ring_bytes: u32,
    /// Milliseconds for which the edge keeps watching a room after its last client left.
    pub linger_ms: u64,
    /// Microseconds that a flush may run before it yields to other tasks.
    pub flush_slice_us: u64,
    /// The minimum microseconds between two flushes; 0 for as soon as possible.
    pub flush_interval_us: u64,
    /// The most updates to a spectator per second; 0 for unlimited.
    pub spectator_max_rate_hz: u32,
    /// The minimum delay for spectators, in milliseconds.
    pub spectator_delay_ms: u32,
    /// The most bytes held back per room for delayed or rate-limited spectators.
    pub hold_bytes: u32,
}

impl Default for RoomsSection {
    fn default() -> Self {
        Self {
            ring_bytes: 64 * 1024,
            linger_ms: 30_000,
            flush_slice_us: 100,
            flush_interval_us: 0,
            spectator_max_rate_hz: 0,
            spectator_delay_ms: 0,
            hold_bytes: 4 * 1024 * 1024,
        }
    }
}

/// Socket options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpSection {
    /// Connections that the kernel queues before accept.
    pub backlog: u32,
    /// The kernel's send buffer per connection, in bytes; 0 for the kernel's choice.
    pub send_buffer_bytes: u32,
    /// The kernel's receive buffer per connection, in bytes; 0 for the kernel's choice.
    pub receive_buffer_bytes: u32,
    /// Unsent bytes that the kernel accepts per connection; 0 for unlimited.
    pub unsent_bytes: u32,
    /// Milliseconds that sent bytes may stay unacknowledged; 0 for the kernel's choice.
    pub user_timeout_ms: u64,
}

impl Default for TcpSection {
    fn default() -> Self {
        Self {
            backlog: 16_384,
            send_buffer_bytes: 0,
            receive_buffer_bytes: 0,
            unsent_bytes: 16_384,
            user_timeout_ms: 60_000,
        }
    }
}

impl Config for EdgeConfig {
    const ENV_PREFIX: &'static str = "GRANDSTAND_EDGE";

    fn validate(&self, checks: &mut Checks) {
        self.cluster.validate(checks);
        self.auth.validate("auth", checks);
        let name = format!("{}-0-00000000", self.edge.name);
        checks.require(
            "edge.name",
            name.parse::<EdgeId>().is_ok(),
            || "must be letters, digits, `-` and `_`, at most 80",
        );
        let (listen, admin) = (self.edge.listen, self.edge.admin);
        checks.require(
            "edge.admin",
            admin != listen || admin.port() == 0,
            || "must differ from `edge.listen`",
        );
        checks.range("edge.shards", self.edge.shards.into(), 0..=1024);
        checks.range(
            "edge.heartbeat_ms",
            self.edge.heartbeat_ms,
            1000..=3_600_000,
        );
        checks.range("edge.drain_ms", self.edge.drain_ms, 0..=3_600_000);
        let bytes = u64::from(self.limits.message_bytes);
        checks.range("limits.message_bytes", bytes, 1024..=1_000_000);
        checks.range("limits.rooms", self.limits.rooms.into(), 1..=1024);
        let outbox = u64::from(self.limits.outbox_bytes);
        checks.range("limits.outbox_bytes", outbox, 4096..=1 << 30);
        checks.range(
            "limits.handshake_ms",
            self.limits.handshake_ms,
            100..=600_000,
        );
        checks.range(
            "limits.handshakes",
            self.limits.handshakes.into(),
            1..=1 << 20,
        );
        checks.range("limits.accepts", self.limits.accepts.into(), 1..=1 << 16);
        checks.range("compression.level", self.compression.level.into(), 1..=9);
        let least = u64::from(self.compression.min_bytes);
        checks.range("compression.min_bytes", least, 1..=1 << 20);
        let ring = u64::from(self.rooms.ring_bytes);
        checks.range("rooms.ring_bytes", ring, 1024..=1 << 26);
        checks.range(
            "rooms.flush_slice_us",
            self.rooms.flush_slice_us,
            50..=100_000,
        );
        checks.range(
            "rooms.flush_interval_us",
            self.rooms.flush_interval_us,
            0..=1_000_000,
        );
        let rate = u64::from(self.rooms.spectator_max_rate_hz);
        checks.range("rooms.spectator_max_rate_hz", rate, 0..=1000);
        let delay = u64::from(self.rooms.spectator_delay_ms);
        checks.range("rooms.spectator_delay_ms", delay, 0..=3_600_000);
        let hold = u64::from(self.rooms.hold_bytes);
        checks.range("rooms.hold_bytes", hold, 65_536..=1 << 30);
        checks.range("tcp.backlog", self.tcp.backlog.into(), 1..=1 << 20);
    }
}

impl EdgeConfig {
    /// The core's configuration.
    pub fn core(&self) -> CoreConfig {
        CoreConfig {
            partitions: self.cluster.partitions,
            limits: Limits {
                message_bytes: self.limits.message_bytes.into(),
                rooms: self.limits.rooms.into(),
                window: ChainConfig::default().window as u64,
                json_depth: MAX_JSON_DEPTH as u64,
            },
            heartbeat: Duration::from_millis(self.edge.heartbeat_ms),
            clients: ClientConfig {
                messages_per_s: self.limits.messages_per_s,
                message_burst: self.limits.message_burst,
                close_slow_players: self.limits.close_slow_players,
            },
            rooms: RoomConfig {
                ring_bytes: self.rooms.ring_bytes as usize,
                spectators: DeliveryPolicy::new(
                    self.rooms.spectator_max_rate_hz,
                    self.rooms.spectator_delay_ms,
                ),
                delay_bytes: self.rooms.hold_bytes as usize,
                outbox_bytes: self.limits.outbox_bytes as usize,
                linger: Duration::from_millis(self.rooms.linger_ms),
                chain: ChainConfig::default(),
            },
            deflate: self.deflate(),
        }
    }

    /// The server's options.
    pub fn server(&self) -> ServerOptions {
        ServerOptions {
            handshake_timeout: Duration::from_millis(self.limits.handshake_ms),
            handshakes: self.limits.handshakes as usize,
            accepts: self.limits.accepts as usize,
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

    /// The listeners' options.
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
        check_documented::<EdgeConfig>(include_str!("../../../config/edge.toml")).unwrap();
    }

    #[test]
    fn the_addresses_for_clients_and_admin_must_differ() {
        let sources = |admin| {
            Sources::new(None)
                .environment([("GRANDSTAND_EDGE_AUTH_SECRET", "s")])
                .flag("--listen", "edge.listen", Some("127.0.0.1:9000"))
                .flag("--admin", "edge.admin", Some(admin))
        };
        let error = config::load::<EdgeConfig>(&sources("127.0.0.1:9000")).unwrap_err();
        assert!(error.to_string().contains("--admin"), "{error}");
        config::load::<EdgeConfig>(&sources("127.0.0.1:9001")).unwrap();
    }
}
