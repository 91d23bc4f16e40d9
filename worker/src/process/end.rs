//! The ways in which a worker ends.

/// The way in which a worker ends under one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The worker left after the signal of the shutdown.
    Left,
    /// The worker gave its partitions away, because their rooms are moved to another layout (D33).
    Moved,
    /// Another worker marked it as dead.
    Dead,
    /// The worker was told to end at once, as in a crash.
    Killed,
    /// A bucket came back in an older state than it had acked (D23).
    RolledBack,
}
