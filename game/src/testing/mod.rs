//! The test kit for games: a room without a server, which checks after every step what a server relies on.
//!
//! [`TestRoom`] plays a script that a test writes, [`play_random`] one that chance writes. Both check that
//!
//! * three replicas, one of which is stored and loaded after each step, have the same state and the same effects,
//! * a reject leaves the state as it was,
//! * updates turn the view before a step into the view after it,
//! * the game does not panic, and neither its state nor its messages nor its listing are too large.

mod checks;

mod describe;

mod random;

mod replicas;

mod room;

mod test_bot;

mod bots;

mod world;

mod realtime;

mod step;

mod step_result;

mod calls;

mod lobby;

mod timers_at_once;

mod fixtures;

pub use crate::host::patch::merge;
pub use checks::{Check, Failure};
pub use fixtures::loads_all;
pub use random::{RandomPlay, play_random};
pub use replicas::Reducer;
pub use room::TestRoom;
pub use step::{SentItem, Step, TestCall};
