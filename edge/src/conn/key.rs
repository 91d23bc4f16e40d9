//! The keys of a shard's connections.

/// A connection of this shard. Never used twice: a late message for a closed one finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnKey {
    /// Its place in the shard's table.
    pub index: u32,
    /// How often that place was taken before.
    pub generation: u32,
}
