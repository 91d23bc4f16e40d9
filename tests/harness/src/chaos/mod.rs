//! Chaos: real processes are killed, paused and restarted while clients play, and every guarantee must hold.
//!
//! `schedule` says which faults happen when, and `director` applies them to a [`Rig`](crate::rig::Rig). `crowd`
//! distributes the clients over rooms. Each `page` is a connection that reconnects whenever it is lost. It has a `seat`
//! in each of its rooms, which checks every message against the protocol and plays as `script` says. The `ledger`
//! records the messages to all clients and the batches that `listener` observes on the bus. At the end, when all
//! processes have recovered, the ledger checks every room, and `replays` compares rooms of games of which the ledger knows
//! less with the replay of their logs.

mod kind;

pub mod schedule;

mod faults;

mod flood;

mod director;

mod digest;

pub mod script;

mod crowd;

mod page;

mod seat;

mod field;

mod listener;

mod lanes;

pub mod ledger;

mod replays;

pub mod waits;

pub mod violation;

pub mod report;

mod run;

pub use field::Counts;
pub use listener::Traffic;
pub use report::Report;
pub use run::{Progress, Settings, Stage, run};
pub use script::OwnGame;
