//! The rule of a queue, and what it sees and proposes.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_types::id::{PlayerId, RoomId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::reject::Reject;

/// A rule of a queue: who plays with whom, and where.
///
/// ```
/// use std::time::Duration;
///
/// use grandstand_game::matching::{Backfill, MatchRule, Proposal, Range, Waiting, by_rating};
/// use serde::{Deserialize, Serialize};
/// use serde_json::json;
///
/// /// Two players of a similar rating play `memory`.
/// #[derive(Default, Serialize, Deserialize)]
/// struct Duel;
///
/// #[derive(Serialize, Deserialize)]
/// struct Ticket {
///     rating: f64,
/// }
///
/// impl MatchRule for Duel {
///     const QUEUE: &'static str = "queue-duel";
///     type Ticket = Ticket;
///
///     fn propose(
///         &mut self,
///         waiting: &[Waiting<Ticket>],
///         _open: &[Backfill],
///         now_ms: u64,
///     ) -> Vec<Proposal> {
///         let range = Range { start: 50.0, per_second: 10.0, most: 500.0 };
///         by_rating(waiting, 2, |ticket| ticket.rating, range, now_ms)
///             .into_iter()
///             .map(|players| Proposal::New {
///                 players,
///                 game: "memory".to_owned(),
///                 params: json!({"rows": 4, "cols": 4}),
///             })
///             .collect()
///     }
/// }
/// ```
pub trait MatchRule: Default + Serialize + DeserializeOwned + Send + 'static {
    /// The name of the queue's room, `queue-` and a name without `-`. Rooms with a suffix (`queue-duel-eu`) are further
    /// queues of the same rule.
    const QUEUE: &'static str;

    /// The version of the rule's and the tickets' form. See [`Game::VERSION`](crate::Game::VERSION).
    const VERSION: u32 = 1;

    /// The time between two looks at those who wait. A look costs a time in proportion to their number.
    const EVERY: Duration = Duration::from_secs(1);

    /// The most time that a ticket waits.
    const EXPIRES: Duration = Duration::from_secs(600);

    /// The most rooms over which the queue is spread, each with space for about 300 players: `queue-duel`, then
    /// `queue-duel-shard2` and so on. Further players are refused with `queue_full`.
    const SHARDS: u32 = 40;

    /// The wish of a player or a party.
    type Ticket: Serialize + DeserializeOwned + Send;

    /// Checks the ticket of a player, and completes it. `options` are those of the player's token, which the login
    /// service has signed: a rating belongs there.
    ///
    /// # Errors
    /// If the player may not wait with this ticket.
    fn admit(
        &mut self,
        _player: &PlayerId,
        _options: &Value,
        ticket: Self::Ticket,
    ) -> Result<Self::Ticket, Reject> {
        Ok(ticket)
    }

    /// Proposes matches among those who wait, the oldest ticket first, and places in rooms that have told of them, at
    /// `now_ms` (Unix). A proposal with players who do not wait, or with a part of a party only, is dropped and logged.
    fn propose(
        &mut self,
        waiting: &[Waiting<Self::Ticket>],
        open: &[Backfill],
        now_ms: u64,
    ) -> Vec<Proposal>;

    /// Reads the rule and the tickets of an earlier version, as one JSON value.
    ///
    /// # Errors
    /// If it cannot.
    fn migrate(from: u32, _state: Value) -> Result<Value, crate::version::Outdated> {
        Err(crate::version::Outdated::new(format!(
            "the queue {} does not read states of version {from}: implement `MatchRule::migrate` for them",
            Self::QUEUE
        )))
    }
}

/// A player, or a party, that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting<T> {
    pub(crate) number: u64,
    /// The bytes that it takes in the stored state, roughly.
    pub(crate) bytes: usize,
    /// The player who has the ticket, and the rest of the party.
    pub players: Vec<PlayerId>,
    /// The ticket.
    pub ticket: T,
    /// The time at which the player began to wait, Unix milliseconds.
    pub since_ms: u64,
}

/// A room that takes further players. It has told so by a message with the topic `backfill`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// The room.
    pub room: RoomId,
    /// The number of further players.
    pub seats: u32,
    /// The labels by which a rule chooses.
    pub labels: BTreeMap<String, String>,
    /// The time of the room's last message, Unix milliseconds.
    pub told_ms: u64,
}

/// A match.
#[derive(Debug, Clone, PartialEq)]
pub enum Proposal {
    /// Players meet in a new room.
    New {
        /// The players: whole parties.
        players: Vec<PlayerId>,
        /// The room's game. The rest of the room's name is random.
        game: String,
        /// The parameters that the room is created with.
        params: Value,
    },
    /// Players join a room that takes further players.
    Join {
        /// The players: whole parties.
        players: Vec<PlayerId>,
        /// The room.
        room: RoomId,
    },
}
