//! The sections of the edge's configuration.

use std::net::{IpAddr, SocketAddr};

use grandstand_common::id::EdgeId;
use grandstand_common::process::admin::ApiAccess;
use grandstand_common::process::config::{Checks, Secret};
use serde::{Deserialize, Serialize};

use crate::core::RoomConfig;
use crate::shard::origins::OriginRule;
use crate::websocket::deflate::DeflateOptions;

/// The edge's name, addresses and shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeSection {
    /// Prefix of the shards' ids.
    pub name: String,
    /// Address for clients.
    pub listen: SocketAddr,
    /// Address for health, metrics and the admin API.
    pub admin: SocketAddr,
    /// The token of the admin API.
    pub admin_token: Secret,
    /// Number of shards, each a thread with its own listener; 0 for one per core.
    pub shards: u16,
    /// Whether to refuse to start if another process listens on the address, even if that process shares it.
    pub exclusive: bool,
    /// Origins from which browsers may connect; all if empty.
    pub origins: Vec<String>,
    /// Whether to serve the API over HTTP at the addresses for clients.
    pub api: bool,
    /// Milliseconds of silence after which a client is pinged; after the same time again it is closed.
    pub heartbeat_ms: u64,
    /// Milliseconds for which the edge still accepts clients when it shuts down, although `/ready` says no.
    pub drain_wait_ms: u64,
    /// Milliseconds over which clients are told to reconnect after that.
    pub drain_ms: u64,
    /// Milliseconds for which a shard may stall before `/health` fails.
    pub liveness_ms: u64,
    /// Whether a busy shard yields its core to other processes between two slices of its work.
    pub yield_cpu: bool,
}

impl Default for EdgeSection {
    fn default() -> Self {
        Self {
            name: "edge".to_owned(),
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            admin: SocketAddr::from(([127, 0, 0, 1], 8081)),
            admin_token: Secret::default(),
            shards: 0,
            exclusive: true,
            origins: Vec::new(),
            api: false,
            heartbeat_ms: 25_000,
            drain_wait_ms: 5_000,
            drain_ms: 10_000,
            liveness_ms: 5_000,
            yield_cpu: true,
        }
    }
}

impl EdgeSection {
    /// Reads the origins.
    ///
    /// # Errors
    /// The origins that cannot be used, and why.
    pub fn origins(&self) -> Result<Vec<OriginRule>, String> {
        let mut problems = Vec::new();
        let mut rules = Vec::new();
        for origin in &self.origins {
            match OriginRule::parse(origin) {
                Ok(rule) => rules.push(rule),
                Err(why) => problems.push(format!("has {origin:?}, which {why}")),
            }
        }
        if problems.is_empty() {
            Ok(rules)
        } else {
            Err(problems.join("; it "))
        }
    }

    pub(super) fn validate(&self, checks: &mut Checks) {
        let name = format!("{}-0-00000000", self.name);
        checks.require(
            "edge.name",
            name.parse::<EdgeId>().is_ok(),
            || "must be letters, digits, `-` and `_`, at most 80",
        );
        checks.require(
            "edge.admin",
            !overlap(self.listen, self.admin),
            || "must differ from `edge.listen`",
        );
        if let Err(why) = ApiAccess::check_token(self.admin, &self.admin_token) {
            checks.require("edge.admin_token", false, || why);
        }
        checks.range("edge.shards", self.shards.into(), 0..=1024);
        if let Err(why) = self.origins() {
            checks.require("edge.origins", false, || why);
        }
        checks.range("edge.heartbeat_ms", self.heartbeat_ms, 1000..=3_600_000);
        checks.range("edge.drain_wait_ms", self.drain_wait_ms, 0..=3_600_000);
        checks.range("edge.drain_ms", self.drain_ms, 0..=3_600_000);
        checks.range("edge.liveness_ms", self.liveness_ms, 500..=3_600_000);
    }
}

/// Whether two listeners cannot have these addresses.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    // The kernel chooses different ports for 0. `[::]` includes IPv4.
    let all = |ip: IpAddr, other: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || other.is_ipv4());
    let same = a.ip() == b.ip() || all(a.ip(), b.ip()) || all(b.ip(), a.ip());
    a.port() == b.port() && a.port() != 0 && same
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

impl CompressionSection {
    pub(super) fn validate(&self, checks: &mut Checks) {
        checks.range("compression.level", self.level.into(), 1..=9);
        checks.range("compression.min_bytes", self.min_bytes.into(), 1..=1 << 20);
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
        let rooms = RoomConfig::default();
        Self {
            ring_bytes: rooms.ring_bytes as u32,
            linger_ms: rooms.linger.as_millis() as u64,
            flush_slice_us: 100,
            flush_interval_us: 0,
            spectator_max_rate_hz: 0,
            spectator_delay_ms: 0,
            hold_bytes: rooms.delay_bytes as u32,
        }
    }
}

impl RoomsSection {
    pub(super) fn validate(&self, checks: &mut Checks) {
        let mut range = |key: &str, value: u64, range| {
            checks.range(&format!("rooms.{key}"), value, range);
        };
        range("ring_bytes", self.ring_bytes.into(), 1024..=1 << 26);
        range("linger_ms", self.linger_ms, 0..=86_400_000);
        range("flush_slice_us", self.flush_slice_us, 50..=100_000);
        range("flush_interval_us", self.flush_interval_us, 0..=1_000_000);
        range(
            "spectator_max_rate_hz",
            self.spectator_max_rate_hz.into(),
            0..=1000,
        );
        range(
            "spectator_delay_ms",
            self.spectator_delay_ms.into(),
            0..=3_600_000,
        );
        range("hold_bytes", self.hold_bytes.into(), 65_536..=1 << 30);
        checks.require(
            "rooms.flush_interval_us",
            self.flush_interval_us.is_multiple_of(1000),
            || format!("must be a multiple of 1000, is {}", self.flush_interval_us),
        );
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

impl TcpSection {
    pub(super) fn validate(&self, checks: &mut Checks) {
        let mut range = |key: &str, value: u64, range| {
            checks.range(&format!("tcp.{key}"), value, range);
        };
        range("backlog", self.backlog.into(), 1..=1 << 20);
        range(
            "send_buffer_bytes",
            self.send_buffer_bytes.into(),
            0..=1 << 30,
        );
        range(
            "receive_buffer_bytes",
            self.receive_buffer_bytes.into(),
            0..=1 << 30,
        );
        range("unsent_bytes", self.unsent_bytes.into(), 0..=1 << 30);
        range("user_timeout_ms", self.user_timeout_ms, 0..=86_400_000);
    }
}
