//! A room: sessions around an instance of a game, driven by the entries of the room's log (D1 to D7).
//!
//! A room takes entries and returns [`Emit`]s. It uses neither the clock nor the bus, so that the same entries give the
//! same room.

mod machine;

mod bot;

mod bots;

mod connected;

mod emit;

mod event;

mod logged;

mod creation;

mod open;

mod outside;

mod realtime;

mod world_state;

mod players;

mod rejects;

mod seen;

mod sender;

mod sessions;

mod state;

pub(crate) use bot::{Bot, Bots};
pub(crate) use creation::Creation;
pub(crate) use emit::{Emit, Invited, Welcome};
pub(crate) use logged::Logged;
pub(crate) use machine::Room;
pub(crate) use open::Opened;
pub(crate) use players::{Player, Presence};
pub(crate) use seen::SeenMessages;
pub(crate) use state::{RefusedSession, RoomState};
pub(crate) use world_state::{RealtimeState, StampedWorld, WorldText};
