//! An estimate of the log's time (D24).
//!
//! The server's clock gives each entry of the log its time, and the timers of rooms are due by it. A process knows that
//! clock only from the entries that it reads: it takes the time of an entry minus the monotonic time at its receipt, keeps
//! the greatest such difference of the last minute, and adds the monotonic time. The wall clock counts only before the
//! first entry. A jump of the wall clock therefore moves no timer.

mod window;

mod estimate;

mod reader_clock;

pub use estimate::{LogClock, Now};
pub use reader_clock::ReaderClock;

#[cfg(test)]
mod tests;
