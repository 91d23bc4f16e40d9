//! The types for writing a game: `use grandstand::prelude::*`.

pub use grandstand_game::{
    Data, Effects, Event, EventKind, Game, Games, Lane, LiveEffects, PlayerId, Reject, Setup,
    Spectating,
};
