//! The API for authors of games, and the host of one game instance.
//!
//! A game is one `impl` of [`Game`]. The modules are declared in the order in which its author meets them; `host` runs the
//! game.

// `println!` and `eprintln!` panic when the stream is closed (D28).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod game;

mod setup;

mod event;

mod reject;

mod effects;

mod live;

mod spectating;

mod games;

pub mod host;

pub use effects::{Effect, Effects};
pub use event::{Event, EventKind};
pub use game::Game;
pub use games::Games;
pub use grandstand_types::data::Data;
pub use grandstand_types::id::{Lane, PlayerId};
pub use live::{LiveEffects, LiveTo};
pub use reject::Reject;
pub use setup::Setup;
pub use spectating::Spectating;
