//! What a worker needs to run games of types that it does not know.

pub mod hash;

pub use crate::registry::{AnyGame, Maker, Panicked, guard};
pub use hash::StateHash;
