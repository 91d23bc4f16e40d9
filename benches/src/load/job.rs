//! What a generator is told, and what it answers: JSON lines on its stdin and stdout.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::tally::Tally;
use crate::host::priority::Priority;

/// The connections that a generator holds. The first line that it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Where the servers are; connections are spread over them.
    pub targets: Vec<SocketAddr>,
    /// Which source addresses on the loopback (127.0.0.x, 127.0.1.x …) connections come from: there are 28,000 ports per
    /// address. 1: whichever the kernel takes.
    pub source: u8,
    /// What is spoken.
    pub dialect: Dialect,
    /// What tokens are signed with.
    pub secret: String,
    /// What the connections are in their rooms.
    pub role: LoadRole,
    /// Which rooms, and how connections are spread over them.
    pub rooms: Rooms,
    /// How many connections.
    pub connections: u32,
    /// The number of the first player: names must not be those of other generators.
    pub first_player: u32,
    /// How many connections may be on their way in at a time.
    pub at_once: u32,
    /// Bytes of what an input carries.
    pub size: u32,
    /// How the connections read once they are in.
    pub reading: Reading,
    /// The kernel's receive buffer per connection, bytes; 0: its choice.
    pub receive_buffer: u32,
    /// The core that it runs on.
    pub core: Option<usize>,
    /// How it stands to others on that core.
    pub priority: Priority,
}

/// Roles of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadRole {
    /// Plays: may send inputs.
    Player,
    /// Watches.
    Spectator,
    /// Only connects.
    Idle,
}

/// Rooms and who is in them: connection `c` is in the rooms `(c / each) * per_connection` and the following ones, so every
/// room has `each` connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    /// The part of the name before the number: `relay-x-`.
    pub prefix: String,
    /// Connections of each room.
    pub each: u32,
    /// Rooms of each connection.
    pub per_connection: u32,
}

impl Rooms {
    /// How many rooms that many connections are in.
    pub fn count(&self, connections: u32) -> u32 {
        connections.div_ceil(self.each) * self.per_connection
    }
}

/// How connections read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// All that comes.
    All,
    /// So many bytes a second.
    Slowly(u32),
    /// Nothing.
    Nothing,
}

/// What it is told later.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Send so many inputs a second, over all rooms and players.
    Rate(f64),
    /// Send none any more.
    Silence,
    /// Measure what is due between these times of the clock.
    Window(u64, u64),
    /// Answer with what was counted since the last time, and what stands.
    Collect,
    /// Begin to watch each room for a pause.
    Watch,
    /// Answer with how the rooms are since then.
    Pauses,
    /// Read like this from now on.
    Read(Reading),
    /// Let so many be on their way in at a time.
    AtOnce(u32),
    /// Lose all connections at once and connect anew.
    Reconnect,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// So many connections are in, and all are when that is all of them. Sent while they are coming.
    Connected(u32),
    /// To [`Command::Collect`].
    Tally(Box<Tally>),
    /// To [`Command::Pauses`].
    Pauses(Pauses),
    /// It cannot go on.
    Failed(String),
}

/// How rooms fared since [`Command::Watch`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pauses {
    /// Rooms that have inputs which were due and are not answered, for longer than half a second.
    pub waiting: u32,
    /// For each room that has a new owner: the pause.
    pub moved: Vec<Pause>,
    /// For each other room.
    pub stayed: Vec<Pause>,
}

/// A room's longest silence, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The longest time between two updates, or from one to the snapshot of a new owner.
    pub gap_us: u64,
    /// The longest that an input waited for its ack, counted from when it was due.
    pub wait_us: u64,
    /// When the snapshot of the new owner came, after the begin; 0 if none did.
    pub back_us: u64,
}
