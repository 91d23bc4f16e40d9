//! The types for writing a game: `use grandstand::prelude::*`.

pub use std::process::ExitCode;
pub use std::time::Duration;

pub use grandstand_game::{
    Answer, Auto, CallError, CallId, Data, Effects, EmitId, Event, FromInput, Game, Games, Idle,
    Invitation, Lane, Leave, Listing, LiveEffects, Message, NoParams, Origin, Outdated,
    OutletError, PlayerId, Raw, Realtime, Reject, Rng, RoomId, Setup, Spectating, Tick,
    TickEffects, Verdict, View, ensure,
};
pub use rand::RngExt;
pub use rand::seq::{IndexedRandom, IteratorRandom, SliceRandom};
pub use serde::{Deserialize, Serialize};
pub use serde_json::{Value, json};
