//! Keys of a shard's connections.

/// Identifies a connection of a shard. Keys are never reused, so that a late message for a closed connection finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnKey {
    /// The connection's slot in the shard's table.
    pub index: u32,
    /// The number of connections that used the slot before, modulo 2^32.
    pub generation: u32,
}
