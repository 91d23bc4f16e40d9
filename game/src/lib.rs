//! What a game's author writes, and what runs one instance of a game.
//!
//! A game is one `impl` of [`Game`].

mod game;

mod effects;

mod registry;

pub mod host;

pub use effects::{Effect, Effects, LiveEffects, LiveTo};
pub use game::{Event, EventKind, Game, Refusal, Setup, Spectating};
pub use grandstand_types::data::Data;
pub use grandstand_types::id::{Lane, PlayerId};
pub use registry::Registry;
