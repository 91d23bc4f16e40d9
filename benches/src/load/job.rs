//! The job, commands and replies of a generator, as JSON lines on its stdin and stdout.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::tally::Tally;
use crate::host::priority::Priority;

/// The connections of a generator. It is the first line on stdin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The servers' addresses. Connections are distributed over them.
    pub targets: Vec<SocketAddr>,
    /// The PEM file of the servers' certificate, if connections use TLS. With a front it is that of its authority.
    pub tls: Option<PathBuf>,
    /// The front of servers that run elsewhere.
    pub front: Option<Front>,
    /// The first source address on the loopback (127.0.0.x, 127.0.1.x …), because an address has only 28,000 ports.
    /// With 1, the kernel chooses.
    pub source: u8,
    /// The protocol.
    pub dialect: Dialect,
    /// The key that signs tokens.
    pub secret: String,
    /// The role of the connections in their rooms.
    pub role: LoadRole,
    /// The rooms and the distribution of connections over them.
    pub rooms: Rooms,
    /// The number of connections.
    pub connections: u32,
    /// The number of the first player. Generators must not share names.
    pub first_player: u32,
    /// The number of connections that may be connecting at a time.
    pub at_once: u32,
    /// The time after which a room that a player of the job creates ends, once all players have left it; 0 for the game's
    /// default.
    pub idle_ms: u32,
    /// Whether the rooms may not exist yet: a client is connected once its joins are answered, not only once it has seen
    /// its rooms.
    pub waits: bool,
    /// The size of an input's data in bytes.
    pub size: u32,
    /// Whether players send controls of an arena, as live messages, in place of inputs.
    pub controls: bool,
    /// The way in which established connections read.
    pub reading: Reading,
    /// The kernel's receive buffer per connection in bytes; 0 is the kernel's default.
    pub receive_buffer: u32,
    /// The generator's core.
    pub core: Option<usize>,
    /// The generator's priority on that core.
    pub priority: Priority,
}

/// The address of servers that the scenario has not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Front {
    /// The name in the address, which the certificate must have.
    pub name: String,
    /// The header `Host`.
    pub host: String,
    /// The path of the WebSocket.
    pub path: String,
    /// Whether connections use TLS.
    pub tls: bool,
}

/// Roles of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadRole {
    /// Plays and may send inputs.
    Player,
    /// Watches.
    Spectator,
    /// Connects and joins no room. Its inputs are pings.
    Idle,
}

/// Rooms and their connections. Connection `c` is in room `(c / each) * per_connection` and the following ones, so
/// every room has `each` connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    /// The part of the name before the number, for example `relay-x-`.
    pub prefix: String,
    /// Connections of each room.
    pub each: u32,
    /// Rooms of each connection.
    pub per_connection: u32,
}

impl Rooms {
    /// The number of rooms of that many connections.
    pub fn count(&self, connections: u32) -> u32 {
        connections.div_ceil(self.each) * self.per_connection
    }
}

/// The way in which connections read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Everything at once.
    All,
    /// This many bytes a second.
    Slowly(u32),
    /// Nothing.
    Nothing,
}

/// A command to a running generator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Sends this many inputs a second, over all rooms and players.
    Rate(f64),
    /// Sends no more inputs.
    Silence,
    /// Measures inputs that are due between these two times of the clock.
    Window(u64, u64),
    /// Requests the counts since the last request, and the current state.
    Collect,
    /// Starts watching each room for a pause.
    Watch,
    /// Requests the rooms' pauses since then.
    Pauses,
    /// Changes how connections read.
    Read(Reading),
    /// Changes how many connections may be connecting at a time.
    AtOnce(u32),
    /// Closes all connections at once and connects again.
    Reconnect,
}

/// A generator's reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The number of established connections, sent while they are being established.
    Connected(u32),
    /// To [`Command::Collect`].
    Tally(Box<Tally>),
    /// To [`Command::Pauses`].
    Pauses(Pauses),
    /// The generator cannot continue.
    Failed(String),
}

/// The rooms' pauses since [`Command::Watch`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pauses {
    /// Rooms with inputs that have been due for more than half a second and are not answered.
    pub waiting: u32,
    /// The pause of each room with a new owner.
    pub moved: Vec<Pause>,
    /// The pause of each other room.
    pub stayed: Vec<Pause>,
}

/// A room's longest pause, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The longest time between two updates, or from an update to the snapshot of a new owner.
    pub gap_us: u64,
    /// The longest time from an input's due time to its ack.
    pub wait_us: u64,
    /// The time from the start of watching to the snapshot of the new owner; 0 if none came.
    pub back_us: u64,
}
