//! The host of a game: runs games of unknown types for a worker.

pub mod erased;

pub mod hash;

pub use erased::{AnyGame, GameKind, Panicked, guard};
pub use hash::StateHash;
