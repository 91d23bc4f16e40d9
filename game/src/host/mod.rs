//! The host of a game: runs games of unknown types for a worker.

pub mod erased;

pub mod instance;

pub mod hash;

pub use erased::{AnyGame, GameKind, Panicked, guard};
pub use hash::StateHash;
pub use instance::{Armed, GameInstance, InstanceState, Output};
