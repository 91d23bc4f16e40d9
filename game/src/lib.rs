//! The API for authors of games, and the host of one game instance.
//!
//! A game is one `impl` of [`Game`]. The modules are declared in the order in which its author meets them; `host` runs the
//! game.

// `println!` and `eprintln!` panic when the stream is closed (D28).
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod game;

mod setup;

mod input;

mod event;

mod reject;

mod outlet;

mod call;

mod effects;

mod update;

mod live;

mod serving;

mod version;

mod realtime;

pub mod matching;

mod scripted;

mod games;

pub mod testing;

pub mod host;

pub use call::{Answer, CallError, CallId};
pub use effects::{Effects, Invitation};
pub use event::{Event, Leave, Message, Origin};
pub use game::Game;
pub use games::{Added, Games};
pub use grandstand_types::data::Data;
pub use grandstand_types::id::{Lane, PlayerId, RoomId};
pub use input::{FromInput, NoParams, Raw};
pub use live::{LiveEffects, LiveTo};
pub use outlet::{EmitId, OutletError};
/// The source of a game's random numbers: the same seed gives the same numbers in every build.
pub use rand_chacha::ChaCha8Rng as Rng;
pub use realtime::{Realtime, Tick, TickEffects};
pub use reject::{Reject, Verdict};
pub use scripted::{NotScripted, NotScriptedReason, Play, ScriptedPlayer};
pub use serving::{Idle, Listing, Spectating};
pub use setup::Setup;
pub use update::{Auto, OwnUpdate, View, ViewUpdate};
pub use version::Outdated;

/// Returns a [`Reject`] with a code and a message unless a condition holds. The message may be a format
/// string with arguments.
///
/// ```
/// use grandstand_game::{Verdict, ensure};
///
/// fn check(step: u8) -> Verdict {
///     ensure!((1..=3).contains(&step), "bad_step", "{step} is not 1, 2 or 3");
///     Ok(())
/// }
/// assert_eq!(check(4).unwrap_err().message, "4 is not 1, 2 or 3");
/// ```
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $code:expr, $($message:tt)+) => {
        if !$condition {
            return ::core::result::Result::Err($crate::Reject::new($code, ::std::format!($($message)+)).into());
        }
    };
}
