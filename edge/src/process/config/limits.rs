//! The section of limits.

use std::time::Duration;

use grandstand_common::process::config::Checks;
use serde::{Deserialize, Serialize};

use crate::core::{ClientConfig, CoreLimits, RoomConfig};
use crate::limits::{LimitSettings, Networks};
use crate::server::handshakes::HandshakeLimits;
use crate::server::routes::RouteLimits;

/// Limits per client and per shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// The most bytes of a client's message.
    pub message_bytes: u32,
    /// The most rooms per connection.
    pub rooms: u16,
    /// The most connections of the process, handshakes included; 0 for as many as it may open files.
    pub connections: u32,
    /// The most connections of an address, an IPv4 address or a /64 of IPv6; 0 for unlimited.
    pub address_connections: u32,
    /// The most handshakes of an address in progress; 0 for unlimited.
    pub address_handshakes: u32,
    /// The most handshakes of an address per second, on average; 0 for unlimited.
    pub address_handshakes_per_s: u32,
    /// The most handshakes that an address may begin at once.
    pub address_handshake_burst: u32,
    /// Networks whose addresses are not limited.
    pub exempt: Networks,
    /// The most connections of a player; 0 for unlimited.
    pub player_connections: u32,
    /// The most joins of a player per second, on average; 0 for unlimited.
    pub player_joins_per_s: u32,
    /// The most joins that a player may send at once.
    pub player_join_burst: u32,
    /// The share of the memory from which the edge sheds, percent; 0 for never.
    pub memory_percent: u8,
    /// The memory that the process may use, in bytes; 0 for that of its cgroup, or else of the machine.
    pub memory_bytes: u64,
    /// The most messages of a client per second, on average; 0 for unlimited.
    pub messages_per_s: u32,
    /// The most messages that a client may send at once.
    pub message_burst: u32,
    /// The most bytes of a client's messages per second, on average; 0 for unlimited.
    pub bytes_per_s: u32,
    /// The most bytes of a player's inputs per second, on average, to all rooms and over all connections; 0 for unlimited.
    pub player_input_bytes_per_s: u32,
    /// The most bytes of all inputs to a room per second, on average; 0 for unlimited.
    pub room_input_bytes_per_s: u32,
    /// The most bytes queued for a slow client.
    pub outbox_bytes: u32,
    /// Whether to close slow players (4008) instead of sending them a snapshot once their outboxes are empty.
    pub close_slow_players: bool,
    /// The milliseconds after which a join that is not answered yet gets the error `room_unavailable`.
    pub join_answer_ms: u64,
    /// The most milliseconds for which a connection may be in no room; 0 for unlimited.
    pub no_room_ms: u64,
    /// The most rooms that a player has left and whose workers have not answered.
    pub departing: u16,
    /// The most such rooms of all clients of a shard.
    pub departing_in_all: u32,
    /// The most bytes of unanswered inputs of the players who left these rooms.
    pub departing_bytes_in_all: u32,
    /// The most milliseconds from accept to upgrade.
    pub handshake_ms: u64,
    /// The most concurrent handshakes per shard.
    pub handshakes: u32,
    /// The most connections accepted, and handshakes answered, before the other tasks of a shard run.
    pub accepts: u32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let clients = ClientConfig::default();
        let in_rooms = RoomConfig::default();
        Self {
            message_bytes: 64 * 1024,
            rooms: 64,
            connections: 0,
            address_connections: 1000,
            address_handshakes: 100,
            address_handshakes_per_s: 50,
            address_handshake_burst: 500,
            exempt: Networks::loopback(),
            player_connections: 100,
            player_joins_per_s: 20,
            player_join_burst: 500,
            memory_percent: 85,
            memory_bytes: 0,
            messages_per_s: clients.messages_per_s,
            message_burst: clients.message_burst,
            bytes_per_s: clients.bytes_per_s,
            player_input_bytes_per_s: in_rooms.player_input_bytes_per_s,
            room_input_bytes_per_s: in_rooms.room_input_bytes_per_s,
            outbox_bytes: in_rooms.outbox_bytes as u32,
            close_slow_players: clients.close_slow_players,
            join_answer_ms: clients.join_answer.as_millis() as u64,
            no_room_ms: clients.no_room.as_millis() as u64,
            departing: clients.departing,
            departing_in_all: clients.departing_in_all as u32,
            departing_bytes_in_all: clients.departing_bytes_in_all as u32,
            handshake_ms: 10_000,
            handshakes: 1024,
            accepts: 2,
        }
    }
}

