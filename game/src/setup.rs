//! What a room is created with.

use rand_chacha::ChaCha8Rng;

/// What a room is created with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// `join`'s `params`, `{}` if there were none.
    pub params: &'a serde_json::Value,
    /// Seeded from the room: use it for all chance.
    pub rng: &'a mut ChaCha8Rng,
    /// When, by the log's clock, Unix milliseconds.
    pub now_ms: u64,
}
