//! Chaos: a cluster of real processes that die, stop and come back while rooms are played, and what must hold all the
//! same.
//!
//! `schedule` says what goes wrong, `director` does it to a [`Rig`](crate::rig::Rig). `crowd` says who plays where; each
//! `page` is a connection that comes back whenever it is lost, with a `seat` in each of its rooms that holds every message
//! to the protocol and plays what `script` says. What all are told is gathered in the `ledger`, with what the `listener`
//! hears on the bus. When all is over and has healed, every room is held against it.

pub mod schedule;

mod director;

pub mod script;

mod crowd;

mod page;

mod seat;

mod field;

mod listener;

pub mod ledger;

pub mod waits;

pub mod violation;

pub mod report;

mod run;

pub use field::Counts;
pub use listener::Heard;
pub use report::Report;
pub use run::{Progress, Settings, Stage, run};
