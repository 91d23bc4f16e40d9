//! The setup of a new room.

use grandstand_types::id::RoomId;
use rand_chacha::ChaCha8Rng as Rng;

/// The values that a room is created with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The room's id.
    pub room: &'a RoomId,
    /// The only source of random numbers that replays repeat: its seed is in the log.
    pub rng: &'a mut Rng,
    /// The time by the log's clock, Unix milliseconds.
    pub now_ms: u64,
}
