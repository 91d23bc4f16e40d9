//! The flight recorder: runs a room again from the entries of its log and compares it with the stored room.
//!
//! [`replay`] reads the stored records of a room, then its entries twice: once to find where rooms of its name begin and
//! end, and once to run the requested room. It runs three replicas side by side, one of which is stored and loaded after
//! every entry. Because a room is a function of its log (D7), all replicas must be equal after each entry, and equal to
//! the stored snapshot after the last entry that the snapshot covers. The [`Report`] contains every difference.
//!
//! A program with its own games calls [`replay`] with these games and prints the report.

mod request;

mod read;

mod stored;

mod scan;

mod choose;

mod replica;

mod replicas;

mod replayer;

mod content;

mod line;

mod diff;

mod comparison;

mod tally;

mod report;

mod text;

mod time;

pub use choose::NoRoom;
pub use comparison::Comparison;
pub use content::Content;
pub use diff::{Difference, Differences};
pub use line::{DirectLine, Line, RejectLine, TimerLine, UpdateLine};
pub use read::{ReplayError, replay};
pub use replicas::{Diverged, Divergence, Stopped, Twin};
pub use report::{FinalState, PlayerReport, Report};
pub use request::{Output, Progress, Request, TakeLine};
pub use scan::InstanceSpan;
pub use tally::{PlayerTally, Tally};

#[cfg(test)]
mod tests;
