//! The limits that can be replaced while a core runs.

use super::clients::ClientConfig;
use super::rooms::RoomConfig;

/// The limits of a core's clients and rooms.
#[derive(Debug, Clone, Copy)]
pub struct CoreLimits {
    /// The limits of one client.
    pub clients: ClientConfig,
    /// The most rooms of one client.
    pub rooms: u64,
    /// The most bytes of a client's message, unless the log accepts less.
    pub message_bytes: u64,
    /// The settings of rooms. The size of the update rings counts for rooms that become known afterwards, the delivery to
    /// spectators from the next snapshot of a room on.
    pub in_rooms: RoomConfig,
}
