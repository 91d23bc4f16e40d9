//! Matchmaking: queues in which players wait for a room.
//!
//! A queue is a room like any other, so its tickets survive the worker. Its rule sees who waits, and proposes matches.

mod rule;

mod by_rating;

mod messages;

mod matches;

mod queue;

mod rating;

mod tickets;

mod shards;

mod present;

mod open_rooms;

mod moved;

pub use by_rating::{Range, by_rating};
pub use messages::{QueueInput, QueueUpdate};
pub use queue::Queue;
pub use rating::{Outcome, Rating};
pub use rule::{Backfill, MatchRule, Proposal, Waiting};
