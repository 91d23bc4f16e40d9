//! Violations of the guarantees.

use std::fmt;

use serde::Serialize;

/// The number of violations that are kept in full. All are counted.
const MAX_KEPT: usize = 100;

/// A guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A message breaks the client protocol, for example by a gap, a decreasing ack, or a message before `joined`.
    Protocol,
    /// An acked input is missing from the room.
    Lost,
    /// An input is in the room twice.
    Doubled,
    /// A player's inputs are not in the order in which they were sent.
    Order,
    /// Two clients received different contents of one version of a lane.
    Views,
    /// A client does not show the newest version.
    Behind,
    /// Updates of two owners are interleaved, or one epoch has two owners.
    Owners,
    /// The room was created again.
    Restarted,
    /// The log of a room leads to another room than the stored one, or not to the same one each time.
    Replay,
    /// A room is in quarantine.
    Quarantined,
    /// A client waits too long for an answer, or for the move of a bot.
    Stuck,
    /// A process ended by itself, panicked, or does not end.
    Process,
}

/// A violation of a guarantee.
#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    /// Seconds since the start of the run.
    pub at_s: f64,
    /// The broken guarantee.
    pub rule: Rule,
    /// The room; empty if the violation concerns no room.
    pub room: String,
    /// The observer: a client, `bus`, or a process.
    #[serde(rename = "who")]
    pub observer: String,
    /// The expected state.
    pub expected: String,
    /// The found state.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at_s,
            rule,
            room,
            observer,
            expected,
            found,
        } = self;
        let room = if room.is_empty() { "-" } else { room };
        write!(
            f,
            "{at_s:8.3} s  {rule:?}  room {room}, seen by {observer}\n            expected: {expected}\n            found:    {found}"
        )
    }
}

/// The violations of a run.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Violations {
    /// The number of all violations.
    pub total: u64,
    /// The first violations.
    pub first: Vec<Violation>,
}

impl Violations {
    /// Adds a violation.
    pub fn push(&mut self, violation: Violation) {
        self.total += 1;
        if self.first.len() < MAX_KEPT {
            self.first.push(violation);
        }
    }
}
