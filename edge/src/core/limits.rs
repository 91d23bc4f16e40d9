//! The limits that can be replaced while a core runs.

use super::clients::ClientConfig;

/// The limits of a core's clients and rooms.
#[derive(Debug, Clone, Copy)]
pub struct CoreLimits {
    /// The limits of one client.
    pub clients: ClientConfig,
    /// The most rooms of one client.
    pub rooms: u64,
    /// The most bytes of a player's inputs per second, on average; 0 for any number.
    pub player_input_bytes_per_s: u32,
    /// The most bytes of all inputs to a room per second, on average; 0 for any number.
    pub room_input_bytes_per_s: u32,
    /// The most bytes of a client's message, unless the log accepts less.
    pub message_bytes: u64,
    /// The most bytes of frames that may wait for one member of a room.
    pub outbox_bytes: usize,
}
