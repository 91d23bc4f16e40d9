//! The flight recorder: a room again, from the entries of its log, and whether that is the room that is stored.
//!
//! [`replay`] looks what is stored of a room, reads the room's entries once to see where rooms of its name begin and end,
//! and once more to run the one that is wanted, three times side by side: as it is, once more, and stored and loaded after
//! every entry. Since a room is made by its log alone (D7), all must be the same after each entry, and the same as the
//! stored snapshot after the snapshot's last. Where they are not, the [`Report`] says so.
//!
//! A worker of your own games offers it to people by calling [`replay`] with its games, and printing the report.

mod request;

mod read;

mod stored;

mod scan;

mod choose;

mod replica;

mod replicas;

mod replayer;

mod line;

mod diff;

mod comparison;

mod tally;

mod report;

mod text;

mod time;

pub use choose::NoRoom;
pub use comparison::Comparison;
pub use diff::{Difference, Differences};
pub use line::{DirectLine, Line, RejectLine, Said, TimerLine, UpdateLine};
pub use read::{ReplayError, replay};
pub use replicas::{Diverged, Divergence, Stopped, Twin};
pub use report::{FinalState, PlayerReport, Report};
pub use request::{Output, Progress, Request, TakeLine};
pub use scan::Life;
pub use tally::{PlayerTally, Tally};

#[cfg(test)]
mod tests;
