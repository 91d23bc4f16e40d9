//! What a worker needs to run games of types that it does not know.

pub mod erased;

pub mod hash;

pub use erased::{AnyGame, GameKind, Panicked, guard};
pub use hash::StateHash;
