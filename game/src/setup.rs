//! The setup of a new room.

use rand_chacha::ChaCha8Rng;

/// The values that a room is created with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The `params` of the first player's `join`; `{}` if it had none.
    pub params: &'a serde_json::Value,
    /// The only source of random numbers that replays repeat: its seed is in the log.
    pub rng: &'a mut ChaCha8Rng,
    /// The time by the log's clock, Unix milliseconds.
    pub now_ms: u64,
}
