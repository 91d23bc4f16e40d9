//! The errors of encoding and decoding snapshots.

use grandstand_game::host::{LoadError, Panicked};

/// The error of a room that cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("cannot be serialized: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{what} has {bytes} bytes, which exceeds its limit of {max}")]
    TooBig {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    /// The room fits, but not together with the items that it has sent out and that were not acked.
    #[error("the snapshot has {bytes} bytes with what was sent out and not acked, more than {max}")]
    Items { bytes: usize, max: usize },
    /// The bus takes less than rooms may rely on. The room is not at fault.
    #[error("the snapshot has {bytes} bytes, and NATS takes only {max} at the moment")]
    NotTaken { bytes: usize, max: usize },
}

/// The error of a stored snapshot that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("is not a snapshot: {0}")]
    Json(#[from] serde_json::Error),
    #[error("has format {0}")]
    Format(u32),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("is damaged: its state does not match its hash or its head")]
    Damaged,
}
