//! The host of a game: runs games of unknown types for a worker.

pub mod world;

pub mod erased;

pub mod patch;

pub mod output;

pub mod state;

pub mod instance;

pub mod hash;

pub use crate::outlet::{Outgoing, OutletStart};
pub use erased::{AnyGame, GameKind, LoadError, Panicked, guard};
pub use hash::StateHash;
pub use instance::{GameInstance, IDLE_TIMER};
pub use output::{Fault, MAX_BOT_INPUT, Output, ServedView};
pub use state::{Armed, InstanceState};
pub use world::{RealtimeKind, StoredWorld, TickOutput, World};
