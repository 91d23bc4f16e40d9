//! Keys of a shard's connections.

/// Identifies a connection of a shard. Keys are never reused, so that a late message for a closed connection finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnKey {
    /// The connection's slot in the shard's table.
    pub index: u32,
    /// Tells apart the connections that used the slot one after the other.
    pub generation: u32,
}

/// A readiness event of a socket carries the whole key in a `usize`.
const _: () = assert!(usize::BITS >= u64::BITS);

impl ConnKey {
    /// The key with these [bits](Self::to_bits).
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }

    /// The key as one number.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }
}
