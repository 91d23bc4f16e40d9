//! What must not be, and was.

use std::fmt;

use serde::Serialize;

/// How many are kept word for word; all are counted.
const KEPT: usize = 100;

/// What was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A message breaks the client protocol: a gap, an ack that goes back, something before `joined` …
    Protocol,
    /// An acked input is not in the room.
    Lost,
    /// An input is in the room twice.
    Doubled,
    /// A player's inputs are not in the order in which they were sent.
    Order,
    /// Two clients were told different things of one version of a lane.
    Views,
    /// A client does not show what the others show.
    Behind,
    /// Updates of two owners are interleaved, or one epoch has two owners.
    Owners,
    /// The room was made anew.
    Restarted,
    /// Somebody waits too long for an answer.
    Stuck,
    /// A process ended by itself, panicked, or does not end.
    Process,
}

/// One thing that was wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    /// Seconds since the beginning.
    pub at_s: f64,
    /// What was broken.
    pub rule: Rule,
    /// The room; empty if it is about none.
    pub room: String,
    /// Who saw it: a client, `bus`, or a process.
    pub who: String,
    /// What should be.
    pub expected: String,
    /// What was.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at_s,
            rule,
            room,
            who,
            expected,
            found,
        } = self;
        let room = if room.is_empty() { "-" } else { room };
        write!(
            f,
            "{at_s:8.3} s  {rule:?}  room {room}, seen by {who}\n            expected: {expected}\n            found:    {found}"
        )
    }
}

/// All of them.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Violations {
    /// How many there were.
    pub total: u64,
    /// The first of them.
    pub first: Vec<Violation>,
}

impl Violations {
    /// One more.
    pub fn push(&mut self, violation: Violation) {
        self.total += 1;
        if self.first.len() < KEPT {
            self.first.push(violation);
        }
    }
}
