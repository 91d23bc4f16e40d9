//! Checks the stored rooms of a cluster or a folder with this build, before it is deployed: [`check`] loads each room,
//! migrates it, shows it, stores it and loads it once more, and replays the logs of some. It writes nothing.
//!
//! A program with its own games calls it with these games.

mod request;

mod report;

mod room;

mod world;

mod read;

pub use read::{CheckError, check};
pub use report::{CheckReport, FaultKind, GameReport, RoomFault};
pub use request::{CheckRequest, CheckStep};

#[cfg(test)]
mod tests;
