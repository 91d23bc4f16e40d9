//! The happenings in a room, as its endpoint gets them.

use std::collections::VecDeque;

use grandstand_game::PlayerId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most happenings that wait for the endpoint.
const MOST: usize = 64;

/// The most bytes of them, about half of what a room's state may have.
const MOST_BYTES: usize = 384 * 1024;

/// The most bytes of one, of the 64 KiB that a call may have.
const ONE_BYTES: usize = 56 * 1024;

/// The bytes of the members' names and numbers.
const REST: usize = 160;

/// The kind of a happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A player has come, or come back.
    Connect,
    /// A player has sent an input.
    Message,
    /// A player has left, or lost the connection.
    Disconnect,
}

/// Something that happens in a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Happening {
    pub(super) event: Kind,
    /// The number, from 1.
    pub(super) no: u64,
    pub(super) player: PlayerId,
    /// The input; of `connect` the options of the token; of `disconnect` how the player has gone.
    pub(super) data: Value,
}

/// The happenings that the endpoint has not answered, in order. The first is with the endpoint.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Line {
    last: u64,
    bytes: usize,
    waiting: VecDeque<Happening>,
}

/// The reason why a happening cannot wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoSpace {
    /// The happening is too big.
    TooBig,
    /// Too much waits.
    Full,
}

impl Line {
    /// Adds a happening.
    pub(super) fn push(
        &mut self,
        event: Kind,
        player: &PlayerId,
        data: Value,
    ) -> Result<(), NoSpace> {
        let bytes = size(player, &data);
        if bytes > ONE_BYTES {
            return Err(NoSpace::TooBig);
        }
        // The end of a presence takes the place of nothing else: there is one for each connect.
        let is_full = self.waiting.len() >= MOST || self.bytes + bytes > MOST_BYTES;
        if is_full && event != Kind::Disconnect {
            return Err(NoSpace::Full);
        }
        self.last += 1;
        self.bytes += bytes;
        self.waiting.push_back(Happening {
            event,
            no: self.last,
            player: player.clone(),
            data,
        });
        Ok(())
    }

    /// The happening that is with the endpoint, or goes there next.
    pub(super) fn first(&self) -> Option<&Happening> {
        self.waiting.front()
    }

    /// Removes the first happening.
    pub(super) fn pop(&mut self) -> Option<Happening> {
        let first = self.waiting.pop_front()?;
        self.bytes -= size(&first.player, &first.data);
        Some(first)
    }
}

fn size(player: &PlayerId, data: &Value) -> usize {
    let text = serde_json::to_vec(data);
    text.map_or(0, |text| text.len()) + player.as_str().len() + REST
}
