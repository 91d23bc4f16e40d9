//! How a worker ends.

/// How a worker's life under one id ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As it was told to.
    Left,
    /// Another worker found it dead.
    Dead,
}
