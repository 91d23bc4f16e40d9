//! Why a snapshot cannot be made or read.

use grandstand_game::host::Panicked;

/// Why a snapshot cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("cannot be serialized: {0}")]
    Json(#[from] serde_json::Error),
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("is not a snapshot: {0}")]
    Json(#[from] serde_json::Error),
    #[error("has format {0}")]
    Format(u32),
    #[error("no game is named {0:?}")]
    NoSuchGame(String),
    #[error("is damaged: its state is not the one that was stored")]
    Damaged,
}
