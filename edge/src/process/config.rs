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

/// An edge process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeConfig {
    /// Who it is and where it listens.
    pub edge: EdgeSection,
    /// The bus.
    pub cluster: ClusterSettings,
    /// Which tokens are trusted.
    pub auth: AuthConfig,
    /// What a client may not exceed.
    pub limits: LimitsSection,
    /// Compression of messages.
    pub compression: CompressionSection,
    /// How rooms are shown.
    pub rooms: RoomsSection,
    /// How sockets are set up.
    pub tcp: TcpSection,
}

/// Who it is and where it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeSection {
    /// The name that its shards' ids begin with.
    pub name: String,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where operators ask for health and metrics.
    pub admin: SocketAddr,
    /// Shards, each a thread with a listener of its own; 0 for one a core.
    pub shards: u16,
    /// Refuse to start if another process listens on the address, even one that would share it.
    pub exclusive: bool,
    /// Origins that browsers may connect from; all if empty.
    pub origins: Vec<String>,
    /// Milliseconds of silence after which a client is pinged, and as many later closed.
    pub heartbeat_ms: u64,
    /// Milliseconds over which clients are told to connect anew when the edge ends.
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

/// What a client may not exceed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Bytes of a client's message.
    pub message_bytes: u32,
    /// Rooms that a connection may be in.
    pub rooms: u16,
    /// Messages per second, on average; 0 for any number.
    pub messages_per_s: u32,
    /// Messages at once.
    pub message_burst: u32,
    /// Bytes that may wait for a slow client.
    pub outbox_bytes: u32,
    /// Close players that cannot keep up (4008) instead of serving them anew when they can.
    pub close_slow_players: bool,
    /// Milliseconds from accept to upgrade.
    pub handshake_ms: u64,
    /// Handshakes at once, per shard.
    pub handshakes: u32,
    /// Connections accepted, and handshakes answered, before a shard does all else that there is to do.
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
    /// Agree on it with clients that offer it.
    pub enabled: bool,
    /// From 1, the fastest, to 9, the smallest.
    pub level: u32,
    /// Bytes below which a message is sent as it is.
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

/// How rooms are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomsSection {
    /// Bytes of updates kept per lane for clients that resume. The same as the workers'.
    pub ring_bytes: u32,
    /// Milliseconds for which a room is still watched when nobody is here any more.
    pub linger_ms: u64,
    /// Microseconds that a flush may take before others have their turn.
    pub flush_slice_us: u64,
    /// The least microseconds from one flush to the next; 0 for as soon as possible.
    pub flush_interval_us: u64,
    /// How often a second spectators are sent something, at most; 0 for as often as there is something.
    pub spectator_max_rate_hz: u32,
    /// Milliseconds by which spectators see everything later, at least.
    pub spectator_delay_ms: u32,
    /// Bytes that are held per room for spectators who see it later or less often.
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

/// How sockets are set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpSection {
    /// Connections that the kernel holds until they are accepted.
    pub backlog: u32,
    /// The kernel's send buffer of a connection, bytes; 0 for the kernel's choice.
    pub send_buffer_bytes: u32,
    /// The kernel's receive buffer of a connection, bytes; 0 for the kernel's choice.
    pub receive_buffer_bytes: u32,
    /// Bytes that the kernel takes for a connection beyond what it has sent; 0 for any number.
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
            || "must be another address than `edge.listen`",
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
    /// What the core is told.
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

    /// What the front is told.
    pub fn server(&self) -> ServerOptions {
        ServerOptions {
            handshake_timeout: Duration::from_millis(self.limits.handshake_ms),
            handshakes: self.limits.handshakes as usize,
            accepts: self.limits.accepts as usize,
            deflate: self.compression.enabled,
            ..ServerOptions::default()
        }
    }

    /// How messages are compressed for those who agreed on it.
    pub fn deflate(&self) -> DeflateOptions {
        DeflateOptions {
            level: self.compression.level,
            min_bytes: self.compression.min_bytes,
        }
    }

    /// How to listen.
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

    /// How many shards that makes on this machine.
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
    fn clients_and_admin_need_an_address_each() {
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