impl LimitsSection {
    pub(super) fn validate(&self, checks: &mut Checks) {
        let mut range = |key: &str, value: u64, range| {
            checks.range(&format!("limits.{key}"), value, range);
        };
        range("message_bytes", self.message_bytes.into(), 1024..=1_000_000);
        range("rooms", self.rooms.into(), 1..=1024);
        range("messages_per_s", self.messages_per_s.into(), 0..=1_000_000);
        range("message_burst", self.message_burst.into(), 1..=1_000_000);
        range("outbox_bytes", self.outbox_bytes.into(), 4096..=1 << 30);
        range("join_answer_ms", self.join_answer_ms, 100..=600_000);
        range("no_room_ms", self.no_room_ms, 0..=86_400_000);
        range("departing", self.departing.into(), 1..=1024);
        range(
            "departing_in_all",
            self.departing_in_all.into(),
            1..=1 << 24,
        );
        range(
            "departing_bytes_in_all",
            self.departing_bytes_in_all.into(),
            1..=1 << 30,
        );
        range("handshake_ms", self.handshake_ms, 100..=600_000);
        range("handshakes", self.handshakes.into(), 1..=1 << 20);
        range("accepts", self.accepts.into(), 1..=1 << 16);
        for (key, value) in [
            ("connections", self.connections),
            ("address_connections", self.address_connections),
            ("address_handshakes", self.address_handshakes),
            ("address_handshakes_per_s", self.address_handshakes_per_s),
            ("player_connections", self.player_connections),
            ("player_joins_per_s", self.player_joins_per_s),
        ] {
            range(key, value.into(), 0..=1 << 24);
        }
        let bursts = [
            ("address_handshake_burst", self.address_handshake_burst),
            ("player_join_burst", self.player_join_burst),
        ];
        for (key, value) in bursts {
            range(key, value.into(), 1..=1 << 24);
        }
        range("memory_percent", self.memory_percent.into(), 0..=97);
        range("memory_bytes", self.memory_bytes, 0..=1 << 50);
    }

    /// The limits of each shard's clients and rooms.
    pub fn core(&self) -> CoreLimits {
        CoreLimits {
            clients: ClientConfig {
                messages_per_s: self.messages_per_s,
                message_burst: self.message_burst,
                bytes_per_s: self.bytes_per_s,
                close_slow_players: self.close_slow_players,
                departing: self.departing,
                departing_in_all: self.departing_in_all as usize,
                departing_bytes_in_all: self.departing_bytes_in_all as usize,
                join_answer: Duration::from_millis(self.join_answer_ms),
                no_room: Duration::from_millis(self.no_room_ms),
            },
            rooms: self.rooms.into(),
            player_input_bytes_per_s: self.player_input_bytes_per_s,
            room_input_bytes_per_s: self.room_input_bytes_per_s,
            message_bytes: self.message_bytes.into(),
            outbox_bytes: self.outbox_bytes as usize,
        }
    }

    /// The limits of each shard's handshakes.
    pub fn handshakes(&self) -> HandshakeLimits {
        HandshakeLimits {
            timeout: Duration::from_millis(self.handshake_ms),
            concurrent: self.handshakes as usize,
            accepts: self.accepts as usize,
        }
    }

    /// The limits of the connections of clients.
    pub fn route(&self) -> RouteLimits {
        RouteLimits {
            message_bytes: self.message_bytes,
            outbox_bytes: self.outbox_bytes,
        }
    }

    /// The limits that all shards share.
    pub fn shared(&self) -> LimitSettings {
        LimitSettings {
            connections: self.connections,
            address_connections: self.address_connections,
            address_handshakes: self.address_handshakes,
            address_handshakes_per_s: self.address_handshakes_per_s,
            address_handshake_burst: self.address_handshake_burst,
            exempt: self.exempt.clone(),
            player_connections: self.player_connections,
            player_joins_per_s: self.player_joins_per_s,
            player_join_burst: self.player_join_burst,
        }
    }
}
